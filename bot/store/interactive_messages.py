"""Statements on cards, the messages of ours that people act on, and on a front-end's marks."""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import Row, Select, delete, select, update

from bot.domain.interactive import Card, CardKind
from bot.domain.tasks import FINAL, Place
from bot.store.database import Tx
from bot.store.rows import add_if_new
from bot.store.schema import cards, tasks

_CARD: Select[Any] = select(
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


def _card(row: Row[Any]) -> Card:
    return Card(
        token=row.token,
        kind=CardKind(row.kind),
        person=row.person,
        place=Place(row.front_end, row.address),
        task=row.task,
        message=row.message,
        sends=row.sends,
        body=json.loads(row.body),
        gone=row.gone_at is not None,
    )


def add(tx: Tx, card: Card, now: float) -> Card:
    """Write a card down. One of its kind for its task, where there is one already, is that one."""
    row = {
        "token": card.token,
        "front_end": card.place.front_end,
        "kind": card.kind,
        "person": card.person,
        "address": card.place.address,
        "task": card.task,
        "body": json.dumps(card.body),
        "created_at": now,
        "changed_at": now,
    }
    add_if_new(tx, cards, row)
    known = get(tx, card.token)
    if known is None and card.task is not None:
        known = of_task(tx, card.task, card.kind)
    return known or card


def get(tx: Tx, token: str) -> Card | None:
    """The card of this token."""
    row = tx.execute(_CARD.where(cards.c.token == token)).first()
    return _card(row) if row else None


def of_task(tx: Tx, task: str, kind: CardKind) -> Card | None:
    """A task's card of this kind."""
    row = tx.execute(_CARD.where(cards.c.task == task, cards.c.kind == kind)).first()
    return _card(row) if row else None


def at(tx: Tx, front_end: str, message: str) -> Card | None:
    """The card that stands there."""
    query = _CARD.where(cards.c.front_end == front_end, cards.c.message == message)
    row = tx.execute(query.order_by(cards.c.created_at.desc())).first()
    return _card(row) if row else None


def newest(tx: Tx, place: Place, person: str, kind: CardKind, since: float) -> Card | None:
    """A person's newest card of this kind there that is still open."""
    query = _CARD.where(
        cards.c.person == person,
        cards.c.kind == kind,
        cards.c.front_end == place.front_end,
        cards.c.address == place.address,
        cards.c.created_at >= since,
        cards.c.gone_at.is_(None),
    )
    row = tx.execute(query.order_by(cards.c.created_at.desc())).first()
    return _card(row) if row else None


def change(tx: Tx, token: str, now: float, **changes: Any) -> None:  # noqa: ANN401 - columns
    """Set what is known of a card; `body` as a dictionary."""
    if "body" in changes:
        changes["body"] = json.dumps(changes["body"])
    tx.execute(update(cards).where(cards.c.token == token).values(changed_at=now, **changes))


def note(tx: Tx, token: str, now: float, facts: dict[str, Any]) -> None:
    """Add to what a card says; what somebody else has added meanwhile stays."""
    query = select(cards.c.body).where(cards.c.token == token).with_for_update()
    body = tx.execute(query).scalar()
    if body is not None:
        change(tx, token, now, body={**json.loads(body), **facts})


def begin(tx: Tx, token: str, now: float) -> int:
    """It is being sent now: the how-manieth time this is."""
    change(tx, token, now, sends=cards.c.sends + 1)
    return int(tx.execute(select(cards.c.sends).where(cards.c.token == token)).scalar_one())


def left_behind(tx: Tx, front_end: str, limit: int) -> list[Card]:
    """Statuses that stand although their tasks have come to their end."""
    query = (
        _CARD.join_from(cards, tasks, tasks.c.id == cards.c.task)
        .where(
            cards.c.front_end == front_end,
            cards.c.kind == CardKind.STATUS,
            cards.c.gone_at.is_(None),
            cards.c.message.is_not(None),
            tasks.c.state.in_(FINAL),
        )
        .limit(limit)
    )
    return [_card(row) for row in tx.execute(query)]


def forget(tx: Tx, person: str) -> None:
    """Blank what a person's cards say: prompts, pictures, names of files.

    Choices say only which commands there are; and one of them was to forget, and must be told.
    """
    theirs = (cards.c.person == person, cards.c.kind != CardKind.CHOICES)
    tx.execute(update(cards).where(*theirs).values(body="{}"))
    unborn = cards.c.task.is_(None)
    tx.execute(delete(cards).where(*theirs, unborn))


def prune(tx: Tx, before: float) -> None:
    """Those without a task from before then: what they say is a prompt.

    The buttons of a task are good for as long as the task itself.
    """
    tx.execute(delete(cards).where(cards.c.task.is_(None), cards.c.changed_at < before))
