"""Statements on deliveries and notices: what is owed to a chat."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import RowMapping, insert, select, update

from bot.model import Delivery, Place, State
from bot.store.database import Tx
from bot.store.schema import deliveries, notices


def _delivery(row: RowMapping) -> Delivery:
    return Delivery(
        task=row["task"],
        place=Place(row["front_end"], row["address"]),
        state=row["state"],
        attempts=row["attempts"],
        repeated=row["repeated"],
        receipt=row["receipt"],
    )


def get(tx: Tx, task: str) -> Delivery:
    """The duty to post this task's result."""
    return _delivery(
        tx.execute(select(deliveries).where(deliveries.c.task == task)).mappings().one()
    )


def begin(tx: Tx, task: str, *, repeated: bool) -> bool:
    """Write down that the result is being sent now. False: it was sent already."""
    started = tx.execute(
        update(deliveries)
        .where(deliveries.c.task == task, deliveries.c.state != "sent")
        .values(state="sending", repeated=repeated, attempts=deliveries.c.attempts + 1)
    )
    return started.rowcount == 1


def unsent(tx: Tx, task: str) -> None:
    """The send has certainly failed: nothing stands in the chat."""
    tx.execute(
        update(deliveries)
        .where(deliveries.c.task == task, deliveries.c.state == "sending")
        .values(state="waiting")
    )


def sent(tx: Tx, task: str, receipt: str, now: float) -> bool:
    """Write down that the result stands in the chat. False: that was known already."""
    done = tx.execute(
        update(deliveries)
        .where(deliveries.c.task == task, deliveries.c.state == "sending")
        .values(state="sent", receipt=receipt, sent_at=now)
    )
    return done.rowcount == 1


def renew(tx: Tx, task: str, place: Place) -> None:
    """A person asks for an undelivered result: try again from the start, where they ask."""
    tx.execute(
        update(deliveries)
        .where(deliveries.c.task == task, deliveries.c.state != "sent")
        .values(
            state="waiting",
            front_end=place.front_end,
            address=place.address,
            attempts=0,
            repeated=False,
        )
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
    query = (
        select(notices.c.task, notices.c.state, notices.c.attempts)
        .join(deliveries, deliveries.c.task == notices.c.task)
        .where(
            notices.c.told_at.is_(None),
            notices.c.due_at <= now,
            deliveries.c.front_end.in_(front_ends),
        )
        .order_by(notices.c.due_at)
        .limit(limit)
        .with_for_update(skip_locked=True, of=notices)
    )
    owed = [(task, State(state), attempts) for task, state, attempts in tx.execute(query)]
    for task, state, attempts in owed:
        tx.execute(
            update(notices)
            .where(notices.c.task == task, notices.c.state == state)
            .values(due_at=until, attempts=attempts + 1)
        )
    return owed


def next_notice(tx: Tx) -> float | None:
    """When the next notice falls due."""
    query = select(notices.c.due_at).where(notices.c.told_at.is_(None))
    return tx.execute(query.order_by(notices.c.due_at).limit(1)).scalar()


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
