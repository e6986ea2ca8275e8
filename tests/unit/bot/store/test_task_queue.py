"""Claims of due and queued tasks, the same on every database."""

from __future__ import annotations

import asyncio
from dataclasses import fields, replace
from functools import partial

from bot.domain.tasks import Order, State, Task
from bot.services import accept_task
from bot.store import notices, task_queue, tasks
from bot.store.database import Database, Tx
from tests.support.credit_limits import CREDIT_LIMITS
from tests.support.task_rows import NOW, add_task, move_task, new_task


async def _ordered(database: Database, order: Order) -> Task:
    """A task with this order, each of another person."""
    one = new_task(f"console:{accept_task.new_task_id()}", order=order)
    taken = await database.transact(
        lambda tx: accept_task.accept_task(tx, one, CREDIT_LIMITS, 100, NOW + 1)
    )
    return taken.task


async def test_extended_lease_is_not_taken_over(database: Database) -> None:
    """A lease that is extended is not taken over."""
    await move_task(database, await add_task(database), State.SUBMITTING, State.RUNNING)
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
        await move_task(database, await add_task(database), State.SUBMITTING, State.RUNNING)

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
    mine = [await add_task(database, "console:a", NOW + number) for number in range(20)]
    other = await add_task(database, "console:b", NOW + 50)
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
    other = await add_task(database)
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


async def test_results_are_claimed_only_where_their_front_end_runs(database: Database) -> None:
    """Deliveries and notices are claimed only by a process with their front-end."""
    way = (State.SUBMITTING, State.RUNNING, State.FETCHING, State.DELIVERING)
    task = await move_task(database, await add_task(database), *way)

    async def claim(front_end: str) -> list[str]:
        claimed = await database.transact(
            lambda tx: task_queue.claim_due(
                tx, State.DELIVERING, 5, NOW, f"{front_end}:1", NOW + 30, [front_end]
            )
        )
        return [work.id for work in claimed]

    assert await claim("telegram") == []
    assert await claim("console") == [task.id]
    failed = await move_task(database, await add_task(database), State.SUBMITTING, State.FAILED)

    async def claim_notices(front_end: str) -> list[str]:
        owed = await database.transact(lambda tx: notices.claim(tx, 5, NOW, NOW + 30, [front_end]))
        return [one for one, _, _ in owed]

    assert await claim_notices("telegram") == []
    assert await claim_notices("console") == [failed.id]
