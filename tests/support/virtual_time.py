"""Reelay in virtual time: hours pass in seconds, and work takes no time.

Whenever this process has nothing to do, the clock goes on to the next moment at which somebody
wants to be woken. So limits are held to the very second, and how fast the machine is does not
matter. What runs in processes of its own, as ffmpeg does, is not waited for.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from bot.app import App, Components, open_components
from bot.frontends.telegram import Telegram as FrontEnd
from tests.fakes.change_signal import PATIENCE_S
from tests.fakes.gateways.openai import KEY, FakeOpenAIGateway
from tests.fakes.telegram.fake import TOKEN, FakeTelegram
from tests.support.bot_in_process import settings
from tests.support.fake_clock import FakeClock

_IDLE_CHECK_S = 0.001
_IDLE_CPU_S = 0.0004
"""Seconds of work within `_IDLE_CHECK_S` that are no more than the looking itself."""
_IDLE_CHECKS = 2
_SAME_MOMENT_S = 0.01
"""Who wants to be woken within these seconds is woken at once."""
_LONGEST_STEP_S = 5.0


class _CountingExecutor(ThreadPoolExecutor):
    """Knows whether something is being done, though nothing is being computed."""

    def __init__(self) -> None:
        super().__init__()
        self.pending: set[Future[Any]] = set()

    def submit(self, *args: Any, **kwargs: Any) -> Future[Any]:
        future = super().submit(*args, **kwargs)
        self.pending.add(future)
        future.add_done_callback(self.pending.discard)
        return future


class VirtualClock(FakeClock):
    """A `bot.ports.Clock` that advances whenever nothing is left to do."""

    async def run(self) -> None:
        """Let time pass; never ends."""
        hands = _CountingExecutor()
        asyncio.get_running_loop().set_default_executor(hands)
        while True:
            await _wait_idle(hands)
            first = self._sleepers[0][0] if self._sleepers else self._now + _LONGEST_STEP_S
            await self.advance(min(max(first - self._now, 0.0) + _SAME_MOMENT_S, _LONGEST_STEP_S))

    async def sleep_until(self, moment: float) -> None:
        """Return at this time."""
        await self.sleep(moment - self.now())


async def _wait_idle(hands: _CountingExecutor) -> None:
    quiet = 0
    while quiet < _IDLE_CHECKS:
        before = time.process_time()
        await asyncio.sleep(_IDLE_CHECK_S)
        idle = not hands.pending and time.process_time() - before < _IDLE_CPU_S
        quiet = quiet + 1 if idle and not _other_thread_runs() else 0


def _other_thread_runs() -> bool:
    """Whether another thread runs, or waits for a processor or for the disk.

    On a busy machine a thread may have work to do, such as a transaction, and get no CPU time for
    it. Only Linux shows this.
    """
    threads = Path("/proc/self/task")
    own = str(threading.get_native_id())
    return threads.is_dir() and any(
        thread.name != own and _state(thread) in {"R", "D"} for thread in threads.iterdir()
    )


def _state(thread: Path) -> str:
    try:
        # The name before it, in brackets, may hold anything.
        return (thread / "stat").read_text().rpartition(") ")[2][:1]
    except (FileNotFoundError, ProcessLookupError):
        return ""


@asynccontextmanager
async def running_bot(
    clock: VirtualClock,
    telegram: FakeTelegram,
    gateway: FakeOpenAIGateway,
    folder: Path,
    **environ: str,
) -> AsyncIterator[Components]:
    """Run Reelay against Telegram with this clock; videos are posted unchanged."""
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
    async with open_components(own) as whole:
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
            async with asyncio.timeout(PATIENCE_S):
                await work
            passing.cancel()
