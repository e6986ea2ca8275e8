"""The system clock."""

from __future__ import annotations

import asyncio
import time


class SystemClock:
    """Real time, from the operating system."""

    def now(self) -> float:
        """UNIX seconds."""
        return time.time()

    async def sleep(self, seconds: float) -> None:
        """Return after that many seconds."""
        await asyncio.sleep(seconds)
