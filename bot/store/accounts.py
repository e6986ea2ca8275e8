"""Queries on accounts and ledger entries."""

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
from bot.store.rows import insert_if_new
from bot.store.schema import accounts, entries, people, tasks

_HELD_STATES = (State.QUEUED, State.SUBMITTING, State.RUNNING, State.FETCHING, State.REVIEW)
_CHARGED_STATES = (State.DELIVERING, State.DONE, State.UNDELIVERED)


@dataclass(frozen=True, slots=True)
class AccountRow:
    """Balances of an account; always the sum of its entries."""

    id: str
    daily: int
    granted: int
    held: int
    daily_limit: int | None
    """None: the value of the setting `DAILY_CREDITS`."""
    refilled_on: str | None


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """One entry of the ledger."""

    account_id: str
    at: float
    kind: str
    task_id: str | None = None
    day: str | None = None
    daily: int = 0
    granted: int = 0
    held: int = 0
    by: str | None = None


_ENTRY_COLUMNS = {
    "account": "account_id",
    "at": "at",
    "kind": "kind",
    "task": "task_id",
    "day": "day",
    "daily": "daily",
    "granted": "granted",
    "held": "held",
    "by": "by",
}
"""Column of `entries` -> attribute of `LedgerEntry`."""
_SELECT_ACCOUNT = select(accounts).where(accounts.c.id == bindparam("which"))
_SELECT_ACCOUNT_FOR_UPDATE = _SELECT_ACCOUNT.with_for_update()
_INSERT_ENTRY = insert(entries)
_UPDATE_BALANCES = (
    update(accounts)
    .where(accounts.c.id == bindparam("which"))
    .values(
        daily=accounts.c.daily + bindparam("by_daily"),
        granted=accounts.c.granted + bindparam("by_granted"),
        held=accounts.c.held + bindparam("by_held"),
    )
)
# The kinds as constants: SQLite would plan the statement anew for each other parameter.
_SELECT_TASK_ENTRIES = select(*(entries.c[name] for name in _ENTRY_COLUMNS)).where(
    entries.c.task == bindparam("which")
)
_SELECT_HOLD = _SELECT_TASK_ENTRIES.where(entries.c.kind == literal_column("'hold'"))
_SELECT_HOLD_ENDING = select(entries.c.kind).where(
    entries.c.task == bindparam("which"),
    entries.c.kind.in_([literal_column("'release'"), literal_column("'settle'")]),
)


def ensure_account(tx: Tx, user_id: str, now: float) -> None:
    """Insert the user and the account if they are missing."""
    insert_if_new(tx, people, {"id": user_id, "created_at": now})
    insert_if_new(tx, accounts, {"id": user_id})


def _from_row(row: RowMapping) -> AccountRow:
    return AccountRow(**{name: row[name] for name in AccountRow.__slots__})


def lock(tx: Tx, account_id: str) -> AccountRow:
    """Return the account, locked until the transaction ends."""
    return _from_row(tx.execute(_SELECT_ACCOUNT_FOR_UPDATE, {"which": account_id}).mappings().one())


def lock_or_create(tx: Tx, user_id: str, now: float) -> AccountRow:
    """Return the user's account, locked; insert both if they are missing."""
    row = tx.execute(_SELECT_ACCOUNT_FOR_UPDATE, {"which": user_id}).mappings().first()
    if row is not None:
        return _from_row(row)
    ensure_account(tx, user_id, now)
    return lock(tx, user_id)


def get(tx: Tx, account_id: str) -> AccountRow | None:
    """Return the account without a lock."""
    row = tx.execute(_SELECT_ACCOUNT, {"which": account_id}).mappings().first()
    return _from_row(row) if row else None


def post_entry(tx: Tx, entry: LedgerEntry) -> None:
    """Write an entry and move its account by it, in one go and nowhere else.

    Raises `IntegrityError` where the database refuses: a second entry of the kind for the task,
    a second ending of a hold, a balance below zero.
    """
    row = {column: getattr(entry, attribute) for column, attribute in _ENTRY_COLUMNS.items()}
    tx.execute(_INSERT_ENTRY, row)
    movement = {"by_daily": entry.daily, "by_granted": entry.granted, "by_held": entry.held}
    tx.execute(_UPDATE_BALANCES, {"which": entry.account_id, **movement})


def change(tx: Tx, account_id: str, **changes: object) -> None:
    """Set the limit or the day of the last refill; balances change by entries only."""
    tx.execute(update(accounts).where(accounts.c.id == account_id).values(**changes))


def get_hold(tx: Tx, task_id: str) -> LedgerEntry | None:
    """Return the entry that holds the task's credits, or None."""
    row = tx.execute(_SELECT_HOLD, {"which": task_id}).first()
    return LedgerEntry(*row) if row else None


def get_hold_ending(tx: Tx, task_id: str) -> str | None:
    """Return `settle` or `release` once the task's hold has ended, else None."""
    return tx.execute(_SELECT_HOLD_ENDING, {"which": task_id}).scalar()


def unbalanced_accounts(tx: Tx) -> list[tuple[str, tuple[int, int, int], tuple[int, int, int]]]:
    """Return accounts whose balances are not the sum of their entries."""
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
    sums_or_zero = [func.coalesce(sums.c[name], 0) for name in ("daily", "granted", "held")]
    balances = [accounts.c.daily, accounts.c.granted, accounts.c.held]
    query = select(accounts.c.id, *balances, *sums_or_zero).outerjoin(
        sums, sums.c.account == accounts.c.id
    )
    rows = [tuple(row) for row in tx.execute(query)]
    return [
        (row[0], (row[1], row[2], row[3]), (int(row[4]), int(row[5]), int(row[6])))
        for row in rows
        if row[1:4] != row[4:7]
    ]


def tasks_with_wrong_hold(tx: Tx) -> list[tuple[str, str, str]]:
    """Return tasks whose hold does not fit their state: (task, state, what was found)."""
    hold, ending = entries.alias("hold"), entries.alias("ending")
    actual = func.coalesce(ending.c.kind, case((hold.c.id.is_not(None), "hold"), else_="nothing"))
    is_consistent = or_(
        and_(tasks.c.state.in_(_HELD_STATES), actual == "hold"),
        and_(tasks.c.state.in_(_CHARGED_STATES), actual == "settle"),
        and_(tasks.c.state == State.FAILED, actual.in_(["release", "settle"])),
        and_(tasks.c.state == State.CANCELLED, actual == "release"),
    )
    query = (
        select(tasks.c.id, tasks.c.state, actual)
        .outerjoin(hold, and_(hold.c.task == tasks.c.id, hold.c.kind == "hold"))
        .outerjoin(
            ending, and_(ending.c.task == tasks.c.id, ending.c.kind.in_(["settle", "release"]))
        )
        .where(not_(is_consistent))
    )
    return [(task_id, state, kind) for task_id, state, kind in tx.execute(query)]
