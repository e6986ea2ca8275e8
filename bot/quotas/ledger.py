"""Credits: what is held, spent and given back, each exactly once.

Every function takes the caller's transaction, so that money and work move together. An account's
balance is always the sum of its entries (`prove` says where it is not); the database refuses a
second hold, a second ending and a balance below zero.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from zoneinfo import ZoneInfo

from bot.model import Balance, Refusal
from bot.quotas import limits
from bot.store import accounts
from bot.store.accounts import AccountRow, Entry
from bot.store.database import Tx


@dataclass(frozen=True, slots=True)
class Rules:
    """What the settings say of credits."""

    daily_credits: int
    timezone: ZoneInfo


def _limit(account: AccountRow, rules: Rules) -> int:
    return rules.daily_credits if account.daily_limit is None else account.daily_limit


def _is_refilled(account: AccountRow, today: str) -> bool:
    """Whether the day has begun for it; a clock that was set back must not begin a day twice."""
    return account.refilled_on is not None and account.refilled_on >= today


def _daily_now(account: AccountRow, rules: Rules, now: float) -> int:
    today = limits.day_of(now, rules.timezone).isoformat()
    return account.daily if _is_refilled(account, today) else _limit(account, rules)


def _refill(tx: Tx, account: AccountRow, rules: Rules, now: float) -> AccountRow:
    today = limits.day_of(now, rules.timezone).isoformat()
    if _is_refilled(account, today):
        return account
    limit = _limit(account, rules)
    accounts.post(tx, Entry(account.id, now, "refill", day=today, daily=limit - account.daily))
    accounts.change_account(tx, account.id, refilled_on=today)
    return accounts.locked(tx, account.id)


def open_account(tx: Tx, account: str, rules: Rules, now: float) -> AccountRow:
    """A person's account, locked for this transaction and refilled if a new day has begun.

    It is made where it is not there yet.
    """
    return _refill(tx, accounts.locked_or_new(tx, account, now), rules, now)


def balance(tx: Tx, account: str, rules: Rules, now: float) -> Balance:
    """What the account can spend; a stranger's is that of a fresh day. Writes nothing."""
    row = accounts.peek(tx, account) or AccountRow(account, 0, 0, 0, None, None)
    return balance_of(row, rules, now)


def balance_of(row: AccountRow, rules: Rules, now: float) -> Balance:
    """What an account as it was read can spend."""
    return Balance(
        daily=_daily_now(row, rules, now),
        granted=row.granted,
        held=row.held,
        daily_limit=_limit(row, rules),
        refills_at=limits.next_reset(now, rules.timezone),
    )


def is_shared(tx: Tx, wallet: str) -> bool:
    """Whether a group has credits to share: an admin has filled its wallet."""
    row = accounts.peek(tx, wallet)
    return row is not None and bool(row.daily_limit or row.granted)


def hold(
    tx: Tx, account: AccountRow, task: str, price: int, rules: Rules, now: float
) -> AccountRow:
    """Set credits aside for a task, daily ones first. `account` comes from `open_account`.

    Returns the account as it is then.
    """
    if account.daily + account.granted < price:
        raise Refusal(
            "no-credits",
            needed=price,
            have=account.daily + account.granted,
            limit=_limit(account, rules),
            refills_at=limits.next_reset(now, rules.timezone),
        )
    daily, granted = limits.split(price, account.daily, account.granted)
    entry = Entry(
        account.id,
        now,
        "hold",
        task=task,
        day=account.refilled_on,
        daily=-daily,
        granted=-granted,
        held=price,
    )
    accounts.post(tx, entry)
    return replace(
        account,
        daily=account.daily - daily,
        granted=account.granted - granted,
        held=account.held + price,
    )


def _open_hold(tx: Tx, task: str) -> Entry | None:
    held = accounts.hold_of(tx, task)
    if held is None or accounts.ending_of(tx, task):
        return None
    return held


def settle(tx: Tx, task: str, now: float) -> int:
    """The task's credits are spent. How many; 0 if its hold had ended before."""
    held = _open_hold(tx, task)
    if held is None:
        return 0
    accounts.post(tx, Entry(held.account, now, "settle", task=task, held=-held.held))
    return held.held


def release(tx: Tx, task: str, now: float) -> int:
    """The task's credits go back to where they came from. How many were held.

    Daily credits come back to the day they were taken from; when that day is over they lapse with
    it, as they would have without the task.
    """
    held = _open_hold(tx, task)
    if held is None:
        return 0
    account = accounts.locked(tx, held.account)
    daily = -held.daily if account.refilled_on == held.day else 0
    entry = Entry(
        held.account,
        now,
        "release",
        task=task,
        day=held.day,
        daily=daily,
        granted=-held.granted,
        held=-held.held,
    )
    accounts.post(tx, entry)
    return held.held


def grant(tx: Tx, account: str, amount: int, by: str, now: float) -> int:
    """Give credits that stay, or with a negative amount take some; never below zero.

    Returns what was really given or taken.
    """
    row = accounts.locked(tx, account)
    given = max(amount, -row.granted)
    accounts.post(tx, Entry(account, now, "grant", granted=given, by=by))
    return given


def set_limit(tx: Tx, account: str, limit: int, rules: Rules, now: float, by: str) -> None:
    """Set the daily credits of an account, for today too: what was spent today stays spent."""
    row = open_account(tx, account, rules, now)
    daily = limits.daily_after_limit_change(row.daily, _limit(row, rules), limit)
    accounts.post(tx, Entry(account, now, "limit", daily=daily - row.daily, by=by))
    accounts.change_account(tx, account, daily_limit=limit)


def prove(tx: Tx) -> list[str]:
    """Every place where the ledger is not sound, one line each; empty when it is."""
    lines = [
        f"account {account}: balances {balances} but its entries sum to {sums}"
        for account, balances, sums in accounts.disagreements(tx)
    ]
    lines += [
        f"task {task}: is {state} but its ledger says {found}"
        for task, state, found in accounts.odd_tasks(tx)
    ]
    return lines
