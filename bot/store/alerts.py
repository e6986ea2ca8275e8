"""Queries on alerts: texts for the admins of each front-end."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, delete, insert, select, update

from bot.store.database import Tx
from bot.store.rows import storable_text
from bot.store.schema import alerts

_MAX_PARAM_CHARS = 600


@dataclass(frozen=True, slots=True)
class Alert:
    """One text for the admins of one front-end."""

    id: int
    front_end: str
    text_key: str
    params: Mapping[str, str | int]
    attempts: int


def enqueue(
    tx: Tx,
    front_ends: Iterable[str],
    text_key: str,
    params: Mapping[str, str | int],
    now: float,
) -> None:
    """Queue a text for the admins of these front-ends."""
    # Cut before it is written as JSON, which has to stay whole.
    shortened = {name: _shorten(value) for name, value in params.items()}
    text = json.dumps(shortened)
    row = {"sentence": text_key, "facts": text, "at": now, "due_at": now}
    for front_end in front_ends:
        tx.execute(insert(alerts).values(front_end=front_end, **row))


def _shorten(value: str | int) -> str | int:
    return value if isinstance(value, int) else (storable_text(value) or "")[:_MAX_PARAM_CHARS]


def has_due(tx: Tx, front_ends: Collection[str], now: float) -> bool:
    """Whether an alert is due for these front-ends."""
    return tx.execute(_select_due(front_ends, now).limit(1)).first() is not None


def _select_due(front_ends: Collection[str], now: float) -> Select[Any]:
    return select(alerts).where(
        alerts.c.told_at.is_(None), alerts.c.due_at <= now, alerts.c.front_end.in_(front_ends)
    )


def claim(tx: Tx, front_ends: Collection[str], now: float, claimed_until: float) -> list[Alert]:
    """Claim due alerts for these front-ends; unsent ones fall due again at `until`."""
    query = _select_due(front_ends, now).order_by(alerts.c.id).limit(20)
    query = query.with_for_update(skip_locked=True)
    claimed = [
        Alert(row.id, row.front_end, row.sentence, json.loads(row.facts), row.attempts)
        for row in tx.execute(query)
    ]
    for alert in claimed:
        values = {"due_at": claimed_until, "attempts": alert.attempts + 1}
        tx.execute(update(alerts).where(alerts.c.id == alert.id).values(**values))
    return claimed


def mark_sent(tx: Tx, alert_id: int, now: float) -> None:
    """Mark an alert as sent, or as impossible to send."""
    tx.execute(update(alerts).where(alerts.c.id == alert_id).values(told_at=now))


def delete_before(tx: Tx, before: float) -> None:
    """Delete old alerts, also those for front-ends that no longer exist."""
    tx.execute(delete(alerts).where(alerts.c.at < before))
