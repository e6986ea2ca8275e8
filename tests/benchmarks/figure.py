"""One line of a benchmark: what was measured, beside its floor measured in the same run."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Figure:
    """A value of ours and one of the floor or peer named."""

    name: str
    value: float
    unit: str
    floor: float
    floor_name: str
    goal: float
    at_least: bool = False
    """Whether the ratio should be at least the goal; else at most."""

    @property
    def ratio(self) -> float:
        return self.value / self.floor

    @property
    def reached(self) -> bool:
        return self.ratio >= self.goal if self.at_least else self.ratio <= self.goal

    def __str__(self) -> str:
        bound = "at least" if self.at_least else "at most"
        return (
            f"{self.name}: {self.value:.4g} {self.unit}, {self.floor_name} {self.floor:.4g},"
            f" ratio {self.ratio:.2f} x (goal {bound} {self.goal:g} x)"
            f"{'' if self.reached else '  MISSED'}"
        )
