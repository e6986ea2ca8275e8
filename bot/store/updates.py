"""Queries on updates of chat platforms, kept until they are handled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, bindparam, delete, or_, select, update

from bot.store.database import Tx
from bot.store.rows import insert_if_new
from bot.store.schema import updates

_IS_PENDING = updates.c.done_at.is_(None)
_SELECT = select(updates.c.id, updates.c.lane, updates.c.body, updates.c.attempts)
_IS_UPDATE = (updates.c.front_end == bindparam("front"), updates.c.id == bindparam("which"))
_UPDATE_DONE = (
    update(updates).where(*_IS_UPDATE).values(done_at=bindparam("now"), body="", worker=None)
)


@dataclass(frozen=True, slots=True)
class StoredUpdate:
    """One update. `id` is the platform's and increases; `ordering_key` groups updates."""

    id: int
    ordering_key: str
    body: str
    """The JSON of the platform."""
    attempts: int = 0


def add(
    tx: Tx,
    front_end: str,
    new_updates: Sequence[StoredUpdate],
    worker: str,
    now: float,
    claimed_until: float,
) -> list[StoredUpdate]:
    """Store updates, claimed by this worker until then; return the new ones in order."""
    common = {"front_end": front_end, "at": now, "due_at": claimed_until, "worker": worker}
    return [
        new_update
        for new_update in new_updates
        if insert_if_new(
            tx,
            updates,
            {
                **common,
                "id": new_update.id,
                "lane": new_update.ordering_key,
                "body": new_update.body,
            },
        )
    ]


def _not_claimed_by(worker: str) -> ColumnElement[bool]:
    """Exclude what a worker already has in progress, however long it slept."""
    return or_(updates.c.worker.is_(None), updates.c.worker != worker)


def claim(
    tx: Tx, front_end: str, worker: str, now: float, claimed_until: float, limit: int
) -> list[StoredUpdate]:
    """Take over what nobody seems to be at work on, oldest first.

    To be taken over first in its lane counts as an attempt: what brings down every process is not
    taken for ever, and what stands behind it is.
    """
    query = (
        _SELECT.where(
            _IS_PENDING,
            updates.c.front_end == front_end,
            updates.c.due_at <= now,
            _not_claimed_by(worker),
        )
        .order_by(updates.c.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    claimed = [StoredUpdate(*row) for row in tx.execute(query)]
    if claimed:
        take_over = update(updates).where(
            updates.c.front_end == front_end, updates.c.id.in_([stored.id for stored in claimed])
        )
        tx.execute(take_over.values(worker=worker, due_at=claimed_until))
        # Iterate newest first, so that the oldest update of each key wins.
        oldest_by_key = {stored.ordering_key: stored.id for stored in reversed(claimed)}
        count_attempt = update(updates).where(
            updates.c.front_end == front_end, updates.c.id.in_(oldest_by_key.values())
        )
        tx.execute(count_attempt.values(attempts=updates.c.attempts + 1))
    return claimed


def claimed_by(tx: Tx, front_end: str, worker: str) -> list[StoredUpdate]:
    """Return all updates claimed by this worker, oldest first."""
    query = _SELECT.where(_IS_PENDING, updates.c.front_end == front_end, updates.c.worker == worker)
    return [StoredUpdate(*row) for row in tx.execute(query.order_by(updates.c.id))]


def extend_claims(tx: Tx, worker: str, claimed_until: float) -> None:
    """Heartbeat: extend this worker's claims."""
    statement = update(updates).where(
        _IS_PENDING, updates.c.worker == worker, updates.c.due_at < claimed_until
    )
    tx.execute(statement.values(due_at=claimed_until))


def release_others(tx: Tx, front_end: str, worker: str, now: float) -> None:
    """Release the claims of all other workers: none of them is running."""
    statement = update(updates).where(
        _IS_PENDING, updates.c.front_end == front_end, _not_claimed_by(worker)
    )
    tx.execute(statement.values(due_at=now))


def release(tx: Tx, worker: str, now: float) -> None:
    """Release the claims of a worker that stops, so that other workers can take them."""
    tx.execute(
        update(updates)
        .where(_IS_PENDING, updates.c.worker == worker)
        .values(due_at=now, worker=None)
    )


def is_pending(tx: Tx, front_end: str, update_id: int) -> bool:
    """Whether an update is stored and not yet handled."""
    conditions = (_IS_PENDING, updates.c.front_end == front_end, updates.c.id == update_id)
    return tx.execute(select(updates.c.id).where(*conditions)).first() is not None


def mark_done(tx: Tx, front_end: str, update_id: int, now: float) -> None:
    """Mark an update as handled and blank its body; the id stays, to ignore repetitions."""
    tx.execute(_UPDATE_DONE, {"front": front_end, "which": update_id, "now": now})


def delete_done_before(tx: Tx, before: float) -> None:
    """Delete updates handled before then; no platform repeats an update that long."""
    tx.execute(delete(updates).where(updates.c.done_at < before))
