"""Queries on the health of providers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Row, bindparam, select, update

from bot.domain.provider_health import BreakerState, ProviderHealth, ProviderMode
from bot.store.database import Tx
from bot.store.disabled_models import enable_all
from bot.store.rows import insert_if_new, rows_changed, storable_text
from bot.store.schema import providers

_SELECT = select(
    providers.c.name,
    providers.c.mode,
    providers.c.breaker,
    providers.c.failures,
    providers.c.paused_until,
    providers.c.reason,
    providers.c.raw,
).order_by(providers.c.name)
_SELECT_FOR_UPDATE = _SELECT.with_for_update()
_SELECT_ONE_FOR_UPDATE = _SELECT_FOR_UPDATE.where(providers.c.name == bindparam("which"))


def _from_row(row: Row[*tuple[Any, ...]]) -> ProviderHealth:
    name, mode, breaker, failures, paused_until, reason, provider_message = row
    return ProviderHealth(
        name,
        ProviderMode(mode),
        BreakerState(breaker),
        failures,
        paused_until,
        reason,
        provider_message,
    )


def register(tx: Tx, identities: Mapping[str, str]) -> None:
    """Insert a row for each configured provider (name -> identity).

    Another key or address under the same name is another account, with a clean record.
    """
    for name, identity in sorted(identities.items()):
        insert_if_new(tx, providers, {"name": name, "identity": identity})
        changed = update(providers).where(
            providers.c.name == name, providers.c.identity.is_distinct_from(identity)
        )
        if rows_changed(tx.execute(changed.values(identity=identity, **_RESET))):
            enable_all(tx, name)


_RESET: dict[str, Any] = {
    "breaker": BreakerState.CLOSED,
    "failures": 0,
    "paused_until": None,
    "reason": None,
    "raw": None,
}


def get_all(tx: Tx) -> dict[str, ProviderHealth]:
    """Return the health of each provider."""
    return {row[0]: _from_row(row) for row in tx.execute(_SELECT)}


def lock_all(tx: Tx) -> dict[str, ProviderHealth]:
    """Return the same, locked, so that limits hold across workers."""
    return {row[0]: _from_row(row) for row in tx.execute(_SELECT_FOR_UPDATE)}


def lock_one(tx: Tx, name: str) -> ProviderHealth | None:
    """Return the health of one provider, locked; None if there is no such provider."""
    row = tx.execute(_SELECT_ONE_FOR_UPDATE, {"which": name}).first()
    return _from_row(row) if row else None


def save(tx: Tx, health: ProviderHealth) -> None:
    """Save the health of a provider; its mode is set by admins only."""
    tx.execute(
        update(providers)
        .where(providers.c.name == health.name)
        .values(
            breaker=health.breaker,
            failures=health.consecutive_failures,
            paused_until=health.paused_until,
            reason=health.reason,
            raw=storable_text(health.provider_message),
        )
    )


def set_mode(tx: Tx, name: str, mode: ProviderMode) -> bool:
    """Set the mode of a provider. Returns False if there is no such provider."""
    changed = update(providers).where(providers.c.name == name).values(mode=mode)
    return rows_changed(tx.execute(changed)) == 1


def reset(tx: Tx, name: str) -> None:
    """Reset the health of a provider, disabled models included."""
    tx.execute(update(providers).where(providers.c.name == name).values(**_RESET))
    enable_all(tx, name)


def claim_probe(tx: Tx, name: str, now: float, claimed_until: float) -> bool:
    """Claim the probe of an open provider whose pause is over. False: not due, or claimed."""
    due = update(providers).where(
        providers.c.name == name,
        providers.c.breaker == BreakerState.OPEN,
        providers.c.mode == ProviderMode.ON,
        providers.c.paused_until <= now,
    )
    return rows_changed(tx.execute(due.values(paused_until=claimed_until))) == 1
