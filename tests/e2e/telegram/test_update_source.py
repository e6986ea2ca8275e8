"""Updates on their way in: handled once, stored before they are confirmed, in order."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from bot.app import Components
from bot.store import schema
from bot.store.database import Tx
from tests.e2e.telegram.conftest import RunBot
from tests.fakes.telegram.api_caller import picture
from tests.fakes.telegram.fake import FakeTelegram
from tests.fakes.telegram.updates import SECRET_HEADER
from tests.fakes.telegram.users import FakeUser

SECRET = "a-secret-of-ours"
LONG = "a very long word about a kite " * 130
"""Too long for what is free in the pages of a database."""


@pytest.fixture
def webhook_settings() -> dict[str, str]:
    """Settings of a bot with a webhook."""
    with socket.socket() as it:
        it.bind(("127.0.0.1", 0))
        port = it.getsockname()[1]
    return {
        "TELEGRAM_WEBHOOK_SECRET": SECRET,
        "HTTP_PORT": str(port),
        "PUBLIC_URL": f"http://127.0.0.1:{port}",
    }


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    """Somebody who calls where Telegram does."""
    async with httpx.AsyncClient(trust_env=False) as client:
        yield client


async def _answered(person: FakeUser, text: str = "/quota") -> None:
    """The bot answers somebody, as it does when nothing is wrong."""
    asked = await person.says(text)
    await person.chat.until(lambda chat: chat.from_bot and chat.from_bot[-1].reply_to is asked)


async def _serving(telegram: FakeTelegram) -> None:
    await telegram.until(lambda: telegram.world.updates.webhook or telegram.polls)


async def _bring(
    client: httpx.AsyncClient, hook: dict[str, str], body: bytes | dict[str, Any]
) -> httpx.Response:
    """Call as Telegram does."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    url = f"{hook['PUBLIC_URL']}/telegram/webhook"
    return await client.post(url, content=content, headers={SECRET_HEADER: SECRET})


async def _kept(parts: Components) -> dict[int, Any]:
    """The updates that are written down."""
    query = select(schema.updates.c.id, schema.updates.c.body)
    rows = await parts.database.read(lambda tx: tx.execute(query).all())
    return {row.id: json.loads(row.body) for row in rows}


async def _stop_writing(parts: Components) -> None:
    """Let the disk of the database be full."""

    def stop(tx: Tx) -> None:
        pages = tx.exec_driver_sql("PRAGMA page_count").scalar_one()
        tx.exec_driver_sql(f"PRAGMA max_page_count = {pages}")

    await parts.database.run_exclusive(stop)


async def _go_on_writing(parts: Components) -> None:
    await parts.database.run_exclusive(
        lambda tx: tx.exec_driver_sql("PRAGMA max_page_count = 1000000").close()
    )


# --- webhook -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "header",
    [
        None,
        b"",
        b"a-secret-of-our",
        b"a-secret-of-ourss",
        b"A-SECRET-OF-OURS",
        b"\xff\xfe",
        b"\xc3\xa9",
    ],
)
async def test_webhook_without_the_secret_is_refused(
    telegram: FakeTelegram,
    run_bot: RunBot,
    webhook_settings: dict[str, str],
    client: httpx.AsyncClient,
    header: bytes | None,
) -> None:
    """Nothing is handled, and nothing is revealed."""
    ann = telegram.user("Ann")
    async with run_bot(**webhook_settings):
        await _serving(telegram)
        telegram.world.updates.pause()
        await ann.says("/quota")
        body = json.dumps(telegram.updates[-1].body)
        url = f"{webhook_settings['PUBLIC_URL']}/telegram/webhook"
        headers = {} if header is None else {SECRET_HEADER.encode(): header}
        refused = await client.post(url, content=body, headers=headers)
        assert refused.status_code in {401, 403}
        assert SECRET not in refused.text
        looked = await client.get(url, headers={SECRET_HEADER: SECRET})
        assert looked.status_code in {404, 405}
        telegram.world.updates.resume()
        await ann.chat.shows("You can spend")
    assert len(telegram.calls_to("sendMessage")) == 1


