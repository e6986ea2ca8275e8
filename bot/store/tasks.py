"""Statements on tasks, their events and their durations.

Those of every look and every acceptance are built once: to build one costs more than to run it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import fields
from typing import Any

from sqlalchemy import (
    Float,
    Integer,
    Row,
    and_,
    bindparam,
    case,
    func,
    insert,
    literal_column,
    or_,
    select,
    tuple_,
    update,
)
from sqlalchemy.engine import CursorResult
from sqlalchemy.exc import IntegrityError
from sqlalchemy.sql import ColumnElement, Select

from bot.model import ACTIVE, Order, Place, State, Task
from bot.store.database import Tx
from bot.store.schema import deliveries, events, notices, tasks

_ORDER_FIELDS = tuple(field.name for field in fields(Order))
_TASK_FIELDS = tuple(
    field.name for field in fields(Task) if field.name not in {"order", "place", "state"}
)
WHOLE_TASKS: Select[Any] = select(
    *(tasks.c[name] for name in _ORDER_FIELDS),
    deliveries.c.front_end,
    deliveries.c.address,
    tasks.c.state,
    *(tasks.c[name] for name in _TASK_FIELDS),
).join_from(tasks, deliveries, deliveries.c.task == tasks.c.id)
_OWN = len(_ORDER_FIELDS) + 3
"""How many columns of `WHOLE_TASKS` come before those of the task itself."""


def _in_state(*states: State) -> ColumnElement[bool]:
    """The states as constants, not as parameters.

    With those no index over some states only would be used, and SQLite would plan the statement
    anew for each other value.
    """
    return tasks.c.state.in_([literal_column(f"'{state}'") for state in sorted(states)])


def _is(state: State) -> ColumnElement[bool]:
    return tasks.c.state == literal_column(f"'{state}'")


_STEPPED = _in_state(State.SUBMITTING, State.RUNNING, State.FETCHING, State.DELIVERING)
_QUEUED = _is(State.QUEUED)
# Without statistics SQLite prefers the index over all states, finished tasks and all.
_QUEUE = (tasks, "INDEXED BY ix_tasks_queue", "sqlite")

_BY_ID = WHOLE_TASKS.where(tasks.c.id == bindparam("which"))
_BY_UPDATE = WHOLE_TASKS.where(tasks.c.update_key == bindparam("update_key"))
_ADD = insert(tasks)
_ADD_DELIVERY = insert(deliveries)
_RECORD = insert(events)
_ACTIVE_OF = and_(tasks.c.person == bindparam("person"), _in_state(*ACTIVE))
_COUNT_ACTIVE = (
    select(func.count())
    .select_from(tasks)
    .where(_ACTIVE_OF)
    .with_hint(tasks, "INDEXED BY ix_tasks_active", "sqlite")
)
_NEXT_TURN = select(
    func.coalesce(
        select(func.max(tasks.c.turn) + 1)
        .where(_QUEUED, _ACTIVE_OF)
        .with_hint(tasks, "INDEXED BY ix_tasks_active", "sqlite")
        .scalar_subquery(),
        select(func.min(tasks.c.turn)).where(_QUEUED).with_hint(*_QUEUE).scalar_subquery(),
        0,
    )
)
_POSITION = select(tasks.c.turn, tasks.c.created_at).where(tasks.c.id == bindparam("which"))
_AHEAD = (
    select(func.count())
    .select_from(tasks)
    .where(
        _QUEUED,
        tuple_(tasks.c.turn, tasks.c.created_at)
        < tuple_(bindparam("turn", type_=Integer), bindparam("created_at", type_=Float)),
    )
    .with_hint(*_QUEUE)
)
_QUEUED_MODELS = (
    select(tasks.c.model)
    .where(_QUEUED, tasks.c.due_at <= bindparam("now"))
    .with_hint(*_QUEUE)
    .distinct()
)
_DUE = (
    WHOLE_TASKS.where(_STEPPED, tasks.c.due_at <= bindparam("now"))
    .order_by(tasks.c.due_at)
    .limit(bindparam("most", type_=Integer))
    .with_for_update(skip_locked=True, of=tasks)
)
_DUE_IN = {state: _DUE.where(_is(state)) for state in State}
_OF_FRONT_ENDS = deliveries.c.front_end.in_(bindparam("front_ends", expanding=True))
_DUE_FOR = {state: query.where(_OF_FRONT_ENDS) for state, query in _DUE_IN.items()}
_LEASE = (
    update(tasks)
    .where(tasks.c.id == bindparam("which"))
    .values(lease=bindparam("new_lease"), due_at=bindparam("until"))
)
_NEXT_DUE = {
    state: select(tasks.c.due_at).where(_is(state), _STEPPED).order_by(tasks.c.due_at).limit(1)
    for state in State
}
_NEXT_DUE_FOR = {
    state: query.join(deliveries, deliveries.c.task == tasks.c.id).where(_OF_FRONT_ENDS)
    for state, query in _NEXT_DUE.items()
}
# What is set comes with the parameters: one compiled statement for each set of columns.
_CHANGE = {
    state: update(tasks).where(tasks.c.id == bindparam("which"), _is(state)) for state in State
}
_CHANGE_FREE = {state: query.where(tasks.c.lease.is_(None)) for state, query in _CHANGE.items()}
_CHANGE_LEASED = {
    state: query.where(tasks.c.lease == bindparam("lease_known"))
    for state, query in _CHANGE.items()
}


_LONGEST_RAW = 2000
_BATCH = 1000
"""Running tasks that are looked at together at the most: ten pages of a list."""


class JobTaken(Exception):
    """Another task of the account has this job."""


def storable(raw: object) -> str | None:
    """A text as every database takes it: no NUL, no half characters, not too long."""
    if raw is None:
        return None
    plain = str(raw).replace("\x00", "?").encode("utf-8", "replace").decode("utf-8")
    return plain[:_LONGEST_RAW]


def _task(row: Row[Any], **changes: object) -> Task:
    orders = len(_ORDER_FIELDS)
    values = dict(zip(_TASK_FIELDS, row[_OWN:], strict=True))
    return Task(
        state=State(row[orders + 2]),
        order=Order(*row[:orders]),
        place=Place(row[orders], row[orders + 1]),
        **(values | changes),
    )


def fetch_all(tx: Tx, query: Select[Any]) -> list[Task]:
    """The tasks that a query over `WHOLE_TASKS` finds."""
    return [_task(row) for row in tx.execute(query)]


def add(tx: Tx, task: Task, *, account: str, update_key: str | None, turn: int) -> None:
    """Write a new task with the duty to deliver its result."""
    row = {name: getattr(task, name) for name in _TASK_FIELDS}
    row |= {name: getattr(task.order, name) for name in _ORDER_FIELDS}
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
    return _task(row) if row else None


def by_ids(tx: Tx, ids: Collection[str]) -> list[Task]:
    """The tasks of these ids, oldest first."""
    return fetch_all(tx, WHOLE_TASKS.where(tasks.c.id.in_(ids)).order_by(tasks.c.created_at))


def by_update(tx: Tx, update_key: str) -> Task | None:
    """The task that this update has already made, or None."""
    row = tx.execute(_BY_UPDATE, {"update_key": update_key}).first()
    return _task(row) if row else None


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
    turn, created_at = tx.execute(_POSITION, {"which": task}).one()
    return ahead_of(tx, turn, created_at)


def ahead_of(tx: Tx, turn: int, created_at: float) -> int:
    """How many queued tasks come before one of this turn, written at this time."""
    return tx.execute(_AHEAD, {"turn": turn, "created_at": created_at}).scalar_one()


def queued_models(tx: Tx, now: float) -> list[str]:
    """The models of all tasks that could be started now."""
    return list(tx.execute(_QUEUED_MODELS, {"now": now}).scalars())


def queued(tx: Tx, models: Collection[str], limit: int, now: float, skip: int = 0) -> list[Task]:
    """The queued tasks of these models whose turn it is, locked for this transaction.

    `skip`: how many of the first ones were looked at already.
    """
    query = (
        WHOLE_TASKS.where(_QUEUED, tasks.c.due_at <= now, tasks.c.model.in_(models))
        .with_hint(*_QUEUE)
        .order_by(tasks.c.turn, tasks.c.created_at)
        .limit(limit)
        .offset(skip)
        .with_for_update(skip_locked=True, of=tasks)
    )
    return fetch_all(tx, query)


def jobs_by_provider(tx: Tx) -> dict[str, tuple[int, int]]:
    """Provider -> (jobs in its hands as far as we know, those of them being submitted)."""
    submitting = func.sum(case((_is(State.SUBMITTING), 1), else_=0))
    query = select(tasks.c.provider, func.count(), submitting).where(
        _in_state(State.RUNNING, State.SUBMITTING), tasks.c.provider.is_not(None)
    )
    rows = tx.execute(query.group_by(tasks.c.provider))
    return {row[0]: (row[1], int(row[2])) for row in rows}


def next_queued(tx: Tx) -> float | None:
    """When the next queued task may be started."""
    query = select(func.min(tasks.c.due_at)).where(_QUEUED).with_hint(*_QUEUE)
    return tx.execute(query).scalar()


def claim_due(
    tx: Tx,
    state: State,
    limit: int,
    now: float,
    lease: str,
    until: float,
    front_ends: Collection[str] | None = None,
) -> list[Task]:
    """Take due tasks under a lease; with `front_ends`, only those whose results go there.

    A claimed task falls due again when its lease ends: so the tasks of a dead worker are taken
    over.
    """
    wanted: dict[str, object] = {"now": now, "most": limit}
    if front_ends is None:
        rows = tx.execute(_DUE_IN[state], wanted).all()
    else:
        rows = tx.execute(_DUE_FOR[state], wanted | {"front_ends": list(front_ends)}).all()
    claimed = [_task(row, lease=lease, due_at=until) for row in rows]
    if claimed:
        mine = {"new_lease": lease, "until": until}
        tx.execute(_LEASE, [{"which": task.id, **mine} for task in claimed])
    return claimed


def count_batch(tx: Tx, identity: str, now: float, soon: float) -> tuple[int, int, int]:
    """An account's running tasks: (all, those due by `soon`, those due now)."""
    by_soon, by_now = (
        func.coalesce(func.sum(case((_free_by(now, time), 1), else_=0)), 0) for time in (soon, now)
    )
    query = select(func.count(), by_soon, by_now).where(*_batched(identity))
    row = tx.execute(query).one()
    return int(row[0]), int(row[1]), int(row[2])


