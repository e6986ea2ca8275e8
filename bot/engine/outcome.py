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

    to: State
    due_at: float | None = None
    """When the next step is due; None: immediately."""
    reason: str | None = None
    raw: str | None = None
    changes: Mapping[str, object] = field(default_factory=dict)
    also: Callable[[Tx], object] | None = None
    """Runs in the same transaction, only if the task was still ours to move."""


@dataclass(frozen=True, slots=True)
class Snooze:
    """Stay in this state until a given time. `failed`: count an attempt; else only wait."""

    until: float
    failed: bool = False
    raw: str | None = None
    changes: Mapping[str, object] = field(default_factory=dict)
    also: Callable[[Tx], object] | None = None


Outcome = Advance | Snooze


def fail(reason: str, raw: str = "", also: Callable[[Tx], object] | None = None) -> Advance:
    """Fail the task; its credits are released."""
    return Advance(State.FAILED, reason=reason, raw=raw or None, also=also)


def write(tx: Tx, task: Task, outcome: Outcome, now: float, by: str) -> bool:
    """Store an outcome, guarded by state and lease. False: the lease was lost, nothing written."""
    if isinstance(outcome, Advance):
        written = _advance(tx, task, outcome, now, by)
    else:
        written = tasks.change(tx, task, **_snoozed(task, outcome))
    if written and outcome.also is not None:
        outcome.also(tx)
    return written


def _advance(tx: Tx, task: Task, verdict: Advance, now: float, by: str) -> bool:
    return lifecycle.move(
        tx,
        task,
        verdict.to,
        now,
        due_at=verdict.due_at,
        by=by,
        reason=verdict.reason,
        raw=verdict.raw,
        changes=verdict.changes,
    )


def _snoozed(task: Task, snooze: Snooze) -> dict[str, object]:
    changes: dict[str, object] = {"lease": None, "due_at": snooze.until, **snooze.changes}
    if snooze.raw is not None:
        changes["raw"] = snooze.raw
    if snooze.failed:
        changes["attempts"] = task.attempts + 1
    elif task.attempts and "attempts" not in changes:
        changes["attempts"] = 0
    return changes
