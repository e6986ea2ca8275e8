"""`reelay check`: looks at each part that a start needs, and says of each whether it works."""

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
from bot.backup import SQLITE, backup
from bot.catalog.catalog_file import CatalogError
from bot.catalog.models import Offer
from bot.config import Settings
from bot.credits import ledger
from bot.logs import Redactor
from bot.media.links import PublishError
from bot.store.connect import open_database
from bot.store.database import DatabaseBusy
from bot.store.migrate import HEAD, version
from providers.base import Provider
from providers.http import Http

_ROOM = 1_000_000_000
"""Bytes that should be free: some videos on their way, and a database that grows."""
_PATIENCE = 20.0
"""Seconds for one part to answer."""
_SHOWN = 5
"""Disagreements that are told one by one."""

_ENDLESS = 10_000


@dataclass(frozen=True, slots=True)
class Row:
    """What was found of one part."""

    name: str
    ok: bool
    text: str


class _Unsound(Exception):
    """A part does not work as it should; the text says how."""


_PLAIN = (_Unsound, CatalogError, PublishError)
"""Their words say all."""


async def check(settings: Settings) -> list[Row]:
    """Look at every part; one that fails does not hide the others."""
    http = Http()
    providers = build_providers(settings, http)
    offered = _offered(settings)
    looks: dict[str, Callable[[], Awaitable[str]]] = {
        "settings": partial(_settings, settings),
        "catalogue": partial(_catalogue, settings),
        "data folder": partial(_data_folder, settings),
        "disk": partial(_disk, settings),
        "database": partial(_database, settings.database_url.get_secret_value()),
        "ffmpeg": _ffmpeg,
    }
    looks |= {
        f"provider {name}": partial(_provider, one, None if offered is None else offered[name])
        for name, one in providers.items()
    }
    bucket = build_bucket(settings)
    if bucket is not None:
        looks["bucket"] = bucket.check
    if settings.telegram_bot_token.get_secret_value():
        looks["telegram"] = partial(_telegram, settings)
    if settings.discord_bot_token.get_secret_value():
        looks["discord"] = partial(_discord, settings)
    looks |= _pictures_row(settings, providers)
    redact = Redactor(settings.secrets)
    try:
        return list(
            await asyncio.gather(*(_row(name, look, redact) for name, look in looks.items()))
        )
    finally:
        for provider in providers.values():
            await provider.close()
        await http.close()


async def _row(name: str, look: Callable[[], Awaitable[str]], redact: Redactor) -> Row:
    try:
        async with asyncio.timeout(_PATIENCE):
            return Row(name, ok=True, text=redact(await look()))
    except TimeoutError:
        return Row(name, ok=False, text=f"no answer in {_PATIENCE:.0f} s")
    except Exception as error:  # noqa: BLE001 - whatever it is, it is what was found
        kind = "" if isinstance(error, _PLAIN) else f"{type(error).__name__}: "
        return Row(name, ok=False, text=redact(f"{kind}{error}"))


async def _settings(settings: Settings) -> str:
    on = [name for name, (is_on, _) in FRONT_ENDS.items() if is_on(settings)]
    return f"sound; people come by {', '.join(on)}" if on else "sound; works on tasks only"


async def _catalogue(settings: Settings) -> str:
    catalog, now = build_catalog(settings), time.time()
    names = ", ".join(model.name for model in catalog.models(now))
    gone = ", ".join(model.name for model in catalog.unavailable(now))
    off = f"; switched off or retired: {gone}" if gone else ""
    if not names:
        raise _Unsound(f"no model can be asked for{off}; see CATALOG_FILE")
    return f"{names}{off}"


def _offered(settings: Settings) -> dict[str, list[tuple[str, Offer]]] | None:
    """Provider -> our name and its offer of each model that can be asked for.

    None where the catalogue is wrong, which has a row of its own.
    """
    try:
        models = build_catalog(settings).models(time.time())
    except CatalogError:
        return None
    found: dict[str, list[tuple[str, Offer]]] = {name: [] for name in settings.providers}
    for model in models:
        for offer in model.offers:
            found[offer.provider].append((model.name, offer))
    return found


async def _data_folder(settings: Settings) -> str:
    folder = _nearest(settings.data_dir)
    with tempfile.TemporaryFile(dir=folder) as file:
        file.write(b"1")
    made = "" if folder == settings.data_dir else "; the first start makes it"
    return f"{settings.data_dir} can be written to{made}"


