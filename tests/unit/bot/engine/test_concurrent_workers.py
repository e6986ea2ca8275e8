"""Several processes on one PostgreSQL: writes that lose several races in a row."""

from __future__ import annotations

import asyncio

import pytest

from bot.domain.tasks import State
from bot.store.database import Tx
from providers.types import Pending
from tests.fakes.engine.harness import EngineHarness

_RIVALS = (
    "CREATE SEQUENCE races",
    # A sequence counts on, whatever is rolled back.
    "CREATE FUNCTION lose() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
    " IF nextval('races') <= 12 THEN RAISE EXCEPTION USING ERRCODE = '40001'; END IF;"
    " RETURN NEW; END $$",
    "CREATE TRIGGER lose BEFORE UPDATE ON tasks FOR EACH ROW"
    " WHEN (NEW.state = 'running') EXECUTE FUNCTION lose()",
)
"""The write that marks a job as running loses the first twelve races."""


@pytest.fixture
def dialect() -> str:
    """Only where there may be rivals."""
    return "postgresql"


async def test_outcome_of_paid_create_is_written_despite_lost_races(harness: EngineHarness) -> None:
    """The outcome of a create is retried until it is written; one job is made and kept."""

    def set_up(tx: Tx) -> None:
        for statement in _RIVALS:
            tx.exec_driver_sql(statement)

    await harness.database.run_exclusive(set_up)
    harness.provider.polls = [Pending(running=True)]
    task = await harness.accept_task()
    settling = asyncio.create_task(harness.run_due_steps())
    while not settling.done():
        await harness.database.read(lambda tx: tx.exec_driver_sql("SELECT 1").close())
        await harness.clock.advance(0.1)
    await settling
    found = await harness.task(task)
    assert (found.state, found.remote_id) == (State.RUNNING, f"job-{task.id}")
    assert harness.provider.count("submit") == 1
