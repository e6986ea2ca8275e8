"""Notices to users, the same on every database."""

from __future__ import annotations

from bot.domain.tasks import State
from bot.store import notices
from bot.store.database import Database
from tests.support.task_rows import NOW, add_task, move_task


async def test_notice_is_claimed_once_and_ends_when_sent(database: Database) -> None:
    """It comes back if it was not sent, and ends when it was."""
    task = await move_task(database, await add_task(database), State.SUBMITTING, State.FAILED)

    async def claim(now: float) -> list[tuple[str, State, int]]:
        return await database.transact(lambda tx: notices.claim(tx, 5, now, now + 30, ["console"]))

    assert await claim(NOW) == [(task.id, State.FAILED, 0)]
    assert await claim(NOW + 1) == []
    assert await claim(NOW + 31) == [(task.id, State.FAILED, 1)]
    await database.transact(lambda tx: notices.mark_sent(tx, task.id, State.FAILED, NOW))
    assert await claim(NOW + 100) == []
