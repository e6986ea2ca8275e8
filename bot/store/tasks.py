"""Statements on tasks, their events and their durations."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import fields
from typing import Any

from sqlalchemy import RowMapping, and_, func, insert, or_, select, update
from sqlalchemy.engine import CursorResult
from sqlalchemy.sql import ColumnElement, Select

from bot.model import ACTIVE, AT_REST, Order, Place, State, Task
from bot.store.database import Tx
from bot.store.schema import deliveries, durations, events, notices, tasks

_ORDER_FIELDS = tuple(field.name for field in fields(Order))
_TASK_FIELDS = tuple(
    field.name for field in fields(Task) if field.name not in {"order", "place", "state"}
)
_WITH_PLACE = select(tasks, deliveries.c.front_end, deliveries.c.address).join(
    deliveries, deliveries.c.task == tasks.c.id
)


def _task(row: RowMapping) -> Task:
    return Task(
        state=State(row["state"]),
        order=Order(**{name: row[name] for name in _ORDER_FIELDS}),
        place=Place(row["front_end"], row["address"]),
        **{name: row[name] for name in _TASK_FIELDS},
    )


def _all(tx: Tx, query: Select[Any]) -> list[Task]:
    return [_task(row) for row in tx.execute(query).mappings()]


def add(tx: Tx, task: Task, *, account: str, update_key: str | None, turn: int) -> None:
    """Write a new task with the duty to deliver its result."""
    row = {name: getattr(task, name) for name in _TASK_FIELDS}
    row |= {name: getattr(task.order, name) for name in _ORDER_FIELDS}
    row |= {"state": task.state, "account": account, "update_key": update_key, "turn": turn}
    tx.execute(insert(tasks).values(row))
    tx.execute(
        insert(deliveries).values(
            task=task.id, front_end=task.place.front_end, address=task.place.address
        )
    )
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
    tx.execute(
        insert(events).values(
            task=task,
            at=at,
            from_state=from_state,
            to_state=to_state,
            by=by,
            reason=reason,
            raw=raw,
        )
    )


def get(tx: Tx, task: str) -> Task | None:
    """The task of this id, or None."""
    row = tx.execute(_WITH_PLACE.where(tasks.c.id == task)).mappings().first()
    return _task(row) if row else None


def by_ids(tx: Tx, ids: Collection[str]) -> list[Task]:
    """The tasks of these ids, oldest first."""
    return _all(tx, _WITH_PLACE.where(tasks.c.id.in_(ids)).order_by(tasks.c.created_at))


def by_update(tx: Tx, update_key: str) -> Task | None:
    """The task that this update has already made, or None."""
    row = tx.execute(_WITH_PLACE.where(tasks.c.update_key == update_key)).mappings().first()
    return _task(row) if row else None


def of_person(tx: Tx, person: str, limit: int) -> list[Task]:
    """A person's newest tasks, newest first."""
    query = _WITH_PLACE.where(tasks.c.person == person)
    return _all(tx, query.order_by(tasks.c.created_at.desc(), tasks.c.id).limit(limit))


def in_state(tx: Tx, state: State | None, limit: int) -> list[Task]:
    """The newest tasks in a state; None: all that are at work or wait for somebody."""
    wanted = [state] if state else [*ACTIVE, State.REVIEW, State.UNDELIVERED]
    query = _WITH_PLACE.where(tasks.c.state.in_(wanted))
    return _all(tx, query.order_by(tasks.c.moved_at.desc(), tasks.c.id).limit(limit))


def outstanding(tx: Tx, person: str) -> list[Task]:
    """A person's tasks that are not at rest, or whose last word was not told yet."""
    untold = select(notices.c.task).where(notices.c.told_at.is_(None))
    query = _WITH_PLACE.where(
        tasks.c.person == person, or_(tasks.c.state.in_(ACTIVE), tasks.c.id.in_(untold))
    )
    return _all(tx, query.order_by(tasks.c.created_at))


def count_active(tx: Tx, person: str) -> int:
    """How many of a person's tasks are not at rest."""
    query = select(func.count()).where(tasks.c.person == person, tasks.c.state.in_(ACTIVE))
    return tx.execute(query).scalar_one()


