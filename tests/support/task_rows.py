"""Tasks in a database, for the tests of the store."""

from __future__ import annotations

from dataclasses import replace

from bot.credits import lifecycle
from bot.domain.tasks import Destination, Order, State, Task
from bot.services import accept_task
from bot.services.accept_task import NewTask
from bot.store import tasks
from bot.store.database import Database, Tx
from tests.support.credit_limits import CREDIT_LIMITS

NOW = 1_790_000_000.0


def new_task(person: str = "console:a", **changes: object) -> NewTask:
    order = Order(model="m", prompt="a red kite", seconds=4, size="1280x720")
    made = NewTask(
        accept_task.new_task_id(), person, Destination("console", "here"), "en", order, 4
    )
    return replace(made, **changes)  # type: ignore[arg-type]


async def add_task(database: Database, person: str = "console:a", now: float = NOW) -> Task:
    one = new_task(person)
    taken = await database.transact(
        lambda tx: accept_task.accept_task(tx, one, CREDIT_LIMITS, 100, now)
    )
    return taken.task


_ENTERING: dict[State, dict[str, object]] = {
    State.SUBMITTING: {"provider": "p", "provider_identity": "i", "remote_model": "m"},
    State.DELIVERING: {"file": "x.mp4", "bytes": 1},
}


async def move_task(database: Database, task: Task, *states: State) -> Task:
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
