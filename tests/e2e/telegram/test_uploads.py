"""Large files on their way out and in: streamed, within the server's limit, uploaded once."""

from __future__ import annotations

import io
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
from PIL import Image

from bot.frontends.telegram import Telegram as FrontEnd
from tests.e2e.telegram.conftest import FAST_RATE_LIMITS, RunBot
from tests.fakes.gateways.openai import KEY, FakeOpenAIGateway
from tests.fakes.gateways.openai_jobs import Job
from tests.fakes.telegram.chats import Chat
from tests.fakes.telegram.fake import TOKEN, FakeTelegram
from tests.fakes.telegram.messages import Message
from tests.support.bot_in_process import running_bot, settings
from tests.support.bot_process import BotProcess
from tests.support.large_videos import video_of_size

MB = 1_000_000
LIMIT = 50 * MB
TOO_LARGE = 70 * MB
"""Of which a fifth is filling, and does not go out."""
GROWTH = 20 << 10
"""KiB by which an upload of nearly 50 MB may make the process grow."""


@dataclass
class Heavy(FakeOpenAIGateway):
    """Makes films of whatever weight: the one that is put there, if a prompt asks for it."""

    film: Path | None = None

    async def _film(self, job: Job) -> bytes:
        if self.film is not None and "heavy" in job.body["prompt"]:
            return self.film.read_bytes()
        return await super()._film(job)


@pytest.fixture
async def gateway() -> AsyncIterator[Heavy]:
    """A gateway that is ready at once."""
    async with Heavy(cheap=True, render_seconds=0.1) as gateway:
        yield gateway
    assert gateway.violations == []


@pytest.fixture
def environ(gateway: Heavy) -> dict[str, str]:
    """The settings that name this gateway."""
    return {
        "TELEGRAM_BOT_TOKEN": TOKEN,
        "PROVIDERS__LOCAL__KIND": "openai",
        "PROVIDERS__LOCAL__API_KEY": KEY,
        "PROVIDERS__LOCAL__BASE_URL": gateway.url,
    }


def _file(chat: Chat) -> Message | None:
    """The newest file of the bot's, if there is one."""
    return next((message for message in reversed(chat.from_bot) if message.document), None)


def _size(message: Message | None) -> int:
    file = message and (message.video or message.document)
    assert file
    return file.size


# --- how large ---------------------------------------------------------------------------


async def test_refused_size_is_learned(
    telegram: FakeTelegram, gateway: Heavy, environ: dict[str, str], tmp_path: Path
) -> None:
    """After the first 413 of a server, videos are re-encoded to fit."""
    gateway.film = video_of_size(tmp_path / "heavy.mp4", TOO_LARGE)
    ann = telegram.user("Ann")
    own = settings(tmp_path, TELEGRAM_API_URL=telegram.url, **environ)
    async with running_bot(own, [FrontEnd(own, rules=FAST_RATE_LIMITS)]):
        await ann.says("/video heavy")
        first = await ann.chat.shows_video()
        await ann.says("/video heavy too")
        second = await ann.chat.shows_video(times=2)
    assert max(_size(first), _size(second)) <= LIMIT
    assert "repeated" not in first.text
    assert telegram.violations == [f"sendVideo: a file of more than {LIMIT} bytes"]
    telegram.violations.clear()


async def test_upload_is_streamed(
    telegram: FakeTelegram, gateway: Heavy, environ: dict[str, str], tmp_path: Path
) -> None:
    """While nearly 50 MB come in and go out, memory hardly grows."""
    gateway.film = video_of_size(tmp_path / "heavy.mp4", LIMIT - MB)
    ann = telegram.user("Ann")
    more = {"TELEGRAM_API_URL": telegram.url, "TELEGRAM_UPLOAD_MB": "50", **environ}
    with BotProcess(tmp_path / "reelay", **more) as process:
        process.start()

        await ann.says("/video a kite")
        await ann.chat.shows_video()
        before = _most_memory(process, forget=True)
        await ann.says("/video heavy")
        video = await ann.chat.shows_video(times=2)
        await ann.presses(video, "As file")
        file = await ann.chat.until(_file)
        grown = _most_memory(process) - before
    assert _size(file) == LIMIT - MB
    assert grown < GROWTH


def _most_memory(process: BotProcess, *, forget: bool = False) -> int:
    """The most KiB that the process has had; `forget`: what it has now, and count from there."""
    folder = Path(f"/proc/{process.pid}")
    if forget:
        (folder / "clear_refs").write_text("5")
    fields = (line.partition(":") for line in (folder / "status").read_text().splitlines())
    return next(int(value.split()[0]) for name, _, value in fields if name == "VmHWM")


# --- a server of one's own ---------------------------------------------------------------


async def test_local_server_takes_large_files(
    gateway: Heavy, environ: dict[str, str], tmp_path: Path
) -> None:
    """Videos over 50 MB go out as they are; large images come in from its disk."""
    gateway.film = video_of_size(tmp_path / "heavy.mp4", TOO_LARGE)
    async with FakeTelegram(local=True) as telegram:
        ann = telegram.user("Ann")
        own = settings(tmp_path, TELEGRAM_API_URL=telegram.url, **environ)
        async with running_bot(own, [FrontEnd(own, rules=FAST_RATE_LIMITS)]):
            await ann.sends_document(_large_picture(), "/video heavy")
            video = await ann.chat.shows_video()
            await ann.presses(video, "As file")
            file = await ann.chat.until(_file)
        assert telegram.violations == []
        assert telegram.downloads.total() == 0
    assert _size(video) > LIMIT
    assert _size(file) == TOO_LARGE
    (job,) = gateway.jobs.values()
    assert job.picture is not None


def _large_picture() -> bytes:
    """About 18 MB that cannot be made smaller without loss."""
    content = io.BytesIO()
    side = 2450
    noise = Image.frombytes("RGB", (side, side), os.urandom(side * side * 3))
    noise.save(content, "PNG", compress_level=0)
    return content.getvalue()


# --- once --------------------------------------------------------------------------------


async def test_uploaded_files_are_reused(
    telegram: FakeTelegram, run_bot: RunBot, environ: dict[str, str]
) -> None:
    """/fetch, As file and a link to the task cost one upload each kind, also after a restart."""
    del environ["TELEGRAM_BOT_TOKEN"]
    reelay = partial(run_bot, **environ)
    ann = telegram.user("Ann")
    group = telegram.supergroup("Friends", [ann])
    async with reelay():
        await ann.says("/video a kite")
        video = await ann.chat.shows_video()
        await ann.chat.until(lambda chat: chat.from_bot == [video])
        task = video.text.split()[-1]
        await ann.says(f"/fetch {task}")
        await ann.chat.shows_video(times=2)
    async with reelay():
        await ann.says(f"/fetch {task}", chat=group)
        there = await group.shows_video()
        await ann.says(f"/start task_{task}")
        again = await ann.chat.shows_video(times=3)
        await ann.presses(again, "As file")
        await ann.chat.until(_file)
        await ann.presses(there, "As file")
        await telegram.until(lambda: len(telegram.calls_to("answerCallbackQuery")) == 2)
    assert telegram.uploads["video"] == telegram.uploads["document"] == 1
    assert video.video is not None
    assert there.video is not None
    assert there.video.file_id == video.video.file_id
