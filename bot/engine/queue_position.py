"""Update the queue position shown in the status messages of queued tasks."""

from __future__ import annotations

import secrets

from bot.domain.tasks import Task
from bot.engine.context import World
from bot.presentation.task_messages import outlook, status_text
from bot.store import frontend_state, tasks
from bot.store.database import Tx

EVERY = 10.0
_TOLD = 100
"""From the head of the queue; further back, a change of the position hardly matters."""
_MINE = 3 * EVERY
"""How long one of several processes is responsible for the messages of a front-end."""
_MARK = "line"
_WORKER = secrets.token_hex(8)


async def tell(world: World) -> None:
    """Show the current position in each status message; unchanged messages are not sent again."""
    now = world.clock.now()

    def look(tx: Tx) -> list[tuple[int, Task]]:
        line = list(enumerate(tasks.line(tx, _TOLD)))
        here = {task.place.front_end for _, task in line} & world.messengers.keys()
        mine = {
            name
            for name in here
            if frontend_state.claim_mark(tx, name, _MARK, _WORKER, now, now + _MINE)
        }
        return [(ahead, task) for ahead, task in line if task.place.front_end in mine]

    for ahead, task in await world.database.transact(look):
        if now - task.moved_at < EVERY:
            # Its status message shows the position since the task was accepted.
            continue
        messenger = world.messengers[task.place.front_end]
        view = outlook(
            task, world.catalog, world.durations, now, ahead, countdown=messenger.countdown
        )
        await messenger.show(task, status_text(task.language, task, view))
