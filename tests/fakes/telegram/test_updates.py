"""Updates and settings of the local Bot API server are kept as the real one keeps them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Self

import pytest
from aiohttp import web

from tests.fakes.telegram.api_caller import Bot, calling
from tests.fakes.telegram.fake import Telegram
from tests.fakes.telegram.updates import SECRET_HEADER
from tests.support.fake_clock import FakeClock


@pytest.fixture
async def bot(clock: FakeClock) -> AsyncIterator[Bot]:
    """Someone who calls the server, whose clock stands still."""
    async with calling(clock) as it:
        yield it


@pytest.fixture
def telegram(bot: Bot) -> Telegram:
    """The server."""
    return bot.telegram


async def test_an_update_is_forgotten_before_it_is_confirmed(telegram: Telegram, bot: Bot) -> None:
    """The offset of a poll confirms all before it, and nothing else does."""
    ann = telegram.person("Ann")
    for word in "abc":
        await ann.says(word)
    first = await bot.updates(limit=2)
    assert [one["message"]["text"] for one in first] == ["a", "b"]
    assert [one["update_id"] for one in await bot.updates(limit=2)] == [
        one["update_id"] for one in first
    ]
    rest = await bot.updates(first[-1]["update_id"] + 1)
    assert [one["message"]["text"] for one in rest] == ["c"]
    assert telegram.pending == 1
    assert await bot.updates(rest[-1]["update_id"] + 1) == []
    telegram.tell_again(telegram.updates[0])
    assert await bot.updates(rest[-1]["update_id"] + 1) == first[:1]


async def test_a_poll_waits_although_something_has_come(telegram: Telegram, bot: Bot) -> None:
    """A long poll ends with the first update."""
    ann = telegram.person("Ann")
    poll = asyncio.create_task(bot.updates(timeout=50))
    await telegram.until(lambda: telegram.polls == 1)
    await ann.says("Hi")
    assert (await poll)[0]["message"]["text"] == "Hi"


async def test_two_polls_live_side_by_side(telegram: Telegram, bot: Bot) -> None:
    """The newer throws the older out."""
    older = asyncio.create_task(bot.raw("getUpdates", timeout=50))
    await telegram.until(lambda: telegram.polls == 1)
    newer = asyncio.create_task(bot.raw("getUpdates", timeout=50))
    answer = await older
    assert answer.status_code == 409
    assert "make sure that only one bot instance is running" in answer.json()["description"]
    await telegram.person("Ann").says("Hi")
    assert (await newer).status_code == 200


async def test_unwanted_updates_are_told(telegram: Telegram, bot: Bot) -> None:
    """What is not in `allowed_updates`, which is remembered, is never told."""
    ann = telegram.person("Ann")
    await bot.updates(allowed_updates=["callback_query"])
    await ann.says("Hi")
    assert await bot.updates() == []
    await bot.updates(allowed_updates=[])
    await ann.says("Hi")
    assert len(await bot.updates()) == 1


class Hook:
    """Where updates are brought: says yes, or what it was told to say."""

    def __init__(self) -> None:
        self.got: list[tuple[str, dict[str, Any]]] = []
        self.says: list[int] = []
        self.url = ""

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_post("/hook", self._take)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}/hook"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    async def _take(self, request: web.Request) -> web.Response:
        self.got.append((request.headers.get(SECRET_HEADER, ""), await request.json()))
        return web.Response(status=self.says.pop(0) if self.says else 200)


async def test_a_webhook_that_fails_loses_an_update(telegram: Telegram, bot: Bot) -> None:
    """It is brought again, before what came later from the same chat, and with the secret."""
    telegram.world.updates.retry_seconds = 0.01
    ann = telegram.person("Ann")
    async with Hook() as hook:
        await ann.says("a")
        hook.says = [500, 302]
        assert await bot("setWebhook", url=hook.url, secret_token="s3cret", max_connections=2)
        await ann.says("b")
        await telegram.until(lambda: telegram.pending == 0)
        assert [one["message"]["text"] for _, one in hook.got] == ["a", "a", "a", "b"]
        assert {secret for secret, _ in hook.got} == {"s3cret"}
        assert (await bot("getWebhookInfo"))["url"] == hook.url
        assert (await bot.raw("getUpdates")).status_code == 409
        await bot("deleteWebhook")
    assert (await bot("getWebhookInfo"))["url"] == ""
    await ann.says("c")
    assert [one["message"]["text"] for one in await bot.updates()] == ["c"]
    assert len(telegram.violations) == 1


@pytest.mark.parametrize(
    "given",
    [
        {"url": "http://example.org/hook"},
        {"url": "https://example.org:444/hook"},
        {"url": "https://example.org/hook", "secret_token": "ä"},
        {"url": "https://example.org/hook", "secret_token": ""},
    ],
)
async def test_a_bad_webhook_is_set(telegram: Telegram, bot: Bot, given: dict[str, Any]) -> None:
    """HTTPS, four ports, and a secret of plain signs."""
    assert "Bad Request" in await bot("setWebhook", **given)
    assert len(telegram.violations) == 1


# --- the menu ----------------------------------------------------------------------------


async def test_a_person_sees_the_wrong_menu(telegram: Telegram, bot: Bot) -> None:
    """The nearest scope wins, and in it the person's language."""
    ann, li = telegram.person("Ann", started=True), telegram.person("Li", language="zh-hans")
    group = telegram.group("Kites", [ann, li])

    async def set_menu(name: str, scope: dict[str, Any] | None = None, code: str = "") -> None:
        given: dict[str, Any] = {"language_code": code}
        given["commands"] = [{"command": name, "description": "x"}]
        if scope is not None:
            given["scope"] = scope
        assert await bot("setMyCommands", **given) is True

    await set_menu("all")
    await set_menu("people", {"type": "all_private_chats"})
    await set_menu("ren", {"type": "all_private_chats"}, "zh")
    await set_menu("boss", {"type": "chat", "chat_id": ann.id})
    await set_menu("chiefs", {"type": "all_chat_administrators"})
    assert telegram.menu(li) == {"ren": "x"}
    assert telegram.menu(ann) == {"boss": "x"}
    assert telegram.menu(ann, group) == {"chiefs": "x"}
    assert telegram.menu(li, group) == {"all": "x"}
    assert telegram.violations == []


