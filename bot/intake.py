"""THE transaction: a checked order becomes a task with its credits held, or a refusal."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from bot.model import Balance, Order, Place, Refusal, State, Task
from bot.quotas import ledger, limits
from bot.quotas.ledger import Rules
from bot.store import accounts, groups, tasks
from bot.store.accounts import AccountRow
from bot.store.database import Tx

_ALPHABET = "23456789abcdefghjkmnpqrstuvwxyz"
_ID_LENGTH = 8


@dataclass(frozen=True, slots=True)
class Draft:
    """All that a new task is made of, checked against the catalogue but not against the person."""

    id: str
    person: str
    place: Place
    language: str
    order: Order
    price: int
    update_key: str | None = None
    provider: str | None = None
    provider_identity: str | None = None
    """Only for a remix: where the original was made."""
    wallet: str | None = None
    """An account that pays before the person's own, as far as `share` goes."""
    share: int | None = None
    """What the person may take from it in a day; None: as much as there is."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """What came of a draft. `fresh` is false when the same update had made the task before."""

    task: Task
    fresh: bool
    balance: Balance
    line: int
    """How many tasks wait before it."""
    shared: bool = False
    """The group's wallet pays."""


def new_task_id() -> str:
    """Short, easy to type (no 0/o, 1/l/i) and not to be guessed: 40 bits of chance."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(_ID_LENGTH))


def accept(tx: Tx, draft: Draft, rules: Rules, max_active: int, now: float) -> Accepted:
    """Hold the credits and write the task, or raise `Refusal` with nothing written.

    Locks the person's account first: of two hundred requests for credits that suffice for one,
    one is accepted.
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
    """The shared account, locked after the person's own, if it pays for all of it.

    None: the person's own does. Raises `Refusal` where neither can.
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
    """What came of a draft whose commit nobody heard the answer of; None if nothing did."""
    task = tasks.get(tx, draft.id)
    if task is None:
        return None
    return _known(tx, task, ledger.balance(tx, draft.person, rules, now), fresh=True)


def _known(tx: Tx, task: Task, balance: Balance, *, fresh: bool) -> Accepted:
    line = tasks.place_in_line(tx, task.id) if task.state is State.QUEUED else 0
    return Accepted(task, fresh=fresh, balance=balance, line=line)


def _refuse_the_banned(tx: Tx, person: str) -> None:
    row = accounts.person(tx, person)
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
