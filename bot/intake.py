"""THE transaction: a checked order becomes a task with its credits held, or a refusal."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace

from bot.model import Balance, Order, Place, Refusal, State, Task
from bot.quotas import ledger
from bot.quotas.ledger import Rules
from bot.store import accounts, tasks
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


@dataclass(frozen=True, slots=True)
class Accepted:
    """What came of a draft. `fresh` is false when the same update had made the task before."""

    task: Task
    fresh: bool
    balance: Balance
    line: int
    """How many tasks wait before it."""


def new_task_id() -> str:
    """Short, easy to type (no 0/o, 1/l/i) and not to be guessed: 40 bits of chance."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(_ID_LENGTH))


def accept(tx: Tx, draft: Draft, rules: Rules, max_active: int, now: float) -> Accepted:
    """Hold the credits and write the task, or raise `Refusal` with nothing written.

    Locks the person's account first: of two hundred requests for credits that suffice for one,
    one is accepted.
    """
    accounts.ensure(tx, draft.person, now)
    account = ledger.open_account(tx, draft.person, rules, now)
    known = tasks.by_update(tx, draft.update_key) if draft.update_key else None
    if known is not None:
        return _accepted(tx, known, rules, now, fresh=False)
    _refuse_the_banned(tx, draft.person)
    active = tasks.count_active(tx, draft.person)
    if active >= max_active:
        raise Refusal("too-many-running", running=active, limit=max_active)
    task = _task(tx, draft, now)
    turn = tasks.next_turn(tx, draft.person)
    tasks.add(tx, task, account=account.id, update_key=draft.update_key, turn=turn)
    ledger.hold(tx, account, task.id, draft.price, rules, now)
    return _accepted(tx, task, rules, now, fresh=True)


def _accepted(tx: Tx, task: Task, rules: Rules, now: float, *, fresh: bool) -> Accepted:
    balance = ledger.balance(tx, task.person, rules, now)
    line = tasks.place_in_line(tx, task.id) if task.state is State.QUEUED else 0
    return Accepted(task, fresh, balance, line)


def _refuse_the_banned(tx: Tx, person: str) -> None:
    row = accounts.person(tx, person)
    if row.banned_at is not None:
        raise Refusal("banned", reason=row.ban_reason or "")


def _task(tx: Tx, draft: Draft, now: float) -> Task:
    task = Task(
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
    if tasks.get(tx, task.id) is not None:
        # The picture keeps the name of the first id: names in the spool need not match.
        return replace(task, id=new_task_id())
    return task
