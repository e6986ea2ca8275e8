"""Queries on models that a gateway said it no longer serves."""

from __future__ import annotations

from sqlalchemy import bindparam, delete, insert, select, update

from bot.store.database import Tx
from bot.store.rows import rows_changed, storable_text
from bot.store.schema import switched_off

_SELECT_DISABLED = select(switched_off.c.provider, switched_off.c.remote_model).where(
    switched_off.c.until > bindparam("now")
)


def disable(tx: Tx, provider: str, remote_model: str, until: float, provider_message: str) -> bool:
    """Disable a model until a given time. False: it was disabled already."""
    values = {"until": until, "raw": storable_text(provider_message)}
    where = (switched_off.c.provider == provider, switched_off.c.remote_model == remote_model)
    if rows_changed(tx.execute(update(switched_off).where(*where).values(**values))):
        return False
    row = {"provider": provider, "remote_model": remote_model, **values}
    tx.execute(insert(switched_off).values(**row))
    return True


def get_all(tx: Tx, now: float) -> frozenset[tuple[str, str]]:
    """(provider, remote model) of all disabled models."""
    return frozenset((row[0], row[1]) for row in tx.execute(_SELECT_DISABLED, {"now": now}))


def list_for_provider(tx: Tx, provider: str, now: float) -> list[tuple[str, float, str | None]]:
    """(remote model, disabled until, provider message) of the disabled models of a provider."""
    query = select(switched_off.c.remote_model, switched_off.c.until, switched_off.c.raw).where(
        switched_off.c.provider == provider, switched_off.c.until > now
    )
    return [
        (row[0], row[1], row[2]) for row in tx.execute(query.order_by(switched_off.c.remote_model))
    ]


def enable_all(tx: Tx, provider: str) -> None:
    """Enable all models of a provider."""
    tx.execute(delete(switched_off).where(switched_off.c.provider == provider))


def delete_expired(tx: Tx, before: float) -> None:
    """Delete rows whose time ended before `before`."""
    tx.execute(delete(switched_off).where(switched_off.c.until < before))


def enable(tx: Tx, provider: str, remote_model: str) -> bool:
    """Enable a model. True: it was disabled."""
    row = delete(switched_off).where(
        switched_off.c.provider == provider, switched_off.c.remote_model == remote_model
    )
    return rows_changed(tx.execute(row)) == 1
