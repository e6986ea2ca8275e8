"""When to look: looks for each task, and how long a finished one waits, against every ten seconds.

A simulation of `bot.engine.poll_schedule` on durations measured at one gateway, and on a law with
two peaks; with every job's past known, as after some hundred jobs.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from random import Random

from bot.catalog.job_durations import DurationSamples, DurationStats
from bot.engine.poll_schedule import JobSnapshot, next_poll_delay
from tests.benchmarks.figure import Figure

TASKS = 4000
EVERY = 10.0
MINIMUM = 2.0
QUANTILES = (
    (0.0, 20.0),
    (0.10, 49.0),
    (0.25, 223.0),
    (0.50, 268.0),
    (0.75, 335.0),
    (0.90, 556.0),
    (0.95, 1065.0),
    (1.0, 1500.0),
)
"""Of the time from the create to the finished video; between them a straight line."""


def measured(chance: Random) -> float:
    """One duration as they are at a real gateway."""
    share = chance.random()
    place = max(bisect_left([one for one, _ in QUANTILES], share), 1)
    (low, shortest), (high, longest) = QUANTILES[place - 1 : place + 1]
    return shortest + (share - low) / (high - low) * (longest - shortest)


def two_peaked(chance: Random) -> float:
    """One duration where some jobs are quick and others wait for a machine."""
    return chance.gauss(90, 15) if chance.random() < 0.5 else chance.gauss(420, 60)


@dataclass(frozen=True, slots=True)
class Job:
    """A job of the simulation; times since its create."""

    end: float
    begin: float
    bend: float
    """1: its progress figure is honest."""

    def percent(self, age: float) -> float | None:
        """What it shows of its progress, in whole steps."""
        if age < self.begin:
            return None
        return float(math.floor(100 * ((age - self.begin) / (self.end - self.begin)) ** self.bend))


def _jobs(law: Callable[[Random], float], chance: Random) -> list[Job]:
    ends = [max(law(chance), 5.0) for _ in range(TASKS)]
    return [Job(end, end * chance.uniform(0, 0.3), math.exp(chance.gauss(0, 0.15))) for end in ends]


def _followed(job: Job, spread: DurationSamples | None, *, progress: bool) -> tuple[int, float]:
    """(looks, delay) of one job under our schedule."""
    age, looks, began = 0.0, 0, None
    wait = next_poll_delay(JobSnapshot(age=0.0, samples=spread), MINIMUM)
    while True:
        age += wait
        looks += 1
        if age >= job.end:
            return looks, age - job.end
        percent = job.percent(age) if progress else None
        if percent is not None and began is None:
            began = age
        known = JobSnapshot(
            age=age,
            running_for=None if began is None else age - began,
            percent=percent,
            samples=spread,
        )
        wait = next_poll_delay(known, MINIMUM)


def _mean(pairs: Sequence[tuple[int, float]]) -> tuple[float, float]:
    looks = sum(one for one, _ in pairs) / len(pairs)
    return looks, sum(delay for _, delay in pairs) / len(pairs)


def run() -> Iterator[Figure]:
    """Goal 4, without lists."""
    for name, law in (("measured durations", measured), ("two-peaked durations", two_peaked)):
        chance = Random(11)
        durations = DurationStats(("p", "m", 4, max(law(chance), 5.0)) for _ in range(200))
        spread, jobs = durations.samples("p", "m", 4), _jobs(law, chance)
        fixed = [(math.ceil(job.end / EVERY), -job.end % EVERY) for job in jobs]
        for progress, looks_goal, delay_goal in ((False, 0.9, 0.9), (True, 0.4, 0.5)):
            ours = [_followed(job, spread, progress=progress) for job in jobs]
            what = f"{name}, {'with' if progress else 'without'} progress"
            for place, (figure, unit, goal) in enumerate(
                (("looks for each task", "", looks_goal), ("delay", "s", delay_goal))
            ):
                yield Figure(
                    name=f"{figure}, {what}",
                    value=_mean(ours)[place],
                    unit=unit,
                    floor=_mean(fixed)[place],
                    floor_name="every 10 s",
                    goal=goal,
                )
