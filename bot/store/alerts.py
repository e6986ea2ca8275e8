"""Statements on what the admins of each front-end must hear."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, delete, insert, select, update

from bot.store.database import Tx
from bot.store.rows import storable
from bot.store.schema import alerts

_LONGEST_FACT = 600


@dataclass(frozen=True, slots=True)
class Alert:
    """One sentence for the admins of one front-end."""

    id: int
    front_end: str
    sentence: str
    facts: Mapping[str, str | int]
    attempts: int


def owe(
    tx: Tx,
    front_ends: Iterable[str],
    sentence: str,
    facts: Mapping[str, str | int],
    now: float,
) -> None:
    """The admins of these front-ends must hear this."""
    # Cut before it is written as JSON, which has to stay whole.
    short = {name: _shortened(fact) for name, fact in facts.items()}
    text = json.dumps(short)
    row = {"sentence": sentence, "facts": text, "at": now, "due_at": now}
    for front_end in front_ends:
        tx.execute(insert(alerts).values(front_end=front_end, **row))


def _shortened(fact: str | int) -> str | int:
    return fact if isinstance(fact, int) else (storable(fact) or "")[:_LONGEST_FACT]


def any_due(tx: Tx, front_ends: Collection[str], now: float) -> bool:
    """Whether there is something to tell to these front-ends."""
    return tx.execute(_due(front_ends, now).limit(1)).first() is not None


def _due(front_ends: Collection[str], now: float) -> Select[Any]:
    return select(alerts).where(
        alerts.c.told_at.is_(None), alerts.c.due_at <= now, alerts.c.front_end.in_(front_ends)
    )


def claim(tx: Tx, front_ends: Collection[str], now: float, until: float) -> list[Alert]:
    """Take the due ones for these front-ends; untold, they fall due again at `until`."""
    owed = _due(front_ends, now).order_by(alerts.c.id).limit(20)
    owed = owed.with_for_update(skip_locked=True)
    found = [
        Alert(row.id, row.front_end, row.sentence, json.loads(row.facts), row.attempts)
        for row in tx.execute(owed)
    ]
    for alert in found:
        later = {"due_at": until, "attempts": alert.attempts + 1}
        tx.execute(update(alerts).where(alerts.c.id == alert.id).values(**later))
    return found


def told(tx: Tx, alert: int, now: float) -> None:
    """It was told, or never can be."""
    tx.execute(update(alerts).where(alerts.c.id == alert).values(told_at=now))


def forget(tx: Tx, before: float) -> None:
    """Those of long ago; also such for front-ends that no longer are."""
    tx.execute(delete(alerts).where(alerts.c.at < before))
