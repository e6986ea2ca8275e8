"""Accept a task: one transaction holds the credits and writes the task, or refuses it."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from bot.credits import ledger, limits
from bot.credits.ledger import Rules
from bot.domain.errors import Refusal
from bot.domain.tasks import Order, Place, State, Task
from bot.domain.users import Balance
from bot.store import groups, tasks, users
from bot.store.accounts import AccountRow
from bot.store.database import Tx

_ALPHABET = "23456789abcdefghjkmnpqrstuvwxyz"
_ID_LENGTH = 8


@dataclass(frozen=True, slots=True)
class Draft:
    """A new task: validated against the catalogue, not yet against limits and credits."""

    id: str
    person: str
    place: Place
    language: str
    order: Order
    price: int
    update_key: str | None = None
    provider: str | None = None
    provider_identity: str | None = None
    """Only for a remix: the account that made the original."""
    wallet: str | None = None
    """Account that pays before the user's own, up to the user's allowance."""
    share: int | None = None
    """Credits per day that the user may take from it; None: no limit."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """An accepted task. `fresh` is False if the same update had created it before."""

    task: Task
    fresh: bool
    balance: Balance
    line: int
    """Number of queued tasks ahead of this one."""
    shared: bool = False
    """Whether the group's wallet pays."""


def new_task_id() -> str:
    """Return a random id: short, easy to type (no 0/o, 1/l/i), 40 bits of entropy."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(_ID_LENGTH))


def accept(tx: Tx, draft: Draft, rules: Rules, max_active: int, now: float) -> Accepted:
    """Hold the credits and write the task. Raises `Refusal`; nothing is then written.

    The user's account is locked first: if credits suffice for only one of many concurrent
    requests, exactly one is accepted.
    """
    account = ledger.open_account(tx, draft.person, rules, now)
    known = tasks.by_update(tx, draft.update_key) if draft.update_key else None
    if known is not None:
        return _known(tx, known, ledger.balance_of(account, rules, now), fresh=False)
    _refuse_the_banned(tx, draft.person)
    active = tasks.count_active(tx, draft.person)
    if active >= max_active:
        raise Refusal("too-many-running", running=active, limit=max_active)
    task = _task(draft, now)
    shared = draft.wallet is not None and ledger.is_shared(tx, draft.wallet)
    if shared and (wallet := _wallet(tx, draft, account, rules, now)) is not None:
        account = wallet
    turn = tasks.next_turn(tx, draft.person)
    tasks.add(tx, task, account=account.id, update_key=draft.update_key, turn=turn)
    account = ledger.hold(tx, account, task.id, draft.price, rules, now)
    line = tasks.ahead_of(tx, turn, now)
    balance = ledger.balance_of(account, rules, now)
    return Accepted(task, fresh=True, balance=balance, line=line, shared=account.id != draft.person)


def _wallet(tx: Tx, draft: Draft, own: AccountRow, rules: Rules, now: float) -> AccountRow | None:
    """Return the shared account, locked after the user's own, if it can pay the whole price.

    None: the user's own account pays. Raises `Refusal` if neither can.
    """
    wallet = ledger.open_account(tx, draft.wallet or "", rules, now)
    left = wallet.daily + wallet.granted
    if draft.share is not None:
        since = limits.day_start(now, rules.timezone)
        taken = groups.taken(tx, wallet.id, draft.person, since)
        left = max(min(left, draft.share - taken), 0)
    if left >= draft.price:
        return wallet
    have = own.daily + own.granted
    if have < draft.price:
        raise Refusal(
            "no-credits-in-group",
            needed=draft.price,
            have=have,
            left=left,
            refills_at=limits.next_reset(now, rules.timezone),
        )
    return None


def found(tx: Tx, draft: Draft, rules: Rules, now: float) -> Accepted | None:
    """Return the task if its transaction was committed although the response was lost."""
    task = tasks.get(tx, draft.id)
    if task is None:
        return None
    return _known(tx, task, ledger.balance(tx, draft.person, rules, now), fresh=True)


def _known(tx: Tx, task: Task, balance: Balance, *, fresh: bool) -> Accepted:
    line = tasks.place_in_line(tx, task.id) if task.state is State.QUEUED else 0
    return Accepted(task, fresh=fresh, balance=balance, line=line)


def _refuse_the_banned(tx: Tx, person: str) -> None:
    row = users.person(tx, person)
    if row.banned_at is not None:
        raise Refusal("banned", reason=row.ban_reason or "")


def _task(draft: Draft, now: float) -> Task:
    return Task(
        id=draft.id,
        person=draft.person,
        state=State.QUEUED,
        order=draft.order,
        price=draft.price,
        place=draft.place,
        language=draft.language,
        created_at=now,
        moved_at=now,
        due_at=now,
        provider=draft.provider,
        provider_identity=draft.provider_identity,
    )
