"""Starting and ending: a bot that cannot serve says why in one line, and ends."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.telegram.conftest import Running
from tests.fakes.telegram.fake import TOKEN, Telegram
from tests.fakes.telegram.users import Person
from tests.support.bot_process import Process

SECRET = "a-secret-of-ours"


async def _answered(person: Person, text: str = "/quota") -> None:
    """The bot answers somebody, as it does when nothing is wrong."""
    asked = await person.says(text)
    await person.chat.until(lambda chat: chat.from_bot and chat.from_bot[-1].reply_to is asked)


@pytest.fixture
def processes(telegram: Telegram, tmp_path: Path) -> Iterator[list[Process]]:
    """Two processes of one bot that do not know of each other."""
    environ = {"TELEGRAM_BOT_TOKEN": TOKEN, "TELEGRAM_API_URL": telegram.url}
    with Process(tmp_path / "a", **environ) as a, Process(tmp_path / "b", **environ) as b:
        yield [a, b]


def _told(process: Process) -> dict[str, Any]:
    """The one line with which it has ended, and no traceback."""
    lines = [json.loads(line) for line in process.logged.splitlines() if line.startswith("{")]
    assert "Traceback" not in process.logged
    assert TOKEN.partition(":")[2] not in process.logged
    told: dict[str, Any]
    (told,) = [line for line in lines if line["level"] in {"error", "critical"}]
    return told


async def test_two_processes_fight_for_the_words_of_people(
    telegram: Telegram, processes: list[Process]
) -> None:
    """The older one says in one line what is wrong, and stops; the newer one serves."""
    older, newer = processes
    ann = telegram.person("Ann")
    older.start()
    await _answered(ann)
    newer.start()
    assert await older.ended() == 1
    told = _told(older)
    assert "another process receives the messages of this bot" in told["why"]
    assert "TELEGRAM_WEBHOOK_SECRET" in told["why"]
    await _answered(ann)
    assert '"level": "error"' not in newer.logged


async def test_a_wrong_token_is_tried_for_ever(
    telegram: Telegram, processes: list[Process]
) -> None:
    """Telegram does not know it: one line that names the setting, and no more of it; status 1."""
    process, _ = processes
    wrong = "5550001111:AAF-somebody-elses-0123456789abcdefghi"
    process.start(TELEGRAM_BOT_TOKEN=wrong)
    assert await process.ended() == 1
    told = _told(process)
    assert told["setting"] == "TELEGRAM_BOT_TOKEN"
    assert "BotFather" in told["why"]
    assert wrong.partition(":")[2] not in process.logged
    assert telegram.calls == []


async def test_a_token_that_is_taken_back_is_used_for_ever(
    telegram: Telegram, processes: list[Process]
) -> None:
    """Whoever has the bot may give it a new token: the process ends and says so."""
    process, _ = processes
    ann = telegram.person("Ann")
    process.start()
    await _answered(ann)
    telegram.token = "5550001111:AAF-a-new-one-0123456789abcdefghijk"
    await ann.says("/help")
    assert await process.ended() == 1
    assert _told(process)["setting"] == "TELEGRAM_BOT_TOKEN"
    telegram.token = TOKEN


async def test_a_webhook_that_telegram_refuses_is_met_with_silence(
    telegram: Telegram, processes: list[Process]
) -> None:
    """The process ends with Telegram's own reason and the name of the setting."""
    process, _ = processes
    with socket.socket() as it:
        it.bind(("127.0.0.1", 0))
        port = str(it.getsockname()[1])
    process.start(
        TELEGRAM_WEBHOOK_SECRET=SECRET, PUBLIC_URL="http://bot.example.org", HTTP_PORT=port
    )
    assert await process.ended() == 1
    told = _told(process)
    assert told["setting"] == "PUBLIC_URL"
    assert "https url must be provided" in told["why"].lower()
    assert SECRET not in process.logged
    assert len(telegram.violations) == 1
    telegram.violations.clear()


async def test_an_outage_at_the_start_ends_the_process(telegram: Telegram, bot: Running) -> None:
    """It waits for Telegram, and serves when it is there."""
    ann = telegram.person("Ann")
    telegram.faults.add("getMe", "500")
    telegram.faults.add("getMe", "429")
    telegram.faults.add("deleteWebhook", "502-html")
    async with bot():
        await _answered(ann)
    assert len(telegram.faults.suffered) == 3
