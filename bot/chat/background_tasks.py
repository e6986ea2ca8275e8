"""Work of a front-end that nobody waits for: watched, logged, and finished before it closes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, NoReturn

import structlog

from bot.chat.update_queue import RetryLater
from bot.ports import Clock, DeliveryError, DeliveryOutcomeUnknown

_log = structlog.get_logger(__name__)


class BackgroundTasks:
    """The running background tasks of one front-end. Errors are logged and go no further."""

    def __init__(self) -> None:
        self._running: set[asyncio.Task[None]] = set()

    def run(self, work: Coroutine[Any, Any, object]) -> None:
        """Run `work` in the background. The task is kept alive until it ends."""
        task = asyncio.create_task(_log_failure(work))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def drain(self) -> None:
        """Return when no background task is running."""
        while self._running:
            await asyncio.wait(self._running)


async def repeat(work: Callable[[], Awaitable[None]], clock: Clock, interval_s: float) -> NoReturn:
    """Run `work` now and then every `interval_s` seconds until cancelled.

    A round that fails is logged, whatever the error: the next one may succeed.
    """
    while True:
        await _log_failure(work())
        await clock.sleep(interval_s)


async def _log_failure(work: Awaitable[object]) -> None:
    try:
        await work
    except (DeliveryError, DeliveryOutcomeUnknown, RetryLater) as error:
        _log.info("background_task_failed", error=str(error))
    except Exception:  # noqa: BLE001 - nobody waits for it, and others must go on
        _log.exception("background_task_crashed")
