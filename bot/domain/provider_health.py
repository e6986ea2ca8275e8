"""Provider mode, circuit breaker state and health."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class ProviderMode(StrEnum):
    """How an admin has set a provider."""

    ON = "on"
    OFF = "off"
    """No requests at all; running jobs wait."""
    DRAIN = "drain"
    """No new jobs; running jobs are finished."""


class BreakerState(StrEnum):
    """State of a provider's circuit breaker, which follows from the provider's responses."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


@dataclass(frozen=True, slots=True)
class ProviderHealth:
    """One row of `providers`."""

    name: str
    mode: ProviderMode = ProviderMode.ON
    breaker: BreakerState = BreakerState.CLOSED
    consecutive_failures: int = 0
    """Consecutive create requests that the gateway failed."""
    paused_until: float | None = None
    reason: str | None = None
    provider_message: str | None = None
    """Error text of the gateway; for admins only."""

    def accepts_new_jobs(self, now: float) -> bool:
        """Whether a create request may be sent now, given capacity."""
        is_paused = self.paused_until is not None and self.paused_until > now
        return (
            self.mode is ProviderMode.ON and self.breaker is not BreakerState.OPEN and not is_paused
        )

    @property
    def is_in_service(self) -> bool:
        """Whether waiting for the provider makes sense: it is on and does not need an admin."""
        is_misconfigured = self.breaker is BreakerState.OPEN and self.reason == "misconfigured"
        return self.mode is ProviderMode.ON and not is_misconfigured
