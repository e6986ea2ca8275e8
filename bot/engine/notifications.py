"""Notify users: final messages, which must arrive, and status updates, which are best effort."""

from __future__ import annotations

import structlog

from bot.domain.tasks import ACTIVE, State, Task
from bot.engine.context import World
from bot.engine.outcome import Advance, Outcome, Snooze
from bot.ports import DeliveryError
from bot.presentation.task_messages import last_word, outlook, status_text
from bot.store import notices, tasks

_log = structlog.get_logger(__name__)
_TRIES = 12
"""With delays that double up to two minutes: about 15 minutes of an unreachable chat."""


async def tell(world: World, task_id: str, state: State, attempts: int) -> None:
    """Send the final message about a task: at least once; after a crash perhaps twice."""
    task = await world.database.read(lambda tx: tasks.get(tx, task_id))
    if task is None or task.state is not state:
        # The task has moved on (an admin attached its job, or the user fetched it): obsolete.
        await _told(world, task_id, state)
        return
    messenger = world.messengers.get(task.place.front_end)
    if messenger is None:
        await _not_told(world, task, attempts, DeliveryError("unknown", "its front-end is off"))
        return
    try:
        await messenger.tell(task, last_word(task))
    except Exception as error:  # noqa: BLE001 - any failure counts as an attempt
        await _not_told(world, task, attempts, error)
        return
    await _told(world, task_id, state)


async def _told(world: World, task_id: str, state: State) -> None:
    now = world.clock.now()
    await world.database.transact(lambda tx: notices.told(tx, task_id, state, now))


async def _not_told(world: World, task: Task, attempts: int, error: Exception) -> None:
    permanent = isinstance(error, DeliveryError) and error.permanent
    if permanent or attempts + 1 >= _TRIES:
        _log.warning("notice_dropped", task=task.id, error=str(error))
        await _told(world, task.id, task.state)
        return
    hint = error.retry_after if isinstance(error, DeliveryError) else None
    due_at = world.clock.now() + world.backoff(attempts, hint)
    await world.database.transact(
        lambda tx: notices.put_off_notice(tx, task.id, task.state, due_at)
    )


async def show(world: World, task: Task, verdict: Outcome) -> None:
    """Update the task's status message, if its text may have changed."""
    if isinstance(verdict, Snooze) and "percent" not in verdict.changes:
        return
    if isinstance(verdict, Advance) and verdict.to not in ACTIVE:
        return
    messenger = world.messengers.get(task.place.front_end)
    now_is = await world.database.read(lambda tx: tasks.get(tx, task.id))
    if messenger is None or now_is is None or now_is.state not in ACTIVE:
        return
    now, countdown = world.clock.now(), messenger.countdown
    view = outlook(now_is, world.catalog, world.durations, now, countdown=countdown)
    await messenger.show(now_is, status_text(now_is.language, now_is, view))
