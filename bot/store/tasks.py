"""Queries on tasks and their events.

Statements used by every request are built once: building a statement costs more than running it.
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
    IS_QUEUED,
    ORDER_COLUMNS,
    QUEUE_INDEX,
    SELECT_QUEUE_POSITION,
    SELECT_TASKS,
    TASK_COLUMNS,
    fetch_all,
    rows_changed,
    state_in,
    state_is,
    storable_text,
    task_from_row,
)
from bot.store.schema import deliveries, events, notices, tasks

_SELECT_BY_ID = SELECT_TASKS.where(tasks.c.id == bindparam("which"))
_SELECT_BY_UPDATE = SELECT_TASKS.where(tasks.c.update_key == bindparam("update_key"))
_INSERT = insert(tasks)
_INSERT_DELIVERY = insert(deliveries)
_INSERT_EVENT = insert(events)
_IS_ACTIVE_OF_USER = and_(tasks.c.person == bindparam("person"), state_in(*ACTIVE))
_COUNT_ACTIVE = (
    select(func.count())
    .select_from(tasks)
    .where(_IS_ACTIVE_OF_USER)
    .with_hint(tasks, "INDEXED BY ix_tasks_active", "sqlite")
)
_SELECT_NEXT_QUEUE_ROUND = select(
    func.coalesce(
        select(func.max(tasks.c.turn) + 1)
        .where(IS_QUEUED, _IS_ACTIVE_OF_USER)
        .with_hint(tasks, "INDEXED BY ix_tasks_active", "sqlite")
        .scalar_subquery(),
        select(func.min(tasks.c.turn)).where(IS_QUEUED).with_hint(*QUEUE_INDEX).scalar_subquery(),
        0,
    )
)
_COUNT_AHEAD = (
    select(func.count())
    .select_from(tasks)
    .where(
        IS_QUEUED,
        tuple_(tasks.c.turn, tasks.c.created_at)
        < tuple_(bindparam("turn", type_=Integer), bindparam("created_at", type_=Float)),
    )
    .with_hint(*QUEUE_INDEX)
)
# What is set comes with the parameters: one compiled statement for each set of columns.
_UPDATE_IN_STATE = {
    state: update(tasks).where(tasks.c.id == bindparam("which"), state_is(state)) for state in State
}
_UPDATE_UNLEASED = {
    state: query.where(tasks.c.lease.is_(None)) for state, query in _UPDATE_IN_STATE.items()
}
_UPDATE_LEASED = {
    state: query.where(tasks.c.lease == bindparam("lease_known"))
    for state, query in _UPDATE_IN_STATE.items()
}


class JobAlreadyAssigned(Exception):
    """Another task of the same account has this job."""


def add(tx: Tx, task: Task, *, account_id: str, update_key: str | None, queue_round: int) -> None:
    """Insert a task and its delivery."""
    row = {column: getattr(task, attribute) for column, attribute in TASK_COLUMNS.items()}
    row |= {column: getattr(task.order, name) for column, name in ORDER_COLUMNS.items()}
    row |= {
        "state": task.state,
        "account": account_id,
        "update_key": update_key,
        "turn": queue_round,
    }
    tx.execute(_INSERT, row)
    destination = {"front_end": task.destination.front_end, "address": task.destination.address}
    tx.execute(_INSERT_DELIVERY, {"task": task.id, **destination})
    record_event(tx, task.id, None, task.state, task.created_at)


def record_event(
    tx: Tx,
    task_id: str,
    from_state: State | None,
    to_state: State,
    at: float,
    *,
    by: str | None = None,
    reason: str | None = None,
    provider_message: str | None = None,
) -> None:
    """Insert the event of one transition."""
    event = {"task": task_id, "at": at, "from_state": from_state, "to_state": to_state}
    tx.execute(
        _INSERT_EVENT, {**event, "by": by, "reason": reason, "raw": storable_text(provider_message)}
    )


def get(tx: Tx, task_id: str) -> Task | None:
    """Return the task with this id, or None."""
    row = tx.execute(_SELECT_BY_ID, {"which": task_id}).first()
    return task_from_row(row) if row else None


def get_many(tx: Tx, task_ids: Collection[str]) -> list[Task]:
    """Return the tasks with these ids, oldest first."""
    return fetch_all(tx, SELECT_TASKS.where(tasks.c.id.in_(task_ids)).order_by(tasks.c.created_at))


def find_by_update(tx: Tx, update_key: str) -> Task | None:
    """Return the task that this update created, or None."""
    row = tx.execute(_SELECT_BY_UPDATE, {"update_key": update_key}).first()
    return task_from_row(row) if row else None


def newest_of_user(tx: Tx, user_id: str, limit: int) -> list[Task]:
    """Return the user's newest tasks, newest first."""
    query = SELECT_TASKS.where(tasks.c.person == user_id)
    return fetch_all(tx, query.order_by(tasks.c.created_at.desc(), tasks.c.id).limit(limit))


def in_state(tx: Tx, state: State | None, limit: int) -> list[Task]:
    """Return the newest tasks in a state; None: all that are active or wait for an admin."""
    states = [state] if state else [*ACTIVE, State.REVIEW, State.UNDELIVERED]
    query = SELECT_TASKS.where(tasks.c.state.in_(states))
    return fetch_all(tx, query.order_by(tasks.c.moved_at.desc(), tasks.c.id).limit(limit))


