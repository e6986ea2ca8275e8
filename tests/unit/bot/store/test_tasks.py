"""The statements on tasks, the same on every database."""

from __future__ import annotations

import asyncio
from dataclasses import fields, replace
from functools import partial

import pytest
from sqlalchemy import update
from sqlalchemy.exc import IntegrityError

from bot.credits import lifecycle
from bot.domain.errors import Refusal
from bot.domain.tasks import Destination, Order, State, Task
from bot.services import accept_task
from bot.services.accept_task import NewTask
from bot.store import deliveries, notices, schema, task_queue, tasks, users
from bot.store.database import Database, Tx
from tests.support.credit_limits import CREDIT_LIMITS

NOW = 1_790_000_000.0


def draft(person: str = "console:a", **changes: object) -> NewTask:
    order = Order(model="m", prompt="a red kite", seconds=4, size="1280x720")
    made = NewTask(
        accept_task.new_task_id(), person, Destination("console", "here"), "en", order, 4
    )
    return replace(made, **changes)  # type: ignore[arg-type]


async def add(database: Database, person: str = "console:a", now: float = NOW) -> Task:
    one = draft(person)
    taken = await database.transact(
        lambda tx: accept_task.accept_task(tx, one, CREDIT_LIMITS, 100, now)
    )
    return taken.task


_ENTERING: dict[State, dict[str, object]] = {
    State.SUBMITTING: {"provider": "p", "provider_identity": "i", "remote_model": "m"},
    State.DELIVERING: {"file": "x.mp4", "bytes": 1},
}


async def moved(database: Database, task: Task, *states: State) -> Task:
    """The task, taken along these arrows."""

    def move(tx: Tx) -> Task | None:
        for state in states:
            now = tasks.get(tx, task.id)
            assert now is not None
            changes = _ENTERING.get(state, {})
            if state is State.RUNNING:
                changes = {"remote_id": f"job-{task.id}"}
            assert lifecycle.transition(tx, now, state, NOW, changes=changes)
        return tasks.get(tx, task.id)

    found = await database.transact(move)
    assert found is not None
    return found


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
    one = draft(order=order, update_key="u:1", language="zh")
    taken = await database.transact(
        lambda tx: accept_task.accept_task(tx, one, CREDIT_LIMITS, 3, NOW)
    )
    assert await database.read(lambda tx: tasks.get(tx, one.id)) == taken.task
    assert taken.task.order == order


async def test_update_makes_one_task(database: Database) -> None:
    """The same update twice gives the same task, and holds credits once."""
    first = await database.transact(
        lambda tx: accept_task.accept_task(
            tx, draft(update_key="telegram:7"), CREDIT_LIMITS, 3, NOW
        )
    )
    second = await database.transact(
        lambda tx: accept_task.accept_task(
            tx, draft(update_key="telegram:7"), CREDIT_LIMITS, 3, NOW
        )
    )
    assert first.is_new
    assert not second.is_new
    assert second.task == first.task
    assert second.balance.held == 4


async def test_only_the_winner_of_a_race_changes_the_task(database: Database) -> None:
    """Of many moves of one task one wins; the others write nothing, not even an event."""
    task = await moved(database, await add(database), State.SUBMITTING, State.RUNNING)

    def move(tx: Tx) -> bool:
        return lifecycle.transition(tx, task, State.FAILED, NOW, reason="upstream")

    results = await asyncio.gather(*(database.transact(move) for _ in range(20)))
    assert results.count(True) == 1
    history = await database.read(lambda tx: tasks.history(tx, task.id))
    assert [new for _, _, new, _, _ in history] == ["queued", "submitting", "running", "failed"]


async def test_stale_lease_cannot_change_the_task(database: Database) -> None:
    """A worker whose task was taken over can neither move it nor put it back."""
    task = await moved(database, await add(database), State.SUBMITTING, State.RUNNING)
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


async def test_extended_lease_is_not_taken_over(database: Database) -> None:
    """A lease that is extended is not taken over."""
    await moved(database, await add(database), State.SUBMITTING, State.RUNNING)
    await database.transact(
        lambda tx: task_queue.claim_due(tx, State.RUNNING, 5, NOW, "a:1", NOW + 30)
    )
    await database.transact(lambda tx: task_queue.extend_leases(tx, ["a:1"], NOW + 60))
    assert not await database.transact(
        lambda tx: task_queue.claim_due(tx, State.RUNNING, 5, NOW + 45, "b:1", NOW + 75)
    )


