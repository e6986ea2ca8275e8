"""Queries on users and their settings."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import (
    bindparam,
    select,
    update,
)

from bot.store.database import Tx
from bot.store.rows import insert_if_new
from bot.store.schema import people


@dataclass(frozen=True, slots=True)
class UserRow:
    """A user's settings, apart from tasks and credits."""

    id: str
    language: str | None = None
    model: str | None = None
    orientation: str | None = None
    seconds: int | None = None
    banned_at: float | None = None
    ban_reason: str | None = None
    handle: str | None = None


_SELECT_USER = select(people).where(people.c.id == bindparam("which"))


def get(tx: Tx, user_id: str) -> UserRow:
    """The user's row; defaults for an unknown user."""
    row = tx.execute(_SELECT_USER, {"which": user_id}).mappings().first()
    if row is None:
        return UserRow(user_id)
    return UserRow(**{name: row[name] for name in UserRow.__slots__})


def change(tx: Tx, user_id: str, **changes: object) -> None:
    """Change columns of a user."""
    tx.execute(update(people).where(people.c.id == user_id).values(**changes))


def find_by_handle(tx: Tx, front_end: str, handle: str) -> str | None:
    """Return the id of the user with this handle there; None if none was seen."""
    query = select(people.c.id).where(
        people.c.handle == handle.lower(), people.c.id.startswith(f"{front_end}:")
    )
    return tx.execute(query).scalar()


def set_handle(tx: Tx, user_id: str, handle: str | None, now: float) -> None:
    """Set a user's handle, and remove it from other users of that front-end."""
    front_end = user_id.partition(":")[0]
    insert_if_new(tx, people, {"id": user_id, "created_at": now})
    if handle is not None:
        others = update(people).where(
            people.c.handle == handle.lower(),
            people.c.id != user_id,
            people.c.id.startswith(f"{front_end}:"),
        )
        tx.execute(others.values(handle=None))
    change(tx, user_id, handle=handle.lower() if handle else None)


def exists(tx: Tx, user_id: str) -> bool:
    """Whether the user is known."""
    return tx.execute(select(people.c.id).where(people.c.id == user_id)).first() is not None
