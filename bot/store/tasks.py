"""The rows of tasks and of their events: written, read, changed and counted.

Those of every acceptance are built once: to build a statement costs more than to run it.
"""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import (
    Float,
    Integer,
    and_,
    bindparam,
    case,
    func,
    insert,
    or_,
    select,
    tuple_,
    update,
)
from sqlalchemy.exc import IntegrityError

from bot.domain.tasks import ACTIVE, State, Task
from bot.store.database import Tx
from bot.store.rows import (
    ORDER_FIELDS,
    PLACE,
    QUEUE_INDEX,
    QUEUED,
    TASK_FIELDS,
    WHOLE_TASKS,
    being,
    fetch_all,
    one_of,
    rows_changed,
    storable,
    whole,
)
from bot.store.schema import deliveries, events, notices, tasks

_BY_ID = WHOLE_TASKS.where(tasks.c.id == bindparam("which"))
_BY_UPDATE = WHOLE_TASKS.where(tasks.c.update_key == bindparam("update_key"))
_ADD = insert(tasks)
_ADD_DELIVERY = insert(deliveries)
_RECORD = insert(events)
_ACTIVE_OF = and_(tasks.c.person == bindparam("person"), one_of(*ACTIVE))
_COUNT_ACTIVE = (
    select(func.count())
    .select_from(tasks)
    .where(_ACTIVE_OF)
    .with_hint(tasks, "INDEXED BY ix_tasks_active", "sqlite")
)
_NEXT_TURN = select(
    func.coalesce(
        select(func.max(tasks.c.turn) + 1)
        .where(QUEUED, _ACTIVE_OF)
        .with_hint(tasks, "INDEXED BY ix_tasks_active", "sqlite")
        .scalar_subquery(),
        select(func.min(tasks.c.turn)).where(QUEUED).with_hint(*QUEUE_INDEX).scalar_subquery(),
        0,
    )
)
_AHEAD = (
    select(func.count())
    .select_from(tasks)
    .where(
        QUEUED,
        tuple_(tasks.c.turn, tasks.c.created_at)
        < tuple_(bindparam("turn", type_=Integer), bindparam("created_at", type_=Float)),
    )
    .with_hint(*QUEUE_INDEX)
)
# What is set comes with the parameters: one compiled statement for each set of columns.
_CHANGE = {
    state: update(tasks).where(tasks.c.id == bindparam("which"), being(state)) for state in State
}
_CHANGE_FREE = {state: query.where(tasks.c.lease.is_(None)) for state, query in _CHANGE.items()}
_CHANGE_LEASED = {
    state: query.where(tasks.c.lease == bindparam("lease_known"))
    for state, query in _CHANGE.items()
}


class JobTaken(Exception):
    """Another task of the account has this job."""


def add(tx: Tx, task: Task, *, account: str, update_key: str | None, turn: int) -> None:
    """Write a new task with the duty to deliver its result."""
    row = {name: getattr(task, name) for name in TASK_FIELDS}
    row |= {name: getattr(task.order, name) for name in ORDER_FIELDS}
    row |= {"state": task.state, "account": account, "update_key": update_key, "turn": turn}
    tx.execute(_ADD, row)
    place = {"front_end": task.place.front_end, "address": task.place.address}
    tx.execute(_ADD_DELIVERY, {"task": task.id, **place})
    record(tx, task.id, None, task.state, task.created_at)


def record(
    tx: Tx,
    task: str,
    from_state: State | None,
    to_state: State,
    at: float,
    *,
    by: str | None = None,
    reason: str | None = None,
    raw: str | None = None,
) -> None:
    """Write the event of one move."""
    event = {"task": task, "at": at, "from_state": from_state, "to_state": to_state}
    tx.execute(_RECORD, {**event, "by": by, "reason": reason, "raw": storable(raw)})


def get(tx: Tx, task: str) -> Task | None:
    """The task of this id, or None."""
    row = tx.execute(_BY_ID, {"which": task}).first()
    return whole(row) if row else None


def by_ids(tx: Tx, ids: Collection[str]) -> list[Task]:
    """The tasks of these ids, oldest first."""
    return fetch_all(tx, WHOLE_TASKS.where(tasks.c.id.in_(ids)).order_by(tasks.c.created_at))


def by_update(tx: Tx, update_key: str) -> Task | None:
    """The task that this update has already made, or None."""
    row = tx.execute(_BY_UPDATE, {"update_key": update_key}).first()
    return whole(row) if row else None


def of_person(tx: Tx, person: str, limit: int) -> list[Task]:
    """A person's newest tasks, newest first."""
    query = WHOLE_TASKS.where(tasks.c.person == person)
    return fetch_all(tx, query.order_by(tasks.c.created_at.desc(), tasks.c.id).limit(limit))


def in_state(tx: Tx, state: State | None, limit: int) -> list[Task]:
    """The newest tasks in a state; None: all that are at work or wait for somebody."""
    wanted = [state] if state else [*ACTIVE, State.REVIEW, State.UNDELIVERED]
    query = WHOLE_TASKS.where(tasks.c.state.in_(wanted))
    return fetch_all(tx, query.order_by(tasks.c.moved_at.desc(), tasks.c.id).limit(limit))