async def test_concurrent_claims_never_share_a_task(database: Database) -> None:
    """Concurrent claims divide the due tasks among them."""
    for _ in range(20):
        await moved(database, await add(database), State.SUBMITTING, State.RUNNING)

    async def claim(name: str) -> list[str]:
        taken = await database.transact(
            lambda tx: task_queue.claim_due(tx, State.RUNNING, 10, NOW, name, NOW + 30)
        )
        return [task.id for task in taken]

    shares = await asyncio.gather(*(claim(f"w{number}:1") for number in range(4)))
    ids = [task for share in shares for task in share]
    assert len(ids) == len(set(ids)) == 20


async def test_users_take_turns_in_the_queue(database: Database) -> None:
    """However many tasks one user has, another's first task comes second at the latest."""
    mine = [await add(database, "console:a", NOW + number) for number in range(20)]
    other = await add(database, "console:b", NOW + 50)
    waiting = await database.transact(
        lambda tx: task_queue.lock_queued_tasks(tx, ["m"], 50, NOW + 60)
    )
    ids = [task.id for task in waiting]
    assert ids[0] == mine[0].id
    assert ids[1] == other.id
    line = await database.read(lambda tx: tasks.queue_position(tx, other.id))
    assert line == 1
    last = await database.read(lambda tx: tasks.queue_position(tx, mine[-1].id))
    assert last == 20


async def test_only_tasks_that_need_missing_capacity_are_skipped(database: Database) -> None:
    """After a task without capacity only those that need as much are skipped."""
    plain = Order(model="m", prompt="a red kite", seconds=4, size="small")
    other = await add(database)
    wishes = {
        "width": 16,
        "height": 9,
        "orientation": "portrait",
        "style": "anime",
        "watermark": False,
        "private": True,
        "storyboard": True,
        "image": "x.jpg",
        "remix_of": other.id,
    }
    others = {"model", "prompt", "seconds", "size"}
    # How it is shown is nothing to those who make it.
    assert {*wishes, *others, "spoiler"} == {field.name for field in fields(Order)}
    changes: list[dict[str, object]] = [{name: value} for name, value in wishes.items()]
    changes += [{"model": "n"}, {"seconds": 8}, {"size": None}, {"prompt": "a kite"}]
    orders = [replace(plain, **change) for change in changes]  # type: ignore[arg-type]

    def behind(tx: Tx, without: Task) -> list[Task]:
        return task_queue.lock_queued_tasks(
            tx, ["m", "n"], 50, NOW + 1, after_task_id=other.id, skipped_shapes=[without]
        )

    made = [await _ordered(database, order) for order in orders]
    for task in made:
        order = task.order
        more = replace(order, prompt=f"{order.prompt} and more", image=order.image and "y.jpg")
        again = await _ordered(database, more)
        left = await database.transact(partial(behind, without=task))
        assert {task_made.id for task_made in made} - {task_left.id for task_left in left} == {
            task.id
        }
        assert not {other.id, again.id} & {task_left.id for task_left in left}


async def _ordered(database: Database, order: Order) -> Task:
    """A task with this order, each of another person."""
    one = draft(f"console:{accept_task.new_task_id()}", order=order)
    taken = await database.transact(
        lambda tx: accept_task.accept_task(tx, one, CREDIT_LIMITS, 100, NOW + 1)
    )
    return taken.task


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
    task = await add(database)
    with pytest.raises(IntegrityError):
        await database.transact(
            lambda tx: tx.execute(
                update(schema.tasks).where(schema.tasks.c.id == task.id).values(**change)
            )
        )


