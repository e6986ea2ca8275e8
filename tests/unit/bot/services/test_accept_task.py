"""Accepting a request: one task and one hold for an update, within the limits."""

from __future__ import annotations

import pytest

from bot.domain.errors import Refusal
from bot.domain.tasks import State
from bot.services import accept_task
from bot.store import users
from bot.store.database import Database, Tx
from tests.support.credit_limits import CREDIT_LIMITS
from tests.support.task_rows import NOW, add_task, move_task, new_task


async def test_update_makes_one_task(database: Database) -> None:
    """The same update twice gives the same task, and holds credits once."""
    first = await database.transact(
        lambda tx: accept_task.accept_task(
            tx, new_task(update_key="telegram:7"), CREDIT_LIMITS, 3, NOW
        )
    )
    second = await database.transact(
        lambda tx: accept_task.accept_task(
            tx, new_task(update_key="telegram:7"), CREDIT_LIMITS, 3, NOW
        )
    )
    assert first.is_new
    assert not second.is_new
    assert second.task == first.task
    assert second.balance.held == 4


async def test_banned_user_is_refused(database: Database) -> None:
    """The refusal has the reason, and nothing is held."""
    await add_task(database)

    def ban(tx: Tx) -> None:
        users.change(tx, "console:a", banned_at=NOW, ban_reason="spam")

    await database.transact(ban)
    with pytest.raises(Refusal) as refused:
        await add_task(database)
    assert refused.value.text_key == "banned"
    assert refused.value.params["reason"] == "spam"


async def test_active_task_limit_counts_unsettled_tasks(database: Database) -> None:
    """The limit per user counts tasks that are not settled; 0 means no tasks."""
    first = await database.transact(
        lambda tx: accept_task.accept_task(tx, new_task(), CREDIT_LIMITS, 1, NOW)
    )
    with pytest.raises(Refusal, match="too-many-running"):
        await database.transact(
            lambda tx: accept_task.accept_task(tx, new_task(), CREDIT_LIMITS, 1, NOW)
        )
    await move_task(database, first.task, State.CANCELLED)
    await database.transact(
        lambda tx: accept_task.accept_task(tx, new_task(), CREDIT_LIMITS, 1, NOW)
    )
    with pytest.raises(Refusal, match="too-many-running"):
        await database.transact(
            lambda tx: accept_task.accept_task(tx, new_task("console:b"), CREDIT_LIMITS, 0, NOW)
        )
