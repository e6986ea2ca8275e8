"""Reelay by a clock that waits for nobody: hours pass in seconds, and no work takes any time.

Whenever this process has nothing to do, the clock goes on to the next moment at which somebody
wants to be woken. So limits are held to the very second, and how fast the machine is does not
matter. What runs in processes of its own, as ffmpeg does, is not waited for.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from bot.app import App, Parts, parts_of
from bot.frontends.telegram import Telegram as FrontEnd
from tests.fakes.gateways.openai import KEY, Gateway
from tests.fakes.telegram.fake import TOKEN, Telegram
from tests.support.bot_in_process import settings
from tests.support.fake_clock import FakeClock

_LOOK = 0.001
_NOTHING = 0.0004
"""Seconds of work within `_LOOK` that are no more than the looking itself."""
_LOOKS = 2
_TOGETHER = 0.01
"""Who wants to be woken within these seconds is woken at once."""
_LONGEST = 0.5


class _Hands(ThreadPoolExecutor):
    """Knows whether something is being done, though nothing is being computed."""

    def __init__(self) -> None:
        super().__init__()
        self.under_way: set[Future[Any]] = set()

    def submit(self, *args: Any, **kwargs: Any) -> Future[Any]:
        future = super().submit(*args, **kwargs)
        self.under_way.add(future)
        future.add_done_callback(self.under_way.discard)
        return future


class HastyClock(FakeClock):
    """Goes on by itself; a `bot.ports.Clock`, and one for stand-ins."""

    async def run(self) -> None:
        """Let time pass; never ends."""
        hands = _Hands()
        asyncio.get_running_loop().set_default_executor(hands)
        while True:
            await _nothing_to_do(hands)
            first = self._sleepers[0][0] if self._sleepers else self._now + _LONGEST
            await self.advance(min(max(first - self._now, 0.0) + _TOGETHER, _LONGEST))

    async def until(self, moment: float) -> None:
        """Return when it is so late."""
        await self.sleep(moment - self.now())


async def _nothing_to_do(hands: _Hands) -> None:
    quiet = 0
    while quiet < _LOOKS:
        before = time.process_time()
        await asyncio.sleep(_LOOK)
        idle = not hands.under_way and time.process_time() - before < _NOTHING
        quiet = quiet + 1 if idle else 0


@asynccontextmanager
async def running(
    clock: HastyClock, telegram: Telegram, gateway: Gateway, folder: Path, **environ: str
) -> AsyncIterator[Parts]:
    """Reelay at work in Telegram, by this clock; results are posted as the gateway makes them."""
    gateways = {
        "POLL_MIN_SECONDS": "2",
        "PROVIDERS__LOCAL__KIND": "openai",
        "PROVIDERS__LOCAL__API_KEY": KEY,
        "PROVIDERS__LOCAL__BASE_URL": gateway.url,
        "PROVIDERS__LOCAL__MAX_CONCURRENT": "1000",
    }
    own = settings(
        folder,
        TELEGRAM_BOT_TOKEN=TOKEN,
        TELEGRAM_API_URL=telegram.url,
        TELEGRAM_UPLOAD_MB="50",
        **gateways | environ,
    )
    async with parts_of(own) as whole:
        parts = replace(whole, front_ends=[FrontEnd(own, clock)], clock=clock, fitter=None)
        app = App(own, parts)
        passing = asyncio.create_task(clock.run())
        work = asyncio.create_task(app.run())
        try:
            yield parts
            if work.done():
                work.result()
        finally:
            await app.stop()
            async with asyncio.timeout(30):
                await work
            passing.cancel()
