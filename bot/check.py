"""`reelay check`: check every component that a start needs and report each result."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import imageio_ffmpeg
from rich.console import Console
from rich.table import Table
from rich.text import Text

from bot.app import FRONT_ENDS, build_bucket, build_catalog, build_providers
from bot.backup import SQLITE_PREFIX, backup
from bot.catalog.catalog_file import CatalogError
from bot.catalog.models import Offer
from bot.config import Settings
from bot.credits import ledger
from bot.logs import Redactor
from bot.media.links import PublishError
from bot.store.connect import open_database
from bot.store.database import DatabaseBusy
from bot.store.migrate import HEAD, current_version
from providers.base import Provider
from providers.http import HttpClient

_MIN_FREE_BYTES = 1_000_000_000
"""Free disk space for some videos in progress and a growing database."""
_CHECK_TIMEOUT_S = 20.0
"""For one check."""
_MAX_LISTED = 5
"""Problems, or models, that are listed; the rest is only counted."""

_PIPE_WIDTH = 10_000


@dataclass(frozen=True, slots=True)
class CheckResult:
    """The result of one check."""

    name: str
    ok: bool
    text: str


class _CheckFailed(Exception):
    """A check failed; the text says why and what to do."""


_SELF_EXPLANATORY = (_CheckFailed, CatalogError, PublishError)
"""Errors whose message needs no type name."""


async def run_checks(settings: Settings) -> list[CheckResult]:
    """Run all checks at the same time; one failure does not hide the others."""
    http = HttpClient()
    providers = build_providers(settings, http)
    offers_by_provider = _offers_by_provider(settings)
    checks: dict[str, Callable[[], Awaitable[str]]] = {
        "settings": partial(_check_settings, settings),
        "catalogue": partial(_check_catalog, settings),
        "data folder": partial(_check_data_folder, settings),
        "disk": partial(_check_disk, settings),
        "database": partial(_check_database, settings.database_url.get_secret_value()),
        "ffmpeg": _check_ffmpeg,
    }
    checks |= {
        f"provider {name}": partial(
            _check_provider,
            provider,
            None if offers_by_provider is None else offers_by_provider[name],
        )
        for name, provider in providers.items()
    }
    bucket = build_bucket(settings)
    if bucket is not None:
        checks["bucket"] = bucket.check
    if settings.telegram_bot_token.get_secret_value():
        checks["telegram"] = partial(_check_telegram, settings)
    if settings.discord_bot_token.get_secret_value():
        checks["discord"] = partial(_check_discord, settings)
    checks |= _picture_checks(settings, providers)
    redact = Redactor(settings.secrets)
    try:
        return list(
            await asyncio.gather(*(_run_check(name, run, redact) for name, run in checks.items()))
        )
    finally:
        for provider in providers.values():
            await provider.close()
        await http.close()


async def _run_check(name: str, run: Callable[[], Awaitable[str]], redact: Redactor) -> CheckResult:
    try:
        async with asyncio.timeout(_CHECK_TIMEOUT_S):
            return CheckResult(name, ok=True, text=redact(await run()))
    except TimeoutError:
        return CheckResult(name, ok=False, text=f"no response within {_CHECK_TIMEOUT_S:.0f} s")
    except Exception as error:  # noqa: BLE001 - any error is the result of the check
        error_type = "" if isinstance(error, _SELF_EXPLANATORY) else f"{type(error).__name__}: "
        return CheckResult(name, ok=False, text=redact(f"{error_type}{error}"))


async def _check_settings(settings: Settings) -> str:
    enabled = [name for name, (is_on, _) in FRONT_ENDS.items() if is_on(settings)]
    if not enabled:
        return "ok; worker only (no front-end configured)"
    return f"ok; front-ends: {', '.join(enabled)}"


async def _check_catalog(settings: Settings) -> str:
    catalog, now = build_catalog(settings), time.time()
    names = ", ".join(model.name for model in catalog.available_models(now))
    unavailable = ", ".join(model.name for model in catalog.unavailable_models(now))
    suffix = f"; disabled or retired: {unavailable}" if unavailable else ""
    if not names:
        raise _CheckFailed(f"no model is available{suffix}; see CATALOG_FILE")
    return f"{names}{suffix}"


def _offers_by_provider(settings: Settings) -> dict[str, list[tuple[str, Offer]]] | None:
    """Provider -> (public name, offer) of each available model.

    None: the catalogue is invalid, which its own check reports.
    """
    try:
        models = build_catalog(settings).available_models(time.time())
    except CatalogError:
        return None
    offers: dict[str, list[tuple[str, Offer]]] = {name: [] for name in settings.providers}
    for model in models:
        for offer in model.offers:
            offers[offer.provider].append((model.name, offer))
    return offers


async def _check_data_folder(settings: Settings) -> str:
    folder = _nearest_existing(settings.data_dir)
    with tempfile.TemporaryFile(dir=folder) as file:
        file.write(b"1")
    suffix = "" if folder == settings.data_dir else "; created at first start"
    return f"{settings.data_dir} is writable{suffix}"


async def _check_disk(settings: Settings) -> str:
    free = shutil.disk_usage(_nearest_existing(settings.data_dir)).free
    if free < _MIN_FREE_BYTES:
        raise _CheckFailed(f"{free / 1e9:.2f} GB free; {_MIN_FREE_BYTES / 1e9:.0f} GB are required")
    return f"{free / 1e9:.1f} GB free"


def _nearest_existing(folder: Path) -> Path:
    """The folder, or its nearest existing parent."""
    return next(
        candidate for candidate in (folder, *folder.absolute().parents) if candidate.exists()
    )


async def _check_database(url: str) -> str:
    if url.startswith(SQLITE_PREFIX) and not _file_exists(url.removeprefix(SQLITE_PREFIX)):
        return "does not exist yet; created at first start"
    try:
        return await _verify_database(url)
    except DatabaseBusy:
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder, "copy.db")
            await asyncio.to_thread(backup, url, copy)
            verified = await _verify_database(f"{SQLITE_PREFIX}{copy}")
            return f"in use by a running Reelay; {verified} (checked a copy)"


def _file_exists(file: str) -> bool:
    return Path(file).exists()


async def _verify_database(url: str) -> str:
    database = open_database(url)
    await database.open()
    try:
        version_found = await database.read(current_version)
        if version_found != HEAD:
            return f"at version {version_found or 'none'}; migrated to {HEAD} at next start"
        problems = await database.read(ledger.verify)
    finally:
        await database.close()
    if problems:
        suffix = (
            f" ... and {len(problems) - _MAX_LISTED} more" if len(problems) > _MAX_LISTED else ""
        )
        raise _CheckFailed(f"ledger errors: {'; '.join(problems[:_MAX_LISTED])}{suffix}")
    return "up to date; ledger ok"


async def _check_ffmpeg() -> str:
    process = await asyncio.create_subprocess_exec(
        imageio_ffmpeg.get_ffmpeg_exe(),
        "-version",
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    if process.returncode:
        raise _CheckFailed(f"exited with status {process.returncode}")
    return " ".join(output.decode(errors="replace").split()[:3])


async def _check_provider(provider: Provider, offered: list[tuple[str, Offer]] | None) -> str:
    summary = f"{provider.kind}: {await provider.check()}"
    if offered is None:
        return summary
    if not offered:
        raise _CheckFailed(
            f"{summary}, but the catalogue has no available model for it; see CATALOG_FILE"
        )
    listed = await provider.served_models()
    missing = [
        named_offer
        for named_offer in offered
        if listed is not None and named_offer[1].remote_model not in listed
    ]
    # A server for arbitrary models need not have the placeholder model of its offer.
    name_by_remote_model = {
        offer.remote_model: name for name, offer in missing if not offer.passthrough
    }
    if name_by_remote_model:
        missing_text = ", ".join(
            f"{remote_model} (for the model {name})"
            for remote_model, name in name_by_remote_model.items()
        )
        raise _CheckFailed(f"{summary}, but no longer serves {missing_text}")
    if missing and listed:
        return f"{summary}; it lists {', '.join(sorted(listed)[:_MAX_LISTED])}"
    return summary


async def _check_telegram(settings: Settings) -> str:
    from bot.frontends.telegram.diagnostics import BotUnavailable, describe_bot  # noqa: PLC0415 - as in app

    try:
        return await describe_bot(settings)
    except BotUnavailable as error:
        raise _CheckFailed(str(error)) from None


async def _check_discord(settings: Settings) -> str:
    from bot.frontends.discord.diagnostics import BotUnavailable, describe_bot  # noqa: PLC0415 - as above

    try:
        return await describe_bot(settings)
    except BotUnavailable as error:
        raise _CheckFailed(str(error)) from None


def _picture_checks(
    settings: Settings, providers: Mapping[str, Provider]
) -> dict[str, Callable[[], Awaitable[str]]]:
    """Report providers that cannot receive pictures; ok, since text-to-video works."""
    has_links = bool(settings.public_url or settings.s3_endpoint)
    without = [
        name
        for name, provider in providers.items()
        if provider.effective_capabilities.choose_image_transport(links_available=has_links) is None
    ]
    if not without:
        return {}

    async def check_pictures() -> str:
        return f"not possible with {', '.join(without)} (links only): set PUBLIC_URL or S3_ENDPOINT"

    return {"pictures": check_pictures}


def print_results(results: Iterable[CheckResult]) -> None:
    """Print the results as a table on standard output."""
    table = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
    for result in results:
        status = Text("ok", "green") if result.ok else Text("FAILED", "bold red")
        table.add_row(Text(result.name), status, Text(result.text, overflow="fold"))
    terminal = Console(highlight=False)
    # In a pipe each result is one line, however long.
    console = terminal if terminal.is_terminal else Console(highlight=False, width=_PIPE_WIDTH)
    console.print(table)
