"""Queries on groups: the settings of a group, server or guild."""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import RowMapping, func, select, update

from bot.domain.groups import Group
from bot.domain.tasks import State
from bot.store.database import Tx
from bot.store.rows import insert_if_new
from bot.store.schema import groups, tasks

_UNCHARGED_STATES = (State.FAILED, State.CANCELLED)


def get(tx: Tx, group_id: str) -> Group:
    """Return the group's settings; defaults for an unknown group."""
    row = tx.execute(select(groups).where(groups.c.id == group_id)).mappings().first()
    return Group(group_id) if row is None else _from_row(row)


def lock_or_create(tx: Tx, group_id: str, by: str, now: float) -> Group:
    """Return the group's settings, locked until the transaction ends; insert if missing."""
    insert_if_new(tx, groups, {"id": group_id, "changed_at": now, "changed_by": by})
    query = select(groups).where(groups.c.id == group_id).with_for_update()
    return _from_row(tx.execute(query).mappings().one())


def _from_row(row: RowMapping) -> Group:
    return Group(
        row["id"],
        allowed_channels=frozenset(json.loads(row["channels"])),
        role_allowances=json.loads(row["shares"]),
        language=row["language"],
        spoiler=row["spoiler"],
    )


def change(tx: Tx, group_id: str, by: str, now: float, changes: dict[str, Any]) -> Group:
    """Set `channels`, `shares`, `language` or `spoiler` of a locked group; return it."""
    row = {"changed_at": now, "changed_by": by}
    values = {
        name: json.dumps(sorted(value) if name == "channels" else value)
        if name in {"channels", "shares"}
        else value
        for name, value in changes.items()
    }
    tx.execute(update(groups).where(groups.c.id == group_id).values(**row, **values))
    return get(tx, group_id)


def credits_used(tx: Tx, wallet_id: str, user_id: str, since: float) -> int:
    """Return the credits of this wallet used by the user since then, holds included."""
    query = select(func.coalesce(func.sum(tasks.c.price), 0)).where(
        tasks.c.account == wallet_id,
        tasks.c.person == user_id,
        tasks.c.created_at >= since,
        tasks.c.state.not_in(_UNCHARGED_STATES),
    )
    return int(tx.execute(query).scalar_one())
