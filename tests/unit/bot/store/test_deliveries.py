"""Deliveries, the same on every database."""

from __future__ import annotations

import pytest
from sqlalchemy.exc import IntegrityError

from bot.store import deliveries, schema
from bot.store.database import Database
from tests.support.task_rows import NOW, add_task


async def test_delivery_is_unique_and_sent_once(database: Database) -> None:
    """A second delivery of one task cannot be written; one that was sent is not sent again."""
    task = await add_task(database)
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
