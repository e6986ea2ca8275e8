"""Statements on the providers themselves: their health, models that are gone, events heard."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Row, bindparam, delete, insert, select, update

from bot.model import Breaker, Health, Mode
from bot.store.accounts import add_if_new
from bot.store.database import Tx
from bot.store.rows import rows_changed, storable
from bot.store.schema import heard, providers, switched_off

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
_OFF = select(switched_off.c.provider, switched_off.c.remote_model).where(
    switched_off.c.until > bindparam("now")
)


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


# --- models ------------------------------------------------------------------------------


def model_off(tx: Tx, provider: str, remote_model: str, until: float, raw: str) -> bool:
    """The gateway no longer serves this model. False: that was known already."""
    known = {"until": until, "raw": storable(raw)}
    where = (switched_off.c.provider == provider, switched_off.c.remote_model == remote_model)
    if rows_changed(tx.execute(update(switched_off).where(*where).values(**known))):
        return False
    row = {"provider": provider, "remote_model": remote_model, **known}
    tx.execute(insert(switched_off).values(**row))
    return True


def models_off(tx: Tx, now: float) -> frozenset[tuple[str, str]]:
    """(provider, the gateway's own id) of all models that are switched off."""
    return frozenset((row[0], row[1]) for row in tx.execute(_OFF, {"now": now}))


def models_off_of(tx: Tx, provider: str, now: float) -> list[tuple[str, float, str | None]]:
    """(the gateway's own id, until when, why) of the models switched off at a provider."""
    query = select(switched_off.c.remote_model, switched_off.c.until, switched_off.c.raw).where(
        switched_off.c.provider == provider, switched_off.c.until > now
    )
    return [
        (row[0], row[1], row[2]) for row in tx.execute(query.order_by(switched_off.c.remote_model))
    ]


def models_on(tx: Tx, provider: str) -> None:
    """All models of a provider may be tried again."""
    tx.execute(delete(switched_off).where(switched_off.c.provider == provider))


def forget_models(tx: Tx, before: float) -> None:
    """Models whose time off was over long ago, and that nobody has asked for since."""
    tx.execute(delete(switched_off).where(switched_off.c.until < before))


def model_works(tx: Tx, provider: str, remote_model: str) -> bool:
    """The gateway serves it after all. True: that is news."""
    row = delete(switched_off).where(
        switched_off.c.provider == provider, switched_off.c.remote_model == remote_model
    )
    return rows_changed(tx.execute(row)) == 1


# --- events ------------------------------------------------------------------------------


def hear(tx: Tx, identity: str, event: str, now: float) -> bool:
    """Keep an event that a gateway has called in. False: it was heard before."""
    known = select(heard.c.event).where(heard.c.identity == identity, heard.c.event == event)
    if tx.execute(known).first() is not None:
        return False
    add_if_new(tx, heard, {"identity": identity, "event": event, "at": now})
    return True


def forget_events(tx: Tx, before: float) -> None:
    """Events older than any repetition of them."""
    tx.execute(delete(heard).where(heard.c.at < before))
