"""Queries on events that were already handled, so that a repetition has no effect."""

from __future__ import annotations

from sqlalchemy import delete, select

from bot.store.database import Tx
from bot.store.rows import insert_if_new
from bot.store.schema import heard

# --- events ------------------------------------------------------------------------------


def record_once(tx: Tx, identity: str, event: str, now: float) -> bool:
    """Keep an event that a gateway has called in. False: it was heard before."""
    query = select(heard.c.event).where(heard.c.identity == identity, heard.c.event == event)
    if tx.execute(query).first() is not None:
        return False
    insert_if_new(tx, heard, {"identity": identity, "event": event, "at": now})
    return True


def delete_before(tx: Tx, before: float) -> None:
    """Events older than any repetition of them."""
    tx.execute(delete(heard).where(heard.c.at < before))
