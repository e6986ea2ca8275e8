"""The real time."""

from __future__ import annotations

import asyncio
import time


class SystemClock:
    """The machine's own clock."""

    def now(self) -> float:
        """UNIX seconds."""
        return time.time()

    async def sleep(self, seconds: float) -> None:
        """Return after so many seconds."""
        await asyncio.sleep(seconds)
