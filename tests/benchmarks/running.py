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
from bot.catalog.job_durations import Durations
from bot.credits import lifecycle
from bot.credits.ledger import Rules
from bot.domain.tasks import Order, Place, State
from bot.engine.context import Limits, World
from bot.media.storage import Spool
from bot.services import accept_task
from bot.services.accept_task import Draft
from bot.store.connect import open_database
from bot.store.database import Tx
from bot.store.migrate import migrate
from providers.http import Http
from providers.openai import OpenAI, OpenAIOptions
from tests.support.fake_clock import FakeClock

PEOPLE = 50
KEY = "sk-benchmark"
_RULES = Rules(daily_credits=10**6, timezone=ZoneInfo("UTC"))
_ORDER = Order(model="m", prompt="a kite", seconds=4, size="1280x720", width=1280, height=720)
_numbers = count()


@asynccontextmanager
async def world_at(
    address: str, folder: Path, now: float = 1_800_000_000.0
) -> AsyncIterator[tuple[World, FakeClock]]:
    """A world with an empty database and one provider at this address."""
    http, clock = Http(), FakeClock(now)
    options = OpenAIOptions(
        kind="openai", base_url=address, api_key=SecretStr(KEY), max_concurrent=10**6
    )
    database = open_database(f"sqlite:///{folder}/reelay.db")
    await database.open()
    try:
        await migrate(database)
        world = World(
            database=database,
            providers={"local": OpenAI(options, http, folder)},
            messengers={},
            catalog=Catalog.load(None, {"local": "openai"}),
            spool=Spool(folder),
            clock=clock,
            durations=Durations(),
            limits=Limits(deadline=1e9),
        )
        yield world, clock
    finally:
        await http.close()
        await database.close()


async def start(world: World, number: int, spread: float = 0.0) -> None:
    """Let so many more jobs run, to be looked at over the next `spread` seconds."""
    now, identity = world.clock.now(), world.providers["local"].identity

    def one(tx: Tx, due_at: float) -> None:
        serial = next(_numbers)
        name = f"job{serial}"
        draft = Draft(name, f"c:{serial % PEOPLE}", Place("c"), "en", _ORDER, 4)
        task = accept_task.accept(tx, draft, _RULES, 10**6, now).task
        chosen = {"provider": "local", "provider_identity": identity, "remote_model": "m"}
        assert lifecycle.move(tx, task, State.SUBMITTING, now, changes=chosen)
        task = replace(task, state=State.SUBMITTING)
        job = {"remote_id": name, "submitted_at": now}
        assert lifecycle.move(tx, task, State.RUNNING, now, due_at=due_at, changes=job)

    def several(tx: Tx) -> None:
        for place in range(number):
            one(tx, now + spread * place / number)

    await world.database.transact(several)