async def _disk(settings: Settings) -> str:
    free = shutil.disk_usage(_nearest(settings.data_dir)).free
    if free < _ROOM:
        raise _Unsound(f"{free / 1e9:.2f} GB free; make room, {_ROOM / 1e9:.0f} GB is the least")
    return f"{free / 1e9:.1f} GB free"


def _nearest(folder: Path) -> Path:
    """The folder, or the one above it that is there."""
    return next(one for one in (folder, *folder.absolute().parents) if one.exists())


async def _database(url: str) -> str:
    if url.startswith(SQLITE) and not _there(url.removeprefix(SQLITE)):
        return "none yet; the first start makes it"
    try:
        return await _proof(url)
    except DatabaseBusy:
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder, "copy.db")
            await asyncio.to_thread(backup, url, copy)
            return f"in use by a running Reelay; {await _proof(f'{SQLITE}{copy}')} (in a copy)"


def _there(file: str) -> bool:
    return Path(file).exists()


async def _proof(url: str) -> str:
    database = open_database(url)
    await database.open()
    try:
        found = await database.read(version)
        if found != HEAD:
            return f"to be brought up to date from {found or 'nothing'}; a start does it"
        lines = await database.read(ledger.prove)
    finally:
        await database.close()
    if lines:
        more = f" ... and {len(lines) - _SHOWN} more" if len(lines) > _SHOWN else ""
        raise _Unsound(f"the ledger is not sound: {'; '.join(lines[:_SHOWN])}{more}")
    return "up to date, the ledger is sound"


async def _ffmpeg() -> str:
    process = await asyncio.create_subprocess_exec(
        imageio_ffmpeg.get_ffmpeg_exe(),
        "-version",
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    if process.returncode:
        raise _Unsound(f"ends with status {process.returncode}")
    return " ".join(output.decode(errors="replace").split()[:3])


async def _provider(provider: Provider, offered: list[tuple[str, Offer]] | None) -> str:
    seen = f"{provider.kind}: {await provider.check()}"
    if offered is None:
        return seen
    if not offered:
        raise _Unsound(f"{seen}, but serves no model that can be asked for; see CATALOG_FILE")
    listed = await provider.models()
    missing = [pair for pair in offered if listed is not None and pair[1].model not in listed]
    # A server of any models need not have the one that stands for them.
    gone = {offer.model: name for name, offer in missing if not offer.passthrough}
    if gone:
        named = ", ".join(f"{remote} (for the model {name})" for remote, name in gone.items())
        raise _Unsound(f"{seen}, but no longer serves {named}")
    if missing and listed:
        return f"{seen}; it lists {', '.join(sorted(listed)[:_SHOWN])}"
    return seen


async def _telegram(settings: Settings) -> str:
    from bot.frontends.telegram.introducing import NoBot, introduced  # noqa: PLC0415 - as in app

    try:
        return await introduced(settings)
    except NoBot as error:
        raise _Unsound(str(error)) from None


async def _discord(settings: Settings) -> str:
    from bot.frontends.discord.introducing import NoBot, introduced  # noqa: PLC0415 - as above

    try:
        return await introduced(settings)
    except NoBot as error:
        raise _Unsound(str(error)) from None


def _pictures_row(
    settings: Settings, providers: Mapping[str, Provider]
) -> dict[str, Callable[[], Awaitable[str]]]:
    """Where pictures cannot go: no fault, since videos from text can be made."""
    links = bool(settings.public_url or settings.s3_endpoint)
    without = [
        name for name, one in providers.items() if one.allowed.picture_way(links=links) is None
    ]
    if not without:
        return {}

    async def told() -> str:
        return f"not to {', '.join(without)}, which take links only: set PUBLIC_URL or S3_ENDPOINT"

    return {"pictures": told}


def show(rows: Iterable[Row]) -> None:
    """Print the table on standard output."""
    table = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
    for row in rows:
        verdict = Text("ok", "green") if row.ok else Text("WRONG", "bold red")
        table.add_row(Text(row.name), verdict, Text(row.text, overflow="fold"))
    terminal = Console(highlight=False)
    # Whoever reads it from a pipe wants a line for each part, however long.
    console = terminal if terminal.is_terminal else Console(highlight=False, width=_ENDLESS)
    console.print(table)
