"""Piped input: reply to each line, then wait until all tasks are settled."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, TextIO

from bot.commands import parser
from bot.domain.commands import CommandRequest
from bot.domain.errors import Refusal
from bot.domain.tasks import State
from bot.frontends.console import PERSON, PLACE
from bot.presentation.i18n import format_error
from bot.services.context import AppContext
from bot.services.dispatcher import handle_request
from bot.services.queries import language_for, outstanding_tasks, tasks_by_id

if TYPE_CHECKING:
    from bot.frontends.console import Console

_MAX_LINE_BYTES = 1 << 20
_CHUNK_BYTES = 1 << 16
_POLL_INTERVAL_S = 1.0
"""Seconds after which the tasks are checked even without an event."""


async def run_batch(console: Console, app: AppContext) -> int:
    """Run every line, then wait for every task; return the exit status."""
    watched = {task.id for task in await outstanding_tasks(app, PERSON.id)}
    async for line in _lines(console):
        watched |= await _answer(console, app, line)
        if console.leaving.is_set():
            return 0
    return await _wait(console, app, watched)


async def _answer(console: Console, app: AppContext, line: str) -> set[str]:
    """Run one line; return the tasks that it created or restarted."""
    text = line.strip()
    if not text or text.startswith("#"):
        return set()
    if text in {"/quit", "/exit"}:
        console.leaving.set()
        return set()
    try:
        command = parser.parse_command(text, allow_files=True)
    except Refusal as refused:
        console.say(format_error(await language_for(app, PERSON), refused))
        return set()
    reply = await handle_request(CommandRequest(PERSON, PLACE, command), app)
    console.say(f"{reply.text} -> {reply.video.path}" if reply.video else reply.text)
    ours = reply.task is not None and reply.ok and reply.task.user_id == PERSON.id
    return {reply.task.id} if reply.task and ours else set()


async def _wait(console: Console, app: AppContext, watched: set[str]) -> int:
    while left := await outstanding_tasks(app, PERSON.id):
        watched |= {task.id for task in left}
        if console.leaving.is_set():
            return 0
        await _wait_for_change(console, app)
    tasks = await tasks_by_id(app, watched)
    return 0 if all(task.state is State.DONE for task in tasks) else 1


async def _wait_for_change(console: Console, app: AppContext) -> None:
    console.changed.clear()
    changed = asyncio.ensure_future(console.changed.wait())
    late = asyncio.ensure_future(app.clock.sleep(_POLL_INTERVAL_S))
    await asyncio.wait({changed, late}, return_when=asyncio.FIRST_COMPLETED)
    changed.cancel()
    late.cancel()


async def _lines(console: Console) -> AsyncIterator[str]:
    """Yield the lines of the input until its end or until the console ends.

    A daemon thread reads: a blocking read cannot be cancelled and must not delay the exit.
    """
    queue: asyncio.Queue[bytes] = asyncio.Queue()
    loop = asyncio.get_running_loop()
    reader = threading.Thread(
        target=_read, args=(console.stdin, queue, loop), name="console-input", daemon=True
    )
    reader.start()
    left = asyncio.ensure_future(console.leaving.wait())
    try:
        while not console.leaving.is_set():
            line = asyncio.ensure_future(queue.get())
            await asyncio.wait({line, left}, return_when=asyncio.FIRST_COMPLETED)
            if not line.done():
                line.cancel()
                return
            if not line.result():
                return
            yield line.result().decode("utf-8", "replace")
    finally:
        left.cancel()


def _read(source: TextIO, queue: asyncio.Queue[bytes], loop: asyncio.AbstractEventLoop) -> None:
    """Put lines into the queue, and an empty one at the end.

    Reads from the descriptor itself: a thread blocked in Python's own reader would crash the
    interpreter at exit.
    """
    rest, number = b"", source.fileno()
    try:
        while piece := os.read(number, _CHUNK_BYTES):
            *lines, rest = (rest + piece).split(b"\n")
            if len(rest) > _MAX_LINE_BYTES:
                lines, rest = [*lines, rest], b""
            for line in lines:
                loop.call_soon_threadsafe(queue.put_nowait, line + b"\n")
        if rest:
            loop.call_soon_threadsafe(queue.put_nowait, rest)
        loop.call_soon_threadsafe(queue.put_nowait, b"")
    except RuntimeError:
        # The loop has ended before the input.
        return