def next_turn(tx: Tx, person: str) -> int:
    """The round in which a person's next task is due: one of each person in every round.

    A person's first waiting task joins the round now being served, each further one the round
    after their last: so twenty tasks of one hold up another's first by one at the most.
    """
    queued = tasks.c.state == State.QUEUED
    now_served = tx.execute(select(func.min(tasks.c.turn)).where(queued)).scalar()
    last_own = tx.execute(
        select(func.max(tasks.c.turn)).where(queued, tasks.c.person == person)
    ).scalar()
    if last_own is not None:
        return int(last_own) + 1
    return int(now_served or 0)


def place_in_line(tx: Tx, task: str) -> int:
    """How many queued tasks come before this one."""
    own = select(tasks.c.turn, tasks.c.created_at).where(tasks.c.id == task).subquery()
    before = or_(
        tasks.c.turn < own.c.turn,
        and_(tasks.c.turn == own.c.turn, tasks.c.created_at < own.c.created_at),
    )
    query = select(func.count()).select_from(tasks.join(own, before))
    return tx.execute(query.where(tasks.c.state == State.QUEUED)).scalar_one()


def queued_models(tx: Tx, now: float) -> list[str]:
    """The models of all tasks that could be started now."""
    query = select(tasks.c.model).where(tasks.c.state == State.QUEUED, tasks.c.due_at <= now)
    return list(tx.execute(query.distinct()).scalars())


def queued(tx: Tx, models: Collection[str], limit: int, now: float) -> list[Task]:
    """The queued tasks of these models whose turn it is, locked for this transaction."""
    query = (
        _WITH_PLACE.where(
            tasks.c.state == State.QUEUED, tasks.c.due_at <= now, tasks.c.model.in_(models)
        )
        .order_by(tasks.c.turn, tasks.c.created_at)
        .limit(limit)
        .with_for_update(skip_locked=True, of=tasks)
    )
    return _all(tx, query)


def jobs_by_provider(tx: Tx) -> dict[str, int]:
    """How many jobs each provider has in its hands, as far as we know."""
    query = select(tasks.c.provider, func.count()).where(
        tasks.c.state.in_([State.RUNNING, State.SUBMITTING]), tasks.c.provider.is_not(None)
    )
    return {row[0]: row[1] for row in tx.execute(query.group_by(tasks.c.provider))}


def next_queued(tx: Tx) -> float | None:
    """When the next queued task may be started."""
    query = select(func.min(tasks.c.due_at)).where(tasks.c.state == State.QUEUED)
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
    due = select(tasks.c.id).where(tasks.c.state == state, tasks.c.due_at <= now)
    if front_ends is not None:
        there = deliveries.c.front_end.in_(front_ends)
        due = due.join(deliveries, deliveries.c.task == tasks.c.id).where(there)
    due = due.order_by(tasks.c.due_at).limit(limit).with_for_update(skip_locked=True, of=tasks)
    ids = tx.execute(due).scalars().all()
    if not ids:
        return []
    tx.execute(update(tasks).where(tasks.c.id.in_(ids)).values(lease=lease, due_at=until))
    return by_ids(tx, ids)


def next_due(tx: Tx, state: State) -> float | None:
    """When the next task in this state falls due."""
    query = select(tasks.c.due_at).where(tasks.c.state == state)
    return tx.execute(query.order_by(tasks.c.due_at).limit(1)).scalar()


def extend(tx: Tx, leases: Iterable[str], until: float) -> None:
    """The heartbeat: put off the end of the leases that are still worked on."""
    tx.execute(update(tasks).where(tasks.c.lease.in_(list(leases))).values(due_at=until))


def free_all(tx: Tx, now: float) -> int:
    """End every lease at once: only where no other process can be alive."""
    freed = tx.execute(
        update(tasks).where(tasks.c.lease.is_not(None)).values(lease=None, due_at=now)
    )
    return _rows(freed)


def free(tx: Tx, worker: str, now: float) -> None:
    """End the leases of one worker, which has stopped."""
    mine = tasks.c.lease.startswith(worker, autoescape=True)
    tx.execute(update(tasks).where(mine).values(lease=None, due_at=now))