def outstanding_of_user(tx: Tx, user_id: str) -> list[Task]:
    """Return the user's tasks that are not settled or whose final message is not sent."""
    unsent_notices = select(notices.c.task).where(notices.c.told_at.is_(None))
    query = SELECT_TASKS.where(
        tasks.c.person == user_id, or_(tasks.c.state.in_(ACTIVE), tasks.c.id.in_(unsent_notices))
    )
    return fetch_all(tx, query.order_by(tasks.c.created_at))


def count_active(tx: Tx, user_id: str) -> int:
    """Return how many of the user's tasks are active."""
    return tx.execute(_COUNT_ACTIVE, {"person": user_id}).scalar_one()


def next_queue_round(tx: Tx, user_id: str) -> int:
    """The round in which a person's next task is due: one of each person in every round.

    A person's first waiting task joins the round now being served, each further one the round
    after their last: so twenty tasks of one hold up another's first by one at the most.
    """
    return int(tx.execute(_SELECT_NEXT_QUEUE_ROUND, {"person": user_id}).scalar_one())


def queue_position(tx: Tx, task_id: str) -> int:
    """Return how many queued tasks come before this one."""
    queue_round, created_at = tx.execute(SELECT_QUEUE_POSITION, {"which": task_id}).one()
    return count_ahead(tx, queue_round, created_at)


def count_ahead(tx: Tx, queue_round: int, created_at: float) -> int:
    """Return how many queued tasks come before one of this round and creation time."""
    return tx.execute(_COUNT_AHEAD, {"turn": queue_round, "created_at": created_at}).scalar_one()


def queue_head(tx: Tx, limit: int) -> list[Task]:
    """Return the first queued tasks, in queue order."""
    query = SELECT_TASKS.where(IS_QUEUED).order_by(tasks.c.turn, tasks.c.created_at).limit(limit)
    return fetch_all(tx, query)


def jobs_by_provider(tx: Tx) -> dict[str, tuple[int, int]]:
    """Return provider -> (jobs running there as far as known, those being submitted)."""
    submitting = func.sum(case((state_is(State.SUBMITTING), 1), else_=0))
    query = select(tasks.c.provider, func.count(), submitting).where(
        state_in(State.RUNNING, State.SUBMITTING), tasks.c.provider.is_not(None)
    )
    rows = tx.execute(query.group_by(tasks.c.provider))
    return {row[0]: (row[1], int(row[2])) for row in rows}


def change(tx: Tx, task: Task, **changes: object) -> bool:
    """The guarded update: only if the task is still as we know it. False: somebody was first.

    Raises `JobAlreadyAssigned` when another task of the same account has this job already.
    """
    if "raw" in changes:
        changes["raw"] = storable_text(changes["raw"])
    if "remote_id" not in changes:
        return _apply_change(tx, task, changes)
    try:
        with tx.begin_nested():
            return _apply_change(tx, task, changes)
    except IntegrityError as error:
        raise JobAlreadyAssigned(str(changes["remote_id"])) from error


def _apply_change(tx: Tx, task: Task, changes: dict[str, object]) -> bool:
    parameters = {"which": task.id}
    if task.lease is None:
        return rows_changed(tx.execute(_UPDATE_UNLEASED[task.state], changes | parameters)) == 1
    parameters |= {"lease_known": task.lease}
    return rows_changed(tx.execute(_UPDATE_LEASED[task.state], changes | parameters)) == 1


def request_cancel(tx: Tx, task_id: str, now: float) -> bool:
    """Record a cancel request; the next poll tries to stop the job.

    The task is due now unless it is leased. Returns False if there is no job that could be stopped.
    """
    statement = update(tasks).where(
        tasks.c.id == task_id, tasks.c.state.in_([State.SUBMITTING, State.RUNNING])
    )
    if rows_changed(tx.execute(statement.values(cancel_asked=True))) == 0:
        return False
    tx.execute(statement.where(tasks.c.lease.is_(None)).values(due_at=now))
    return True


def history(tx: Tx, task_id: str) -> list[tuple[float, str | None, str, str | None, str | None]]:
    """Return the task's events, oldest first: (at, from, to, reason, provider message)."""
    query = select(
        events.c.at, events.c.from_state, events.c.to_state, events.c.reason, events.c.raw
    )
    rows = tx.execute(query.where(events.c.task == task_id).order_by(events.c.id))
    return [
        (at, old, new, reason, provider_message) for at, old, new, reason, provider_message in rows
    ]


def find_by_remote_id(tx: Tx, identity: str, remote_id: str) -> str | None:
    """Return the task that has this job, or None."""
    query = select(tasks.c.id).where(
        tasks.c.provider_identity == identity, tasks.c.remote_id == remote_id
    )
    return tx.execute(query.limit(1)).scalar()


def same_prompt_tasks(tx: Tx, task: Task) -> tuple[set[str], bool]:
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
    job_ids = {str(remote_id) for remote_id, _ in rows if remote_id is not None}
    return job_ids, any(remote_id is None for remote_id, _ in rows)
