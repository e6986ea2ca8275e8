"""Accept a task: one transaction holds the credits and writes the task, or refuses it."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from bot.credits import ledger, limits
from bot.credits.ledger import CreditRules
from bot.domain.errors import Refusal
from bot.domain.tasks import Destination, Order, State, Task
from bot.domain.users import Balance
from bot.store import groups, tasks, users
from bot.store.accounts import AccountRow
from bot.store.database import Tx

_ALPHABET = "23456789abcdefghjkmnpqrstuvwxyz"
_ID_LENGTH = 8


@dataclass(frozen=True, slots=True)
class NewTask:
    """A new task: validated against the catalogue, not yet against limits and credits."""

    id: str
    user_id: str
    destination: Destination
    language: str
    order: Order
    price: int
    update_key: str | None = None
    provider: str | None = None
    provider_identity: str | None = None
    """Only for a remix: the account that made the original."""
    wallet_id: str | None = None
    """Account that pays before the user's own, up to the user's allowance."""
    wallet_allowance: int | None = None
    """Credits per day that the user may take from it; None: no limit."""


@dataclass(frozen=True, slots=True)
class AcceptedTask:
    """An accepted task. `is_new` is False if the same update had created it before."""

    task: Task
    is_new: bool
    balance: Balance
    tasks_ahead: int
    """Number of queued tasks ahead of this one."""
    paid_by_group: bool = False
    """Whether the group's wallet pays."""


def new_task_id() -> str:
    """Return a random id: short, easy to type (no 0/o, 1/l/i), 40 bits of entropy."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(_ID_LENGTH))


def accept_task(
    tx: Tx, new_task: NewTask, rules: CreditRules, max_active: int, now: float
) -> AcceptedTask:
    """Hold the credits and write the task. Raises `Refusal`; nothing is then written.

    The user's account is locked first: if credits suffice for only one of many concurrent
    requests, exactly one is accepted.
    """
    account = ledger.open_account(tx, new_task.user_id, rules, now)
    existing = tasks.find_by_update(tx, new_task.update_key) if new_task.update_key else None
    if existing is not None:
        return _existing(tx, existing, ledger.balance_of(account, rules, now), is_new=False)
    _check_not_banned(tx, new_task.user_id)
    active = tasks.count_active(tx, new_task.user_id)
    if active >= max_active:
        raise Refusal("too-many-running", running=active, limit=max_active)
    task = _build_task(new_task, now)
    has_wallet = new_task.wallet_id is not None and ledger.is_wallet_funded(tx, new_task.wallet_id)
    if has_wallet and (wallet := _paying_wallet(tx, new_task, account, rules, now)) is not None:
        account = wallet
    queue_round = tasks.next_queue_round(tx, new_task.user_id)
    tasks.add(
        tx, task, account_id=account.id, update_key=new_task.update_key, queue_round=queue_round
    )
    account = ledger.hold(tx, account, task.id, new_task.price, rules, now)
    tasks_ahead = tasks.count_ahead(tx, queue_round, now)
    balance = ledger.balance_of(account, rules, now)
    return AcceptedTask(
        task,
        is_new=True,
        balance=balance,
        tasks_ahead=tasks_ahead,
        paid_by_group=account.id != new_task.user_id,
    )


def _paying_wallet(
    tx: Tx, new_task: NewTask, user_account: AccountRow, rules: CreditRules, now: float
) -> AccountRow | None:
    """Return the shared account, locked after the user's own, if it can pay the whole price.

    None: the user's own account pays. Raises `Refusal` if neither can.
    """
    wallet = ledger.open_account(tx, new_task.wallet_id or "", rules, now)
    left = wallet.daily + wallet.granted
    if new_task.wallet_allowance is not None:
        day_start = limits.day_start(now, rules.timezone)
        taken = groups.credits_used(tx, wallet.id, new_task.user_id, day_start)
        left = max(min(left, new_task.wallet_allowance - taken), 0)
    if left >= new_task.price:
        return wallet
    have = user_account.daily + user_account.granted
    if have < new_task.price:
        raise Refusal(
            "no-credits-in-group",
            needed=new_task.price,
            have=have,
            left=left,
            refills_at=limits.next_reset(now, rules.timezone),
        )
    return None


def find_accepted(tx: Tx, new_task: NewTask, rules: CreditRules, now: float) -> AcceptedTask | None:
    """Return the task if its transaction was committed although the response was lost."""
    task = tasks.get(tx, new_task.id)
    if task is None:
        return None
    return _existing(tx, task, ledger.balance(tx, new_task.user_id, rules, now), is_new=True)


def _existing(tx: Tx, task: Task, balance: Balance, *, is_new: bool) -> AcceptedTask:
    tasks_ahead = tasks.queue_position(tx, task.id) if task.state is State.QUEUED else 0
    return AcceptedTask(task, is_new=is_new, balance=balance, tasks_ahead=tasks_ahead)


def _check_not_banned(tx: Tx, user_id: str) -> None:
    user_row = users.get(tx, user_id)
    if user_row.banned_at is not None:
        raise Refusal("banned", reason=user_row.ban_reason or "")


def _build_task(new_task: NewTask, now: float) -> Task:
    return Task(
        id=new_task.id,
        user_id=new_task.user_id,
        state=State.QUEUED,
        order=new_task.order,
        price=new_task.price,
        destination=new_task.destination,
        language=new_task.language,
        created_at=now,
        state_since=now,
        due_at=now,
        provider=new_task.provider,
        provider_identity=new_task.provider_identity,
    )
