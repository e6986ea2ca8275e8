"""Statements on people, their accounts and the ledger's entries."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    RowMapping,
    Table,
    and_,
    bindparam,
    case,
    func,
    insert,
    literal_column,
    not_,
    or_,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from bot.model import State
from bot.store.database import Tx
from bot.store.schema import accounts, entries, people, tasks

_UNSPENT = (State.QUEUED, State.SUBMITTING, State.RUNNING, State.FETCHING, State.REVIEW)
_SPENT = (State.DELIVERING, State.DONE, State.UNDELIVERED)


@dataclass(frozen=True, slots=True)
class PersonRow:
    """What is kept of a person beside their tasks and credits."""

    id: str
    language: str | None = None
    model: str | None = None
    orientation: str | None = None
    seconds: int | None = None
    banned_at: float | None = None
    ban_reason: str | None = None
    handle: str | None = None


@dataclass(frozen=True, slots=True)
class AccountRow:
    """An account as it stands; always the sum of its entries."""

    id: str
    daily: int
    granted: int
    held: int
    daily_limit: int | None
    """None: the settings' `DAILY_CREDITS`."""
    refilled_on: str | None


@dataclass(frozen=True, slots=True)
class Entry:
    """What one line of the ledger moves."""

    account: str
    at: float
    kind: str
    task: str | None = None
    day: str | None = None
    daily: int = 0
    granted: int = 0
    held: int = 0
    by: str | None = None


_ACCOUNT = select(accounts).where(accounts.c.id == bindparam("which"))
_LOCKED = _ACCOUNT.with_for_update()
_PERSON = select(people).where(people.c.id == bindparam("which"))
_POST = insert(entries)
_MOVE = (
    update(accounts)
    .where(accounts.c.id == bindparam("which"))
    .values(
        daily=accounts.c.daily + bindparam("by_daily"),
        granted=accounts.c.granted + bindparam("by_granted"),
        held=accounts.c.held + bindparam("by_held"),
    )
)
# The kinds as constants: SQLite would plan the statement anew for each other parameter.
_ENTRIES_OF = select(*(entries.c[name] for name in Entry.__slots__)).where(
    entries.c.task == bindparam("which")
)
_HOLD_OF = _ENTRIES_OF.where(entries.c.kind == literal_column("'hold'"))
_ENDING_OF = select(entries.c.kind).where(
    entries.c.task == bindparam("which"),
    entries.c.kind.in_([literal_column("'release'"), literal_column("'settle'")]),
)


def add_if_new(tx: Tx, table: Table, values: dict[str, Any]) -> bool:
    """Write a row unless its key is there already, without an error between rivals.

    Whether it was written.
    """
    dialect = postgresql if tx.dialect.name == "postgresql" else sqlite
    return tx.execute(dialect.insert(table).values(values).on_conflict_do_nothing()).rowcount == 1


def ensure(tx: Tx, person: str, now: float) -> None:
    """Make sure that a person and their account exist."""
    add_if_new(tx, people, {"id": person, "created_at": now})
    add_if_new(tx, accounts, {"id": person})


def person(tx: Tx, person_id: str) -> PersonRow:
    """What is kept of a person; empty for a stranger."""
    row = tx.execute(_PERSON, {"which": person_id}).mappings().first()
    if row is None:
        return PersonRow(person_id)
    return PersonRow(**{name: row[name] for name in PersonRow.__slots__})


def change_person(tx: Tx, person_id: str, **changes: object) -> None:
    """Set what is kept of a person."""
    tx.execute(update(people).where(people.c.id == person_id).values(**changes))


def called(tx: Tx, front_end: str, handle: str) -> str | None:
    """The id of the person of this handle there; None: nobody of that name was seen yet."""
    query = select(people.c.id).where(
        people.c.handle == handle.lower(), people.c.id.startswith(f"{front_end}:")
    )
    return tx.execute(query).scalar()


def set_handle(tx: Tx, person_id: str, handle: str | None, now: float) -> None:
    """A person is called so from now on, and nobody else of that front-end is."""
    front_end = person_id.partition(":")[0]
    add_if_new(tx, people, {"id": person_id, "created_at": now})
    if handle is not None:
        others = update(people).where(
            people.c.handle == handle.lower(),
            people.c.id != person_id,
            people.c.id.startswith(f"{front_end}:"),
        )
        tx.execute(others.values(handle=None))
    change_person(tx, person_id, handle=handle.lower() if handle else None)


