"""Statements on groups: what those who manage a group, a server or a guild have set for it."""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import RowMapping, func, select, update

from bot.domain.groups import Group
from bot.domain.tasks import State
from bot.store.database import Tx
from bot.store.rows import add_if_new
from bot.store.schema import groups, tasks

_NOT_PAID = (State.FAILED, State.CANCELLED)


def get(tx: Tx, group: str) -> Group:
    """What is set for this group; a stranger's is empty."""
    row = tx.execute(select(groups).where(groups.c.id == group)).mappings().first()
    return Group(group) if row is None else _group(row)


def locked(tx: Tx, group: str, by: str, now: float) -> Group:
    """What is set for this group, locked until this transaction ends; made if it is not there."""
    add_if_new(tx, groups, {"id": group, "changed_at": now, "changed_by": by})
    query = select(groups).where(groups.c.id == group).with_for_update()
    return _group(tx.execute(query).mappings().one())


def _group(row: RowMapping) -> Group:
    return Group(
        row["id"],
        channels=frozenset(json.loads(row["channels"])),
        shares=json.loads(row["shares"]),
        language=row["language"],
        spoiler=row["spoiler"],
    )


def change(tx: Tx, group: str, by: str, now: float, changes: dict[str, Any]) -> Group:
    """Set `channels`, `shares`, `language` or `spoiler` of one `locked`; as it is then."""
    row = {"changed_at": now, "changed_by": by}
    written = {
        name: json.dumps(sorted(value) if name == "channels" else value)
        if name in {"channels", "shares"}
        else value
        for name, value in changes.items()
    }
    tx.execute(update(groups).where(groups.c.id == group).values(**row, **written))
    return get(tx, group)


def taken(tx: Tx, wallet: str, person: str, since: float) -> int:
    """What a person's tasks since then have cost this wallet, or may yet."""
    query = select(func.coalesce(func.sum(tasks.c.price), 0)).where(
        tasks.c.account == wallet,
        tasks.c.person == person,
        tasks.c.created_at >= since,
        tasks.c.state.not_in(_NOT_PAID),
    )
    return int(tx.execute(query).scalar_one())
