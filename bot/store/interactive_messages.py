"""Queries on interactive messages: messages of the bot with buttons."""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import Row, Select, delete, select, update

from bot.domain.interactive import InteractiveMessage, MessageKind
from bot.domain.tasks import FINAL, Destination
from bot.store.database import Tx
from bot.store.rows import insert_if_new
from bot.store.schema import cards, tasks

_SELECT: Select[Any] = select(
    cards.c.token,
    cards.c.kind,
    cards.c.person,
    cards.c.front_end,
    cards.c.address,
    cards.c.task,
    cards.c.message,
    cards.c.sends,
    cards.c.body,
    cards.c.gone_at,
)


def _from_row(row: Row[Any]) -> InteractiveMessage:
    return InteractiveMessage(
        callback_id=row.token,
        kind=MessageKind(row.kind),
        user_id=row.person,
        destination=Destination(row.front_end, row.address),
        task_id=row.task,
        message_ref=row.message,
        send_count=row.sends,
        body=json.loads(row.body),
        is_closed=row.gone_at is not None,
    )


def add(tx: Tx, interactive: InteractiveMessage, now: float) -> InteractiveMessage:
    """Insert a message; the existing one of its kind for its task is returned instead."""
    row = {
        "token": interactive.callback_id,
        "front_end": interactive.destination.front_end,
        "kind": interactive.kind,
        "person": interactive.user_id,
        "address": interactive.destination.address,
        "task": interactive.task_id,
        "body": json.dumps(interactive.body),
        "created_at": now,
        "changed_at": now,
    }
    insert_if_new(tx, cards, row)
    existing = get(tx, interactive.callback_id)
    if existing is None and interactive.task_id is not None:
        existing = of_task(tx, interactive.task_id, interactive.kind)
    return existing or interactive


def get(tx: Tx, callback_id: str) -> InteractiveMessage | None:
    """Return the message with this callback id, or None."""
    row = tx.execute(_SELECT.where(cards.c.token == callback_id)).first()
    return _from_row(row) if row else None


def of_task(tx: Tx, task_id: str, kind: MessageKind) -> InteractiveMessage | None:
    """Return the task's message of this kind, or None."""
    row = tx.execute(_SELECT.where(cards.c.task == task_id, cards.c.kind == kind)).first()
    return _from_row(row) if row else None


def find_by_message(tx: Tx, front_end: str, message_ref: str) -> InteractiveMessage | None:
    """Return the message that was posted with this reference, or None."""
    query = _SELECT.where(cards.c.front_end == front_end, cards.c.message == message_ref)
    row = tx.execute(query.order_by(cards.c.created_at.desc())).first()
    return _from_row(row) if row else None


def newest(
    tx: Tx, destination: Destination, user_id: str, kind: MessageKind, since: float
) -> InteractiveMessage | None:
    """Return the user's newest open message of this kind there, or None."""
    query = _SELECT.where(
        cards.c.person == user_id,
        cards.c.kind == kind,
        cards.c.front_end == destination.front_end,
        cards.c.address == destination.address,
        cards.c.created_at >= since,
        cards.c.gone_at.is_(None),
    )
    row = tx.execute(query.order_by(cards.c.created_at.desc())).first()
    return _from_row(row) if row else None


def change(tx: Tx, callback_id: str, now: float, **changes: Any) -> None:  # noqa: ANN401 - columns
    """Change columns of a message; `body` is given as a dictionary."""
    if "body" in changes:
        changes["body"] = json.dumps(changes["body"])
    tx.execute(update(cards).where(cards.c.token == callback_id).values(changed_at=now, **changes))


def merge_body(tx: Tx, callback_id: str, now: float, values: dict[str, Any]) -> None:
    """Merge values into the stored body; concurrent changes of other keys are kept."""
    query = select(cards.c.body).where(cards.c.token == callback_id).with_for_update()
    body = tx.execute(query).scalar()
    if body is not None:
        change(tx, callback_id, now, body={**json.loads(body), **values})


def record_send(tx: Tx, callback_id: str, now: float) -> int:
    """Record a send attempt and return its number (1-based)."""
    change(tx, callback_id, now, sends=cards.c.sends + 1)
    return int(tx.execute(select(cards.c.sends).where(cards.c.token == callback_id)).scalar_one())


def stale_statuses(tx: Tx, front_end: str, limit: int) -> list[InteractiveMessage]:
    """Return status messages still posted although their task has ended."""
    query = (
        _SELECT.join_from(cards, tasks, tasks.c.id == cards.c.task)
        .where(
            cards.c.front_end == front_end,
            cards.c.kind == MessageKind.STATUS,
            cards.c.gone_at.is_(None),
            cards.c.message.is_not(None),
            tasks.c.state.in_(FINAL),
        )
        .limit(limit)
    )
    return [_from_row(row) for row in tx.execute(query)]


def blank_of_user(tx: Tx, user_id: str) -> None:
    """Blank the bodies of a user's messages: prompts, images, file names.

    Choices hold only commands; one of them may be the question that started this, and must still be
    answered.
    """
    of_user = (cards.c.person == user_id, cards.c.kind != MessageKind.CHOICES)
    tx.execute(update(cards).where(*of_user).values(body="{}"))
    without_task = cards.c.task.is_(None)
    tx.execute(delete(cards).where(*of_user, without_task))


def delete_before(tx: Tx, before: float) -> None:
    """Delete messages without a task from before then; their bodies hold prompts.

    The buttons of a task are kept as long as the task.
    """
    tx.execute(delete(cards).where(cards.c.task.is_(None), cards.c.changed_at < before))
