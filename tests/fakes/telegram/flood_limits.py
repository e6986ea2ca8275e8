"""Telegram's flood limits.

One message a second in a private chat, 20 a minute in a group, 30 a second in all. New messages
and edits count alike; signs of acting, answers to presses and deletions do not.
"""

from __future__ import annotations

import math
from bisect import insort
from collections import defaultdict
from dataclasses import dataclass, field

COUNTED = frozenset(
    {
        "sendMessage",
        "sendVideo",
        "sendDocument",
        "sendPhoto",
        "copyMessage",
        "forwardMessage",
        "editMessageText",
        "editMessageCaption",
        "editMessageReplyMarkup",
    }
)


_GRACE = 0.3
"""Seconds after a 429 in which calls may come that were on their way already."""


@dataclass(frozen=True, slots=True)
class Pause:
    """A chat was told to come later."""

    left: int
    """Seconds."""
    known: bool
    """The bot must have known when it called."""


@dataclass
class FloodLimits:
    """The limits, and what counts at present."""

    private_seconds: float = 1.0
    group_minute: int = 20
    overall_second: int = 30
    tolerance: float = 0.05
    """How much shorter each window is than told, for the way of a call to the server."""
    _chats: defaultdict[int, list[float]] = field(default_factory=lambda: defaultdict(list))
    _all: list[float] = field(default_factory=list)
    _paused: dict[int, tuple[float, float]] = field(default_factory=dict)

    def pause(self, chat: int, method: str, now: float, seconds: int) -> None:
        """A chat was told, without a flood, that it must wait so long."""
        if method in COUNTED:
            self._paused[chat] = (now, now + seconds)

    def paused(self, chat: int, method: str, time: float) -> Pause | None:
        """How long a chat must still wait."""
        told, end = self._paused.get(chat, (0.0, 0.0))
        if method not in COUNTED or time >= end - (end - told) * self.tolerance:
            return None
        return Pause(max(1, math.ceil(end - time)), time > told + _GRACE)

    def check(self, chat: int, method: str, time: float, *, private: bool) -> int | None:
        """Count a call, or return the seconds after which it may be repeated."""
        if method not in COUNTED:
            return None
        window, most = (self.private_seconds, 1) if private else (60.0, self.group_minute)
        waits = [
            self._wait(self._chats[chat], time, window, most),
            self._wait(self._all, time, 1.0, self.overall_second),
        ]
        if any(waits):
            return max(1, math.ceil(max(waits)))
        insort(self._chats[chat], time)
        insort(self._all, time)
        return None

    def _wait(self, times: list[float], now: float, window: float, most: int) -> float:
        """How long until there is room; 0: there is."""
        real = window * (1 - self.tolerance)
        recent = [time for time in times if now - real < time <= now + real]
        times[:] = [time for time in times if time > now - 120]
        if len(recent) < most:
            return 0.0
        return max(recent[-most] + window - now, 0.001)
