"""Queries on the audit trail: every admin action, with who and when."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import insert, select

from bot.store.database import Tx
from bot.store.schema import audit


def record(tx: Tx, by: str, subcommand: str, arguments: Mapping[str, object], now: float) -> None:
    """Record an admin action, in the transaction that does it."""
    text = " ".join(
        [subcommand, *(str(value) for value in arguments.values() if value is not None)]
    )
    tx.execute(insert(audit).values(at=now, by=by, what=text))


def newest(tx: Tx, limit: int) -> list[tuple[float, str, str]]:
    """Return the newest actions first: (at, by, what)."""
    query = select(audit.c.at, audit.c.by, audit.c.what).order_by(audit.c.id.desc())
    return [(at, by, what) for at, by, what in tx.execute(query.limit(limit))]
