"""The composition root: builds all components, starts them, and stops them in order."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Protocol

import structlog
from aiohttp.web import RouteDef

from bot import logs, web
from bot.catalog.catalog import Catalog
from bot.catalog.job_durations import DurationStats
from bot.clock import SystemClock
from bot.config import Settings
from bot.credits.ledger import CreditRules
from bot.engine.context import EngineContext, EngineLimits
from bot.engine.periodic import run_periodic_tasks
from bot.engine.retention import run_retention_loop
from bot.engine.worker import Worker
from bot.media.links import Publisher, SignedLinks, load_or_create_secret
from bot.media.s3 import S3Publisher
from bot.media.s3 import S3Settings as S3Account
from bot.media.storage import MediaStorage
from bot.media.transcoder import Transcoder
from bot.ports import Clock, Messenger
from bot.services.context import AppContext, ProviderInfo
from bot.store import job_durations, provider_health, retention, seen_events, task_queue
from bot.store.connect import open_database
from bot.store.database import Database, Tx
from bot.store.migrate import migrate
from providers import PROVIDERS
from providers.base import Provider
from providers.http import HttpClient
from providers.types import WebhookEvent

_log = structlog.get_logger(__name__)
_FIRST_EXCEPTION = asyncio.FIRST_EXCEPTION
_MAX_DURATION_SAMPLES = 5000
"""Newest durations read at start; more would not change the estimates."""


class FrontEnd(Messenger, Protocol):
    """A messenger that also receives commands of users."""

    async def run(self, app: AppContext) -> int:
        """Serve users until `stop` is called or the input ends. Returns the exit status."""
        ...

    async def stop(self) -> None:
        """Ask `run` to return soon."""
        ...

    async def close(self) -> None:
        """Close all connections; nothing is sent afterwards."""
        ...

    def routes(self) -> list[RouteDef]:
        """The routes that the web server of this process must serve for it."""
        ...


def _console(settings: Settings) -> FrontEnd:
    from bot.frontends.console import Console  # noqa: PLC0415 - import only an enabled front-end

    return Console(settings)


def _telegram(settings: Settings) -> FrontEnd:
    from bot.frontends.telegram import Telegram  # noqa: PLC0415 - as above

    return Telegram(settings)


def _discord(settings: Settings) -> FrontEnd:
    from bot.frontends.discord import Discord  # noqa: PLC0415 - as above

    return Discord(settings)


FRONT_ENDS: dict[str, tuple[Callable[[Settings], bool], Callable[[Settings], FrontEnd]]] = {
    "telegram": (lambda settings: bool(settings.telegram_bot_token.get_secret_value()), _telegram),
    "discord": (lambda settings: bool(settings.discord_bot_token.get_secret_value()), _discord),
    "console": (lambda settings: settings.is_console_enabled, _console),
}
"""Name -> (whether it is enabled, how it is built)."""


def build_front_ends(settings: Settings) -> list[FrontEnd]:
    """Build the enabled front-ends."""
    return [make(settings) for on, make in FRONT_ENDS.values() if on(settings)]


def build_providers(settings: Settings, http: HttpClient) -> dict[str, Provider]:
    """Build the configured providers, each with its own folder."""
    return {
        name: PROVIDERS[options.kind](options, http, settings.data_dir / "providers" / name)
        for name, options in settings.providers.items()
    }


def build_catalog(settings: Settings) -> Catalog:
    """Load the models that the configured providers offer."""
    kinds = {name: options.kind for name, options in settings.providers.items()}
    return Catalog.load(settings.catalog_file, kinds)


def build_bucket(settings: Settings) -> S3Publisher | None:
    """The bucket for published files; None: not configured."""
    if not settings.s3_endpoint:
        return None
    credentials = S3Account(
        settings.s3_endpoint,
        settings.s3_bucket,
        settings.s3_access_key.get_secret_value(),
        settings.s3_secret_key.get_secret_value(),
        settings.s3_region,
    )
    return S3Publisher(credentials)


def engine_limits(settings: Settings) -> EngineLimits:
    """The settings of the engine."""
    return EngineLimits(
        lease_s=settings.lease_seconds,
        min_poll_interval_s=settings.poll_min_seconds,
        deadline_s=settings.task_deadline_seconds,
        shutdown_grace_s=settings.shutdown_grace_seconds,
        result_retention_s=settings.result_retention_days * 86400.0,
        prompt_retention_s=settings.prompt_retention_days * 86400.0,
        picture_retention_s=settings.picture_retention_days * 86400.0,
    )


def provider_info(provider: Provider) -> ProviderInfo:
    """What command handlers may know about a provider."""
    options = provider.options
    return ProviderInfo(
        options.kind,
        provider.identity,
        provider.effective_capabilities,
        options.max_concurrent,
        options.priority,
    )


def _front_ends_with_admins(
    settings: Settings, local_front_ends: Sequence[FrontEnd]
) -> tuple[str, ...]:
    """Front-ends to alert, including those of other processes. The console user is an admin."""
    names = {admin.partition(":")[0] for admin in settings.admins}
    return tuple(
        sorted(
            names
            | {front_end.name for front_end in local_front_ends if front_end.name == "console"}
        )
    )


@dataclass(frozen=True, slots=True)
class Components:
    """The components of a process; tests pass their own."""

    database: Database
    providers: Mapping[str, Provider]
    front_ends: Sequence[FrontEnd]
    catalog: Catalog
    spool: MediaStorage
    clock: Clock
    fitter: Transcoder | None = None
    """Re-encodes videos to fit upload limits."""
    publisher: Publisher | None = None
    """Publishes files under a URL."""
    links: SignedLinks | None = None
    """The signed links that our own web server serves."""


@asynccontextmanager
async def open_components(settings: Settings) -> AsyncIterator[Components]:
    """Build and open the components by the settings; close them in reverse order."""
    async with AsyncExitStack() as stack:
        http = HttpClient()
        stack.push_async_callback(http.close)
        providers = build_providers(settings, http)
        for provider in providers.values():
            stack.push_async_callback(provider.close)
        catalog = build_catalog(settings)
        database = open_database(settings.database_url.get_secret_value())
        await database.open()
        stack.push_async_callback(database.close)
        await migrate(database)
        spool = MediaStorage(settings.data_dir)
        stack.callback(spool.close)
        address = settings.public_url
        links = SignedLinks(address, load_or_create_secret(settings.data_dir)) if address else None
        bucket = build_bucket(settings)
        # Half of the cores: chats, gateways and the database need the rest.
        fitter = Transcoder(
            settings.data_dir, asyncio.Semaphore(max((os.cpu_count() or 1) // 2, 1))
        )
        stack.callback(fitter.close)
        yield Components(
            database=database,
            providers=providers,
            front_ends=build_front_ends(settings),
            catalog=catalog,
            spool=spool,
            clock=SystemClock(),
            fitter=fitter,
            publisher=bucket or links,
            links=links,
        )


class App:
    """One process of Reelay."""

    def __init__(self, settings: Settings, components: Components) -> None:
        self.settings = settings
        self.components = components
        self._duration_stats = DurationStats()
        self._stop_requested = asyncio.Event()
        self._front_end_tasks: list[asyncio.Task[int]] = []
        self.engine = EngineContext(
            database=components.database,
            providers=components.providers,
            messengers={front_end.name: front_end for front_end in components.front_ends},
            catalog=components.catalog,
            storage=components.spool,
            clock=components.clock,
            duration_stats=self._duration_stats,
            limits=engine_limits(settings),
            transcoder=components.fitter,
            publisher=components.publisher,
            alert_front_ends=_front_ends_with_admins(settings, components.front_ends),
            language=settings.default_language,
        )
        self.worker = Worker(self.engine)
        self.context = AppContext(
            database=components.database,
            catalog=components.catalog,
            storage=components.spool,
            clock=components.clock,
            duration_stats=self._duration_stats,
            settings=settings,
            credit_rules=CreditRules(settings.daily_credits, settings.timezone),
            providers={
                name: provider_info(provider) for name, provider in components.providers.items()
            },
            wake_engine=self.worker.wake,
            transcoder=components.fitter,
            publisher=components.publisher,
        )

    async def run(self) -> int:
        """Resume the work of an earlier process, then serve until the front-ends end."""
        await self._resume()
        worker_task = asyncio.create_task(self.worker.run())
        server = await self._start_web_server()
        background_tasks = [
            asyncio.create_task(run_loop(self.engine))
            for run_loop in (run_retention_loop, run_periodic_tasks)
        ]
        try:
            return await self._run_front_ends(worker_task)
        finally:
            for task in background_tasks:
                task.cancel()
            self.worker.stop()
            await asyncio.gather(worker_task, *background_tasks, return_exceptions=True)
            # Only now, because until here results could still be sent.
            for front_end in self.components.front_ends:
                await front_end.close()
            if server is not None:
                await server.stop()

    async def stop(self) -> None:
        """Stop front-ends and worker gracefully; the next start resumes unfinished tasks."""
        self._stop_requested.set()
        self.worker.stop()
        for front_end in self.components.front_ends:
            await front_end.stop()

    # --- the web server ------------------------------------------------------------------

    async def _start_web_server(self) -> web.WebServer | None:
        """Serve health, webhooks and media. None: disabled, or no port and nothing needs one."""
        settings = self.settings
        if settings.http_port == 0:
            return None
        server = web.WebServer(settings.http_host, settings.http_port, self._routes())
        try:
            await server.start()
        except web.ListenError as error:
            if settings.public_url or "http_port" in settings.model_fields_set:
                raise
            # The port is the default one, and no configured feature needs the server.
            _log.warning("web_server_not_started", error=str(error))
            return None
        return server

    def _routes(self) -> list[RouteDef]:
        components = self.components
        checks = web.database_checks(components.database)
        checks |= {
            "front-ends": self._front_ends_are_running,
            "providers": self._has_usable_provider,
        }
        routes = web.health_routes(checks) + web.webhook_routes(
            components.providers, self._on_webhook_event
        )
        for front_end in components.front_ends:
            routes += front_end.routes()
        if components.links is not None:
            routes += web.media_routes(components.links, components.spool, components.clock)
        return routes

    async def _front_ends_are_running(self) -> bool:
        return len(self._front_end_tasks) == len(self.components.front_ends) and not any(
            front_end_task.done() for front_end_task in self._front_end_tasks
        )

    async def _has_usable_provider(self) -> bool:
        now = self.components.clock.now()
        health_by_provider = await self.components.database.read(provider_health.get_all)
        return any(
            health_by_provider[name].accepts_new_jobs(now)
            for name in self.components.providers
            if name in health_by_provider
        )

    async def _on_webhook_event(self, identity: str, event: WebhookEvent) -> None:
        """Handle a gateway event: poll its job now, once per event."""
        now, remote_id = self.components.clock.now(), event.remote_id or ""

        def mark_due(tx: Tx) -> bool:
            is_new = seen_events.record_once(tx, identity, event.id, now)
            return is_new and task_queue.mark_due(tx, identity, remote_id, now)

        if await self.components.database.transact(mark_due):
            self.worker.wake()

    async def _run_front_ends(self, worker_task: asyncio.Task[None]) -> int:
        self._front_end_tasks = [
            asyncio.create_task(front_end.run(self.context))
            for front_end in self.components.front_ends
        ]
        front_end_tasks = self._front_end_tasks
        # Without a front-end this process only executes tasks, until `stop` is called.
        awaited = front_end_tasks or [asyncio.create_task(self._stop_requested.wait())]
        try:
            # A front-end that ends does not stop the others; one that fails does.
            all_done = asyncio.ensure_future(asyncio.wait(awaited, return_when=_FIRST_EXCEPTION))
            await asyncio.wait([worker_task, all_done], return_when=asyncio.FIRST_COMPLETED)
            if self._stop_requested.is_set():
                # The worker may have stopped before the front-ends.
                await asyncio.wait([all_done])
            all_done.cancel()
            if worker_task.done():
                worker_task.result()
            return max([done.result() for done in front_end_tasks if done.done()], default=0)
        finally:
            for task in awaited:
                task.cancel()
            await asyncio.gather(*awaited, return_exceptions=True)

    async def _resume(self) -> None:
        database, now = self.components.database, self.components.clock.now()
        await database.transact(lambda tx: provider_health.register(tx, self.engine.identities))
        if database.single_process:
            # No other process can be running, so every lease found at start is stale.
            await database.transact(lambda tx: task_queue.release_all_leases(tx, now))
        in_use, fetching = await database.read(
            lambda tx: (retention.files_in_use(tx), retention.results_in_progress(tx))
        )
        await self.components.spool.remove_orphans(in_use | fetching, fetching)
        if self.components.fitter is not None:
            await self.components.fitter.remove_orphans(in_use)
        measurements = await database.read(
            lambda tx: job_durations.newest(tx, _MAX_DURATION_SAMPLES)
        )
        for provider, remote_model, seconds, elapsed in reversed(measurements):
            self._duration_stats.add(provider, remote_model, seconds, elapsed)


async def run(settings: Settings) -> int:
    """Run `reelay run`. Returns the exit status."""
    logs.configure(settings)
    async with open_components(settings) as components:
        app = App(settings, components)
        _stop_on_signals(app)
        return await app.run()


def _stop_on_signals(app: App) -> None:
    """Stop gracefully at the first SIGTERM or SIGINT; a second one kills the process as usual."""
    loop = asyncio.get_running_loop()
    stopping: set[asyncio.Task[None]] = set()

    def stop() -> None:
        for signal_number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(signal_number)
            signal.signal(signal_number, signal.SIG_DFL)
        stopping.add(loop.create_task(app.stop()))

    for signal_number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signal_number, stop)