async def test_confirmed_update_is_stored(
    telegram: FakeTelegram,
    run_bot: RunBot,
    webhook_settings: dict[str, str],
    client: httpx.AsyncClient,
) -> None:
    """At the moment of the 200 it is in the database, even if the response is lost."""
    ann = telegram.user("Ann")
    telegram.faults.add("sendMessage", "held", times=None)
    async with run_bot(**webhook_settings) as parts:
        await _serving(telegram)
        telegram.world.updates.pause()
        await ann.says("/quota")
        told = telegram.updates[-1]
        answer = await _bring(client, webhook_settings, told.body)
        assert answer.status_code == 200
        assert (await _kept(parts))[told.id] == told.body
        assert ann.chat.from_bot == []
        telegram.world.updates.resume()
        telegram.faults.clear()
        telegram.faults.release()
        await ann.chat.shows("You can spend")
        await _answered(ann, "/help")
    assert telegram.world.updates.webhook_answers == [200, 200]
    assert len(telegram.calls_to("sendMessage")) == 2


async def test_full_disk_leaves_updates_unconfirmed(
    telegram: FakeTelegram,
    run_bot: RunBot,
    webhook_settings: dict[str, str],
    client: httpx.AsyncClient,
) -> None:
    """Telegram repeats them, and they are handled later."""
    ann = telegram.user("Ann")
    async with run_bot(**webhook_settings) as parts:
        await _answered(ann)
        await _stop_writing(parts)
        telegram.world.updates.pause()
        await ann.says(LONG)
        refused = await _bring(client, webhook_settings, telegram.updates[-1].body)
        assert refused.status_code == 503
        assert int(refused.headers["Retry-After"]) > 0
        await _go_on_writing(parts)
        telegram.world.updates.resume()
        await ann.chat.shows("takes at most 2,000")
    assert telegram.world.updates.webhook_answers == [200, 200]


async def test_update_delivered_twice_is_handled_once(
    telegram: FakeTelegram,
    run_bot: RunBot,
    webhook_settings: dict[str, str],
    client: httpx.AsyncClient,
) -> None:
    """One after the other, at the same time, and in another process."""
    ann = telegram.user("Ann")
    async with run_bot(**webhook_settings):
        await _answered(ann)
        telegram.redeliver_update(telegram.updates[-1])
        telegram.world.updates.pause()
        await ann.says("/help")
        body = telegram.updates[-1].body
        answers = await asyncio.gather(*(_bring(client, webhook_settings, body) for _ in range(5)))
        assert {answer.status_code for answer in answers} == {200}
        telegram.world.updates.resume()
        await ann.chat.shows("/help - all commands")
        await _answered(ann)
    async with run_bot(**webhook_settings):
        for update in list(telegram.updates):
            telegram.redeliver_update(update)
        await _answered(ann)
    assert len(ann.chat.from_bot) == len(telegram.calls_to("sendMessage")) == 4


async def test_early_webhook_call_is_answered_503_and_repeated(
    telegram: FakeTelegram,
    run_bot: RunBot,
    webhook_settings: dict[str, str],
    client: httpx.AsyncClient,
) -> None:
    """Before the bot knows who it is."""
    ann = telegram.user("Ann")
    async with run_bot(**webhook_settings):
        await _answered(ann)
    telegram.faults.add("getMe", "held")
    telegram.world.updates.pause()
    asked = await ann.says("/help")
    async with run_bot(**webhook_settings):
        await telegram.until(lambda: telegram.faults.hanging)
        refused = await _bring(client, webhook_settings, telegram.updates[-1].body)
        assert refused.status_code == 503
        assert int(refused.headers["Retry-After"]) > 0
        telegram.world.updates.resume()
        telegram.faults.release()
        answer = await ann.chat.shows("/help - all commands")
        assert answer.reply_to is asked
    assert len(telegram.calls_to("setWebhook")) == 2


async def test_unreadable_update_is_confirmed_and_skipped(
    telegram: FakeTelegram,
    run_bot: RunBot,
    webhook_settings: dict[str, str],
    client: httpx.AsyncClient,
) -> None:
    """It would be repeated for ever; the next one is handled."""
    ann = telegram.user("Ann")
    async with run_bot(**webhook_settings):
        await _answered(ann)
        known = telegram.updates[-1].body
        for number, body in enumerate(
            (
                b"",
                b"{",
                b"[]",
                b"null",
                b'"text"',
                b"{}",
                b"\xff\xfe",
                b'{"update_id": "one"}',
                b'{"update_id": 1}',
                b'{"update_id": 2, "message": 7}',
                b'{"update_id": 3, "message": {}}',
                b'{"update_id": 4, "something_new": {"id": 1}}',
                json.dumps({**known, "update_id": 5, "new": [1]})
                .replace("/quota", "\\u0000")
                .encode(),
            )
        ):
            answer = await _bring(client, webhook_settings, body)
            assert answer.status_code == 200, (number, body)
        await _answered(ann)


