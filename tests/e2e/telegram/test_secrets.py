"""The token is visible nowhere: no log, error, repr, chat or published link."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
from telegram.error import TelegramError

from bot.clock import SystemClock
from bot.frontends.telegram import Telegram as FrontEnd
from bot.frontends.telegram.client import BotClient
from bot.frontends.telegram.update_source import UpdateSource
from tests.fakes.gateways.jimmy import FakeJimmyGateway
from tests.fakes.gateways.openai import KEY, FakeOpenAIGateway
from tests.fakes.telegram.api_caller import picture
from tests.fakes.telegram.fake import TOKEN, FakeTelegram
from tests.fakes.telegram.users import FakeUser
from tests.support.bot_in_process import settings
from tests.support.bot_process import BotProcess

SECRET = "a-webhook-secret-of-ours"


def _assert_hidden(text: str) -> None:
    """Neither the token, nor its secret part, nor either as it looks in addresses."""
    for hidden in (TOKEN, TOKEN.partition(":")[2], quote(TOKEN, safe=""), SECRET, KEY):
        assert hidden not in text, re.findall(rf".{{0,80}}{re.escape(hidden)}", text)[0]


def _free_port() -> str:
    with socket.socket() as it:
        it.bind(("127.0.0.1", 0))
        return str(it.getsockname()[1])


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    """Who looks at what the process tells over HTTP."""
    async with httpx.AsyncClient(trust_env=False) as client:
        yield client


# --- a whole conversation ----------------------------------------------------------------


FAULTS = (
    ("sendMessage", "429"),
    ("sendMessage", "garbage"),
    ("sendMessage", "dropped-before"),
    ("editMessageText", "dropped-after"),
    ("answerCallbackQuery", "500"),
    ("sendVideo", "502-html"),
    ("sendChatAction", "dropped-before"),
    ("getFile", "500"),
    ("download", "502-html"),
    ("setMyCommands", "dropped-before"),
    ("setMyDescription", "500"),
)


async def _talk(telegram: FakeTelegram, ann: FakeUser, link: bool) -> None:
    """Words, a photo, presses, an admin's look: with a fault for each step."""
    for method, kind in FAULTS:
        telegram.faults.add(method, kind)  # type: ignore[arg-type]
    if not link:
        telegram.faults.add("getUpdates", "dropped-before")
    await ann.says("/start")
    await ann.sends_photo(picture(1280, 720), "/video it flies")
    await ann.chat.shows_video()
    await ann.says("a boat")
    draft = await ann.chat.shows("Price:")
    await ann.presses(draft, "Start")
    video = await ann.chat.shows_video(times=2)
    await ann.presses(video, "As file")
    await ann.chat.until(
        lambda chat: [message for message in chat.from_bot if message.document], 20
    )
    for line in ("/admin providers", f"/admin task {video.text.split()[-1]}"):
        await ann.says(line)
        await ann.chat.until(
            lambda chat, line=line: [  # type: ignore[misc]
                message
                for message in chat.from_bot
                if message.reply_to and message.reply_to.text == line
            ],
            20,
        )


@pytest.mark.parametrize(("way", "logs"), [("polling", "json"), ("webhook", "console")])
async def test_logs_hide_the_token(
    telegram: FakeTelegram, tmp_path: Path, client: httpx.AsyncClient, way: str, logs: str
) -> None:
    """At DEBUG, with faults of every kind, in both formats and both update modes."""
    ann = telegram.user("Ann")
    port = _free_port()
    async with FakeJimmyGateway(cheap=True, render_seconds=0.1) as gateway:
        environ = {
            "TELEGRAM_BOT_TOKEN": TOKEN,
            "TELEGRAM_API_URL": telegram.url,
            "TELEGRAM_UPLOAD_MB": "50",
            "TELEGRAM_WEBHOOK_SECRET": SECRET if way == "webhook" else "",
            "HTTP_PORT": port,
            "PUBLIC_URL": f"http://127.0.0.1:{port}",
            "ADMINS": f"telegram:{ann.id}",
            "DAILY_CREDITS": "1000",
            "LOG_LEVEL": "debug",
            "LOG_FORMAT": logs,
            "PROVIDERS__JIMMY__API_KEY": KEY,
            "PROVIDERS__JIMMY__BASE_URL": gateway.url,
        }
        with BotProcess(tmp_path, **environ) as process:
            process.start()
            await telegram.until(lambda: telegram.world.updates.webhook or telegram.polls)
            await _talk(telegram, ann, link=way == "webhook")
            told = [await client.get(f"http://127.0.0.1:{port}/{path}") for path in WEB]
            log = process.log_text
        given = json.dumps(gateway.bodies)
        kept = b"".join(gateway.pictures.values())
        assert gateway.bodies
        assert gateway.violations == []
    assert len(telegram.faults.suffered) >= len(FAULTS) - 2, telegram.faults.suffered
    assert "debug" in log
    for text in (
        log,
        given,
        repr(kept),
        *(response.text + str(response.headers) for response in told),
    ):
        _assert_hidden(text)
    assert "/file/bot" not in given
    assert telegram.url not in given
    for event in ann.chat.log:
        _assert_hidden(event.text)
        assert not event.by_bot or "127.0.0.1" not in event.text


