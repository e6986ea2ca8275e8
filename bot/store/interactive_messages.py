"""Statements on cards, the messages of ours that people act on, and on a front-end's marks."""

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
    """Write a card down. One of its kind for its task, where there is one already, is that one."""
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
    """The card of this token."""
    row = tx.execute(_SELECT.where(cards.c.token == callback_id)).first()
    return _from_row(row) if row else None


def of_task(tx: Tx, task_id: str, kind: MessageKind) -> InteractiveMessage | None:
    """A task's card of this kind."""
    row = tx.execute(_SELECT.where(cards.c.task == task_id, cards.c.kind == kind)).first()
    return _from_row(row) if row else None


def find_by_message(tx: Tx, front_end: str, message_ref: str) -> InteractiveMessage | None:
    """The card that stands there."""
    query = _SELECT.where(cards.c.front_end == front_end, cards.c.message == message_ref)
    row = tx.execute(query.order_by(cards.c.created_at.desc())).first()
    return _from_row(row) if row else None


def newest(
    tx: Tx, destination: Destination, user_id: str, kind: MessageKind, since: float
) -> InteractiveMessage | None:
    """A person's newest card of this kind there that is still open."""
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
    """Set what is known of a card; `body` as a dictionary."""
    if "body" in changes:
        changes["body"] = json.dumps(changes["body"])
    tx.execute(update(cards).where(cards.c.token == callback_id).values(changed_at=now, **changes))


def merge_body(tx: Tx, callback_id: str, now: float, values: dict[str, Any]) -> None:
    """Add to what a card says; what somebody else has added meanwhile stays."""
    query = select(cards.c.body).where(cards.c.token == callback_id).with_for_update()
    body = tx.execute(query).scalar()
    if body is not None:
        change(tx, callback_id, now, body={**json.loads(body), **values})


def record_send(tx: Tx, callback_id: str, now: float) -> int:
    """Record a send attempt and return its number (1-based)."""
    change(tx, callback_id, now, sends=cards.c.sends + 1)
    return int(tx.execute(select(cards.c.sends).where(cards.c.token == callback_id)).scalar_one())


def stale_statuses(tx: Tx, front_end: str, limit: int) -> list[InteractiveMessage]:
    """Statuses that stand although their tasks have come to their end."""
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
    """Blank what a person's cards say: prompts, pictures, names of files.

    Choices say only which commands there are; and one of them was to forget, and must be told.
    """
    of_user = (cards.c.person == user_id, cards.c.kind != MessageKind.CHOICES)
    tx.execute(update(cards).where(*of_user).values(body="{}"))
    without_task = cards.c.task.is_(None)
    tx.execute(delete(cards).where(*of_user, without_task))


def delete_before(tx: Tx, before: float) -> None:
    """Those without a task from before then: what they say is a prompt.

    The buttons of a task are good for as long as the task itself.
    """
    tx.execute(delete(cards).where(cards.c.task.is_(None), cards.c.changed_at < before))
