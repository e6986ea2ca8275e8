"""A clock that a test advances."""

from __future__ import annotations

import asyncio
import heapq
from itertools import count

_TURNS = 10
"""Loop turns in which a woken task may continue and sleep again."""


class FakeClock:
    """Stands still until `advance`; a `bot.ports.Clock`."""

    def __init__(self, now: float = 1_800_000_000.0) -> None:
        self._now = now
        self._order = count()
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []

    def now(self) -> float:
        """UNIX seconds."""
        return self._now

    async def sleep(self, seconds: float) -> None:
        """Return when the clock was advanced by this many seconds."""
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        awake = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._now + seconds, next(self._order), awake))
        await awake

    async def advance(self, seconds: float) -> None:
        """Advance the clock; wake each sleeper at its own time, the earliest first."""
        end = self._now + seconds
        while self._sleepers and self._sleepers[0][0] <= end:
            self._now, _, awake = heapq.heappop(self._sleepers)
            if not awake.done():
                awake.set_result(None)
                await _let_others_run()
        self._now = end
        await _let_others_run()


async def _let_others_run() -> None:
    for _ in range(_TURNS):
        await asyncio.sleep(0)
