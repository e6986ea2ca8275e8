"""The composition root: builds every part once, starts them, and stops them in order."""

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
from bot.catalog.job_durations import Durations
from bot.clock import SystemClock
from bot.config import Settings
from bot.credits.ledger import Rules
from bot.engine.context import Limits, World
from bot.engine.periodic import watch
from bot.engine.retention import keep_house
from bot.engine.worker import Worker
from bot.media.links import Links, Publisher, secret_of
from bot.media.s3 import Account as S3Account
from bot.media.s3 import Bucket
from bot.media.storage import Spool
from bot.media.transcoder import Fitter
from bot.ports import Clock, Messenger
from bot.services.context import Account, Desk
from bot.store import job_durations, provider_health, retention, seen_events, task_queue
from bot.store.connect import open_database
from bot.store.database import Database, Tx
from bot.store.migrate import migrate
from providers import PROVIDERS
from providers.base import Provider
from providers.http import Http
from providers.types import Event

_log = structlog.get_logger(__name__)
_FIRST_FAULT = asyncio.FIRST_EXCEPTION
_MEASUREMENTS = 5000
"""Newest durations read at the start; more would change no expectation."""


class FrontEnd(Messenger, Protocol):
    """A messenger that also brings people's commands."""

    async def run(self, desk: Desk) -> int:
        """Serve people until they leave or `stop` is called; the exit status."""
        ...

    async def stop(self) -> None:
        """Ask `run` to end soon."""
        ...

    async def close(self) -> None:
        """Let go of connections; after it nothing is posted any more."""
        ...

    def routes(self) -> list[RouteDef]:
        """What the web server of this process must listen to for it."""
        ...


def _console(settings: Settings) -> FrontEnd:
    from bot.frontends.console import Console  # noqa: PLC0415 - a front-end costs only when it is on

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
    "console": (lambda settings: settings.console_on, _console),
}
"""Name -> whether it is on, and how it is made."""


def build_front_ends(settings: Settings) -> list[FrontEnd]:
    """The front-ends that the settings turn on."""
    return [make(settings) for on, make in FRONT_ENDS.values() if on(settings)]


def build_providers(settings: Settings, http: Http) -> dict[str, Provider]:
    """The configured providers, each with a folder of its own."""
    return {
        name: PROVIDERS[options.kind](options, http, settings.data_dir / "providers" / name)
        for name, options in settings.providers.items()
    }


def build_catalog(settings: Settings) -> Catalog:
    """What may be asked for from the configured providers."""
    kinds = {name: options.kind for name, options in settings.providers.items()}
    return Catalog.load(settings.catalog_file, kinds)


def build_bucket(settings: Settings) -> Bucket | None:
    """The bucket for what is published, if there is one."""
    if not settings.s3_endpoint:
        return None
    account = S3Account(
        settings.s3_endpoint,
        settings.s3_bucket,
        settings.s3_access_key.get_secret_value(),
        settings.s3_secret_key.get_secret_value(),
        settings.s3_region,
    )
    return Bucket(account)


def limits_of(settings: Settings) -> Limits:
    """The settings that the engine obeys."""
    return Limits(
        lease=settings.lease_seconds,
        poll_minimum=settings.poll_min_seconds,
        deadline=settings.task_deadline_seconds,
        grace=settings.shutdown_grace_seconds,
        result_retention=settings.result_retention_days * 86400.0,
        prompt_retention=settings.prompt_retention_days * 86400.0,
        picture_retention=settings.picture_retention_days * 86400.0,
    )


def account_of(provider: Provider) -> Account:
    """What handlers are to know of a provider."""
    options = provider.options
    return Account(
        options.kind,
        provider.identity,
        provider.allowed,
        options.max_concurrent,
        options.priority,
    )


def _front_ends_with_admins(settings: Settings, here: Sequence[FrontEnd]) -> tuple[str, ...]:
    """Also such as run in another process; the console's person always is an admin."""
    names = {admin.partition(":")[0] for admin in settings.admins}
    return tuple(sorted(names | {one.name for one in here if one.name == "console"}))


