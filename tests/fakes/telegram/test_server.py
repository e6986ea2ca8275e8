"""The fake Bot API server accepts what the real one accepts, and refuses the rest."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.fakes.telegram.api_caller import GO_ON_BUTTON, ApiCaller, api_caller
from tests.fakes.telegram.fake import FakeTelegram
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


async def test_wrong_token_is_refused(telegram: FakeTelegram, caller: ApiCaller) -> None:
    """Only the bot's own token opens anything, files included."""
    for path in ("bot1:x/getMe", "file/bot1:x/photos/file_1.jpg"):
        answer = await caller.client.get(f"{telegram.url}/{path}")
        assert answer.status_code == 401
        assert answer.json() == {"ok": False, "error_code": 401, "description": "Unauthorized"}


async def test_unknown_method_is_refused_and_recorded(
    telegram: FakeTelegram, caller: ApiCaller
) -> None:
    """A misspelt method."""
    assert (await caller.raw("sendVidoe")).status_code == 404
    assert telegram.violations == ["sendVidoe: no such method"]


async def test_parameters_mean_the_same_in_every_encoding(
    telegram: FakeTelegram, caller: ApiCaller
) -> None:
    """Query, form, JSON and multipart."""
    ann = telegram.user("Ann", started=True)
    path = f"{telegram.url}/bot{telegram.token}/sendMessage"
    given = {"chat_id": str(ann.id), "text": "Hi", "reply_markup": json.dumps(GO_ON_BUTTON)}
    for answer in (
        await caller.client.get(path, params=given),
        await caller.client.post(path, data=given),
        await caller.client.post(
            path, json={**given, "chat_id": ann.id, "reply_markup": GO_ON_BUTTON}
        ),
        await caller.client.post(path, files={name: (None, one) for name, one in given.items()}),
    ):
        assert answer.json()["result"]["reply_markup"] == GO_ON_BUTTON, answer.text
    assert [message.text for message in ann.chat.messages] == ["Hi"] * 4
    assert telegram.violations == []


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"text": "x" * 4097}, "message is too long"),
        ({"text": "😀" * 2049}, "message is too long"),
        ({"text": " \n "}, "message text is empty"),
        ({"text": "<b>x", "parse_mode": "HTML"}, "can't parse entities"),
        ({"text": "a < b", "parse_mode": "HTML"}, "can't parse entities"),
        ({"text": "<p>x</p>", "parse_mode": "HTML"}, 'Unsupported start tag "p"'),
        ({"text": "<b><i>x</b></i>", "parse_mode": "HTML"}, "Unmatched end tag"),
        ({"text": "x", "parse_mode": "BBCode"}, "unsupported parse_mode"),
        ({"text": "x", "message_thread_id": 5}, "message thread not found"),
        ({"text": "x", "colour": "red"}, "unknown parameter colour"),
        (
            {"text": "x", "entities": [{"type": "bold", "offset": 0, "length": 2}]},
            "an entity reaches from 0 over 2 of 1",
        ),
    ],
)
async def test_invalid_text_is_refused(
    telegram: FakeTelegram, caller: ApiCaller, given: dict[str, Any], says: str
) -> None:
    """Lengths count after parsing in UTF-16, tags must be known and closed, and so on."""
    ann = telegram.user("Ann", started=True)
    assert says in await caller("sendMessage", chat_id=ann.id, **given)
    assert len(telegram.violations) == 1
    assert ann.chat.messages == []


@pytest.mark.parametrize(
    "button",
    [
        {"text": "x", "callback_data": "ж" * 33},
        {"text": "x", "callback_data": ""},
        {"text": "x"},
        {"text": "", "callback_data": "1"},
        {"text": "x", "callback_data": "1", "url": "https://a.b"},
        {"text": "x", "url": "not a link"},
        {"text": "x", "callback_data": "1", "style": "green"},
    ],
)
async def test_invalid_button_is_refused(
    telegram: FakeTelegram, caller: ApiCaller, button: Any
) -> None:
    """A button does one thing, with at most 64 bytes of data."""
    ann = telegram.user("Ann", started=True)
    markup = {"inline_keyboard": [[button]]}
    assert "Bad Request" in await caller(
        "sendMessage", chat_id=ann.id, text="x", reply_markup=markup
    )
    assert len(telegram.violations) == 1


