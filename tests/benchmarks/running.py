"""Tasks whose jobs run at a gateway that always gives the same answer, and a world around them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from itertools import count
from pathlib import Path
from zoneinfo import ZoneInfo

from pydantic import SecretStr

from bot.catalog.catalog import Catalog
from bot.catalog.job_durations import DurationStats
from bot.credits import lifecycle
from bot.credits.ledger import CreditRules
from bot.domain.tasks import Destination, Order, State
from bot.engine.context import EngineContext, EngineLimits
from bot.media.storage import MediaStorage
from bot.services import accept_task
from bot.services.accept_task import NewTask
from bot.store.connect import open_database
from bot.store.database import Tx
from bot.store.migrate import migrate
from providers.http import HttpClient
from providers.openai import OpenAI, OpenAIOptions
from tests.support.fake_clock import FakeClock

PEOPLE = 50
KEY = "sk-benchmark"
_RULES = CreditRules(daily_credits=10**6, timezone=ZoneInfo("UTC"))
_ORDER = Order(model="m", prompt="a kite", seconds=4, size="1280x720", width=1280, height=720)
_numbers = count()


@asynccontextmanager
async def world_at(
    address: str, folder: Path, now: float = 1_800_000_000.0
) -> AsyncIterator[tuple[EngineContext, FakeClock]]:
    """A world with an empty database and one provider at this address."""
    http, clock = HttpClient(), FakeClock(now)
    options = OpenAIOptions(
        kind="openai", base_url=address, api_key=SecretStr(KEY), max_concurrent=10**6
    )
    database = open_database(f"sqlite:///{folder}/reelay.db")
    await database.open()
    try:
        await migrate(database)
        world = EngineContext(
            database=database,
            providers={"local": OpenAI(options, http, folder)},
            messengers={},
            catalog=Catalog.load(None, {"local": "openai"}),
            storage=MediaStorage(folder),
            clock=clock,
            duration_stats=DurationStats(),
            limits=EngineLimits(deadline_s=1e9),
        )
        yield world, clock
    finally:
        await http.close()
        await database.close()


async def start(world: EngineContext, number: int, spread: float = 0.0) -> None:
    """Start this many more jobs, due for a poll within the next `spread` seconds."""
    now, identity = world.clock.now(), world.providers["local"].identity

    def one(tx: Tx, due_at: float) -> None:
        serial = next(_numbers)
        name = f"job{serial}"
        draft = NewTask(name, f"c:{serial % PEOPLE}", Destination("c"), "en", _ORDER, 4)
        task = accept_task.accept_task(tx, draft, _RULES, 10**6, now).task
        chosen = {"provider": "local", "provider_identity": identity, "remote_model": "m"}
        assert lifecycle.transition(tx, task, State.SUBMITTING, now, changes=chosen)
        task = replace(task, state=State.SUBMITTING)
        job = {"remote_id": name, "submitted_at": now}
        assert lifecycle.transition(tx, task, State.RUNNING, now, due_at=due_at, changes=job)

    def several(tx: Tx) -> None:
        for place in range(number):
            one(tx, now + spread * place / number)

    await world.database.transact(several)
