"""Notify users: final messages, which must arrive, and status updates, which are best effort."""

from __future__ import annotations

import structlog

from bot.domain.tasks import ACTIVE, State, Task
from bot.engine.context import EngineContext
from bot.engine.outcome import Advance, Outcome, Snooze
from bot.ports import DeliveryError
from bot.presentation.task_messages import estimate_eta, final_message, status_text
from bot.store import notices, tasks

_log = structlog.get_logger(__name__)
_MAX_ATTEMPTS = 12
"""With delays that double up to two minutes: about 15 minutes of an unreachable chat."""


async def send_final_notice(
    engine: EngineContext, task_id: str, state: State, attempts: int
) -> None:
    """Send the final message about a task: at least once; after a crash perhaps twice."""
    task = await engine.database.read(lambda tx: tasks.get(tx, task_id))
    if task is None or task.state is not state:
        # The task has moved on (an admin attached its job, or the user fetched it): obsolete.
        await _mark_sent(engine, task_id, state)
        return
    messenger = engine.messengers.get(task.destination.front_end)
    if messenger is None:
        await _postpone_or_give_up(
            engine, task, attempts, DeliveryError("unknown", "its front-end is off")
        )
        return
    try:
        await messenger.send_final_message(task, final_message(task))
    except Exception as error:  # noqa: BLE001 - any failure counts as an attempt
        await _postpone_or_give_up(engine, task, attempts, error)
        return
    await _mark_sent(engine, task_id, state)


async def _mark_sent(engine: EngineContext, task_id: str, state: State) -> None:
    now = engine.clock.now()
    await engine.database.transact(lambda tx: notices.mark_sent(tx, task_id, state, now))


async def _postpone_or_give_up(
    engine: EngineContext, task: Task, attempts: int, error: Exception
) -> None:
    is_permanent = isinstance(error, DeliveryError) and error.is_permanent
    if is_permanent or attempts + 1 >= _MAX_ATTEMPTS:
        _log.warning("notice_dropped", task=task.id, error=str(error))
        await _mark_sent(engine, task.id, task.state)
        return
    retry_after = error.retry_after if isinstance(error, DeliveryError) else None
    due_at = engine.clock.now() + engine.backoff(attempts, retry_after)
    await engine.database.transact(lambda tx: notices.postpone(tx, task.id, task.state, due_at))


async def update_status(engine: EngineContext, task: Task, outcome: Outcome) -> None:
    """Update the task's status message, if its text may have changed."""
    if isinstance(outcome, Snooze) and "percent" not in outcome.changes:
        return
    if isinstance(outcome, Advance) and outcome.to_state not in ACTIVE:
        return
    messenger = engine.messengers.get(task.destination.front_end)
    current = await engine.database.read(lambda tx: tasks.get(tx, task.id))
    if messenger is None or current is None or current.state not in ACTIVE:
        return
    now, format_countdown = engine.clock.now(), messenger.format_countdown
    eta = estimate_eta(
        current, engine.catalog, engine.duration_stats, now, format_countdown=format_countdown
    )
    await messenger.update_status(current, status_text(current.language, current, eta))
