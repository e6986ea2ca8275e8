"""A world with a scripted provider and chat, whose time a test lets pass."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random

from bot.app import account_of
from bot.catalog.catalog import Catalog
from bot.catalog.job_durations import Durations
from bot.config import load_settings
from bot.credits import ledger
from bot.domain.tasks import Order, Place, Task
from bot.engine import periodic
from bot.engine.context import Limits, World
from bot.engine.worker import Worker
from bot.media.storage import Spool
from bot.services import accept_task
from bot.services.accept_task import Draft
from bot.services.context import Desk
from bot.store import provider_health, task_queue, tasks
from bot.store.database import Database
from providers.base import Provider
from tests.fakes.engine.scripted import ScriptedFrontEnd, ScriptedProvider
from tests.support.credit_limits import RULES
from tests.support.fake_clock import FakeClock


@dataclass
class Stage:
    """One process of the engine, without its loops: the test is the loop."""

    database: Database
    folder: Path
    clock: FakeClock = field(default_factory=FakeClock)
    provider: ScriptedProvider = field(init=False)
    chat: ScriptedFrontEnd = field(default_factory=ScriptedFrontEnd)
    world: World = field(init=False)
    worker: Worker = field(init=False)

    def __post_init__(self) -> None:
        self.provider = ScriptedProvider(self.folder)
        self.world = World(
            database=self.database,
            providers={"p": self.provider},
            messengers={"console": self.chat},
            catalog=Catalog.load(None, {"p": "sandbox"}),
            spool=Spool(self.folder),
            clock=self.clock,
            durations=Durations(),
            limits=Limits(),
            chance=Random(5),
        )
        self.worker = Worker(self.world)

    def use(self, provider: ScriptedProvider) -> None:
        """Go on with another provider under the same name."""
        self.provider = provider
        self.use_all({"p": provider})

    def use_all(self, providers: Mapping[str, Provider], catalog: Catalog | None = None) -> None:
        """Go on with these providers, and with this catalogue."""
        catalog = catalog or Catalog.load(None, dict.fromkeys(providers, "sandbox"))
        self.world = replace(self.world, providers=providers, catalog=catalog)
        self.worker = Worker(self.world)

    def restart(self) -> None:
        """Another process; what the first one had under way is as if it had died."""
        self.worker = Worker(self.world)

    def desk(self) -> Desk:
        """A desk in front of it, that wakes nobody."""
        world = self.world
        return Desk(
            database=world.database,
            catalog=world.catalog,
            spool=world.spool,
            clock=world.clock,
            durations=world.durations,
            settings=load_settings(Path(os.devnull), {"DATA_DIR": str(self.folder)}),
            rules=RULES,
            providers={name: account_of(one) for name, one in world.providers.items()},
            wake=lambda: None,
        )

    async def register(self) -> None:
        """Make the providers known, as a start does."""
        await self.database.transact(lambda tx: provider_health.register(tx, self.world.accounts))

    async def order(
        self, person: str = "console:a", account: Task | None = None, **changes: object
    ) -> Task:
        """A task of this person, worth 4 credits; at the account that made another one."""
        order = Order(
            model="sandbox",
            prompt="a red kite",
            seconds=4,
            size="1280x720",
            width=1280,
            height=720,
            orientation="landscape",
        )
        order = replace(order, **changes)  # type: ignore[arg-type]
        draft = Draft(accept_task.new_task_id(), person, Place("console"), "en", order, 4)
        if account is not None:
            name, identity = account.provider, account.provider_identity
            draft = replace(draft, provider=name, provider_identity=identity)
        now = self.clock.now()
        await self.register()
        taken = await self.database.transact(
            lambda tx: accept_task.accept(tx, draft, RULES, 100, now)
        )
        return taken.task

    async def task(self, task: Task) -> Task:
        """The task as it is now."""
        found = await self.database.read(lambda tx: tasks.get(tx, task.id))
        assert found is not None
        return found

    async def history(self, task: Task) -> list[str]:
        """The states that it went through."""
        rows = await self.database.read(lambda tx: tasks.history(tx, task.id))
        return [state for _, _, state, _, _ in rows]

    async def held(self, person: str = "console:a") -> int:
        """Credits that are set aside; the ledger must be sound."""
        assert await self.database.read(ledger.prove) == []
        now = self.clock.now()
        found = await self.database.read(lambda tx: ledger.balance(tx, person, RULES, now))
        return found.held

    async def spent(self, person: str = "console:a") -> int:
        """Credits of today that are gone or set aside."""
        now = self.clock.now()
        found = await self.database.read(lambda tx: ledger.balance(tx, person, RULES, now))
        return RULES.daily_credits - found.daily

    async def settle(self) -> None:
        """Take every step that is due now."""
        await periodic.once(self.world)
        while await self.worker.round():
            await self.worker.quiet()

    async def run(self, seconds: float) -> None:
        """Let time pass, taking each step when it falls due."""
        end = self.clock.now() + seconds
        while True:
            await self.settle()
            due = await self.database.read(self.worker.next_due())
            waiting = await self.database.read(task_queue.next_queued)
            health = await self.database.read(provider_health.health)
            paused = [one.paused_until for one in health.values()]
            times = [time for time in (due, waiting, *paused) if time is not None]
            # What is due and yet was not taken waits for room: time has to pass.
            at = min((time for time in times if time > self.clock.now()), default=end)
            if at >= end:
                await self.clock.advance(end - self.clock.now())
                await self.settle()
                return
            await self.clock.advance(at - self.clock.now())
