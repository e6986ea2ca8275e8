"""What a step says of its task. Exceptions are for surprises; these are the verdicts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from bot import lifecycle
from bot.model import State, Task
from bot.store import tasks
from bot.store.database import Tx


@dataclass(frozen=True, slots=True)
class Advance:
    """Along one arrow of the picture."""

    to: State
    due_at: float | None = None
    """When the next step is due; None: at once."""
    reason: str | None = None
    raw: str | None = None
    changes: Mapping[str, object] = field(default_factory=dict)
    also: Callable[[Tx], object] | None = None
    """What else belongs into the same transaction; runs only if the move was ours."""


@dataclass(frozen=True, slots=True)
class Snooze:
    """Stay, and look again then. `failed` tells an attempt that failed from mere waiting."""

    until: float
    failed: bool = False
    raw: str | None = None
    changes: Mapping[str, object] = field(default_factory=dict)
    also: Callable[[Tx], object] | None = None


Outcome = Advance | Snooze


def fail(reason: str, raw: str = "", also: Callable[[Tx], object] | None = None) -> Advance:
    """No video will come of it; the credits go back."""
    return Advance(State.FAILED, reason=reason, raw=raw or None, also=also)


def write(tx: Tx, task: Task, outcome: Outcome, now: float, by: str) -> bool:
    """Write an outcome down, guarded by state and lease. False: the task was not ours any more."""
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