WEB = ("healthz", "readyz", "metrics", "telegram/webhook", "nothing")


async def test_gateway_requests_hide_the_token(telegram: FakeTelegram, tmp_path: Path) -> None:
    """An image is sent as bytes: no Telegram URL is in any request."""
    ann = telegram.user("Ann")
    async with FakeOpenAIGateway(cheap=True, render_seconds=0.1) as gateway:
        environ = {
            "TELEGRAM_BOT_TOKEN": TOKEN,
            "TELEGRAM_API_URL": telegram.url,
            "LOG_LEVEL": "debug",
            "PROVIDERS__LOCAL__KIND": "openai",
            "PROVIDERS__LOCAL__API_KEY": KEY,
            "PROVIDERS__LOCAL__BASE_URL": gateway.url,
        }
        with BotProcess(tmp_path, **environ) as process:
            process.start()
            await ann.sends_photo(picture(1280, 720), "/video it flies")
            await ann.chat.shows_video()
            _assert_hidden(process.log_text)
        (job,) = gateway.jobs.values()
        assert job.picture is not None
        _assert_hidden(repr(job.body) + repr(job.picture))
        assert gateway.violations == []


# --- what is shown of objects ------------------------------------------------------------


async def test_reprs_hide_the_token(telegram: FakeTelegram, tmp_path: Path) -> None:
    """Of the settings, the front-end, the client, its bot."""
    own = settings(
        tmp_path,
        TELEGRAM_BOT_TOKEN=TOKEN,
        TELEGRAM_API_URL=telegram.url,
        TELEGRAM_WEBHOOK_SECRET=SECRET,
        PUBLIC_URL="https://bot.example.org",
        HTTP_PORT="8080",
    )
    wire = BotClient(own)
    try:
        me = await wire.bot.get_me()
        one = telegram.user("Ann")
        photo = await one.sends_photo(picture())
        assert photo.photo is not None
        file = await wire.bot.get_file(photo.photo.file_id)
        things = (own, own.telegram_bot_token, wire, wire.bot, me, FrontEnd(own))
        for thing in (*things, UpdateSource(own, SystemClock()), *vars(wire).values()):
            for text in (repr(thing), str(thing), f"{thing}", f"{[thing]}"):
                _assert_hidden(text)
        _assert_hidden(repr({**own.model_dump(), "file": file.file_id}))
        _assert_hidden(own.model_dump_json())
    finally:
        await wire.close()


KINDS = ("429", "500", "502-html", "503", "504", "dropped-before", "dropped-after", "garbage")


@pytest.mark.parametrize("kind", KINDS)
async def test_errors_hide_the_token(telegram: FakeTelegram, tmp_path: Path, kind: str) -> None:
    """Whatever fails on the wire: the error, its causes and their tracebacks."""
    own = settings(tmp_path, TELEGRAM_BOT_TOKEN=TOKEN, TELEGRAM_API_URL=telegram.url)
    wire = BotClient(own)
    # So that no poll has to wait.
    await telegram.user("Ann").says("/start")
    telegram.faults.add("getMe", kind)  # type: ignore[arg-type]
    telegram.faults.add("getUpdates", kind)  # type: ignore[arg-type]
    try:
        for call in (wire.bot.get_me(), wire.updates(None, [], 1)):
            with pytest.raises(TelegramError) as caught:
                await call
            error: BaseException | None = caught.value
            while error is not None:
                _assert_hidden(f"{error!s} {error!r} {error.args}")
                error = error.__cause__ or error.__context__
    finally:
        await wire.close()


async def test_startup_errors_hide_the_token(telegram: FakeTelegram, tmp_path: Path) -> None:
    """Telegram refuses it, or is unreachable."""
    telegram.token = "5550001111:AAF-another-0123456789abcdefghijklmn"
    nowhere = f"http://127.0.0.1:{_free_port()}"
    for url in (telegram.url, nowhere):
        wire = BotClient(settings(tmp_path, TELEGRAM_BOT_TOKEN=TOKEN, TELEGRAM_API_URL=url))
        try:
            with pytest.raises(TelegramError) as caught:
                await wire.bot.get_me()
            _assert_hidden(f"{caught.value!s} {caught.value!r}")
        finally:
            await wire.close()