def known(tx: Tx, person_id: str) -> bool:
    """Whether this person ever asked for anything."""
    return tx.execute(select(people.c.id).where(people.c.id == person_id)).first() is not None


def _account(row: RowMapping) -> AccountRow:
    return AccountRow(**{name: row[name] for name in AccountRow.__slots__})


def locked(tx: Tx, account: str) -> AccountRow:
    """An account, locked until this transaction ends: one person's moves come one by one."""
    return _account(tx.execute(_LOCKED, {"which": account}).mappings().one())


def locked_or_new(tx: Tx, person_id: str, now: float) -> AccountRow:
    """A person's account, locked; made with the person where it is not there yet."""
    row = tx.execute(_LOCKED, {"which": person_id}).mappings().first()
    if row is not None:
        return _account(row)
    ensure(tx, person_id, now)
    return locked(tx, person_id)


def peek(tx: Tx, account: str) -> AccountRow | None:
    """An account as it stands, without a lock."""
    row = tx.execute(_ACCOUNT, {"which": account}).mappings().first()
    return _account(row) if row else None


def post(tx: Tx, entry: Entry) -> None:
    """Write an entry and move its account by it, in one go and nowhere else.

    Raises `IntegrityError` where the database refuses: a second entry of the kind for the task,
    a second ending of a hold, a balance below zero.
    """
    tx.execute(_POST, {name: getattr(entry, name) for name in Entry.__slots__})
    by = {"by_daily": entry.daily, "by_granted": entry.granted, "by_held": entry.held}
    tx.execute(_MOVE, {"which": entry.account, **by})


def change_account(tx: Tx, account: str, **changes: object) -> None:
    """Set an account's limit or day of refill; its balances move by entries alone."""
    tx.execute(update(accounts).where(accounts.c.id == account).values(**changes))


def hold_of(tx: Tx, task: str) -> Entry | None:
    """The entry that set the task's credits aside, or None."""
    row = tx.execute(_HOLD_OF, {"which": task}).first()
    return Entry(*row) if row else None


def ending_of(tx: Tx, task: str) -> str | None:
    """`settle` or `release`, as the task's hold ended; None while it is open."""
    return tx.execute(_ENDING_OF, {"which": task}).scalar()


def disagreements(tx: Tx) -> list[tuple[str, tuple[int, int, int], tuple[int, int, int]]]:
    """Accounts that are not the sum of their entries: (account, balances, sums)."""
    sums = (
        select(
            entries.c.account,
            func.sum(entries.c.daily).label("daily"),
            func.sum(entries.c.granted).label("granted"),
            func.sum(entries.c.held).label("held"),
        )
        .group_by(entries.c.account)
        .subquery()
    )
    summed = [func.coalesce(sums.c[name], 0) for name in ("daily", "granted", "held")]
    own = [accounts.c.daily, accounts.c.granted, accounts.c.held]
    query = select(accounts.c.id, *own, *summed).outerjoin(sums, sums.c.account == accounts.c.id)
    rows = [tuple(row) for row in tx.execute(query)]
    return [
        (row[0], (row[1], row[2], row[3]), (int(row[4]), int(row[5]), int(row[6])))
        for row in rows
        if row[1:4] != row[4:7]
    ]


def odd_tasks(tx: Tx) -> list[tuple[str, str, str]]:
    """Tasks whose hold does not fit their state: (task, state, what was found)."""
    hold, ending = entries.alias("hold"), entries.alias("ending")
    found = func.coalesce(ending.c.kind, case((hold.c.id.is_not(None), "hold"), else_="nothing"))
    fits = or_(
        and_(tasks.c.state.in_(_UNSPENT), found == "hold"),
        and_(tasks.c.state.in_(_SPENT), found == "settle"),
        and_(tasks.c.state == State.FAILED, found.in_(["release", "settle"])),
        and_(tasks.c.state == State.CANCELLED, found == "release"),
    )
    query = (
        select(tasks.c.id, tasks.c.state, found)
        .outerjoin(hold, and_(hold.c.task == tasks.c.id, hold.c.kind == "hold"))
        .outerjoin(
            ending, and_(ending.c.task == tasks.c.id, ending.c.kind.in_(["settle", "release"]))
        )
        .where(not_(fits))
    )
    return [(task, state, kind) for task, state, kind in tx.execute(query)]
