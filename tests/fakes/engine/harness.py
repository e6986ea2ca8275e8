"""The engine with a scripted provider and chat, in the test's own time."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random

from bot.app import provider_info
from bot.catalog.catalog import Catalog
from bot.catalog.job_durations import DurationStats
from bot.config import load_settings
from bot.credits import ledger
from bot.domain.tasks import Destination, Order, Task
from bot.engine import periodic
from bot.engine.context import EngineContext, EngineLimits
from bot.engine.worker import Worker
from bot.media.storage import MediaStorage
from bot.services import accept_task
from bot.services.accept_task import NewTask
from bot.services.context import AppContext
from bot.store import provider_health, task_queue, tasks
from bot.store.database import Database
from providers.base import Provider
from tests.fakes.engine.scripted import ScriptedFrontEnd, ScriptedProvider
from tests.support.credit_limits import CREDIT_LIMITS
from tests.support.fake_clock import FakeClock


@dataclass
class EngineHarness:
    """One process of the engine, without its loops: the test is the loop."""

    database: Database
    folder: Path
    clock: FakeClock = field(default_factory=FakeClock)
    provider: ScriptedProvider = field(init=False)
    chat: ScriptedFrontEnd = field(default_factory=ScriptedFrontEnd)
    engine: EngineContext = field(init=False)
    worker: Worker = field(init=False)

    def __post_init__(self) -> None:
        self.provider = ScriptedProvider(self.folder)
        self.engine = EngineContext(
            database=self.database,
            providers={"p": self.provider},
            messengers={"console": self.chat},
            catalog=Catalog.load(None, {"p": "sandbox"}),
            storage=MediaStorage(self.folder),
            clock=self.clock,
            duration_stats=DurationStats(),
            limits=EngineLimits(),
            rng=Random(5),
        )
        self.worker = Worker(self.engine)

    def use_provider(self, provider: ScriptedProvider) -> None:
        """Go on with another provider under the same name."""
        self.provider = provider
        self.use_providers({"p": provider})

    def use_providers(
        self, providers: Mapping[str, Provider], catalog: Catalog | None = None
    ) -> None:
        """Go on with these providers, and with this catalogue."""
        catalog = catalog or Catalog.load(None, dict.fromkeys(providers, "sandbox"))
        self.engine = replace(self.engine, providers=providers, catalog=catalog)
        self.worker = Worker(self.engine)

    def restart(self) -> None:
        """Another process; what the first one had under way is as if it had died."""
        self.worker = Worker(self.engine)

    def app_context(self) -> AppContext:
        """The context of command handlers; they wake no loop."""
        world = self.engine
        return AppContext(
            database=world.database,
            catalog=world.catalog,
            storage=world.storage,
            clock=world.clock,
            duration_stats=world.duration_stats,
            settings=load_settings(Path(os.devnull), {"DATA_DIR": str(self.folder)}),
            credit_rules=CREDIT_LIMITS,
            providers={name: provider_info(one) for name, one in world.providers.items()},
            wake_engine=lambda: None,
            publisher=world.publisher,
        )

    async def register_providers(self) -> None:
        """Register the providers, as a start does."""
        await self.database.transact(
            lambda tx: provider_health.register(tx, self.engine.identities)
        )

    async def accept_task(
        self, user_id: str = "console:a", same_provider_as: Task | None = None, **changes: object
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
        draft = NewTask(accept_task.new_task_id(), user_id, Destination("console"), "en", order, 4)
        if same_provider_as is not None:
            name, identity = same_provider_as.provider, same_provider_as.provider_identity
            draft = replace(draft, provider=name, provider_identity=identity)
        now = self.clock.now()
        await self.register_providers()
        taken = await self.database.transact(
            lambda tx: accept_task.accept_task(tx, draft, CREDIT_LIMITS, 100, now)
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

    async def held(self, user_id: str = "console:a") -> int:
        """Credits that are set aside; the ledger must be sound."""
        assert await self.database.read(ledger.verify) == []
        now = self.clock.now()
        found = await self.database.read(lambda tx: ledger.balance(tx, user_id, CREDIT_LIMITS, now))
        return found.held

    async def spent(self, user_id: str = "console:a") -> int:
        """Credits of today that are gone or set aside."""
        now = self.clock.now()
        found = await self.database.read(lambda tx: ledger.balance(tx, user_id, CREDIT_LIMITS, now))
        return CREDIT_LIMITS.daily_credits - found.daily

    async def run_due_steps(self) -> None:
        """Take every step that is due now."""
        await periodic.run_once(self.engine)
        while await self.worker.run_once():
            await self.worker.wait_idle()

    async def run_for(self, seconds: float) -> None:
        """Let time pass, taking each step when it falls due."""
        end = self.clock.now() + seconds
        while True:
            await self.run_due_steps()
            due = await self.database.read(self.worker.next_due_query())
            waiting = await self.database.read(task_queue.next_queued_at)
            health = await self.database.read(provider_health.get_all)
            paused = [state.paused_until for state in health.values()]
            times = [time for time in (due, waiting, *paused) if time is not None]
            # What is due and yet was not taken waits for room: time has to pass.
            at = min((time for time in times if time > self.clock.now()), default=end)
            if at >= end:
                await self.clock.advance(end - self.clock.now())
                await self.run_due_steps()
                return
            await self.clock.advance(at - self.clock.now())