def outstanding(tx: Tx, person: str) -> list[Task]:
    """A person's tasks that are not at rest, or whose last word was not told yet."""
    untold = select(notices.c.task).where(notices.c.told_at.is_(None))
    query = WHOLE_TASKS.where(
        tasks.c.person == person, or_(tasks.c.state.in_(ACTIVE), tasks.c.id.in_(untold))
    )
    return fetch_all(tx, query.order_by(tasks.c.created_at))


def count_active(tx: Tx, person: str) -> int:
    """How many of a person's tasks are not at rest."""
    return tx.execute(_COUNT_ACTIVE, {"person": person}).scalar_one()


def next_turn(tx: Tx, person: str) -> int:
    """The round in which a person's next task is due: one of each person in every round.

    A person's first waiting task joins the round now being served, each further one the round
    after their last: so twenty tasks of one hold up another's first by one at the most.
    """
    return int(tx.execute(_NEXT_TURN, {"person": person}).scalar_one())


def place_in_line(tx: Tx, task: str) -> int:
    """How many queued tasks come before this one."""
    turn, created_at = tx.execute(PLACE, {"which": task}).one()
    return ahead_of(tx, turn, created_at)


def ahead_of(tx: Tx, turn: int, created_at: float) -> int:
    """How many queued tasks come before one of this turn, written at this time."""
    return tx.execute(_AHEAD, {"turn": turn, "created_at": created_at}).scalar_one()


def line(tx: Tx, most: int) -> list[Task]:
    """The first in line, in their order."""
    query = WHOLE_TASKS.where(QUEUED).order_by(tasks.c.turn, tasks.c.created_at).limit(most)
    return fetch_all(tx, query)


def jobs_by_provider(tx: Tx) -> dict[str, tuple[int, int]]:
    """Provider -> (jobs in its hands as far as we know, those of them being submitted)."""
    submitting = func.sum(case((being(State.SUBMITTING), 1), else_=0))
    query = select(tasks.c.provider, func.count(), submitting).where(
        one_of(State.RUNNING, State.SUBMITTING), tasks.c.provider.is_not(None)
    )
    rows = tx.execute(query.group_by(tasks.c.provider))
    return {row[0]: (row[1], int(row[2])) for row in rows}


def change(tx: Tx, task: Task, **changes: object) -> bool:
    """The guarded update: only if the task is still as we know it. False: somebody was first.

    Raises `JobTaken` when another task of the same account has this job already.
    """
    if "raw" in changes:
        changes["raw"] = storable(changes["raw"])
    if "remote_id" not in changes:
        return _changed(tx, task, changes)
    try:
        with tx.begin_nested():
            return _changed(tx, task, changes)
    except IntegrityError as error:
        raise JobTaken(str(changes["remote_id"])) from error


def _changed(tx: Tx, task: Task, changes: dict[str, object]) -> bool:
    known = {"which": task.id}
    if task.lease is None:
        return rows_changed(tx.execute(_CHANGE_FREE[task.state], changes | known)) == 1
    known |= {"lease_known": task.lease}
    return rows_changed(tx.execute(_CHANGE_LEASED[task.state], changes | known)) == 1


def ask_to_cancel(tx: Tx, task: str, now: float) -> bool:
    """Note the wish: the next look tries to stop the job. Due now unless somebody is at it.

    False: there is no job to stop any more, or not yet.
    """
    wish = update(tasks).where(
        tasks.c.id == task, tasks.c.state.in_([State.SUBMITTING, State.RUNNING])
    )
    if rows_changed(tx.execute(wish.values(cancel_asked=True))) == 0:
        return False
    tx.execute(wish.where(tasks.c.lease.is_(None)).values(due_at=now))
    return True


def history(tx: Tx, task: str) -> list[tuple[float, str | None, str, str | None, str | None]]:
    """A task's events, oldest first: (at, from, to, reason, raw)."""
    query = select(
        events.c.at, events.c.from_state, events.c.to_state, events.c.reason, events.c.raw
    )
    rows = tx.execute(query.where(events.c.task == task).order_by(events.c.id))
    return [(at, old, new, reason, raw) for at, old, new, reason, raw in rows]


def with_remote_id(tx: Tx, identity: str, remote_id: str) -> str | None:
    """The task that already has this job, or None."""
    query = select(tasks.c.id).where(
        tasks.c.provider_identity == identity, tasks.c.remote_id == remote_id
    )
    return tx.execute(query.limit(1)).scalar()


def twins(tx: Tx, task: Task) -> tuple[set[str], bool]:
    """Others of the account with the same prompt: (their jobs, whether one's job is unknown).

    A gateway's list cannot tell twins apart: pictures, for one, are not shown there.
    """
    query = select(tasks.c.remote_id, tasks.c.state).where(
        tasks.c.provider_identity == task.provider_identity,
        tasks.c.prompt == task.order.prompt,
        tasks.c.id != task.id,
        or_(tasks.c.remote_id.is_not(None), tasks.c.state.in_([State.SUBMITTING, State.REVIEW])),
    )
    rows = [(row[0], row[1]) for row in tx.execute(query)]
    jobs = {str(remote_id) for remote_id, _ in rows if remote_id is not None}
    return jobs, any(remote_id is None for remote_id, _ in rows)
