"""Provider mode, circuit breaker state and health."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Mode(StrEnum):
    """How an admin has set a provider."""

    ON = "on"
    OFF = "off"
    """No requests at all; running jobs wait."""
    DRAIN = "drain"
    """No new jobs; running jobs are finished."""


class Breaker(StrEnum):
    """State of a provider's circuit breaker, which follows from the provider's responses."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


@dataclass(frozen=True, slots=True)
class Health:
    """One row of `providers`."""

    name: str
    mode: Mode = Mode.ON
    breaker: Breaker = Breaker.CLOSED
    failures: int = 0
    """Consecutive create requests that the gateway failed."""
    paused_until: float | None = None
    reason: str | None = None
    raw: str | None = None
    """Error text of the gateway; for admins only."""

    def takes_new(self, now: float) -> bool:
        """Whether a create request may be sent now, given capacity."""
        paused = self.paused_until is not None and self.paused_until > now
        return self.mode is Mode.ON and self.breaker is not Breaker.OPEN and not paused

    @property
    def in_service(self) -> bool:
        """Whether waiting for the provider makes sense: it is on and does not need an admin."""
        refused = self.breaker is Breaker.OPEN and self.reason == "misconfigured"
        return self.mode is Mode.ON and not refused
