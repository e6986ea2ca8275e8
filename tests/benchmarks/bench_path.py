"""How much code and how many database calls one `/video` in a private Telegram chat passes."""

from __future__ import annotations

import asyncio
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from types import CodeType, FrameType

import bot
import providers
from bot.frontends.telegram import Telegram as FrontEnd
from bot.store.sqlite import SqliteDatabase
from tests.benchmarks.figure import Figure
from tests.e2e.telegram.conftest import FAST_RATE_LIMITS
from tests.fakes.gateways.openai import KEY, FakeOpenAIGateway
from tests.fakes.telegram.fake import TOKEN, FakeTelegram
from tests.support.bot_in_process import running_bot, settings

MOST_FILES = 40
MOST_DATABASE_CALLS = 35
_OURS = tuple(str(Path(package.__path__[0])) for package in (bot, providers))
_DATABASE_CALLS: dict[CodeType, str] = {
    SqliteDatabase.transact.__code__: "writes",
    SqliteDatabase.read.__code__: "reads",
}


class Trace:
    """The files of Reelay that were entered, and the calls of its database, in every thread."""

    def __init__(self) -> None:
        self.active = False
        self.files: set[str] = set()
        # A coroutine is entered again at each await: its frame counts once, so it is kept alive.
        self._frames: dict[int, tuple[FrameType, str]] = {}

    def note(self, frame: FrameType, event: str, _argument: object) -> None:
        """Profile hook: called on each entry into a Python function."""
        if not self.active or event != "call" or not frame.f_code.co_filename.startswith(_OURS):
            return
        self.files.add(frame.f_code.co_filename)
        if kind := _DATABASE_CALLS.get(frame.f_code):
            self._frames[id(frame)] = (frame, kind)

    @property
    def database_calls(self) -> Counter[str]:
        """How often the database was called, by kind: `reads` and `writes`."""
        return Counter(kind for _, kind in self._frames.values())


@contextmanager
def tracing() -> Iterator[Trace]:
    """A trace of this thread and of those started from now on, the database's among them."""
    trace = Trace()
    threading.setprofile(trace.note)
    sys.setprofile(trace.note)
    try:
        yield trace
    finally:
        sys.setprofile(None)
        threading.setprofile(None)


def run() -> Iterator[Figure]:
    """From the message to the video in the chat with its status message removed."""
    with tempfile.TemporaryDirectory() as name:
        trace = asyncio.run(_one_video(Path(name)))
    calls = trace.database_calls
    yield Figure(
        "files entered for one /video", len(trace.files), "files", MOST_FILES, "allowed", 1
    )
    yield Figure(
        f"database calls for one /video ({calls['writes']} writes, {calls['reads']} reads)",
        calls.total(),
        "calls",
        MOST_DATABASE_CALLS,
        "allowed",
        1,
    )


async def _one_video(folder: Path) -> Trace:
    # The threads of the database get the hook when they start.
    with tracing() as trace:
        async with _bot_at_work(folder) as telegram:
            await _order_twice(telegram, trace)
    return trace


async def _order_twice(telegram: FakeTelegram, trace: Trace) -> None:
    ann = telegram.user("Ann")
    # The first video loads what is loaded once, and greets.
    await ann.says("/video a blue kite")
    await ann.chat.shows_video()
    await ann.chat.until(lambda chat: len(chat.from_bot) == 1)
    trace.active = True
    await ann.says("/video a red kite over the sea")
    video = await ann.chat.shows_video(times=2)
    await ann.chat.until(lambda chat: len(chat.from_bot) == 2)
    trace.active = False
    assert video.reply_to is not None
    assert video.reply_to.text == "/video a red kite over the sea"


@asynccontextmanager
async def _bot_at_work(folder: Path) -> AsyncIterator[FakeTelegram]:
    async with (
        FakeTelegram() as telegram,
        FakeOpenAIGateway(cheap=True, render_seconds=0.1) as gateway,
    ):
        own = settings(
            folder,
            TELEGRAM_BOT_TOKEN=TOKEN,
            TELEGRAM_API_URL=telegram.url,
            TELEGRAM_UPLOAD_MB="50",
            PROVIDERS__LOCAL__KIND="openai",
            PROVIDERS__LOCAL__API_KEY=KEY,
            PROVIDERS__LOCAL__BASE_URL=gateway.url,
        )
        async with running_bot(own, [FrontEnd(own, rules=FAST_RATE_LIMITS)]):
            yield telegram
