"""Measured durations of jobs, for ETAs and for the polling schedule. Pure."""

from __future__ import annotations

from bisect import bisect_right, insort
from collections import defaultdict, deque
from collections.abc import Iterable
from dataclasses import dataclass

_KEPT = 200
"""Measurements kept per model and duration; older ones say little about the current gateway."""
_ENOUGH = 5
"""With fewer samples of the requested duration, those of all durations of the model are used."""


@dataclass(frozen=True, slots=True)
class Spread:
    """Run times of finished jobs in seconds, ascending; at least one."""

    times: tuple[float, ...]

    def quantile(self, share: float) -> float:
        """The time in seconds within which this fraction of the jobs finished."""
        return self.times[min(int(share * len(self.times)), len(self.times) - 1)]

    def remaining(self, age: float, share: float) -> float:
        """Seconds from `age` until this fraction of the jobs that ran longer had finished."""
        rest = self.times[bisect_right(self.times, age) :]
        if not rest:
            return max(age, 1.0) * share
        return rest[min(int(share * len(rest)), len(rest) - 1)] - age


class _Recent:
    """The newest measurements, by arrival and by value."""

    def __init__(self) -> None:
        self._arrived: deque[float] = deque()
        self._sorted: list[float] = []
        self._spread: Spread | None = None

    def add(self, took: float) -> None:
        if len(self._arrived) == _KEPT:
            self._sorted.remove(self._arrived.popleft())
        self._arrived.append(took)
        insort(self._sorted, took)
        self._spread = None

    def spread(self) -> Spread:
        if self._spread is None:
            self._spread = Spread(tuple(self._sorted))
        return self._spread

    def __len__(self) -> int:
        return len(self._sorted)


class Durations:
    """In-memory statistics of job durations, persisted by `bot.store.job_durations`."""

    def __init__(self, measured: Iterable[tuple[str, str, int, float]] = ()) -> None:
        """`measured` is oldest first: (provider, remote model, requested seconds, run time)."""
        self._by_length: defaultdict[tuple[str, str, int], _Recent] = defaultdict(_Recent)
        self._by_model: defaultdict[tuple[str, str], _Recent] = defaultdict(_Recent)
        for provider, model, seconds, took in measured:
            self.add(provider, model, seconds, took)

    def add(self, provider: str, model: str, seconds: int, took: float) -> None:
        """Record the run time of a finished job."""
        self._by_length[provider, model, seconds].add(took)
        self._by_model[provider, model].add(took)

    def spread(self, provider: str, model: str, seconds: int) -> Spread | None:
        """The samples that apply to such a job, or None without any."""
        exact = self._by_length.get((provider, model, seconds))
        if exact is not None and len(exact) >= _ENOUGH:
            return exact.spread()
        whole = self._by_model.get((provider, model))
        return whole.spread() if whole else None