def _held_by(task: Task) -> ColumnElement[bool]:
    lease = tasks.c.lease.is_(None) if task.lease is None else tasks.c.lease == task.lease
    return and_(tasks.c.id == task.id, tasks.c.state == task.state, lease)


def _rows(result: CursorResult[Any]) -> int:
    return result.rowcount


def change(tx: Tx, task: Task, **changes: object) -> bool:
    """The guarded update: only if the task is still as we know it. False: somebody was first."""
    return _rows(tx.execute(update(tasks).where(_held_by(task)).values(**changes))) == 1


def ask_to_cancel(tx: Tx, task: str, now: float) -> None:
    """Note the wish: the next look tries to stop the job. Due now unless somebody is at it."""
    wish = update(tasks).where(
        tasks.c.id == task, tasks.c.state.in_([State.SUBMITTING, State.RUNNING])
    )
    tx.execute(wish.values(cancel_asked=True))
    tx.execute(wish.where(tasks.c.lease.is_(None)).values(due_at=now))


def hurry(tx: Tx, task: str, now: float) -> None:
    """Look at a waiting task now, unless somebody is at it."""
    tx.execute(update(tasks).where(tasks.c.id == task, tasks.c.lease.is_(None)).values(due_at=now))


def add_duration(tx: Tx, task: Task, took: float, now: float) -> None:
    """Remember how long a job took, for honest expectations and well-placed looks."""
    tx.execute(
        insert(durations).values(
            provider=task.provider,
            remote_model=task.remote_model,
            seconds=task.order.seconds,
            took=took,
            at=now,
        )
    )


def recent_durations(tx: Tx, limit: int) -> list[tuple[str, str, int, float]]:
    """The newest durations as (provider, remote model, seconds asked, seconds taken)."""
    query = select(
        durations.c.provider, durations.c.remote_model, durations.c.seconds, durations.c.took
    ).order_by(durations.c.id.desc())
    return [
        (provider, model, seconds, took)
        for provider, model, seconds, took in tx.execute(query.limit(limit))
    ]


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


def files_in_use(tx: Tx) -> set[str]:
    """The names of all pictures and results that some task still needs."""
    pictures = select(tasks.c.image).where(tasks.c.image.is_not(None))
    results = select(tasks.c.file).where(tasks.c.file.is_not(None))
    return {str(name) for query in (pictures, results) for name in tx.execute(query).scalars()}


def results_on_their_way(tx: Tx) -> set[str]:
    """The names of the results that are being fetched, or may be again."""
    query = select(tasks.c.id).where(tasks.c.state.in_([State.FETCHING, State.RUNNING]))
    return {f"{task}.mp4" for task in tx.execute(query).scalars()}


def expired_files(tx: Tx, before: float, limit: int) -> list[Task]:
    """Tasks at rest since before then whose result or picture is still on our disk."""
    query = _WITH_PLACE.where(
        tasks.c.state.in_(AT_REST),
        or_(tasks.c.file.is_not(None), tasks.c.image.is_not(None)),
        tasks.c.moved_at < before,
    )
    return _all(tx, query.limit(limit))


def drop_files(tx: Tx, task: str) -> None:
    """The task's result and picture are no longer kept."""
    tx.execute(update(tasks).where(tasks.c.id == task).values(file=None, image=None))


def blank_prompts(tx: Tx, before: float) -> int:
    """Forget the prompts, pictures and raw texts of tasks at rest since before then."""
    old = and_(tasks.c.state.in_(AT_REST), tasks.c.moved_at < before, tasks.c.prompt != "")
    return _rows(tx.execute(update(tasks).where(old).values(prompt="", raw=None)))


def of_person_at_rest(tx: Tx, person: str) -> list[Task]:
    """All tasks of a person that nothing moves on by itself."""
    return _all(tx, _WITH_PLACE.where(tasks.c.person == person, tasks.c.state.in_(AT_REST)))


def forget(tx: Tx, ids: Collection[str]) -> None:
    """Blank all that tells what these tasks were about; the ledger's rows stay."""
    tx.execute(
        update(tasks)
        .where(tasks.c.id.in_(ids))
        .values(prompt="", image=None, file=None, raw=None, result_url=None)
    )
    tx.execute(update(events).where(events.c.task.in_(ids)).values(raw=None))
