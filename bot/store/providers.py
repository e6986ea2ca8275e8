"""Statements on what is known of the providers themselves."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import or_, select, update

from bot.store.accounts import add_if_new
from bot.store.database import Tx
from bot.store.schema import providers

_LOCK = (
    select(providers.c.name, providers.c.paused_until).order_by(providers.c.name).with_for_update()
)


def register(tx: Tx, names: Iterable[str]) -> None:
    """Make sure that each configured provider has its row."""
    for name in sorted(names):
        add_if_new(tx, providers, {"name": name})


def lock(tx: Tx) -> dict[str, float | None]:
    """Until when each provider is to be left alone; locked, so that caps hold among workers."""
    return {row[0]: row[1] for row in tx.execute(_LOCK)}


def pause(tx: Tx, name: str, until: float, reason: str) -> None:
    """Leave a provider alone until then, or longer if that was said before."""
    paused = providers.c.paused_until
    tx.execute(
        update(providers)
        .where(providers.c.name == name, or_(paused.is_(None), paused < until))
        .values(paused_until=until, reason=reason)
    )
