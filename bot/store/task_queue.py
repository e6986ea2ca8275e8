"""Which task the engine looks at, and when: claims, leases, the line it serves, hurrying.

Those of every look are built once: to build a statement costs more than to run it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from sqlalchemy import Integer, and_, bindparam, case, func, not_, or_, select, tuple_, update
from sqlalchemy.sql import ColumnElement

from bot.domain.tasks import State, Task
from bot.store.database import Tx
from bot.store.rows import (
    ORDER_FIELDS,
    PLACE,
    QUEUE_INDEX,
    QUEUED,
    WHOLE_TASKS,
    being,
    fetch_all,
    one_of,
    rows_changed,
    whole,
)
from bot.store.schema import deliveries, tasks

_STEPPED = one_of(State.SUBMITTING, State.RUNNING, State.FETCHING, State.DELIVERING)
_QUEUED_MODELS = (
    select(tasks.c.model)
    .where(QUEUED, tasks.c.due_at <= bindparam("now"))
    .with_hint(*QUEUE_INDEX)
    .distinct()
)
_DUE = (
    WHOLE_TASKS.where(_STEPPED, tasks.c.due_at <= bindparam("now"))
    .order_by(tasks.c.due_at)
    .limit(bindparam("most", type_=Integer))
    .with_for_update(skip_locked=True, of=tasks)
)
_DUE_IN = {state: _DUE.where(being(state)) for state in State}
_OF_FRONT_ENDS = deliveries.c.front_end.in_(bindparam("front_ends", expanding=True))
_DUE_FOR = {state: query.where(_OF_FRONT_ENDS) for state, query in _DUE_IN.items()}
_LEASE = (
    update(tasks)
    .where(tasks.c.id == bindparam("which"))
    .values(lease=bindparam("new_lease"), due_at=bindparam("until"))
)
_NEXT_DUE = {
    state: select(tasks.c.due_at).where(being(state), _STEPPED).order_by(tasks.c.due_at).limit(1)
    for state in State
}
_NEXT_DUE_FOR = {
    state: query.join(deliveries, deliveries.c.task == tasks.c.id).where(_OF_FRONT_ENDS)
    for state, query in _NEXT_DUE.items()
}
_OTHERS = {"prompt", "image", "remix_of", "spoiler"}
_WISHES = [name for name in ORDER_FIELDS if name not in _OTHERS]
"""What has to be the same in two tasks for the same providers to make them, or some of these."""
_BATCH = 1000
"""Running tasks that are looked at together at the most: ten pages of a list."""


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
    claimed = [whole(row, lease=lease, due_at=until) for row in rows]
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
    return [whole(row, lease=lease, due_at=until) for row in rows]


def _batched(identity: str) -> tuple[ColumnElement[bool], ...]:
    """Running there; without those to be stopped, which is more than a look."""
    ours = tasks.c.provider_identity == identity
    return being(State.RUNNING), _STEPPED, ours, tasks.c.cancel_asked.is_(False)


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


def queued_models(tx: Tx, now: float) -> list[str]:
    """The models of all tasks that could be started now."""
    return list(tx.execute(_QUEUED_MODELS, {"now": now}).scalars())


def queued(
    tx: Tx,
    models: Collection[str],
    limit: int,
    now: float,
    after: str | None = None,
    without: Iterable[Task] = (),
) -> list[Task]:
    """The queued tasks of these models whose turn it is, locked for this transaction.

    `after`: go on behind this task. `without`: pass over all that ask for no less than one of
    these, which whoever cannot take these cannot take either.
    """
    query = WHOLE_TASKS.where(QUEUED, tasks.c.due_at <= now, tasks.c.model.in_(models))
    if after is not None:
        turn, created_at = tx.execute(PLACE, {"which": after}).one()
        here = tuple_(tasks.c.turn, tasks.c.created_at, tasks.c.id)
        query = query.where(here > tuple_(turn, created_at, after))
    query = query.where(*(not_(_no_less_than(task)) for task in without))
    query = query.with_hint(*QUEUE_INDEX).limit(limit)
    query = query.order_by(tasks.c.turn, tasks.c.created_at, tasks.c.id)
    return fetch_all(tx, query.with_for_update(skip_locked=True, of=tasks))


def _no_less_than(task: Task) -> ColumnElement[bool]:
    """Asks for the same in as many words or more; changes a video of the same account, if any."""
    order = task.order
    alike = [tasks.c[name].is_not_distinct_from(getattr(order, name)) for name in _WISHES]
    alike.append(func.length(tasks.c.prompt) >= len(order.prompt))
    for name in ("image", "remix_of"):
        is_there = tasks.c[name].is_not(None)
        alike.append(not_(is_there) if getattr(order, name) is None else is_there)
    if order.remix_of is not None:
        account = tasks.c.provider_identity
        alike.append(account.is_not_distinct_from(task.provider_identity))
    return and_(*alike)


def next_queued(tx: Tx) -> float | None:
    """When the next queued task may be started."""
    query = select(func.min(tasks.c.due_at)).where(QUEUED).with_hint(*QUEUE_INDEX)
    return tx.execute(query).scalar()


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
    tx.execute(update(tasks).where(QUEUED, tasks.c.due_at > now).values(due_at=now))


def hurry(tx: Tx, task: str, now: float) -> None:
    """Look at a waiting task now, unless somebody is at it."""
    tx.execute(update(tasks).where(tasks.c.id == task, tasks.c.lease.is_(None)).values(due_at=now))
