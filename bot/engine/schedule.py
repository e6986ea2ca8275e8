"""When to look at a job again: a pure function of what is known of it."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from bot.durations import Spread

_DEFAULT = 10.0
"""Without any measurement: what the gateways' own documents and clients use, once a job is old
enough; a young one may be a quick one."""
_YOUNG = 0.25
"""The share of its age after which a job of unknown speed is looked at again."""
_LONGEST = 60.0
"""The expectation may be wrong; nobody waits longer than this for a look."""
_STEP = 0.12
"""Of the time that is still expected: how far ahead the next look is put."""
_PROGRESS_STEP = 0.5
"""The same where the gateway tells its progress: halving the rest converges on the end."""
_OVERDUE = 0.05
"""A job older than all measured ones: the next look comes after this share of its age."""


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a job at the moment of a look; times in seconds."""

    age: float
    """Since the create."""
    running_for: float | None = None
    """Since the gateway was first seen at work on it."""
    percent: float | None = None
    hint: float | None = None
    """The gateway's own wish (Retry-After, openai-poll-after-ms)."""
    spread: Spread | None = None


def until_next_look(known: Known, minimum: float) -> float:
    """Seconds until the next look, never below `minimum` nor before the gateway's own wish."""
    wait = _by_progress(known)
    if wait is None:
        wait = _by_experience(known)
    return max(minimum, known.hint or 0.0, min(wait, _LONGEST))


def _by_progress(known: Known) -> float | None:
    if known.running_for is None or not known.percent or known.running_for <= 0:
        return None
    if known.percent >= 100:
        return 0.0
    rest = known.running_for * (100 - known.percent) / known.percent
    return rest * _PROGRESS_STEP


def _by_experience(known: Known) -> float:
    if known.spread is None:
        return min(known.age * _YOUNG, _DEFAULT)
    earliest = known.spread.quantile(0.02) - known.age
    if earliest > 0:
        return earliest
    if known.age > known.spread.times[-1]:
        return known.age * _OVERDUE
    return known.spread.remaining(known.age, 0.5) * _STEP


def backoff(attempts: int, hint: float | None, minimum: float, chance: Random) -> float:
    """Seconds until a failed try is repeated, not before the other side's own wish.

    Doubling from `minimum` to two minutes, spread by chance.
    """
    wait = min(minimum * 2.0 ** min(attempts, 10), 120.0)
    return float(max(hint or 0.0, minimum, wait * chance.uniform(0.5, 1.0)))
