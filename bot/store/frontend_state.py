"""Per-front-end key-value state, and named locks that expire."""

from __future__ import annotations

from sqlalchemy import select, update

from bot.store.database import Tx
from bot.store.rows import insert_if_new
from bot.store.schema import marks


def get(tx: Tx, front_end: str, name: str) -> str | None:
    """The stored value of this name, or None."""
    query = select(marks.c.value).where(marks.c.front_end == front_end, marks.c.name == name)
    return tx.execute(query).scalar()


def get_all(tx: Tx, front_end: str) -> dict[str, str]:
    """All stored values of a front-end, by name."""
    query = select(marks.c.name, marks.c.value).where(marks.c.front_end == front_end)
    return {row.name: row.value for row in tx.execute(query)}


def try_lock(tx: Tx, front_end: str, name: str, owner: str, now: float, expires_at: float) -> bool:
    """Acquire or renew a named lock. False: another owner holds it and it has not expired."""
    value = f"{owner} {expires_at:.3f}"
    if insert_if_new(tx, marks, {"front_end": front_end, "name": name, "value": value}):
        return True
    where = (marks.c.front_end == front_end, marks.c.name == name)
    current = str(tx.execute(select(marks.c.value).where(*where).with_for_update()).scalar_one())
    holder, _, held_until = current.partition(" ")
    if holder != owner and float(held_until or 0) > now:
        return False
    tx.execute(update(marks).where(*where).values(value=value))
    return True


def put(tx: Tx, front_end: str, name: str, value: str) -> None:
    """Store a value under this name."""
    row = {"front_end": front_end, "name": name, "value": value}
    if not insert_if_new(tx, marks, row):
        where = (marks.c.front_end == front_end, marks.c.name == name)
        tx.execute(update(marks).where(*where).values(value=value))
