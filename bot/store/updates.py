"""Statements on updates: what a platform has sent, kept until all has come of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, bindparam, delete, or_, select, update

from bot.store.database import Tx
from bot.store.rows import add_if_new
from bot.store.schema import updates

_OPEN = updates.c.done_at.is_(None)
_ARRIVED = select(updates.c.id, updates.c.lane, updates.c.body, updates.c.attempts)
_KEY = (updates.c.front_end == bindparam("front"), updates.c.id == bindparam("which"))
_DONE = update(updates).where(*_KEY).values(done_at=bindparam("now"), body="", worker=None)


@dataclass(frozen=True, slots=True)
class Arrived:
    """One update: `id` is the platform's and grows, `lane` says whose it is."""

    id: int
    lane: str
    body: str
    """As the platform sent it: JSON."""
    attempts: int = 0


def add(
    tx: Tx, front_end: str, arrived: Sequence[Arrived], worker: str, now: float, until: float
) -> list[Arrived]:
    """Write down what has come, as this worker's until then. Those that are new, in their order."""
    common = {"front_end": front_end, "at": now, "due_at": until, "worker": worker}
    return [
        one
        for one in arrived
        if add_if_new(tx, updates, {**common, "id": one.id, "lane": one.lane, "body": one.body})
    ]


def _not_of(worker: str) -> ColumnElement[bool]:
    """What a worker has in hand it must not take a second time, however long it was asleep."""
    return or_(updates.c.worker.is_(None), updates.c.worker != worker)


def claim(
    tx: Tx, front_end: str, worker: str, now: float, until: float, limit: int
) -> list[Arrived]:
    """Take over what nobody seems to be at work on, oldest first.

    To be taken over first in its lane counts as an attempt: what brings down every process is not
    taken for ever, and what stands behind it is.
    """
    query = (
        _ARRIVED.where(
            _OPEN, updates.c.front_end == front_end, updates.c.due_at <= now, _not_of(worker)
        )
        .order_by(updates.c.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    found = [Arrived(*row) for row in tx.execute(query)]
    if found:
        mine = update(updates).where(
            updates.c.front_end == front_end, updates.c.id.in_([one.id for one in found])
        )
        tx.execute(mine.values(worker=worker, due_at=until))
        # Of one lane the oldest is the last that this dictionary hears of.
        first = {one.lane: one.id for one in reversed(found)}
        tried = update(updates).where(
            updates.c.front_end == front_end, updates.c.id.in_(first.values())
        )
        tx.execute(tried.values(attempts=updates.c.attempts + 1))
    return found


def of_worker(tx: Tx, front_end: str, worker: str) -> list[Arrived]:
    """All that this worker has in hand, or should have, oldest first."""
    query = _ARRIVED.where(_OPEN, updates.c.front_end == front_end, updates.c.worker == worker)
    return [Arrived(*row) for row in tx.execute(query.order_by(updates.c.id))]


def extend(tx: Tx, worker: str, until: float) -> None:
    """This worker is still at work on its own."""
    mine = update(updates).where(_OPEN, updates.c.worker == worker, updates.c.due_at < until)
    tx.execute(mine.values(due_at=until))


def free_others(tx: Tx, front_end: str, worker: str, now: float) -> None:
    """Nobody but this worker is alive: what others have left may be taken at once."""
    left = update(updates).where(_OPEN, updates.c.front_end == front_end, _not_of(worker))
    tx.execute(left.values(due_at=now))


def free(tx: Tx, worker: str, now: float) -> None:
    """This worker leaves: others, or its next life, may take what it has not done."""
    tx.execute(
        update(updates).where(_OPEN, updates.c.worker == worker).values(due_at=now, worker=None)
    )


def is_open(tx: Tx, front_end: str, update_id: int) -> bool:
    """Whether it was taken in, and not all has come of it yet."""
    which = (_OPEN, updates.c.front_end == front_end, updates.c.id == update_id)
    return tx.execute(select(updates.c.id).where(*which)).first() is not None


def done(tx: Tx, front_end: str, update_id: int, now: float) -> None:
    """All has come of it; what it said is forgotten, and that it came is remembered."""
    tx.execute(_DONE, {"front": front_end, "which": update_id, "now": now})


def prune(tx: Tx, before: float) -> None:
    """Those done before then; no platform repeats an update that long."""
    tx.execute(delete(updates).where(updates.c.done_at < before))
