"""Statements on people, their accounts and the ledger's entries."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import (
    RowMapping,
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

from bot.domain.tasks import State
from bot.store.database import Tx
from bot.store.rows import add_if_new
from bot.store.schema import accounts, entries, people, tasks

_UNSPENT = (State.QUEUED, State.SUBMITTING, State.RUNNING, State.FETCHING, State.REVIEW)
_SPENT = (State.DELIVERING, State.DONE, State.UNDELIVERED)


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


def ensure(tx: Tx, person: str, now: float) -> None:
    """Make sure that a person and their account exist."""
    add_if_new(tx, people, {"id": person, "created_at": now})
    add_if_new(tx, accounts, {"id": person})


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
