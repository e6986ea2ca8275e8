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
        """Return after this many seconds, jumps included."""
        end = self.now() + seconds
        await asyncio.sleep(0)
        while (rest := end - self.now()) > 0:
            waiting = asyncio.ensure_future(self._jumped.wait())
            try:
                await asyncio.wait([waiting], timeout=rest)
            finally:
                waiting.cancel()

    def jump(self, seconds: float) -> None:
        """Jump ahead by this many seconds and wake the sleepers that are due."""
        self._ahead += seconds
        self._jumped.set()
        self._jumped = asyncio.Event()
