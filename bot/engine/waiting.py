"""Those who wait in line: how many are still before them, told as it becomes less."""

from __future__ import annotations

import secrets

from bot.engine.world import World
from bot.model import Task
from bot.store import cards, tasks
from bot.store.database import Tx
from bot.telling import outlook, status_text

EVERY = 10.0
_TOLD = 100
"""Those in front; to others a place more or less says little."""
_MINE = 3 * EVERY
"""Seconds for which one process of all tells the people of one front-end."""
_MARK = "line"
_WORKER = secrets.token_hex(8)


async def tell(world: World) -> None:
    """Let each status in line say its place; an unchanged one stays as it is."""
    now = world.clock.now()

    def look(tx: Tx) -> list[tuple[int, Task]]:
        line = list(enumerate(tasks.line(tx, _TOLD)))
        here = {task.place.front_end for _, task in line} & world.messengers.keys()
        mine = {
            name for name in here if cards.claim_mark(tx, name, _MARK, _WORKER, now, now + _MINE)
        }
        return [(ahead, task) for ahead, task in line if task.place.front_end in mine]

    for ahead, task in await world.database.transact(look):
        if now - task.moved_at < EVERY:
            # It was told its place when it was taken in.
            continue
        messenger = world.messengers[task.place.front_end]
        view = outlook(
            task, world.catalog, world.durations, now, ahead, countdown=messenger.countdown
        )
        await messenger.show(task, status_text(task.language, task, view))
