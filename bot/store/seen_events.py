"""Queries on events that were already handled, so that a repetition has no effect."""

from __future__ import annotations

from sqlalchemy import delete, select

from bot.store.database import Tx
from bot.store.rows import insert_if_new
from bot.store.schema import heard


def record_once(tx: Tx, identity: str, event: str, now: float) -> bool:
    """Record an event. False: it was recorded before."""
    query = select(heard.c.event).where(heard.c.identity == identity, heard.c.event == event)
    if tx.execute(query).first() is not None:
        return False
    insert_if_new(tx, heard, {"identity": identity, "event": event, "at": now})
    return True


def delete_before(tx: Tx, before: float) -> None:
    """Delete events that are too old to be repeated."""
    tx.execute(delete(heard).where(heard.c.at < before))
