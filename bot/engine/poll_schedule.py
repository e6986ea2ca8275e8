"""When to poll a job again, and when to retry: pure functions of what is known about a job."""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass
from random import Random

from bot.catalog.job_durations import DurationSamples

_DEFAULT_DELAY_S = 10.0
"""Without measurements: the interval that the gateways' own documents and clients use. Young jobs
are polled earlier, because they may be short."""
_YOUNG_AGE_SHARE = 0.25
"""Share of its age after which a young job without measurements is polled again."""
MAX_HINT_S = 600.0
"""Upper limit for a delay that a gateway asks for."""
_MAX_DELAY_S = 60.0
"""The estimate may be wrong: no poll is later than this."""
_POLL_COST_S = 0.157
"""The cost of one poll, in seconds of delay that it must save. With ordinary durations this gives
10 % fewer polls and 10 % less delay than a poll every ten seconds."""
_RATE_FRACTION = 0.07
"""Share of the unfinished measured jobs from which the completion rate is estimated."""
_MIN_RATE_SAMPLES = 8
"""At least this number of jobs is used: a smaller sample is chance."""
_PROGRESS_DELAY_SHARE = 0.8
"""With reported progress: share of the estimated remaining time before the next poll."""
_PROGRESS_MIN_DELAY_SHARE = 0.01
"""With reported progress: minimum delay as a share of the running time. The percentage moves in
steps, and more frequent polls see no change."""


@dataclass(frozen=True, slots=True)
class JobSnapshot:
    """What is known about a job at the time of a poll. Times are in seconds."""

    age: float
    """Time since the create."""
    running_for: float | None = None
    """Time since the gateway first reported that it is working on the job."""
    percent: float | None = None
    hint: float | None = None
    """The delay that the gateway asks for (Retry-After, openai-poll-after-ms)."""
    samples: DurationSamples | None = None


def clamp_hint(hint: float | None) -> float:
    """Limit a delay that a gateway asks for, in seconds: it may be wrong or malicious."""
    return min(hint or 0.0, MAX_HINT_S)


def next_poll_delay(snapshot: JobSnapshot, minimum: float) -> float:
    """Seconds until the next poll, at least `minimum` and at least what the gateway asks for."""
    delay = _from_progress(snapshot)
    if delay is None:
        delay = _from_durations(snapshot)
    return max(minimum, clamp_hint(snapshot.hint), min(delay, _MAX_DELAY_S))


def _from_progress(snapshot: JobSnapshot) -> float | None:
    if snapshot.running_for is None or not snapshot.percent or snapshot.running_for <= 0:
        return None
    if snapshot.percent >= 100:
        return 0.0
    remaining = snapshot.running_for * (100 - snapshot.percent) / snapshot.percent
    return max(remaining * _PROGRESS_DELAY_SHARE, snapshot.running_for * _PROGRESS_MIN_DELAY_SHARE)


def _from_durations(snapshot: JobSnapshot) -> float:
    if snapshot.samples is None:
        return min(snapshot.age * _YOUNG_AGE_SHARE, _DEFAULT_DELAY_S)
    earliest = snapshot.samples.quantile(0.01) - snapshot.age
    if earliest > 0:
        return earliest
    # Polls every `delay` seconds cost `_POLL_COST_S / delay` per second and delay a finished job by
    # `delay / 2` on average: at this completion rate their sum has its minimum here.
    return math.sqrt(2 * _POLL_COST_S / _completion_rate(snapshot.samples, snapshot.age))


def _completion_rate(samples: DurationSamples, age: float) -> float:
    """Share of the jobs of this age that finish within the next second."""
    unfinished_count = len(samples.sorted_seconds) - bisect_right(samples.sorted_seconds, age)
    if not unfinished_count:
        return 1 / max(age, 1.0)
    fraction = min(max(_RATE_FRACTION, _MIN_RATE_SAMPLES / unfinished_count), 0.9)
    return -math.log(1 - fraction) / max(samples.remaining_seconds(age, fraction), 0.5)


def backoff(attempts: int, hint: float | None, minimum: float, rng: Random) -> float:
    """Seconds until a failed attempt is repeated, at least what the other side asks for.

    Doubles from `minimum` to two minutes, with random jitter.
    """
    delay = min(minimum * 2.0 ** min(attempts, 10), 120.0)
    return float(max(clamp_hint(hint), minimum, delay * rng.uniform(0.5, 1.0)))


GIVE_UP_AFTER_S = 86400.0
"""How long an unreachable gateway or chat is retried."""
DISABLED_PROVIDER_RECHECK_S = 30.0
"""Until a task is checked again whose provider an admin has disabled."""
