"""The fake Bot API server fails as the real one does, and enforces its limits."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import httpx
import pytest

from tests.fakes.telegram.api_caller import ApiCaller, api_caller
from tests.fakes.telegram.fake import FakeTelegram
from tests.fakes.telegram.faults import FaultKind
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


@pytest.mark.parametrize(
    ("kind", "status"), [("500", 500), ("502-html", 502), ("503", 503), ("504", 504), ("429", 429)]
)
async def test_failed_call_has_no_effect(
    telegram: FakeTelegram, caller: ApiCaller, kind: FaultKind, status: int
) -> None:
    """And the next one succeeds."""
    ann = telegram.user("Ann", started=True)
    telegram.faults.add("sendMessage", kind, when=lambda given: given["text"] == "x")
    await caller("sendMessage", chat_id=ann.id, text="other")
    answer = await caller.raw("sendMessage", chat_id=ann.id, text="x")
    assert answer.status_code == status
    assert (answer.headers["Content-Type"] == "text/html; charset=utf-8") is (kind == "502-html")
    assert len(ann.chat.messages) == 1
    assert telegram.faults.suffered == [("sendMessage", kind)]


@pytest.mark.parametrize(("kind", "done"), [("dropped-before", 0), ("dropped-after", 1)])
async def test_dropped_call_resets_the_connection(
    telegram: FakeTelegram, caller: ApiCaller, kind: FaultKind, done: int
) -> None:
    """Before or after the call had its effect."""
    ann = telegram.user("Ann", started=True)
    telegram.faults.add("*", kind)
    with pytest.raises(httpx.TransportError):
        await caller("sendMessage", chat_id=ann.id, text="x")
    assert len(ann.chat.messages) == done


@pytest.mark.parametrize(("kind", "done"), [("hanging", 0), ("hanging-after", 1)])
async def test_hanging_call_is_reset_on_release(
    telegram: FakeTelegram, caller: ApiCaller, kind: FaultKind, done: int
) -> None:
    """It waits until it is released, and then the connection is reset."""
    ann = telegram.user("Ann", started=True)
    telegram.faults.add("sendMessage", kind)
    call = asyncio.create_task(caller("sendMessage", chat_id=ann.id, text="x"))
    await telegram.until(lambda: telegram.faults.hanging)
    assert len(ann.chat.messages) == done
    telegram.faults.release()
    with pytest.raises(httpx.TransportError):
        await call


async def test_held_call_continues_on_release(telegram: FakeTelegram, caller: ApiCaller) -> None:
    """It goes on as soon as it is released."""
    ann = telegram.user("Ann", started=True)
    for kind, done in (("held", 0), ("held-after", 2)):
        telegram.faults.add("sendMessage", kind)  # type: ignore[arg-type] # one of the kinds
        call = asyncio.create_task(caller("sendMessage", chat_id=ann.id, text="x"))
        await telegram.until(lambda: telegram.faults.hanging)
        assert len(ann.chat.messages) == done
        telegram.faults.release()
        assert (await call)["text"] == "x"


async def test_interrupted_upload_has_no_effect(telegram: FakeTelegram) -> None:
    """A client that dies in the middle of it commits no violation."""
    ann = telegram.user("Ann", started=True)
    target = httpx.URL(telegram.url)
    for cut in (0, 20, 150):
        reader, writer = await asyncio.open_connection(target.host, target.port)
        head = f"POST /bot{telegram.token}/sendVideo HTTP/1.1\r\nHost: x\r\n"
        kind = "Content-Type: multipart/form-data; boundary=b\r\nContent-Length: 9999\r\n\r\n"
        fields = '--b\r\nContent-Disposition: form-data; name="chat_id"\r\n\r\n5\r\n'
        film = '--b\r\nContent-Disposition: form-data; name="video"; filename="a"\r\n\r\nxxxxxx'
        writer.write((head + kind + (fields + film)[: cut or None]).encode())
        writer.write_eof()
        with contextlib.suppress(ConnectionError):
            await reader.read()
        writer.close()
    telegram.world.check()
    assert telegram.violations == []
    assert ann.chat.messages == []


async def test_truncated_response_has_status_200(telegram: FakeTelegram, caller: ApiCaller) -> None:
    """The body is cut off."""
    telegram.faults.add("getMe", "garbage")
    answer = await caller.raw("getMe")
    assert (answer.status_code, answer.text) == (200, '{"ok": tr')


async def test_call_within_retry_after_is_refused_and_recorded(
    telegram: FakeTelegram, caller: ApiCaller, clock: FakeClock
) -> None:
    """Chat actions are allowed."""
    ann, bob = telegram.user("Ann", started=True), telegram.user("Bob", started=True)
    telegram.faults.add("sendMessage", "429", retry_after=7)
    await caller("sendMessage", chat_id=ann.id, text="x")
    assert "retry after 7" in await caller("sendMessage", chat_id=ann.id, text="on its way")
    assert telegram.violations == []
    await clock.advance(3)
    assert "retry after 4" in await caller("sendMessage", chat_id=ann.id, text="x")
    assert await caller("sendChatAction", chat_id=ann.id, action="typing") is True
    assert (await caller("sendMessage", chat_id=bob.id, text="x"))["text"] == "x"
    await clock.advance(4)
    assert (await caller("sendMessage", chat_id=ann.id, text="x"))["text"] == "x"
    assert len(telegram.violations) == 1


async def test_chat_limits_are_enforced(
    telegram: FakeTelegram, caller: ApiCaller, clock: FakeClock
) -> None:
    """One a second in private, 20 a minute in a group; edits count, chat actions do not."""
    telegram.flood = True
    ann = telegram.user("Ann", started=True)
    group = telegram.group("Kites", [ann])
    sent = await caller("sendMessage", chat_id=ann.id, text="1")
    edit = {"chat_id": ann.id, "message_id": sent["message_id"], "text": "2"}
    answer = await caller.raw("editMessageText", **edit)
    assert answer.json()["parameters"] == {"retry_after": 1}
    for _ in range(3):
        assert await caller("sendChatAction", chat_id=ann.id, action="typing") is True
    await clock.advance(0.96)
    assert (await caller("editMessageText", **edit))["text"] == "2"
    for number in range(20):
        await caller("sendMessage", chat_id=group.id, text=str(number))
        await clock.advance(1)
    answer = await caller.raw("sendMessage", chat_id=group.id, text="x")
    assert answer.json()["parameters"] == {"retry_after": 40}
    await clock.advance(40)
    assert (await caller("sendMessage", chat_id=group.id, text="x"))["text"] == "x"
    assert [call.method for call in telegram.throttled] == ["editMessageText", "sendMessage"]
    assert len(telegram.violations) == 2


async def test_overall_limit_is_enforced(telegram: FakeTelegram, caller: ApiCaller) -> None:
    """Thirty messages a second, however many chats."""
    telegram.flood = True
    people = [telegram.user(f"P{number}", started=True) for number in range(31)]
    for person in people:
        await caller("sendMessage", chat_id=person.id, text="x")
    assert [call.chat for call in telegram.throttled] == [people[-1].id]


async def test_outage_lets_nothing_through(telegram: FakeTelegram, caller: ApiCaller) -> None:
    """Of either kind; afterwards everything works, at the same address."""
    ann = telegram.user("Ann", started=True)
    await caller("sendMessage", chat_id=ann.id, text="before")
    for kind in ("refused", "dropped"):
        await telegram.outage(kind)
        for _ in range(2):
            with pytest.raises(httpx.TransportError):
                await caller("sendMessage", chat_id=ann.id, text="x")
        await telegram.recovered()
    await telegram.outage("502")
    assert (await caller.raw("sendMessage", chat_id=ann.id, text="x")).status_code == 502
    await telegram.recovered()
    await caller("sendMessage", chat_id=ann.id, text="after")
    assert [message.text for message in ann.chat.messages] == ["before", "after"]


async def test_refused_connection_keeps_the_port(telegram: FakeTelegram) -> None:
    """New connections fail, and no other program gets the port."""
    await telegram.outage("refused")
    async with httpx.AsyncClient() as fresh:
        with pytest.raises(httpx.ConnectError):
            await fresh.get(f"{telegram.url}/bot{telegram.token}/getMe")


async def test_outage_cuts_a_poll_and_keeps_its_updates(
    telegram: FakeTelegram, caller: ApiCaller
) -> None:
    """Updates that come meanwhile are kept as well."""
    poll = asyncio.create_task(caller("getUpdates", timeout=50))
    await telegram.until(lambda: telegram.polls == 1)
    await telegram.outage("dropped")
    with pytest.raises(httpx.TransportError):
        await poll
    await telegram.user("Ann").says("Hi")
    await telegram.recovered()
    assert [update["message"]["text"] for update in await caller.updates()] == ["Hi"]


async def test_internal_error_fails_the_test(clock: FakeClock) -> None:
    """An exception inside the fake is raised in the test, not only answered."""

    async def use() -> None:
        async with api_caller(clock) as bot:
            bot.telegram.bot.first_name = 5  # type: ignore[assignment] # the mistake
            await bot.raw("getMe")

    with pytest.raises(AssertionError, match="a wrong answer"):
        await use()


async def test_timeout_shows_what_is_there(telegram: FakeTelegram) -> None:
    """A test that waits for what never comes gets the chat as text."""
    ann = telegram.user("Ann")
    await ann.says("/video cat")
    with pytest.raises(AssertionError, match=r"no 'dog'(.|\n)*/video cat"):
        await ann.chat.shows("dog", timeout=0.01)
