"""Wait until something changes, without polling."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

PATIENCE_S = 120.0
"""How long a test waits for what must come, before it fails: long enough for a busy machine. Only a
test that fails waits so long, so no test needs a shorter limit of its own."""


class ChangeSignal:
    """Wakes waiters after a change."""

    def __init__(self) -> None:
        self._waiting: set[asyncio.Future[None]] = set()

    def changed(self) -> None:
        """Wake all waiters."""
        for waiter in self._waiting:
            if not waiter.done():
                waiter.set_result(None)

    async def until(self, look: Callable[[], T], timeout: float, told: Callable[[], str]) -> T:
        """The first true thing that `look` finds. Fails with what `told` says."""
        loop = asyncio.get_running_loop()
        end = loop.time() + timeout
        while not (found := look()):
            one = loop.create_future()
            self._waiting.add(one)
            try:
                await asyncio.wait_for(one, end - loop.time())
            except TimeoutError:
                raise AssertionError(f"not within {timeout} s\n{told()}") from None
            finally:
                self._waiting.discard(one)
        return found