async def test_large_update_is_accepted(
    telegram: FakeTelegram, run_bot: RunBot, webhook_settings: dict[str, str]
) -> None:
    """A text that mentions a hundred users, in reply to such a text."""
    ann = telegram.user("Ann")
    crowd = {f"人{n}号": telegram.user("海" * 12, last_name="风" * 12) for n in range(100)}
    words = f"{' '.join(crowd)} {chr(0x1F3AC) * 1700}"
    async with run_bot(**webhook_settings):
        first = await ann.says(words, mentions=crowd)
        await ann.chat.shows("takes at most 2,000")
        second = await ann.says(words, mentions=crowd, reply_to=first)
        await ann.chat.shows("takes at most 2,000", after=second)
    assert len(json.dumps(telegram.updates[-1].body)) > 90_000
    assert telegram.world.updates.webhook_answers == [200, 200]


async def test_switching_between_polling_and_webhook_loses_nothing(
    telegram: FakeTelegram, run_bot: RunBot, webhook_settings: dict[str, str]
) -> None:
    """Waiting updates are handled once."""
    ann = telegram.user("Ann")
    async with run_bot():
        await _answered(ann)
    for more in (webhook_settings, {}, webhook_settings):
        asked = await ann.says("/help")
        async with run_bot(**more):
            answer = await ann.chat.shows("/help - all commands", after=asked)
            assert answer.reply_to is asked
            await _answered(ann)
    assert len(ann.chat.from_bot) == len(telegram.calls_to("sendMessage")) == 7


# --- long polling ------------------------------------------------------------------------


async def test_poll_confirms_only_stored_updates(telegram: FakeTelegram, run_bot: RunBot) -> None:
    """While nothing can be stored, Telegram keeps them; afterwards each is handled once."""
    ann = telegram.user("Ann")
    async with run_bot() as parts:
        await _answered(ann)
        await _stop_writing(parts)
        polls = telegram.polls
        asked = await ann.says(LONG)
        await telegram.until(lambda: telegram.polls > polls)
        assert telegram.pending == 1
        await _go_on_writing(parts)
        draft = await ann.chat.shows("takes at most 2,000")
        assert draft.reply_to is asked
        await telegram.until(lambda: telegram.pending == 0)
    assert len(telegram.calls_to("sendMessage")) == 2


@pytest.mark.parametrize("kind", ["500", "502-html", "429", "garbage", "dropped-after", "504"])
async def test_failed_poll_is_repeated(telegram: FakeTelegram, run_bot: RunBot, kind: Any) -> None:
    """The next one returns the missing updates, each once."""
    ann = telegram.user("Ann")
    telegram.faults.add("getUpdates", kind)
    async with run_bot():
        await _answered(ann)
        await _answered(ann, "/help")
    assert telegram.faults.suffered == [("getUpdates", kind)]
    assert len(telegram.calls_to("sendMessage")) == 2


async def test_slow_photo_delays_only_its_user(telegram: FakeTelegram, run_bot: RunBot) -> None:
    """While it is downloaded others are answered; the user's own messages wait."""
    ann, ben = telegram.user("Ann"), telegram.user("Ben")
    group = telegram.supergroup("Friends", [ann, ben])
    telegram.faults.add("getFile", "held")
    async with run_bot():
        asked = [
            await ann.sends_photo(picture(), "/video it flies --duration 1 --size 480x854"),
            await ann.says("/quota"),
            await ann.says("/help"),
        ]
        await telegram.until(lambda: telegram.faults.hanging)
        for _ in range(3):
            await _answered(ben)
        said = await ben.says("/quota", chat=group)
        await group.until(lambda chat: chat.from_bot and chat.from_bot[-1].reply_to is said)
        assert ann.chat.from_bot == []
        telegram.faults.release()
        await ann.chat.until(lambda chat: len(list(chat.events("sent"))) == len(asked))
        sent = [event.message for event in ann.chat.events("sent")]
        assert [message.reply_to for message in sent if message is not None] == asked
        await ann.chat.shows_video()


async def test_updates_of_a_user_keep_their_order(telegram: FakeTelegram, run_bot: RunBot) -> None:
    """However many users write."""
    people = [telegram.user(f"Person {number}") for number in range(8)]
    lines = ["/quota", "/settings duration 8", "/settings", "/settings duration -", "/settings"]
    async with run_bot():
        for line in lines:
            for one in people:
                await one.says(line)
        for one in people:
            await one.chat.until(lambda chat: len(chat.from_bot) == len(lines))
    for one in people:
        said = [message.text for message in one.chat.from_bot]
        assert [message.reply_to.text for message in one.chat.from_bot if message.reply_to] == lines
        assert "duration 8" in said[2]
        assert "duration not set" in said[4]
