"""Queries on models that a gateway said it no longer serves."""

from __future__ import annotations

from sqlalchemy import bindparam, delete, insert, select, update

from bot.store.database import Tx
from bot.store.rows import rows_changed, storable
from bot.store.schema import switched_off

_OFF = select(switched_off.c.provider, switched_off.c.remote_model).where(
    switched_off.c.until > bindparam("now")
)


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
