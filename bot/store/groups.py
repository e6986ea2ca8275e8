"""Statements on groups: what those who manage a group, a server or a guild have set for it."""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import func, select, update

from bot.model import Group, State
from bot.store.accounts import add_if_new
from bot.store.database import Tx
from bot.store.schema import groups, tasks

_NOT_PAID = (State.FAILED, State.CANCELLED)


def get(tx: Tx, group: str) -> Group:
    """What is set for this group; a stranger's is empty."""
    row = tx.execute(select(groups).where(groups.c.id == group)).mappings().first()
    if row is None:
        return Group(group)
    return Group(
        group,
        channels=frozenset(json.loads(row["channels"])),
        shares=json.loads(row["shares"]),
        language=row["language"],
        spoiler=row["spoiler"],
    )


def change(tx: Tx, group: str, by: str, now: float, changes: dict[str, Any]) -> Group:
    """Set `channels`, `shares`, `language` or `spoiler`; the group as it is then."""
    row = {"id": group, "changed_at": now, "changed_by": by}
    add_if_new(tx, groups, row)
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
