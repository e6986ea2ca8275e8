"""Queries on notices: final messages about a task that have not been sent yet."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import Integer, bindparam, insert, select, update

from bot.domain.tasks import State
from bot.store.database import Tx
from bot.store.schema import deliveries, notices

_OWED = (
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
_NEXT_NOTICE = (
    select(notices.c.due_at)
    .join(deliveries, deliveries.c.task == notices.c.task)
    .where(
        notices.c.told_at.is_(None),
        deliveries.c.front_end.in_(bindparam("front_ends", expanding=True)),
    )
    .order_by(notices.c.due_at)
    .limit(1)
)


def owe_notice(tx: Tx, task: str, state: State, now: float) -> None:
    """A person must hear how this task ended."""
    known = tx.execute(
        update(notices)
        .where(notices.c.task == task, notices.c.state == state)
        .values(due_at=now, attempts=0, told_at=None)
    )
    if known.rowcount == 0:
        tx.execute(insert(notices).values(task=task, state=state, due_at=now))


def claim_notices(
    tx: Tx, limit: int, now: float, until: float, front_ends: Collection[str]
) -> list[tuple[str, State, int]]:
    """Take due notices for these front-ends: (task, state, attempts so far).

    Untold, they fall due again at `until`.
    """
    wanted = {"now": now, "most": limit, "front_ends": list(front_ends)}
    owed = [(task, State(state), attempts) for task, state, attempts in tx.execute(_OWED, wanted)]
    for task, state, attempts in owed:
        tx.execute(
            update(notices)
            .where(notices.c.task == task, notices.c.state == state)
            .values(due_at=until, attempts=attempts + 1)
        )
    return owed


def next_notice(tx: Tx, front_ends: Collection[str]) -> float | None:
    """When the next notice for these front-ends falls due."""
    return tx.execute(_NEXT_NOTICE, {"front_ends": list(front_ends)}).scalar()


def put_off_notice(tx: Tx, task: str, state: State, due_at: float) -> None:
    """It could not be told now."""
    tx.execute(
        update(notices)
        .where(notices.c.task == task, notices.c.state == state)
        .values(due_at=due_at)
    )


def told(tx: Tx, task: str, state: State, now: float) -> None:
    """The notice stands in the chat, or its chat is gone for good."""
    tx.execute(
        update(notices).where(notices.c.task == task, notices.c.state == state).values(told_at=now)
    )
