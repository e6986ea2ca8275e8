"""The task queue: due tasks, leases, queue order, and tasks to be expedited.

Frequent statements are built once: building a statement costs more than running it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from sqlalchemy import Integer, and_, bindparam, case, func, not_, or_, select, tuple_, update
from sqlalchemy.sql import ColumnElement

from bot.domain.tasks import State, Task
from bot.store.database import Tx
from bot.store.rows import (
    IS_QUEUED,
    ORDER_COLUMNS,
    QUEUE_INDEX,
    SELECT_QUEUE_POSITION,
    SELECT_TASKS,
    fetch_all,
    rows_changed,
    state_in,
    state_is,
    task_from_row,
)
from bot.store.schema import deliveries, tasks

_HAS_STEP = state_in(State.SUBMITTING, State.RUNNING, State.FETCHING, State.DELIVERING)
_SELECT_QUEUED_MODELS = (
    select(tasks.c.model)
    .where(IS_QUEUED, tasks.c.due_at <= bindparam("now"))
    .with_hint(*QUEUE_INDEX)
    .distinct()
)
_SELECT_DUE = (
    SELECT_TASKS.where(_HAS_STEP, tasks.c.due_at <= bindparam("now"))
    .order_by(tasks.c.due_at)
    .limit(bindparam("most", type_=Integer))
    .with_for_update(skip_locked=True, of=tasks)
)
_SELECT_DUE_IN_STATE = {state: _SELECT_DUE.where(state_is(state)) for state in State}
_IS_OF_FRONT_ENDS = deliveries.c.front_end.in_(bindparam("front_ends", expanding=True))
_SELECT_DUE_OF_FRONT_ENDS = {
    state: query.where(_IS_OF_FRONT_ENDS) for state, query in _SELECT_DUE_IN_STATE.items()
}
_UPDATE_LEASE = (
    update(tasks)
    .where(tasks.c.id == bindparam("which"))
    .values(lease=bindparam("new_lease"), due_at=bindparam("until"))
)
_SELECT_NEXT_DUE_IN_STATE = {
    state: select(tasks.c.due_at)
    .where(state_is(state), _HAS_STEP)
    .order_by(tasks.c.due_at)
    .limit(1)
    for state in State
}
_SELECT_NEXT_DUE_OF_FRONT_ENDS = {
    state: query.join(deliveries, deliveries.c.task == tasks.c.id).where(_IS_OF_FRONT_ENDS)
    for state, query in _SELECT_NEXT_DUE_IN_STATE.items()
}
_NOT_COMPARED = {"prompt", "image", "remix_of", "spoiler"}
_COMPARED_FIELDS = [name for name in ORDER_COLUMNS if name not in _NOT_COMPARED]
"""Fields that must be equal in two tasks for the same providers to be able to make both."""
_MAX_BATCH_SIZE = 1000
"""Maximum number of running tasks polled together: ten pages of a list."""


def claim_due(
    tx: Tx,
    state: State,
    limit: int,
    now: float,
    lease: str,
    lease_until: float,
    front_ends: Collection[str] | None = None,
) -> list[Task]:
    """Take due tasks under a lease; with `front_ends`, only those whose results go there.

    A claimed task falls due again when its lease ends, so that another worker takes over the
    tasks of a crashed one.
    """
    parameters: dict[str, object] = {"now": now, "most": limit}
    if front_ends is None:
        rows = tx.execute(_SELECT_DUE_IN_STATE[state], parameters).all()
    else:
        rows = tx.execute(
            _SELECT_DUE_OF_FRONT_ENDS[state], parameters | {"front_ends": list(front_ends)}
        ).all()
    claimed = [task_from_row(row, lease=lease, due_at=lease_until) for row in rows]
    if claimed:
        new_lease = {"new_lease": lease, "until": lease_until}
        tx.execute(_UPDATE_LEASE, [{"which": task.id, **new_lease} for task in claimed])
    return claimed


def count_batch(tx: Tx, identity: str, now: float, lookahead_until: float) -> tuple[int, int, int]:
    """Running tasks of a provider identity: (all, due by `lookahead_until`, due now)."""
    due_soon, due_now = (
        func.coalesce(func.sum(case((_due_and_free_by(now, time), 1), else_=0)), 0)
        for time in (lookahead_until, now)
    )
    query = select(func.count(), due_soon, due_now).where(*_batch_conditions(identity))
    row = tx.execute(query).one()
    return int(row[0]), int(row[1]), int(row[2])


def claim_batch(
    tx: Tx, identity: str, now: float, lookahead_until: float, lease: str, lease_until: float
) -> list[Task]:
    """Claim the running tasks of a provider identity that are due by `lookahead_until`."""
    query = SELECT_TASKS.where(*_batch_conditions(identity), _due_and_free_by(now, lookahead_until))
    query = query.order_by(tasks.c.due_at).limit(_MAX_BATCH_SIZE)
    rows = tx.execute(query.with_for_update(skip_locked=True, of=tasks)).all()
    if rows:
        new_lease = {"new_lease": lease, "until": lease_until}
        tx.execute(_UPDATE_LEASE, [{"which": row.id, **new_lease} for row in rows])
    return [task_from_row(row, lease=lease, due_at=lease_until) for row in rows]


def _batch_conditions(identity: str) -> tuple[ColumnElement[bool], ...]:
    """Running tasks there, except those with a cancel request, which need more than a poll."""
    of_identity = tasks.c.provider_identity == identity
    return state_is(State.RUNNING), _HAS_STEP, of_identity, tasks.c.cancel_asked.is_(False)


def _due_and_free_by(now: float, lookahead_until: float) -> ColumnElement[bool]:
    """Due by then. `due_at` of a leased task is the end of its lease: it counts only once past."""
    due_at = tasks.c.due_at
    return or_(due_at <= now, and_(tasks.c.lease.is_(None), due_at <= lookahead_until))


def next_due_at(tx: Tx, state: State, front_ends: Collection[str] | None = None) -> float | None:
    """When the next task in this state falls due; with `front_ends`, of those that go there."""
    if front_ends is None:
        return tx.execute(_SELECT_NEXT_DUE_IN_STATE[state]).scalar()
    return tx.execute(
        _SELECT_NEXT_DUE_OF_FRONT_ENDS[state], {"front_ends": list(front_ends)}
    ).scalar()


def extend_leases(tx: Tx, leases: Iterable[str], lease_until: float) -> None:
    """Heartbeat: extend the leases of running steps."""
    tx.execute(update(tasks).where(tasks.c.lease.in_(list(leases))).values(due_at=lease_until))


def release_all_leases(tx: Tx, now: float) -> int:
    """End all leases; only if no other process can be running."""
    released = tx.execute(
        update(tasks).where(tasks.c.lease.is_not(None)).values(lease=None, due_at=now)
    )
    return rows_changed(released)


def release_leases(tx: Tx, lease_prefix: str, now: float) -> None:
    """End the leases of a stopped worker."""
    has_prefix = tasks.c.lease.startswith(lease_prefix, autoescape=True)
    tx.execute(update(tasks).where(has_prefix).values(lease=None, due_at=now))


def queued_models(tx: Tx, now: float) -> list[str]:
    """The models of all queued tasks that are due."""
    return list(tx.execute(_SELECT_QUEUED_MODELS, {"now": now}).scalars())


def lock_queued_tasks(
    tx: Tx,
    models: Collection[str],
    limit: int,
    now: float,
    after_task_id: str | None = None,
    skipped_shapes: Iterable[Task] = (),
) -> list[Task]:
    """The due queued tasks of these models in queue order, locked for this transaction.

    `after_task_id`: continue after this task. `skipped_shapes`: leave out tasks that are at least
    as demanding as one of these, since a provider that cannot take the one cannot take the other.
    """
    query = SELECT_TASKS.where(IS_QUEUED, tasks.c.due_at <= now, tasks.c.model.in_(models))
    if after_task_id is not None:
        queue_round, created_at = tx.execute(SELECT_QUEUE_POSITION, {"which": after_task_id}).one()
        position = tuple_(tasks.c.turn, tasks.c.created_at, tasks.c.id)
        query = query.where(position > tuple_(queue_round, created_at, after_task_id))
    query = query.where(*(not_(_at_least_as_demanding(task)) for task in skipped_shapes))
    query = query.with_hint(*QUEUE_INDEX).limit(limit)
    query = query.order_by(tasks.c.turn, tasks.c.created_at, tasks.c.id)
    return fetch_all(tx, query.with_for_update(skip_locked=True, of=tasks))


def _at_least_as_demanding(task: Task) -> ColumnElement[bool]:
    """Equal options and a prompt at least as long; for a remix also the same provider identity."""
    order = task.order
    conditions = [
        tasks.c[name].is_not_distinct_from(getattr(order, name)) for name in _COMPARED_FIELDS
    ]
    conditions.append(func.length(tasks.c.prompt) >= len(order.prompt))
    for name in ("image", "remix_of"):
        is_present = tasks.c[name].is_not(None)
        conditions.append(not_(is_present) if getattr(order, name) is None else is_present)
    if order.remix_of is not None:
        identity = tasks.c.provider_identity
        conditions.append(identity.is_not_distinct_from(task.provider_identity))
    return and_(*conditions)


def next_queued_at(tx: Tx) -> float | None:
    """When the next queued task may be started."""
    query = select(func.min(tasks.c.due_at)).where(IS_QUEUED).with_hint(*QUEUE_INDEX)
    return tx.execute(query).scalar()


def mark_due(tx: Tx, identity: str, remote_id: str, now: float) -> bool:
    """Make a running task due now, because its gateway has reported an event. False: no change."""
    statement = update(tasks).where(
        tasks.c.provider_identity == identity,
        tasks.c.remote_id == remote_id,
        tasks.c.state == State.RUNNING,
        tasks.c.lease.is_(None),
        tasks.c.due_at > now,
    )
    return rows_changed(tx.execute(statement.values(due_at=now))) == 1


def expedite_queue(tx: Tx, now: float) -> None:
    """Make all queued tasks due now, because providers or models have changed."""
    tx.execute(update(tasks).where(IS_QUEUED, tasks.c.due_at > now).values(due_at=now))


def expedite(tx: Tx, task_id: str, now: float) -> None:
    """Make a task due now, unless a worker has leased it."""
    tx.execute(
        update(tasks).where(tasks.c.id == task_id, tasks.c.lease.is_(None)).values(due_at=now)
    )
