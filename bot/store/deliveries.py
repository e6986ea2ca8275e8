"""Statements on deliveries and notices: what is owed to a chat."""

from __future__ import annotations

from sqlalchemy import RowMapping, bindparam, or_, select, update

from bot.domain.tasks import Delivery, Place
from bot.store.database import Tx
from bot.store.schema import deliveries

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
