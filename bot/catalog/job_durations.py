"""Measured durations of jobs, for ETAs and for the polling schedule. Pure."""

from __future__ import annotations

from bisect import bisect_right, insort
from collections import defaultdict, deque
from collections.abc import Iterable
from dataclasses import dataclass

_MAX_SAMPLES = 200
"""Measurements kept per model and duration; older ones say little about the current gateway."""
_MIN_SAMPLES = 5
"""With fewer samples of the requested duration, those of all durations of the model are used."""


@dataclass(frozen=True, slots=True)
class DurationSamples:
    """Run times of finished jobs in seconds, ascending; at least one."""

    sorted_seconds: tuple[float, ...]

    def quantile(self, fraction: float) -> float:
        """The time in seconds within which this fraction of the jobs finished."""
        return self.sorted_seconds[
            min(int(fraction * len(self.sorted_seconds)), len(self.sorted_seconds) - 1)
        ]

    def remaining_seconds(self, elapsed: float, fraction: float) -> float:
        """Seconds after `elapsed` until this fraction of the jobs that ran longer had finished."""
        longer = self.sorted_seconds[bisect_right(self.sorted_seconds, elapsed) :]
        if not longer:
            return max(elapsed, 1.0) * fraction
        return longer[min(int(fraction * len(longer)), len(longer) - 1)] - elapsed


class _RecentSamples:
    """The newest measurements, by arrival and by value."""

    def __init__(self) -> None:
        self._by_arrival: deque[float] = deque()
        self._sorted: list[float] = []
        self._samples: DurationSamples | None = None

    def add(self, elapsed: float) -> None:
        if len(self._by_arrival) == _MAX_SAMPLES:
            self._sorted.remove(self._by_arrival.popleft())
        self._by_arrival.append(elapsed)
        insort(self._sorted, elapsed)
        self._samples = None

    def samples(self) -> DurationSamples:
        if self._samples is None:
            self._samples = DurationSamples(tuple(self._sorted))
        return self._samples

    def __len__(self) -> int:
        return len(self._sorted)


class DurationStats:
    """In-memory statistics of job durations, persisted by `bot.store.job_durations`."""

    def __init__(self, measurements: Iterable[tuple[str, str, int, float]] = ()) -> None:
        """`measurements` is oldest first: (provider, remote model, requested seconds, run time)."""
        self._by_length: defaultdict[tuple[str, str, int], _RecentSamples] = defaultdict(
            _RecentSamples
        )
        self._by_model: defaultdict[tuple[str, str], _RecentSamples] = defaultdict(_RecentSamples)
        for provider, remote_model, requested_seconds, elapsed in measurements:
            self.add(provider, remote_model, requested_seconds, elapsed)

    def add(self, provider: str, remote_model: str, requested_seconds: int, elapsed: float) -> None:
        """Record the run time of a finished job."""
        self._by_length[provider, remote_model, requested_seconds].add(elapsed)
        self._by_model[provider, remote_model].add(elapsed)

    def samples(
        self, provider: str, remote_model: str, requested_seconds: int
    ) -> DurationSamples | None:
        """The samples that apply to such a job, or None without any."""
        exact = self._by_length.get((provider, remote_model, requested_seconds))
        if exact is not None and len(exact) >= _MIN_SAMPLES:
            return exact.samples()
        overall = self._by_model.get((provider, remote_model))
        return overall.samples() if overall else None
