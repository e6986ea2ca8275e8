"""Queries on notices: final messages about a task that have not been sent yet."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import Integer, bindparam, insert, select, update

from bot.domain.tasks import State
from bot.store.database import Tx
from bot.store.schema import deliveries, notices

_SELECT_DUE = (
    select(notices.c.task, notices.c.state, notices.c.attempts)
    .join(deliveries, deliveries.c.task == notices.c.task)
    .where(
        notices.c.told_at.is_(None),
        notices.c.due_at <= bindparam("now"),
        deliveries.c.front_end.in_(bindparam("front_ends", expanding=True)),
    )
    .order_by(notices.c.due_at)
    .limit(bindparam("most", type_=Integer))
    .with_for_update(skip_locked=True, of=notices)
)
_SELECT_NEXT_DUE = (
    select(notices.c.due_at)
    .join(deliveries, deliveries.c.task == notices.c.task)
    .where(
        notices.c.told_at.is_(None),
        deliveries.c.front_end.in_(bindparam("front_ends", expanding=True)),
    )
    .order_by(notices.c.due_at)
    .limit(1)
)


def enqueue(tx: Tx, task_id: str, state: State, now: float) -> None:
    """Queue the final message about a task."""
    updated = tx.execute(
        update(notices)
        .where(notices.c.task == task_id, notices.c.state == state)
        .values(due_at=now, attempts=0, told_at=None)
    )
    if updated.rowcount == 0:
        tx.execute(insert(notices).values(task=task_id, state=state, due_at=now))


def claim(
    tx: Tx, limit: int, now: float, claimed_until: float, front_ends: Collection[str]
) -> list[tuple[str, State, int]]:
    """Take due notices for these front-ends: (task, state, attempts so far).

    A notice that is not marked as sent falls due again at `claimed_until`.
    """
    parameters = {"now": now, "most": limit, "front_ends": list(front_ends)}
    due = [
        (task_id, State(state), attempts)
        for task_id, state, attempts in tx.execute(_SELECT_DUE, parameters)
    ]
    for task_id, state, attempts in due:
        tx.execute(
            update(notices)
            .where(notices.c.task == task_id, notices.c.state == state)
            .values(due_at=claimed_until, attempts=attempts + 1)
        )
    return due


def next_due_at(tx: Tx, front_ends: Collection[str]) -> float | None:
    """When the next notice for these front-ends falls due."""
    return tx.execute(_SELECT_NEXT_DUE, {"front_ends": list(front_ends)}).scalar()


def postpone(tx: Tx, task_id: str, state: State, due_at: float) -> None:
    """Postpone a notice that could not be sent."""
    tx.execute(
        update(notices)
        .where(notices.c.task == task_id, notices.c.state == state)
        .values(due_at=due_at)
    )


def mark_sent(tx: Tx, task_id: str, state: State, now: float) -> None:
    """Mark a notice as sent, or as impossible to send."""
    tx.execute(
        update(notices)
        .where(notices.c.task == task_id, notices.c.state == state)
        .values(told_at=now)
    )
