"""A clock that follows the machine's and jumps ahead when a test asks."""

from __future__ import annotations

import asyncio
import time


class JumpableClock:
    """A `bot.ports.Clock` that can jump."""

    def __init__(self) -> None:
        self._ahead = 0.0
        self._jumped = asyncio.Event()

    def now(self) -> float:
        """UNIX seconds."""
        return time.time() + self._ahead

    async def sleep(self, seconds: float) -> None:
        """Return after so many seconds, some of which may be jumped over."""
        end = self.now() + seconds
        await asyncio.sleep(0)
        while (rest := end - self.now()) > 0:
            waiting = asyncio.ensure_future(self._jumped.wait())
            try:
                await asyncio.wait([waiting], timeout=rest)
            finally:
                waiting.cancel()

    def jump(self, seconds: float) -> None:
        """Now it is so much later; whoever should have been woken meanwhile is."""
        self._ahead += seconds
        self._jumped.set()
        self._jumped = asyncio.Event()
