"""Statements on deliveries and notices: what is owed to a chat."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import Integer, RowMapping, bindparam, insert, or_, select, update

from bot.model import Delivery, Place, State
from bot.store.database import Tx
from bot.store.schema import deliveries, notices

_OF_TASK = select(deliveries).where(deliveries.c.task == bindparam("which"))
_BEGIN = (
    update(deliveries)
    .where(deliveries.c.task == bindparam("which"), deliveries.c.state != "sent")
    .values(state="sending", repeated=bindparam("again"), attempts=deliveries.c.attempts + 1)
)
_SENT = (
    update(deliveries)
    .where(deliveries.c.task == bindparam("which"), deliveries.c.state == "sending")
    .values(state="sent", receipt=bindparam("seen_as"), sent_at=bindparam("now"))
)
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
    return _delivery(tx.execute(_OF_TASK, {"which": task}).mappings().one())


def begin(tx: Tx, task: str, *, repeated: bool) -> bool:
    """Write down that the result is being sent now. False: it was sent already."""
    return tx.execute(_BEGIN, {"which": task, "again": repeated}).rowcount == 1


def unsent(tx: Tx, task: str) -> None:
    """The send has certainly failed: nothing stands in the chat."""
    tx.execute(
        update(deliveries)
        .where(deliveries.c.task == task, deliveries.c.state == "sending")
        .values(state="waiting")
    )


def sent(tx: Tx, task: str, receipt: str, now: float) -> bool:
    """Write down that the result stands in the chat. False: that was known already."""
    done = tx.execute(_SENT, {"which": task, "seen_as": receipt, "now": now})
    return done.rowcount == 1


def renew(tx: Tx, task: str, place: Place) -> None:
    """A person asks for an undelivered result: try again from the start, where they ask.

    If it may have been posted before, it goes on saying so.
    """
    tx.execute(
        update(deliveries)
        .where(deliveries.c.task == task, deliveries.c.state != "sent")
        .values(
            state="waiting",
            front_end=place.front_end,
            address=place.address,
            attempts=0,
            repeated=or_(deliveries.c.repeated, deliveries.c.state == "sending"),
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