@dataclass(frozen=True, slots=True)
class Parts:
    """What a process is made of; tests hand in their own."""

    database: Database
    providers: Mapping[str, Provider]
    front_ends: Sequence[FrontEnd]
    catalog: Catalog
    spool: Spool
    clock: Clock
    fitter: Fitter | None = None
    """Makes videos fit into chats."""
    publisher: Publisher | None = None
    """Where the outside can get files of ours."""
    links: Links | None = None
    """What our own web server opens."""


@asynccontextmanager
async def parts_of(settings: Settings) -> AsyncIterator[Parts]:
    """The parts as the settings say, opened; closed in the opposite order."""
    async with AsyncExitStack() as stack:
        http = Http()
        stack.push_async_callback(http.close)
        providers = build_providers(settings, http)
        for provider in providers.values():
            stack.push_async_callback(provider.close)
        catalog = build_catalog(settings)
        database = open_database(settings.database_url.get_secret_value())
        await database.open()
        stack.push_async_callback(database.close)
        await migrate(database)
        spool = Spool(settings.data_dir)
        stack.callback(spool.close)
        address = settings.public_url
        links = Links(address, secret_of(settings.data_dir)) if address else None
        bucket = build_bucket(settings)
        # Half of the cores: chats, gateways and the database want to go on meanwhile.
        fitter = Fitter(settings.data_dir, asyncio.Semaphore(max((os.cpu_count() or 1) // 2, 1)))
        stack.callback(fitter.close)
        yield Parts(
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

    def __init__(self, settings: Settings, parts: Parts) -> None:
        self.settings = settings
        self.parts = parts
        self._durations = Durations()
        self._stopped = asyncio.Event()
        self._serving: list[asyncio.Task[int]] = []
        self.world = World(
            database=parts.database,
            providers=parts.providers,
            messengers={front_end.name: front_end for front_end in parts.front_ends},
            catalog=parts.catalog,
            spool=parts.spool,
            clock=parts.clock,
            durations=self._durations,
            limits=limits_of(settings),
            fitter=parts.fitter,
            publisher=parts.publisher,
            alerted=_front_ends_with_admins(settings, parts.front_ends),
            language=settings.default_language,
        )
        self.worker = Worker(self.world)
        self.desk = Desk(
            database=parts.database,
            catalog=parts.catalog,
            spool=parts.spool,
            clock=parts.clock,
            durations=self._durations,
            settings=settings,
            rules=Rules(settings.daily_credits, settings.timezone),
            providers={name: account_of(one) for name, one in parts.providers.items()},
            wake=self.worker.wake,
            fitter=parts.fitter,
            publisher=parts.publisher,
        )

    async def run(self) -> int:
        """Take up what an earlier process left, then serve until the front-ends end."""
        await self._take_up()
        work = asyncio.create_task(self.worker.run())
        server = await self._listen()
        beside = [asyncio.create_task(loop(self.world)) for loop in (keep_house, watch)]
        try:
            return await self._serve(work)
        finally:
            for task in beside:
                task.cancel()
            self.worker.stop()
            await asyncio.gather(work, *beside, return_exceptions=True)
            # Until now a result could be on its way.
            for front_end in self.parts.front_ends:
                await front_end.close()
            if server is not None:
                await server.stop()

    async def stop(self) -> None:
        """Stop gracefully: front-ends and worker at once; running tasks stay resumable."""
        self._stopped.set()
        self.worker.stop()
        for front_end in self.parts.front_ends:
            await front_end.stop()

    # --- the web server ------------------------------------------------------------------

    async def _listen(self) -> web.Web | None:
        """Serve health, webhooks and media, if a port is to be had."""
        settings = self.settings
        if settings.http_port == 0:
            return None
        server = web.Web(settings.http_host, settings.http_port, self._routes())
        try:
            await server.start()
        except web.CannotListen as error:
            if settings.public_url or "http_port" in settings.model_fields_set:
                raise
            # Nobody asked for this very port, and nothing that was asked for needs it.
            _log.warning("web_not_started", why=str(error))
            return None
        return server

    def _routes(self) -> list[RouteDef]:
        parts = self.parts
        checks = web.database_parts(parts.database)
        checks |= {"front-ends": self._front_ends_serve, "providers": self._one_is_usable}
        routes = web.health(checks) + web.webhooks(parts.providers, self._hint)
        for front_end in parts.front_ends:
            routes += front_end.routes()
        if parts.links is not None:
            routes += web.media(parts.links, parts.spool, parts.clock)
        return routes

    async def _front_ends_serve(self) -> bool:
        return len(self._serving) == len(self.parts.front_ends) and not any(
            one.done() for one in self._serving
        )

    async def _one_is_usable(self) -> bool:
        now = self.parts.clock.now()
        known = await self.parts.database.read(provider_health.health)
        return any(known[name].takes_new(now) for name in self.parts.providers if name in known)

    async def _hint(self, identity: str, event: Event) -> None:
        """A gateway says that there is news of a job: look at it now, once for each event."""
        now, job = self.parts.clock.now(), event.remote_id or ""

        def take(tx: Tx) -> bool:
            fresh = seen_events.hear(tx, identity, event.id, now)
            return fresh and task_queue.hint(tx, identity, job, now)

        if await self.parts.database.transact(take):
            self.worker.wake()

    async def _serve(self, work: asyncio.Task[None]) -> int:
        self._serving = [
            asyncio.create_task(front.run(self.desk)) for front in self.parts.front_ends
        ]
        serving = self._serving
        # Without a front-end this process is a worker for others, until it is told to stop.
        until = serving or [asyncio.create_task(self._stopped.wait())]
        try:
            # A front-end that ends is no reason to close the others; one that breaks is.
            served = asyncio.ensure_future(asyncio.wait(until, return_when=_FIRST_FAULT))
            await asyncio.wait([work, served], return_when=asyncio.FIRST_COMPLETED)
            if self._stopped.is_set():
                # The engine may have been quicker to stop.
                await asyncio.wait([served])
            served.cancel()
            if work.done():
                work.result()
            return max([done.result() for done in serving if done.done()], default=0)
        finally:
            for task in until:
                task.cancel()
            await asyncio.gather(*until, return_exceptions=True)

    async def _take_up(self) -> None:
        database, now = self.parts.database, self.parts.clock.now()
        await database.transact(lambda tx: provider_health.register(tx, self.world.accounts))
        if database.single_process:
            # Nobody else can be alive: what is leased was left by a process that died.
            await database.transact(lambda tx: task_queue.free_all(tx, now))
        in_use, fetching = await database.read(
            lambda tx: (retention.files_in_use(tx), retention.results_on_their_way(tx))
        )
        await self.parts.spool.sweep(in_use | fetching, fetching)
        if self.parts.fitter is not None:
            await self.parts.fitter.sweep(in_use)
        measured = await database.read(lambda tx: job_durations.newest(tx, _MEASUREMENTS))
        for provider, model, seconds, took in reversed(measured):
            self._durations.add(provider, model, seconds, took)


async def run(settings: Settings) -> int:
    """`reelay run`: the exit status."""
    logs.configure(settings)
    async with parts_of(settings) as parts:
        app = App(settings, parts)
        _stop_on_signals(app)
        return await app.run()


def _stop_on_signals(app: App) -> None:
    """The first SIGTERM or SIGINT stops gracefully; after it, the next one kills as usual."""
    loop = asyncio.get_running_loop()
    stopping: set[asyncio.Task[None]] = set()

    def stop() -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)
            signal.signal(number, signal.SIG_DFL)
        stopping.add(loop.create_task(app.stop()))

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
