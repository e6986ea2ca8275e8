"""The statements on tasks, the same on every database."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import update
from sqlalchemy.exc import IntegrityError

from bot.credits import lifecycle
from bot.domain.tasks import Order, State
from bot.services import accept_task
from bot.store import schema, task_queue, tasks
from bot.store.database import Database, Tx
from tests.support.credit_limits import CREDIT_LIMITS
from tests.support.task_rows import NOW, add_task, move_task, new_task


async def test_task_round_trips(database: Database) -> None:
    """Every field of a task survives the database."""
    order = Order(
        model="m",
        prompt="'; DROP TABLE tasks; --\n红色风筝 🪁",
        seconds=8,
        size="small",
        width=16,
        height=9,
        orientation="landscape",
        style="anime",
        watermark=False,
        private=True,
        image="x.jpg",
    )
    one = new_task(order=order, update_key="u:1", language="zh")
    taken = await database.transact(
        lambda tx: accept_task.accept_task(tx, one, CREDIT_LIMITS, 3, NOW)
    )
    assert await database.read(lambda tx: tasks.get(tx, one.id)) == taken.task
    assert taken.task.order == order


async def test_only_the_winner_of_a_race_changes_the_task(database: Database) -> None:
    """Of many moves of one task one wins; the others write nothing, not even an event."""
    task = await move_task(database, await add_task(database), State.SUBMITTING, State.RUNNING)

    def move(tx: Tx) -> bool:
        return lifecycle.transition(tx, task, State.FAILED, NOW, reason="upstream")

    results = await asyncio.gather(*(database.transact(move) for _ in range(20)))
    assert results.count(True) == 1
    history = await database.read(lambda tx: tasks.history(tx, task.id))
    assert [new for _, _, new, _, _ in history] == ["queued", "submitting", "running", "failed"]


async def test_stale_lease_cannot_change_the_task(database: Database) -> None:
    """A worker whose task was taken over can neither move it nor put it back."""
    task = await move_task(database, await add_task(database), State.SUBMITTING, State.RUNNING)
    (first,) = await database.transact(
        lambda tx: task_queue.claim_due(tx, State.RUNNING, 5, NOW, "dead:1", NOW + 30)
    )
    assert first.id == task.id
    assert not await database.transact(
        lambda tx: task_queue.claim_due(tx, State.RUNNING, 5, NOW + 29, "live:1", NOW + 60)
    )
    (second,) = await database.transact(
        lambda tx: task_queue.claim_due(tx, State.RUNNING, 5, NOW + 31, "live:1", NOW + 61)
    )
    assert not await database.transact(
        lambda tx: lifecycle.transition(tx, first, State.FAILED, NOW, reason="upstream")
    )
    assert not await database.transact(lambda tx: tasks.change(tx, first, due_at=NOW))
    assert await database.transact(
        lambda tx: lifecycle.transition(tx, second, State.FAILED, NOW, reason="upstream")
    )


@pytest.mark.parametrize(
    "change",
    [
        {"state": "asleep"},
        {"state": "running", "remote_id": None},
        {"price": -1},
        {"state": "done", "file": None, "bytes": None},
        {"seconds": 0},
    ],
)
async def test_constraints_refuse_invalid_rows(
    database: Database, change: dict[str, object]
) -> None:
    """Unknown states, jobs without an id and negative prices are refused by the tables."""
    task = await add_task(database)
    with pytest.raises(IntegrityError):
        await database.transact(
            lambda tx: tx.execute(
                update(schema.tasks).where(schema.tasks.c.id == task.id).values(**change)
            )
        )


async def test_job_belongs_to_one_task(database: Database) -> None:
    """The database refuses a job that another task of the account has; nothing is written."""
    first = await move_task(database, await add_task(database), State.SUBMITTING, State.RUNNING)
    second = await move_task(database, await add_task(database), State.SUBMITTING)
    job = {"remote_id": first.remote_id}
    with pytest.raises(tasks.JobAlreadyAssigned):
        await database.transact(
            lambda tx: lifecycle.transition(tx, second, State.RUNNING, NOW, changes=job)
        )
    found = await database.read(lambda tx: tasks.get(tx, second.id))
    assert found is not None
    assert found.state is State.SUBMITTING
