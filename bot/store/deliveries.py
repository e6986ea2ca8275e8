"""Queries on deliveries: results that must be posted to a chat."""

from __future__ import annotations

from sqlalchemy import RowMapping, bindparam, or_, select, update

from bot.domain.tasks import Delivery, Destination
from bot.store.database import Tx
from bot.store.schema import deliveries

_SELECT = select(deliveries).where(deliveries.c.task == bindparam("which"))
_UPDATE_SENDING = (
    update(deliveries)
    .where(deliveries.c.task == bindparam("which"), deliveries.c.state != "sent")
    .values(state="sending", repeated=bindparam("again"), attempts=deliveries.c.attempts + 1)
)
_UPDATE_SENT = (
    update(deliveries)
    .where(deliveries.c.task == bindparam("which"), deliveries.c.state == "sending")
    .values(state="sent", receipt=bindparam("seen_as"), sent_at=bindparam("now"))
)


def _from_row(row: RowMapping) -> Delivery:
    return Delivery(
        task_id=row["task"],
        destination=Destination(row["front_end"], row["address"]),
        state=row["state"],
        attempts=row["attempts"],
        repeated=row["repeated"],
        receipt=row["receipt"],
    )


def get(tx: Tx, task_id: str) -> Delivery:
    """Return the delivery of a task's result."""
    return _from_row(tx.execute(_SELECT, {"which": task_id}).mappings().one())


def begin_send(tx: Tx, task_id: str, *, repeated: bool) -> bool:
    """Record the start of a send. False: the result was sent already."""
    return tx.execute(_UPDATE_SENDING, {"which": task_id, "again": repeated}).rowcount == 1


def mark_unsent(tx: Tx, task_id: str) -> None:
    """Record that a send has certainly failed: nothing was posted."""
    tx.execute(
        update(deliveries)
        .where(deliveries.c.task == task_id, deliveries.c.state == "sending")
        .values(state="waiting")
    )


def mark_sent(tx: Tx, task_id: str, receipt: str, now: float) -> bool:
    """Record that the result was posted. False: it was recorded before."""
    result = tx.execute(_UPDATE_SENT, {"which": task_id, "seen_as": receipt, "now": now})
    return result.rowcount == 1


def restart(tx: Tx, task_id: str, destination: Destination) -> None:
    """Restart an undelivered result for the destination where the user asks for it.

    If it may have been posted before, it stays marked as repeated.
    """
    tx.execute(
        update(deliveries)
        .where(deliveries.c.task == task_id, deliveries.c.state != "sent")
        .values(
            state="waiting",
            front_end=destination.front_end,
            address=destination.address,
            attempts=0,
            repeated=or_(deliveries.c.repeated, deliveries.c.state == "sending"),
        )
    )