@pytest.mark.parametrize(
    ("method", "given"),
    [
        ("setMyCommands", {"commands": [{"command": "Video", "description": "x"}]}),
        ("setMyCommands", {"commands": [{"command": "v" * 33, "description": "x"}]}),
        ("setMyCommands", {"commands": [{"command": "v", "description": ""}]}),
        ("setMyCommands", {"commands": [{"command": "v", "description": "x" * 257}]}),
        ("setMyCommands", {"commands": [{"command": "v", "description": "x"}] * 101}),
        ("setMyCommands", {"commands": [], "language_code": "zh-hans"}),
        ("setMyDescription", {"description": "x" * 513}),
        ("setMyShortDescription", {"short_description": "x" * 121}),
        ("answerCallbackQuery", {"callback_query_id": "1", "text": "x" * 201}),
        ("sendChatAction", {"chat_id": 1, "action": "dancing"}),
        ("getFile", {"file_id": "nothing"}),
    ],
)
async def test_a_bad_setting_is_taken(
    telegram: Telegram, bot: Bot, method: str, given: dict[str, Any]
) -> None:
    """Names, lengths and languages are bounded."""
    assert "Bad Request" in await bot(method, **given)
    assert len(telegram.violations) == 1


async def test_what_the_bot_says_of_itself_is_lost(bot: Bot) -> None:
    """Descriptions are told by language, or else the common one."""
    await bot("setMyDescription", description="Films")
    await bot("setMyDescription", description="影片", language_code="zh")
    assert await bot("getMyDescription", language_code="zh") == {"description": "影片"}
    assert await bot("getMyDescription", language_code="de") == {"description": "Films"}
    assert await bot("getMyShortDescription") == {"short_description": ""}
    assert (await bot("getMe"))["can_read_all_group_messages"] is False