async def test_text_is_parsed_into_entities(telegram: FakeTelegram, caller: ApiCaller) -> None:
    """Offsets are in UTF-16, ends are trimmed, links are found."""
    ann = telegram.user("Ann", started=True)
    html = ' 😀 <b>A &lt;&amp; <i>b</i></b> <a href="https://x.y/?a=1&amp;b">z</a> /help '
    sent = await caller("sendMessage", chat_id=ann.id, text=html, parse_mode="HTML")
    assert sent["text"] == ann.chat.messages[0].text == "😀 A <& b z /help"
    assert sent["entities"] == [
        {"type": "bold", "offset": 3, "length": 6},
        {"type": "italic", "offset": 8, "length": 1},
        {"type": "text_link", "offset": 10, "length": 1, "url": "https://x.y/?a=1&b"},
        {"type": "bot_command", "offset": 12, "length": 5},
    ]
    assert telegram.violations == []
    await caller("sendMessage", chat_id=ann.id, text="Tom & Jerry", parse_mode="HTML")
    assert ann.chat.messages[1].text == "Tom & Jerry"
    assert "not escaped" in telegram.violations[0]


async def test_closed_chats_refuse_with_their_reason(
    telegram: FakeTelegram, caller: ApiCaller
) -> None:
    """Each reason has the real server's text, and none of them is a violation."""
    ann, bob = telegram.user("Ann", started=True), telegram.user("Bob")
    cid = telegram.user("Cid")
    group = telegram.group("Kites", [ann, bob])
    large = telegram.supergroup("Films", [ann])
    lost = telegram.supergroup("Lost", [ann])

    async def refused(chat: int) -> str:
        said: str = await caller("sendMessage", chat_id=chat, text="x")
        return said

    await ann.blocks()
    assert await refused(ann.id) == "Forbidden: bot was blocked by the user"
    assert await refused(bob.id) == "Forbidden: bot can't initiate conversation with a user"
    assert await refused(cid.id) == "Bad Request: chat not found"
    await bob.says("/start")
    await bob.leaves_telegram()
    assert await refused(bob.id) == "Forbidden: user is deactivated"
    await large.kicks_bot()
    assert await refused(large.id) == "Forbidden: bot was kicked from the supergroup chat"
    await lost.vanishes()
    assert await refused(lost.id) == "Bad Request: chat not found"
    group.forbidden.add("text")
    assert "not enough rights to send text messages" in await refused(group.id)
    new = await group.upgrades()
    body = (await caller.raw("sendMessage", chat_id=group.id, text="x")).json()
    assert body["parameters"] == {"migrate_to_chat_id": new.id}
    assert telegram.violations == []
    assert await refused(12345) == "Bad Request: chat not found"
    assert len(telegram.violations) == 1


async def test_reply_to_a_missing_message_is_refused(
    telegram: FakeTelegram, caller: ApiCaller
) -> None:
    """Unless the call allows it."""
    ann = telegram.user("Ann")
    asked = await ann.says("/video cat")
    said = await caller(
        "sendMessage", chat_id=ann.id, text="1", reply_parameters={"message_id": asked.id}
    )
    assert said["reply_to_message"]["text"] == "/video cat"
    await ann.deletes(asked)
    lost: dict[str, Any] = {"message_id": asked.id}
    said = await caller("sendMessage", chat_id=ann.id, text="2", reply_parameters=lost)
    assert said == "Bad Request: message to be replied not found"
    lost["allow_sending_without_reply"] = True
    said = await caller("sendMessage", chat_id=ann.id, text="3", reply_parameters=lost)
    assert "reply_to_message" not in said
    assert telegram.violations == []
