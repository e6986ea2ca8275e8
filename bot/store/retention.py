"""Queries on expired files, prompts and provider messages of settled tasks."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import and_, case, null, or_, select, update

from bot.domain.tasks import SETTLED, State, Task
from bot.store.database import Tx
from bot.store.rows import SELECT_TASKS, fetch_all, rows_changed
from bot.store.schema import events, tasks

# That there was a picture is remembered: a repetition without it would be something else.
_REMOVED_IMAGE = case((tasks.c.image.is_not(None), ""), else_=null())
_BATCH_SIZE = 500


@dataclass(frozen=True, slots=True)
class RetentionCutoffs:
    """Tasks settled before these times lose their files."""

    results: float
    pictures: float


def files_in_use(tx: Tx) -> set[str]:
    """Return the names of all images and results that a task still needs."""
    pictures = select(tasks.c.image).where(tasks.c.image != "")
    results = select(tasks.c.file).where(tasks.c.file.is_not(None))
    return {str(name) for query in (pictures, results) for name in tx.execute(query).scalars()}


def results_in_progress(tx: Tx) -> set[str]:
    """Return the names of results that are being downloaded, or may be again."""
    query = select(tasks.c.id).where(tasks.c.state.in_([State.FETCHING, State.RUNNING]))
    return {f"{task_id}.mp4" for task_id in tx.execute(query).scalars()}


def tasks_with_expired_files(tx: Tx, cutoffs: RetentionCutoffs, limit: int) -> list[Task]:
    """Return settled tasks whose result or image is past its retention time."""
    state_since, is_settled = tasks.c.moved_at, tasks.c.state.in_(SETTLED)
    has_expired = or_(
        and_(tasks.c.file.is_not(None), state_since < cutoffs.results),
        and_(tasks.c.image != "", state_since < cutoffs.pictures),
    )
    return fetch_all(tx, SELECT_TASKS.where(is_settled, has_expired).limit(limit))


def detach_files(tx: Tx, task: Task, cutoffs: RetentionCutoffs) -> Task | None:
    """Detach expired files from a task; return a task with only those. None: they are in use."""
    result = task.file if task.state_since < cutoffs.results else None
    picture = task.order.image if task.state_since < cutoffs.pictures else None
    changes: dict[str, Any] = {} if result is None else {"file": None}
    changes |= {"image": _REMOVED_IMAGE} if picture else {}
    is_unchanged = and_(tasks.c.id == task.id, tasks.c.state == task.state)
    is_unchanged = and_(is_unchanged, tasks.c.moved_at == task.state_since)
    detached = rows_changed(tx.execute(update(tasks).where(is_unchanged).values(**changes)))
    return (
        replace(task, file=result, order=replace(task.order, image=picture)) if detached else None
    )


def blank_prompts(tx: Tx, before: float) -> int:
    """Blank prompts and provider messages of tasks settled before then."""
    is_old = and_(tasks.c.state.in_(SETTLED), tasks.c.moved_at < before, tasks.c.prompt != "")
    task_ids = list(tx.execute(select(tasks.c.id).where(is_old)).scalars())
    for start in range(0, len(task_ids), _BATCH_SIZE):
        batch = task_ids[start : start + _BATCH_SIZE]
        tx.execute(update(tasks).where(tasks.c.id.in_(batch)).values(prompt="", raw=None))
        tx.execute(update(events).where(events.c.task.in_(batch)).values(raw=None))
    return len(task_ids)


def settled_tasks_of_user(tx: Tx, user_id: str) -> list[Task]:
    """Return all settled tasks of the user."""
    return fetch_all(tx, SELECT_TASKS.where(tasks.c.person == user_id, tasks.c.state.in_(SETTLED)))


def blank_tasks(tx: Tx, task_ids: Collection[str]) -> None:
    """Blank everything personal in these tasks; ledger entries are kept."""
    tx.execute(
        update(tasks)
        .where(tasks.c.id.in_(task_ids))
        .values(prompt="", image=_REMOVED_IMAGE, file=None, raw=None, result_url=None)
    )
    tx.execute(update(events).where(events.c.task.in_(task_ids)).values(raw=None))
