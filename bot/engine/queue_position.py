"""Update the queue position shown in the status messages of queued tasks."""

from __future__ import annotations

import secrets

from bot.domain.tasks import Task
from bot.engine.context import EngineContext
from bot.presentation.task_messages import estimate_eta, status_text
from bot.store import frontend_state, tasks
from bot.store.database import Tx

INTERVAL_S = 10.0
_MAX_UPDATED_TASKS = 100
"""From the head of the queue; further back, a change of the position hardly matters."""
_LOCK_TTL_S = 3 * INTERVAL_S
"""How long one of several processes is responsible for the messages of a front-end."""
_LOCK_NAME = "line"
_LOCK_OWNER = secrets.token_hex(8)


async def update_queue_positions(engine: EngineContext) -> None:
    """Show the current position in each status message; unchanged messages are not sent again."""
    now = engine.clock.now()

    def claim_positions(tx: Tx) -> list[tuple[int, Task]]:
        positions = list(enumerate(tasks.queue_head(tx, _MAX_UPDATED_TASKS)))
        front_ends = {
            task.destination.front_end for _, task in positions
        } & engine.messengers.keys()
        locked_front_ends = {
            name
            for name in front_ends
            if frontend_state.try_lock(tx, name, _LOCK_NAME, _LOCK_OWNER, now, now + _LOCK_TTL_S)
        }
        return [
            (tasks_ahead, task)
            for tasks_ahead, task in positions
            if task.destination.front_end in locked_front_ends
        ]

    for tasks_ahead, task in await engine.database.transact(claim_positions):
        if now - task.state_since < INTERVAL_S:
            # Its status message shows the position since the task was accepted.
            continue
        messenger = engine.messengers[task.destination.front_end]
        eta = estimate_eta(
            task,
            engine.catalog,
            engine.duration_stats,
            now,
            tasks_ahead,
            format_countdown=messenger.format_countdown,
        )
        await messenger.update_status(task, status_text(task.language, task, eta))
