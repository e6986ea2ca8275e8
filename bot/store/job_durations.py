"""Queries on measured job durations."""

from __future__ import annotations

from sqlalchemy import insert, select

from bot.domain.tasks import Task
from bot.store.database import Tx
from bot.store.schema import durations


def add(tx: Tx, task: Task, elapsed: float, now: float) -> None:
    """Record the duration of a job, for estimates and poll times."""
    tx.execute(
        insert(durations).values(
            provider=task.provider,
            remote_model=task.remote_model,
            seconds=task.order.seconds,
            took=elapsed,
            at=now,
        )
    )


def newest(tx: Tx, limit: int) -> list[tuple[str, str, int, float]]:
    """Return the newest durations as (provider, remote model, seconds ordered, seconds taken)."""
    query = select(
        durations.c.provider, durations.c.remote_model, durations.c.seconds, durations.c.took
    ).order_by(durations.c.id.desc())
    return [
        (provider, remote_model, seconds, elapsed)
        for provider, remote_model, seconds, elapsed in tx.execute(query.limit(limit))
    ]
