"""Users and their credit balance."""

from __future__ import annotations

from dataclasses import dataclass

Language = str
"""A two-letter code with a file in the folder of locales."""


@dataclass(frozen=True, slots=True)
class User:
    """Who sends a request. `id` is `<front-end>:<user id there>`."""

    id: str
    is_admin: bool = False
    language: Language | None = None
    """As the front-end reports it; the user's own `/language` takes precedence."""


@dataclass(frozen=True, slots=True)
class Balance:
    """Credits that a user can spend, and credits held for running tasks."""

    daily: int
    granted: int
    held: int
    daily_limit: int
    refills_at: float

    @property
    def available(self) -> int:
        """Credits that can be spent now."""
        return self.daily + self.granted
