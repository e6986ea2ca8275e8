"""When to look at a job again: a pure function of what is known of it."""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass
from random import Random

from bot.durations import Spread

_DEFAULT = 10.0
"""Without any measurement: what the gateways' own documents and clients use, once a job is old
enough; a young one may be a quick one."""
_YOUNG = 0.25
"""The share of its age after which a job of unknown speed is looked at again."""
LONGEST_WISH = 600.0
"""Seconds; no gateway puts a look or a create off for longer."""
_LONGEST = 60.0
"""The expectation may be wrong; nobody waits longer than this for a look."""
_LOOK = 0.157
"""Seconds of delay that a look may save before it is worth its cost: in ordinary spreads a tenth
less of both than a look every ten seconds."""
_SHARE = 0.07
"""Of the jobs that are not finished at this age: so many tell how soon one will be."""
_FEWEST = 8
"""The same as a number of jobs: fewer than this are chance."""
_PROGRESS_STEP = 0.8
"""Where the gateway tells its progress: how much of the rest the next look is put off."""
_PROGRESS_GRAIN = 0.01
"""The figure comes in steps; to look more often than it can change tells nothing."""


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


def obeyed(hint: float | None) -> float:
    """A gateway's wish, in seconds, as far as it is obeyed: it may be wrong, or malicious."""
    return min(hint or 0.0, LONGEST_WISH)


def until_next_look(known: Known, minimum: float) -> float:
    """Seconds until the next look, never below `minimum` nor before the gateway's own wish."""
    wait = _by_progress(known)
    if wait is None:
        wait = _by_experience(known)
    return max(minimum, obeyed(known.hint), min(wait, _LONGEST))


def _by_progress(known: Known) -> float | None:
    if known.running_for is None or not known.percent or known.running_for <= 0:
        return None
    if known.percent >= 100:
        return 0.0
    rest = known.running_for * (100 - known.percent) / known.percent
    return max(rest * _PROGRESS_STEP, known.running_for * _PROGRESS_GRAIN)


def _by_experience(known: Known) -> float:
    if known.spread is None:
        return min(known.age * _YOUNG, _DEFAULT)
    earliest = known.spread.quantile(0.01) - known.age
    if earliest > 0:
        return earliest
    # Looks `wait` apart cost `_LOOK / wait` a second, and a finished job waits half as long: with
    # completions coming at this rate, that sum is least here.
    return math.sqrt(2 * _LOOK / _rate(known.spread, known.age))


def _rate(spread: Spread, age: float) -> float:
    """Of the jobs as old as this one: the share that is finished in the next second."""
    left = len(spread.times) - bisect_right(spread.times, age)
    if not left:
        return 1 / max(age, 1.0)
    share = min(max(_SHARE, _FEWEST / left), 0.9)
    return -math.log(1 - share) / max(spread.remaining(age, share), 0.5)


def backoff(attempts: int, hint: float | None, minimum: float, chance: Random) -> float:
    """Seconds until a failed try is repeated, not before the other side's own wish.

    Doubling from `minimum` to two minutes, spread by chance.
    """
    wait = min(minimum * 2.0 ** min(attempts, 10), 120.0)
    return float(max(obeyed(hint), minimum, wait * chance.uniform(0.5, 1.0)))
