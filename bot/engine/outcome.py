"""The outcomes of a step, and how they are written. Exceptions are for unexpected errors only."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from bot.credits import lifecycle
from bot.domain.tasks import State, Task
from bot.store import tasks
from bot.store.database import Tx


@dataclass(frozen=True, slots=True)
class Advance:
    """Move the task to another state."""

    to_state: State
    due_at: float | None = None
    """When the next step is due; None: immediately."""
    reason: str | None = None
    provider_message: str | None = None
    changes: Mapping[str, object] = field(default_factory=dict)
    in_transaction: Callable[[Tx], object] | None = None
    """Runs in the same transaction, only if the task was still ours to move."""


@dataclass(frozen=True, slots=True)
class Snooze:
    """Stay in this state until a given time. `failed`: count an attempt; else only wait."""

    until: float
    failed: bool = False
    provider_message: str | None = None
    changes: Mapping[str, object] = field(default_factory=dict)
    in_transaction: Callable[[Tx], object] | None = None


Outcome = Advance | Snooze


def fail(
    reason: str, provider_message: str = "", also: Callable[[Tx], object] | None = None
) -> Advance:
    """Fail the task; its credits are released."""
    return Advance(
        State.FAILED, reason=reason, provider_message=provider_message or None, in_transaction=also
    )


def write(tx: Tx, task: Task, outcome: Outcome, now: float, by: str) -> bool:
    """Store an outcome, guarded by state and lease. False: the lease was lost, nothing written."""
    if isinstance(outcome, Advance):
        is_written = _advance(tx, task, outcome, now, by)
    else:
        is_written = tasks.change(tx, task, **_snooze_changes(task, outcome))
    if is_written and outcome.in_transaction is not None:
        outcome.in_transaction(tx)
    return is_written


def _advance(tx: Tx, task: Task, advance: Advance, now: float, by: str) -> bool:
    return lifecycle.transition(
        tx,
        task,
        advance.to_state,
        now,
        due_at=advance.due_at,
        by=by,
        reason=advance.reason,
        provider_message=advance.provider_message,
        changes=advance.changes,
    )


def _snooze_changes(task: Task, snooze: Snooze) -> dict[str, object]:
    changes: dict[str, object] = {"lease": None, "due_at": snooze.until, **snooze.changes}
    if snooze.provider_message is not None:
        changes["raw"] = snooze.provider_message
    if snooze.failed:
        changes["attempts"] = task.attempts + 1
    elif task.attempts and "attempts" not in changes:
        changes["attempts"] = 0
    return changes
