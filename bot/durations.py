"""How long jobs take, as measured: for honest expectations and for looks that fall well. Pure."""

from __future__ import annotations

from bisect import bisect_right, insort
from collections import defaultdict, deque
from collections.abc import Iterable
from dataclasses import dataclass

_KEPT = 200
"""Measurements per model and length; older ones say little of today's gateway."""
_ENOUGH = 5
"""With fewer of the very length asked for, those of all lengths of the model speak."""


@dataclass(frozen=True, slots=True)
class Spread:
    """Measured times of finished jobs, in seconds, ascending; at least one."""

    times: tuple[float, ...]

    def quantile(self, share: float) -> float:
        """The time within which this share of the jobs was finished."""
        return self.times[min(int(share * len(self.times)), len(self.times) - 1)]

    def remaining(self, age: float, share: float) -> float:
        """Of the jobs that took longer than `age`: within how much more was this share done."""
        rest = self.times[bisect_right(self.times, age) :]
        if not rest:
            return max(age, 1.0) * share
        return rest[min(int(share * len(rest)), len(rest) - 1)] - age


class _Recent:
    """The newest measurements, both in order of arrival and in order of size."""

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
    """The memory of this process; `bot.store.durations` keeps the measurements themselves."""

    def __init__(self, measured: Iterable[tuple[str, str, int, float]] = ()) -> None:
        """`measured` is oldest first: (provider, remote model, seconds asked, seconds taken)."""
        self._by_length: defaultdict[tuple[str, str, int], _Recent] = defaultdict(_Recent)
        self._by_model: defaultdict[tuple[str, str], _Recent] = defaultdict(_Recent)
        for provider, model, seconds, took in measured:
            self.add(provider, model, seconds, took)

    def add(self, provider: str, model: str, seconds: int, took: float) -> None:
        """One more job was finished."""
        self._by_length[provider, model, seconds].add(took)
        self._by_model[provider, model].add(took)

    def spread(self, provider: str, model: str, seconds: int) -> Spread | None:
        """The measurements that speak for such a job, or None where there are none."""
        exact = self._by_length.get((provider, model, seconds))
        if exact is not None and len(exact) >= _ENOUGH:
            return exact.spread()
        whole = self._by_model.get((provider, model))
        return whole.spread() if whole else None
