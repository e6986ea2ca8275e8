"""When to poll a job again, and when to retry: pure functions of what is known about a job."""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass
from random import Random

from bot.catalog.job_durations import Spread

_DEFAULT = 10.0
"""Without measurements: the interval that the gateways' own documents and clients use. Young jobs
are polled earlier, because they may be short."""
_YOUNG = 0.25
"""Share of its age after which a young job without measurements is polled again."""
LONGEST_WISH = 600.0
"""Upper limit for a delay that a gateway asks for."""
_LONGEST = 60.0
"""The estimate may be wrong: no poll is later than this."""
_LOOK = 0.157
"""The cost of one poll, in seconds of delay that it must save. With ordinary durations this gives
10 % fewer polls and 10 % less delay than a poll every ten seconds."""
_SHARE = 0.07
"""Share of the unfinished measured jobs from which the completion rate is estimated."""
_FEWEST = 8
"""At least this number of jobs is used: a smaller sample is chance."""
_PROGRESS_STEP = 0.8
"""With reported progress: share of the estimated remaining time before the next poll."""
_PROGRESS_GRAIN = 0.01
"""With reported progress: minimum delay as a share of the running time. The percentage moves in
steps, and more frequent polls see no change."""


@dataclass(frozen=True, slots=True)
class Known:
    """What is known about a job at the time of a poll. Times are in seconds."""

    age: float
    """Time since the create."""
    running_for: float | None = None
    """Time since the gateway first reported that it is working on the job."""
    percent: float | None = None
    hint: float | None = None
    """The delay that the gateway asks for (Retry-After, openai-poll-after-ms)."""
    spread: Spread | None = None


def obeyed(hint: float | None) -> float:
    """Limit a delay that a gateway asks for, in seconds: it may be wrong or malicious."""
    return min(hint or 0.0, LONGEST_WISH)


def until_next_look(known: Known, minimum: float) -> float:
    """Seconds until the next poll, at least `minimum` and at least what the gateway asks for."""
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
    # Polls every `wait` seconds cost `_LOOK / wait` per second and delay a finished job by
    # `wait / 2` on average: at this completion rate their sum has its minimum here.
    return math.sqrt(2 * _LOOK / _rate(known.spread, known.age))


def _rate(spread: Spread, age: float) -> float:
    """Share of the jobs of this age that finish within the next second."""
    left = len(spread.times) - bisect_right(spread.times, age)
    if not left:
        return 1 / max(age, 1.0)
    share = min(max(_SHARE, _FEWEST / left), 0.9)
    return -math.log(1 - share) / max(spread.remaining(age, share), 0.5)


def backoff(attempts: int, hint: float | None, minimum: float, chance: Random) -> float:
    """Seconds until a failed attempt is repeated, at least what the other side asks for.

    Doubles from `minimum` to two minutes, with random jitter.
    """
    wait = min(minimum * 2.0 ** min(attempts, 10), 120.0)
    return float(max(obeyed(hint), minimum, wait * chance.uniform(0.5, 1.0)))


GIVE_UP = 86400.0
"""How long an unreachable gateway or chat is retried."""
OFF = 30.0
"""Until a task is checked again whose provider an admin has disabled."""
