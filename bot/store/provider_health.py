"""Statements on the providers themselves: their health, models that are gone, events heard."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Row, bindparam, select, update

from bot.domain.provider_health import Breaker, Health, Mode
from bot.store.database import Tx
from bot.store.disabled_models import models_on
from bot.store.rows import add_if_new, rows_changed, storable
from bot.store.schema import providers

_ALL = select(
    providers.c.name,
    providers.c.mode,
    providers.c.breaker,
    providers.c.failures,
    providers.c.paused_until,
    providers.c.reason,
    providers.c.raw,
).order_by(providers.c.name)
_LOCK = _ALL.with_for_update()
_LOCK_ONE = _LOCK.where(providers.c.name == bindparam("which"))


def _health(row: Row[*tuple[Any, ...]]) -> Health:
    name, mode, breaker, failures, paused_until, reason, raw = row
    return Health(name, Mode(mode), Breaker(breaker), failures, paused_until, reason, raw)


def register(tx: Tx, accounts: Mapping[str, str]) -> None:
    """Make sure that each configured provider (name -> identity) has its row.

    Another key or address under the same name is another account, with a clean record.
    """
    for name, identity in sorted(accounts.items()):
        add_if_new(tx, providers, {"name": name, "identity": identity})
        other = update(providers).where(
            providers.c.name == name, providers.c.identity.is_distinct_from(identity)
        )
        if rows_changed(tx.execute(other.values(identity=identity, **_CLEAN))):
            models_on(tx, name)


_CLEAN: dict[str, Any] = {
    "breaker": Breaker.CLOSED,
    "failures": 0,
    "paused_until": None,
    "reason": None,
    "raw": None,
}


def health(tx: Tx) -> dict[str, Health]:
    """What is known of each provider."""
    return {row[0]: _health(row) for row in tx.execute(_ALL)}


def lock(tx: Tx) -> dict[str, Health]:
    """The same, locked, so that caps hold among workers."""
    return {row[0]: _health(row) for row in tx.execute(_LOCK)}


def lock_one(tx: Tx, name: str) -> Health | None:
    """What is known of one, locked; None: there is no such provider."""
    row = tx.execute(_LOCK_ONE, {"which": name}).first()
    return _health(row) if row else None


def write(tx: Tx, known: Health) -> None:
    """Write down what is now known of a provider; its mode is an admin's and stays."""
    tx.execute(
        update(providers)
        .where(providers.c.name == known.name)
        .values(
            breaker=known.breaker,
            failures=known.failures,
            paused_until=known.paused_until,
            reason=known.reason,
            raw=storable(known.raw),
        )
    )


def set_mode(tx: Tx, name: str, mode: Mode) -> bool:
    """What an admin says. False: there is no such provider."""
    changed = update(providers).where(providers.c.name == name).values(mode=mode)
    return rows_changed(tx.execute(changed)) == 1


def clean(tx: Tx, name: str) -> None:
    """Forget all trouble with a provider, dead models included."""
    tx.execute(update(providers).where(providers.c.name == name).values(**_CLEAN))
    models_on(tx, name)


def claim_probe(tx: Tx, name: str, now: float, until: float) -> bool:
    """Take it upon oneself to try an open provider whose pause is over."""
    due = update(providers).where(
        providers.c.name == name,
        providers.c.breaker == Breaker.OPEN,
        providers.c.mode == Mode.ON,
        providers.c.paused_until <= now,
    )
    return rows_changed(tx.execute(due.values(paused_until=until))) == 1
