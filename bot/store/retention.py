"""Statements on what is kept of tasks at rest, and for how long: files, prompts, raw texts."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import and_, case, null, or_, select, update

from bot.domain.tasks import AT_REST, State, Task
from bot.store.database import Tx
from bot.store.rows import WHOLE_TASKS, fetch_all, rows_changed
from bot.store.schema import events, tasks

# That there was a picture is remembered: a repetition without it would be something else.
_NO_LONGER_KEPT = case((tasks.c.image.is_not(None), ""), else_=null())
_BATCH = 500


@dataclass(frozen=True, slots=True)
class Kept:
    """Since when tasks must have been at rest for their files to be kept."""

    results_since: float
    pictures_since: float


def files_in_use(tx: Tx) -> set[str]:
    """The names of all pictures and results that some task still needs."""
    pictures = select(tasks.c.image).where(tasks.c.image != "")
    results = select(tasks.c.file).where(tasks.c.file.is_not(None))
    return {str(name) for query in (pictures, results) for name in tx.execute(query).scalars()}


def results_on_their_way(tx: Tx) -> set[str]:
    """The names of the results that are being fetched, or may be again."""
    query = select(tasks.c.id).where(tasks.c.state.in_([State.FETCHING, State.RUNNING]))
    return {f"{task}.mp4" for task in tx.execute(query).scalars()}


def expired_files(tx: Tx, kept: Kept, limit: int) -> list[Task]:
    """Tasks at rest whose result or picture is still on our disk after its time."""
    at, rest = tasks.c.moved_at, tasks.c.state.in_(AT_REST)
    old = or_(
        and_(tasks.c.file.is_not(None), at < kept.results_since),
        and_(tasks.c.image != "", at < kept.pictures_since),
    )
    return fetch_all(tx, WHOLE_TASKS.where(rest, old).limit(limit))


def drop_files(tx: Tx, task: Task, kept: Kept) -> Task | None:
    """What of the task's files is no longer kept, as a task that has only these.

    None: somebody has asked for them.
    """
    result = task.file if task.moved_at < kept.results_since else None
    picture = task.order.image if task.moved_at < kept.pictures_since else None
    changes: dict[str, Any] = {} if result is None else {"file": None}
    changes |= {"image": _NO_LONGER_KEPT} if picture else {}
    known = and_(tasks.c.id == task.id, tasks.c.state == task.state)
    known = and_(known, tasks.c.moved_at == task.moved_at)
    dropped = rows_changed(tx.execute(update(tasks).where(known).values(**changes)))
    return replace(task, file=result, order=replace(task.order, image=picture)) if dropped else None


def blank_prompts(tx: Tx, before: float) -> int:
    """Forget the prompts and raw texts of tasks at rest since before then."""
    old = and_(tasks.c.state.in_(AT_REST), tasks.c.moved_at < before, tasks.c.prompt != "")
    ids = list(tx.execute(select(tasks.c.id).where(old)).scalars())
    for start in range(0, len(ids), _BATCH):
        some = ids[start : start + _BATCH]
        tx.execute(update(tasks).where(tasks.c.id.in_(some)).values(prompt="", raw=None))
        tx.execute(update(events).where(events.c.task.in_(some)).values(raw=None))
    return len(ids)


def of_person_at_rest(tx: Tx, person: str) -> list[Task]:
    """All tasks of a person that nothing moves on by itself."""
    return fetch_all(tx, WHOLE_TASKS.where(tasks.c.person == person, tasks.c.state.in_(AT_REST)))


def forget(tx: Tx, ids: Collection[str]) -> None:
    """Blank all that tells what these tasks were about; the ledger's rows stay."""
    tx.execute(
        update(tasks)
        .where(tasks.c.id.in_(ids))
        .values(prompt="", image=_NO_LONGER_KEPT, file=None, raw=None, result_url=None)
    )
    tx.execute(update(events).where(events.c.task.in_(ids)).values(raw=None))
