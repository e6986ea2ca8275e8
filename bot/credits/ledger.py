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
from bot.store.accounts import AccountRow, LedgerEntry
from bot.store.database import Tx


@dataclass(frozen=True, slots=True)
class CreditRules:
    """Settings that concern credits."""

    daily_credits: int
    timezone: ZoneInfo


def _daily_limit(account: AccountRow, rules: CreditRules) -> int:
    return rules.daily_credits if account.daily_limit is None else account.daily_limit


def _is_refilled(account: AccountRow, today: str) -> bool:
    """Whether today's refill is done. A clock set back must not cause a second refill."""
    return account.refilled_on is not None and account.refilled_on >= today


def _daily_available(account: AccountRow, rules: CreditRules, now: float) -> int:
    today = limits.local_date(now, rules.timezone).isoformat()
    return account.daily if _is_refilled(account, today) else _daily_limit(account, rules)


def _refill(tx: Tx, account: AccountRow, rules: CreditRules, now: float) -> AccountRow:
    today = limits.local_date(now, rules.timezone).isoformat()
    if _is_refilled(account, today):
        return account
    limit = _daily_limit(account, rules)
    accounts.post_entry(
        tx, LedgerEntry(account.id, now, "refill", day=today, daily=limit - account.daily)
    )
    accounts.change(tx, account.id, refilled_on=today)
    return accounts.lock(tx, account.id)


def open_account(tx: Tx, account_id: str, rules: CreditRules, now: float) -> AccountRow:
    """Lock an account for this transaction, and refill it if a new day has begun.

    An unknown account is created.
    """
    return _refill(tx, accounts.lock_or_create(tx, account_id, now), rules, now)


def balance(tx: Tx, account_id: str, rules: CreditRules, now: float) -> Balance:
    """Return the balance; an unknown account has the full daily limit. Writes nothing."""
    row = accounts.get(tx, account_id) or AccountRow(account_id, 0, 0, 0, None, None)
    return balance_of(row, rules, now)


def balance_of(row: AccountRow, rules: CreditRules, now: float) -> Balance:
    """Return the balance of an account row that was read before."""
    return Balance(
        daily=_daily_available(row, rules, now),
        granted=row.granted,
        held=row.held,
        daily_limit=_daily_limit(row, rules),
        refills_at=limits.next_reset(now, rules.timezone),
    )


def is_wallet_funded(tx: Tx, wallet_id: str) -> bool:
    """Whether an admin has given the wallet of a group any credits."""
    row = accounts.get(tx, wallet_id)
    return row is not None and bool(row.daily_limit or row.granted)


def hold(
    tx: Tx, account: AccountRow, task_id: str, price: int, rules: CreditRules, now: float
) -> AccountRow:
    """Hold credits for a task, daily ones first. `account` comes from `open_account`.

    Returns the account after the hold. Raises `Refusal` if it has too few credits.
    """
    if account.daily + account.granted < price:
        raise Refusal(
            "no-credits",
            needed=price,
            have=account.daily + account.granted,
            limit=_daily_limit(account, rules),
            refills_at=limits.next_reset(now, rules.timezone),
        )
    daily, granted = limits.split_price(price, account.daily, account.granted)
    entry = LedgerEntry(
        account.id,
        now,
        "hold",
        task_id=task_id,
        day=account.refilled_on,
        daily=-daily,
        granted=-granted,
        held=price,
    )
    accounts.post_entry(tx, entry)
    return replace(
        account,
        daily=account.daily - daily,
        granted=account.granted - granted,
        held=account.held + price,
    )


def _open_hold(tx: Tx, task_id: str) -> LedgerEntry | None:
    held = accounts.get_hold(tx, task_id)
    if held is None or accounts.get_hold_ending(tx, task_id):
        return None
    return held


def settle(tx: Tx, task_id: str, now: float) -> int:
    """Spend the held credits of a task. Returns their number; 0 if the hold has ended already."""
    held = _open_hold(tx, task_id)
    if held is None:
        return 0
    accounts.post_entry(
        tx, LedgerEntry(held.account_id, now, "settle", task_id=task_id, held=-held.held)
    )
    return held.held


def release(tx: Tx, task_id: str, now: float) -> int:
    """Return the held credits of a task to where they came from. Returns their number.

    Daily credits return to the day they were taken from. When that day is over they expire, as
    they would have without the task. 0 if the hold has ended already.
    """
    held = _open_hold(tx, task_id)
    if held is None:
        return 0
    account = accounts.lock(tx, held.account_id)
    daily = -held.daily if account.refilled_on == held.day else 0
    entry = LedgerEntry(
        held.account_id,
        now,
        "release",
        task_id=task_id,
        day=held.day,
        daily=daily,
        granted=-held.granted,
        held=-held.held,
    )
    accounts.post_entry(tx, entry)
    return held.held


def grant(tx: Tx, account_id: str, amount: int, by: str, now: float) -> int:
    """Grant permanent credits, or take some with a negative amount; never below zero.

    Returns the amount actually granted (or, if negative, taken).
    """
    row = accounts.lock(tx, account_id)
    granted = max(amount, -row.granted)
    accounts.post_entry(tx, LedgerEntry(account_id, now, "grant", granted=granted, by=by))
    return granted


def set_daily_limit(
    tx: Tx, account_id: str, limit: int, rules: CreditRules, now: float, by: str
) -> None:
    """Set the daily limit of an account, from today on; credits spent today stay spent."""
    row = open_account(tx, account_id, rules, now)
    daily = limits.daily_after_limit_change(row.daily, _daily_limit(row, rules), limit)
    accounts.post_entry(tx, LedgerEntry(account_id, now, "limit", daily=daily - row.daily, by=by))
    accounts.change(tx, account_id, daily_limit=limit)


def verify(tx: Tx) -> list[str]:
    """Check the whole ledger and return one line per inconsistency."""
    problems = [
        f"account {account}: balances are {balances} but the entries sum to {sums}"
        for account, balances, sums in accounts.unbalanced_accounts(tx)
    ]
    problems += [
        f"task {task}: state is {state} but the ledger has {recorded}"
        for task, state, recorded in accounts.tasks_with_wrong_hold(tx)
    ]
    return problems