async def test_delivery_is_unique_and_sent_once(database: Database) -> None:
    """A second delivery of one task cannot be written; one that was sent is not sent again."""
    task = await add(database)
    with pytest.raises(IntegrityError):
        await database.transact(
            lambda tx: tx.execute(
                schema.deliveries.insert().values(task=task.id, front_end="x", address="y")
            )
        )
    assert await database.transact(lambda tx: deliveries.begin_send(tx, task.id, repeated=False))
    assert await database.transact(lambda tx: deliveries.mark_sent(tx, task.id, "r", NOW))
    assert not await database.transact(lambda tx: deliveries.mark_sent(tx, task.id, "r", NOW))
    assert not await database.transact(lambda tx: deliveries.begin_send(tx, task.id, repeated=True))


async def test_notice_is_claimed_once_and_ends_when_sent(database: Database) -> None:
    """It comes back if it was not sent, and ends when it was."""
    task = await moved(database, await add(database), State.SUBMITTING, State.FAILED)

    async def claim(now: float) -> list[tuple[str, State, int]]:
        return await database.transact(lambda tx: notices.claim(tx, 5, now, now + 30, ["console"]))

    assert await claim(NOW) == [(task.id, State.FAILED, 0)]
    assert await claim(NOW + 1) == []
    assert await claim(NOW + 31) == [(task.id, State.FAILED, 1)]
    await database.transact(lambda tx: notices.mark_sent(tx, task.id, State.FAILED, NOW))
    assert await claim(NOW + 100) == []


async def test_banned_user_is_refused(database: Database) -> None:
    """The refusal has the reason, and nothing is held."""
    await add(database)

    def ban(tx: Tx) -> None:
        users.change(tx, "console:a", banned_at=NOW, ban_reason="spam")

    await database.transact(ban)
    with pytest.raises(Refusal) as refused:
        await add(database)
    assert refused.value.text_key == "banned"
    assert refused.value.params["reason"] == "spam"


async def test_active_task_limit_counts_unsettled_tasks(database: Database) -> None:
    """The limit per user counts tasks that are not settled; 0 means no tasks."""
    first = await database.transact(
        lambda tx: accept_task.accept_task(tx, draft(), CREDIT_LIMITS, 1, NOW)
    )
    with pytest.raises(Refusal, match="too-many-running"):
        await database.transact(
            lambda tx: accept_task.accept_task(tx, draft(), CREDIT_LIMITS, 1, NOW)
        )
    await moved(database, first.task, State.CANCELLED)
    await database.transact(lambda tx: accept_task.accept_task(tx, draft(), CREDIT_LIMITS, 1, NOW))
    with pytest.raises(Refusal, match="too-many-running"):
        await database.transact(
            lambda tx: accept_task.accept_task(tx, draft("console:b"), CREDIT_LIMITS, 0, NOW)
        )


async def test_results_are_claimed_only_where_their_front_end_runs(database: Database) -> None:
    """Deliveries and notices are claimed only by a process with their front-end."""
    way = (State.SUBMITTING, State.RUNNING, State.FETCHING, State.DELIVERING)
    task = await moved(database, await add(database), *way)

    async def claim(front_end: str) -> list[str]:
        claimed = await database.transact(
            lambda tx: task_queue.claim_due(
                tx, State.DELIVERING, 5, NOW, f"{front_end}:1", NOW + 30, [front_end]
            )
        )
        return [work.id for work in claimed]

    assert await claim("telegram") == []
    assert await claim("console") == [task.id]
    failed = await moved(database, await add(database), State.SUBMITTING, State.FAILED)

    async def claim_notices(front_end: str) -> list[str]:
        owed = await database.transact(lambda tx: notices.claim(tx, 5, NOW, NOW + 30, [front_end]))
        return [one for one, _, _ in owed]

    assert await claim_notices("telegram") == []
    assert await claim_notices("console") == [failed.id]


async def test_job_belongs_to_one_task(database: Database) -> None:
    """The database refuses a job that another task of the account has; nothing is written."""
    first = await moved(database, await add(database), State.SUBMITTING, State.RUNNING)
    second = await moved(database, await add(database), State.SUBMITTING)
    job = {"remote_id": first.remote_id}
    with pytest.raises(tasks.JobAlreadyAssigned):
        await database.transact(
            lambda tx: lifecycle.transition(tx, second, State.RUNNING, NOW, changes=job)
        )
    found = await database.read(lambda tx: tasks.get(tx, second.id))
    assert found is not None
    assert found.state is State.SUBMITTING
