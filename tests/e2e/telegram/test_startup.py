"""Startup and end: a bot that cannot serve says why in one line, and ends."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.telegram.conftest import RunBot
from tests.fakes.telegram.fake import TOKEN, FakeTelegram
from tests.fakes.telegram.users import FakeUser
from tests.support.bot_process import BotProcess

SECRET = "a-secret-of-ours"


async def _answered(person: FakeUser, text: str = "/quota") -> None:
    """The bot answers somebody, as it does when nothing is wrong."""
    asked = await person.says(text)
    await person.chat.until(lambda chat: chat.from_bot and chat.from_bot[-1].reply_to is asked)


@pytest.fixture
def processes(telegram: FakeTelegram, tmp_path: Path) -> Iterator[list[BotProcess]]:
    """Two processes of one bot."""
    environ = {"TELEGRAM_BOT_TOKEN": TOKEN, "TELEGRAM_API_URL": telegram.url}
    with BotProcess(tmp_path / "a", **environ) as a, BotProcess(tmp_path / "b", **environ) as b:
        yield [a, b]


def _told(process: BotProcess) -> dict[str, Any]:
    """The one line with which it has ended, and no traceback."""
    lines = [json.loads(line) for line in process.log_text.splitlines() if line.startswith("{")]
    assert "Traceback" not in process.log_text
    assert TOKEN.partition(":")[2] not in process.log_text
    told: dict[str, Any]
    (told,) = [line for line in lines if line["level"] in {"error", "critical"}]
    return told


async def test_older_process_stops_when_another_one_polls(
    telegram: FakeTelegram, processes: list[BotProcess]
) -> None:
    """It says in one line why; the newer one serves."""
    older, newer = processes
    ann = telegram.user("Ann")
    older.start()
    await _answered(ann)
    newer.start()
    assert await older.wait_exit() == 1
    told = _told(older)
    assert "another process receives the messages of this bot" in told["error"]
    assert "TELEGRAM_WEBHOOK_SECRET" in told["error"]
    await _answered(ann)
    assert '"level": "error"' not in newer.log_text


async def test_wrong_token_ends_the_process(
    telegram: FakeTelegram, processes: list[BotProcess]
) -> None:
    """One line that names the setting, without the token; status 1."""
    process, _ = processes
    wrong = "5550001111:AAF-somebody-elses-0123456789abcdefghi"
    process.start(TELEGRAM_BOT_TOKEN=wrong)
    assert await process.wait_exit() == 1
    told = _told(process)
    assert told["setting"] == "TELEGRAM_BOT_TOKEN"
    assert "BotFather" in told["error"]
    assert wrong.partition(":")[2] not in process.log_text
    assert telegram.calls == []


async def test_revoked_token_ends_the_process(
    telegram: FakeTelegram, processes: list[BotProcess]
) -> None:
    """The process ends and says so."""
    process, _ = processes
    ann = telegram.user("Ann")
    process.start()
    await _answered(ann)
    telegram.token = "5550001111:AAF-a-new-one-0123456789abcdefghijk"
    await ann.says("/help")
    assert await process.wait_exit() == 1
    assert _told(process)["setting"] == "TELEGRAM_BOT_TOKEN"
    telegram.token = TOKEN


async def test_refused_webhook_ends_the_process(
    telegram: FakeTelegram, processes: list[BotProcess]
) -> None:
    """With Telegram's own reason and the name of the setting."""
    process, _ = processes
    with socket.socket() as it:
        it.bind(("127.0.0.1", 0))
        port = str(it.getsockname()[1])
    process.start(
        TELEGRAM_WEBHOOK_SECRET=SECRET, PUBLIC_URL="http://bot.example.org", HTTP_PORT=port
    )
    assert await process.wait_exit() == 1
    told = _told(process)
    assert told["setting"] == "PUBLIC_URL"
    assert "https url must be provided" in told["error"].lower()
    assert SECRET not in process.log_text
    assert len(telegram.violations) == 1
    telegram.violations.clear()


async def test_outage_at_the_start_is_waited_for(telegram: FakeTelegram, run_bot: RunBot) -> None:
    """The process serves when Telegram is back."""
    ann = telegram.user("Ann")
    telegram.faults.add("getMe", "500")
    telegram.faults.add("getMe", "429")
    telegram.faults.add("deleteWebhook", "502-html")
    async with run_bot():
        await _answered(ann)
    assert len(telegram.faults.suffered) == 3
