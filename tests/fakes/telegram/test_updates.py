"""Updates and settings of the fake Bot API server are kept as the real one keeps them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Self

import pytest
from aiohttp import web

from tests.fakes.telegram.api_caller import ApiCaller, api_caller
from tests.fakes.telegram.fake import FakeTelegram
from tests.fakes.telegram.updates import SECRET_HEADER
from tests.support.fake_clock import FakeClock


@pytest.fixture
async def caller(clock: FakeClock) -> AsyncIterator[ApiCaller]:
    """An API client; the server's clock stands still."""
    async with api_caller(clock) as it:
        yield it


@pytest.fixture
def telegram(caller: ApiCaller) -> FakeTelegram:
    """The fake server."""
    return caller.telegram


async def test_update_stays_until_confirmed_by_an_offset(
    telegram: FakeTelegram, caller: ApiCaller
) -> None:
    """An offset confirms all before it, and nothing else does."""
    ann = telegram.user("Ann")
    for word in "abc":
        await ann.says(word)
    first = await caller.updates(limit=2)
    assert [update["message"]["text"] for update in first] == ["a", "b"]
    assert [update["update_id"] for update in await caller.updates(limit=2)] == [
        update["update_id"] for update in first
    ]
    rest = await caller.updates(first[-1]["update_id"] + 1)
    assert [update["message"]["text"] for update in rest] == ["c"]
    assert telegram.pending == 1
    assert await caller.updates(rest[-1]["update_id"] + 1) == []
    telegram.redeliver_update(telegram.updates[0])
    assert await caller.updates(rest[-1]["update_id"] + 1) == first[:1]


async def test_long_poll_ends_with_the_first_update(
    telegram: FakeTelegram, caller: ApiCaller
) -> None:
    """A long poll ends with the first update."""
    ann = telegram.user("Ann")
    poll = asyncio.create_task(caller.updates(timeout=50))
    await telegram.until(lambda: telegram.polls == 1)
    await ann.says("Hi")
    assert (await poll)[0]["message"]["text"] == "Hi"


async def test_newer_poll_ends_the_older_one(telegram: FakeTelegram, caller: ApiCaller) -> None:
    """The newer throws the older out."""
    older = asyncio.create_task(caller.raw("getUpdates", timeout=50))
    await telegram.until(lambda: telegram.polls == 1)
    newer = asyncio.create_task(caller.raw("getUpdates", timeout=50))
    answer = await older
    assert answer.status_code == 409
    assert "make sure that only one bot instance is running" in answer.json()["description"]
    await telegram.user("Ann").says("Hi")
    assert (await newer).status_code == 200


async def test_updates_that_are_not_allowed_are_never_sent(
    telegram: FakeTelegram, caller: ApiCaller
) -> None:
    """`allowed_updates` is remembered."""
    ann = telegram.user("Ann")
    await caller.updates(allowed_updates=["callback_query"])
    await ann.says("Hi")
    assert await caller.updates() == []
    await caller.updates(allowed_updates=[])
    await ann.says("Hi")
    assert len(await caller.updates()) == 1


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


async def test_failed_webhook_call_is_repeated_in_order(
    telegram: FakeTelegram, caller: ApiCaller
) -> None:
    """Before later updates of the same chat, and with the secret."""
    telegram.world.updates.retry_seconds = 0.01
    ann = telegram.user("Ann")
    async with Hook() as hook:
        await ann.says("a")
        hook.says = [500, 302]
        assert await caller("setWebhook", url=hook.url, secret_token="s3cret", max_connections=2)
        await ann.says("b")
        await telegram.until(lambda: telegram.pending == 0)
        assert [one["message"]["text"] for _, one in hook.got] == ["a", "a", "a", "b"]
        assert {secret for secret, _ in hook.got} == {"s3cret"}
        assert (await caller("getWebhookInfo"))["url"] == hook.url
        assert (await caller.raw("getUpdates")).status_code == 409
        await caller("deleteWebhook")
    assert (await caller("getWebhookInfo"))["url"] == ""
    await ann.says("c")
    assert [update["message"]["text"] for update in await caller.updates()] == ["c"]
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
async def test_invalid_webhook_is_refused(
    telegram: FakeTelegram, caller: ApiCaller, given: dict[str, Any]
) -> None:
    """HTTPS, four ports, and a secret of plain characters."""
    assert "Bad Request" in await caller("setWebhook", **given)
    assert len(telegram.violations) == 1


# --- the menu ----------------------------------------------------------------------------


async def test_nearest_command_scope_wins(telegram: FakeTelegram, caller: ApiCaller) -> None:
    """And in it the user's language."""
    ann, li = telegram.user("Ann", started=True), telegram.user("Li", language="zh-hans")
    group = telegram.group("Kites", [ann, li])

    async def set_menu(name: str, scope: dict[str, Any] | None = None, code: str = "") -> None:
        given: dict[str, Any] = {"language_code": code}
        given["commands"] = [{"command": name, "description": "x"}]
        if scope is not None:
            given["scope"] = scope
        assert await caller("setMyCommands", **given) is True

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
async def test_invalid_profile_setting_is_refused(
    telegram: FakeTelegram, caller: ApiCaller, method: str, given: dict[str, Any]
) -> None:
    """Names, lengths and languages have limits."""
    assert "Bad Request" in await caller(method, **given)
    assert len(telegram.violations) == 1


async def test_descriptions_are_kept_by_language(caller: ApiCaller) -> None:
    """With a common one as the fallback."""
    await caller("setMyDescription", description="Films")
    await caller("setMyDescription", description="影片", language_code="zh")
    assert await caller("getMyDescription", language_code="zh") == {"description": "影片"}
    assert await caller("getMyDescription", language_code="de") == {"description": "Films"}
    assert await caller("getMyShortDescription") == {"short_description": ""}
    assert (await caller("getMe"))["can_read_all_group_messages"] is False