def claim_batch(
    tx: Tx, identity: str, now: float, soon: float, lease: str, until: float
) -> list[Task]:
    """Take an account's running tasks that are due, or will be by `soon`, to look at together."""
    query = WHOLE_TASKS.where(*_batched(identity), _free_by(now, soon))
    query = query.order_by(tasks.c.due_at).limit(_BATCH)
    rows = tx.execute(query.with_for_update(skip_locked=True, of=tasks)).all()
    if rows:
        mine = {"new_lease": lease, "until": until}
        tx.execute(_LEASE, [{"which": row.id, **mine} for row in rows])
    return [_task(row, lease=lease, due_at=until) for row in rows]


def _batched(identity: str) -> tuple[ColumnElement[bool], ...]:
    """Running there; without those to be stopped, which is more than a look."""
    ours = tasks.c.provider_identity == identity
    return _is(State.RUNNING), _STEPPED, ours, tasks.c.cancel_asked.is_(False)


def _free_by(now: float, soon: float) -> ColumnElement[bool]:
    """Due by then. A lease has its end where others have their due time: only a past one counts."""
    due = tasks.c.due_at
    return or_(due <= now, and_(tasks.c.lease.is_(None), due <= soon))


def next_due(tx: Tx, state: State, front_ends: Collection[str] | None = None) -> float | None:
    """When the next task in this state falls due; with `front_ends`, of those that go there."""
    if front_ends is None:
        return tx.execute(_NEXT_DUE[state]).scalar()
    return tx.execute(_NEXT_DUE_FOR[state], {"front_ends": list(front_ends)}).scalar()


