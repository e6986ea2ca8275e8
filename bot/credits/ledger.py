"""The credit ledger: hold, settle and release credits, each exactly once.

Every function takes the caller's transaction, so that credits and work change together. The
balance of an account is always the sum of its entries (`prove` lists deviations). The database
rejects a second hold, a second settlement or release, and a negative balance.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from zoneinfo import ZoneInfo

from bot.credits import limits
from bot.domain.errors import Refusal
from bot.domain.users import Balance
from bot.store import accounts
from bot.store.accounts import AccountRow, Entry
from bot.store.database import Tx


@dataclass(frozen=True, slots=True)
class Rules:
    """Settings that concern credits."""

    daily_credits: int
    timezone: ZoneInfo


def _limit(account: AccountRow, rules: Rules) -> int:
    return rules.daily_credits if account.daily_limit is None else account.daily_limit


def _is_refilled(account: AccountRow, today: str) -> bool:
    """Whether today's refill is done. A clock set back must not cause a second refill."""
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
    """Lock an account for this transaction, and refill it if a new day has begun.

    An unknown account is created.
    """
    return _refill(tx, accounts.locked_or_new(tx, account, now), rules, now)


def balance(tx: Tx, account: str, rules: Rules, now: float) -> Balance:
    """Return the balance; an unknown account has the full daily limit. Writes nothing."""
    row = accounts.peek(tx, account) or AccountRow(account, 0, 0, 0, None, None)
    return balance_of(row, rules, now)


def balance_of(row: AccountRow, rules: Rules, now: float) -> Balance:
    """Return the balance of an account row that was read before."""
    return Balance(
        daily=_daily_now(row, rules, now),
        granted=row.granted,
        held=row.held,
        daily_limit=_limit(row, rules),
        refills_at=limits.next_reset(now, rules.timezone),
    )


def is_shared(tx: Tx, wallet: str) -> bool:
    """Whether an admin has given the wallet of a group any credits."""
    row = accounts.peek(tx, wallet)
    return row is not None and bool(row.daily_limit or row.granted)


def hold(
    tx: Tx, account: AccountRow, task: str, price: int, rules: Rules, now: float
) -> AccountRow:
    """Hold credits for a task, daily ones first. `account` comes from `open_account`.

    Returns the account after the hold. Raises `Refusal` if it has too few credits.
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
    """Spend the held credits of a task. Returns their number; 0 if the hold has ended already."""
    held = _open_hold(tx, task)
    if held is None:
        return 0
    accounts.post(tx, Entry(held.account, now, "settle", task=task, held=-held.held))
    return held.held


def release(tx: Tx, task: str, now: float) -> int:
    """Return the held credits of a task to where they came from. Returns their number.

    Daily credits return to the day they were taken from. When that day is over they expire, as
    they would have without the task. 0 if the hold has ended already.
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
    """Grant permanent credits, or take some with a negative amount; never below zero.

    Returns the amount actually granted (or, if negative, taken).
    """
    row = accounts.locked(tx, account)
    given = max(amount, -row.granted)
    accounts.post(tx, Entry(account, now, "grant", granted=given, by=by))
    return given


def set_limit(tx: Tx, account: str, limit: int, rules: Rules, now: float, by: str) -> None:
    """Set the daily limit of an account, from today on; credits spent today stay spent."""
    row = open_account(tx, account, rules, now)
    daily = limits.daily_after_limit_change(row.daily, _limit(row, rules), limit)
    accounts.post(tx, Entry(account, now, "limit", daily=daily - row.daily, by=by))
    accounts.change_account(tx, account, daily_limit=limit)


def prove(tx: Tx) -> list[str]:
    """Check the whole ledger and return one line per inconsistency."""
    lines = [
        f"account {account}: balances are {balances} but the entries sum to {sums}"
        for account, balances, sums in accounts.disagreements(tx)
    ]
    lines += [
        f"task {task}: state is {state} but the ledger has {found}"
        for task, state, found in accounts.odd_tasks(tx)
    ]
    return lines
