"""Discord's rate limits: by bucket, and in all.

Each operation has a bucket for each channel, guild or webhook. Answers to interactions and what
follows them do not count among the 50 a second in all.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import NamedTuple

_MAJOR = ("channel_id", "guild_id", "webhook_token", "interaction_token")
_LIMITS = {
    "create_message": (5, 5.0),
    "update_message": (5, 5.0),
    "delete_message": (5, 1.0),
    "trigger_typing_indicator": (5, 5.0),
    "execute_webhook": (5, 2.0),
    "create_dm": (10, 10.0),
    "bulk_set_application_commands": (2, 20.0),
    "bulk_set_guild_application_commands": (2, 20.0),
}
"""(Calls, seconds); operations that are not listed have no limit of their own."""
_OUTSIDE = ("webhook_token", "interaction_token")


class RateLimited(NamedTuple):
    """A call that is over a limit."""

    seconds: float
    everywhere: bool


@dataclass
class RateLimits:
    """The limits, and what counts at present; by the machine's own clock, as clients wait by it."""

    on: bool = False
    overall: int = 50
    limits: dict[str, tuple[int, float]] = field(default_factory=lambda: dict(_LIMITS))
    _buckets: defaultdict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    _all: list[float] = field(default_factory=list)

    def check(self, operation: str, path: Mapping[str, str], now: float) -> RateLimited | None:
        """Count a call, or return when it may be repeated."""
        if not self.on:
            return None
        if not any(part in path for part in _OUTSIDE):
            self._all[:] = [moment for moment in self._all if moment > now - 1]
            if len(self._all) >= self.overall:
                return RateLimited(round(self._all[0] + 1 - now, 3), everywhere=True)
        if operation in self.limits:
            most, window = self.limits[operation]
            times = self._recent(operation, path, now)
            if len(times) >= most:
                return RateLimited(round(times[0] + window - now, 3), everywhere=False)
            times.append(now)
        self._all.append(now)
        return None

    def headers(self, operation: str, path: Mapping[str, str], now: float) -> dict[str, str]:
        """The rate limit headers of a bucket."""
        if not self.on or operation not in self.limits:
            return {}
        most, window = self.limits[operation]
        times = self._recent(operation, path, now)
        after = times[0] + window - now if times else window
        return {
            "X-RateLimit-Limit": str(most),
            "X-RateLimit-Remaining": str(most - len(times)),
            "X-RateLimit-Reset": f"{time.time() + after:.3f}",
            "X-RateLimit-Reset-After": f"{after:.3f}",
            "X-RateLimit-Bucket": sha256(operation.encode()).hexdigest()[:32],
        }

    def _recent(self, operation: str, path: Mapping[str, str], now: float) -> list[float]:
        window = self.limits[operation][1]
        times = self._buckets[
            " ".join([operation, *(path.get(parameter, "") for parameter in _MAJOR)])
        ]
        times[:] = [moment for moment in times if moment > now - window]
        return times