def extend(tx: Tx, leases: Iterable[str], until: float) -> None:
    """The heartbeat: put off the end of the leases that are still worked on."""
    tx.execute(update(tasks).where(tasks.c.lease.in_(list(leases))).values(due_at=until))


def free_all(tx: Tx, now: float) -> int:
    """End every lease at once: only where no other process can be alive."""
    freed = tx.execute(
        update(tasks).where(tasks.c.lease.is_not(None)).values(lease=None, due_at=now)
    )
    return rows_changed(freed)


def free(tx: Tx, worker: str, now: float) -> None:
    """End the leases of one worker, which has stopped."""
    mine = tasks.c.lease.startswith(worker, autoescape=True)
    tx.execute(update(tasks).where(mine).values(lease=None, due_at=now))


def rows_changed(result: CursorResult[Any]) -> int:
    """How many rows an UPDATE has changed."""
    return result.rowcount


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


def hint(tx: Tx, identity: str, remote_id: str, now: float) -> bool:
    """Look at this account's job now: its gateway says that there is news."""
    job = update(tasks).where(
        tasks.c.provider_identity == identity,
        tasks.c.remote_id == remote_id,
        tasks.c.state == State.RUNNING,
        tasks.c.lease.is_(None),
        tasks.c.due_at > now,
    )
    return rows_changed(tx.execute(job.values(due_at=now))) == 1


def hurry_queue(tx: Tx, now: float) -> None:
    """Something has changed for those in line: look at all of them anew."""
    tx.execute(update(tasks).where(_QUEUED, tasks.c.due_at > now).values(due_at=now))


def hurry(tx: Tx, task: str, now: float) -> None:
    """Look at a waiting task now, unless somebody is at it."""
    tx.execute(update(tasks).where(tasks.c.id == task, tasks.c.lease.is_(None)).values(due_at=now))


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
