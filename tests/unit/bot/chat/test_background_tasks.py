"""Background tasks: errors go no further, and nothing is dropped before it has ended."""

from __future__ import annotations

import asyncio

import pytest
from structlog.testing import capture_logs

from bot.chat.background_tasks import BackgroundTasks, repeat
from bot.chat.update_queue import RetryLater
from bot.ports import DeliveryError, DeliveryOutcomeUnknown
from tests.support.fake_clock import FakeClock


async def test_drain_waits_for_work_that_background_work_starts() -> None:
    """What a background task starts is waited for as well."""
    background, done = BackgroundTasks(), list[str]()

    async def second() -> None:
        await asyncio.sleep(0)
        done.append("second")

    async def first() -> None:
        background.run(second())
        done.append("first")

    background.run(first())
    await background.drain()
    assert done == ["first", "second"]


@pytest.mark.parametrize(
    "error", [DeliveryError("blocked"), DeliveryOutcomeUnknown("lost"), RetryLater("busy", 1.0)]
)
async def test_expected_errors_are_logged_without_a_traceback(error: Exception) -> None:
    """A platform that does not take a message is no fault of Reelay's."""
    background = BackgroundTasks()

    async def fail() -> None:
        raise error

    with capture_logs() as logs:
        background.run(fail())
        await background.drain()
    assert [(entry["event"], entry["error"]) for entry in logs] == [
        ("background_task_failed", str(error))
    ]


async def test_unexpected_errors_are_logged_as_crashes() -> None:
    """A fault of Reelay's own keeps its traceback."""
    background = BackgroundTasks()

    async def fail() -> None:
        raise KeyError("odd")

    with capture_logs() as logs:
        background.run(fail())
        await background.drain()
    assert [entry["event"] for entry in logs] == ["background_task_crashed"]
    assert logs[0]["exc_info"]


async def test_repeated_work_goes_on_after_every_kind_of_error() -> None:
    """A loop that ends silently would leave stale messages for ever."""
    clock, rounds = FakeClock(), list[float]()
    errors = [DeliveryError("unreachable"), KeyError("odd"), ValueError("worse")]

    async def work() -> None:
        rounds.append(clock.now())
        if errors:
            raise errors.pop()

    with capture_logs():
        task = asyncio.create_task(repeat(work, clock, 60.0))
        for _ in range(5):
            await clock.advance(60)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    start = rounds[0]
    assert [at - start for at in rounds] == [0, 60, 120, 180, 240]
