"""Responses that are lost, refused or late: sent at most twice, marked, and no chat waits."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.fakes.gateways.openai import FakeOpenAIGateway
from tests.fakes.telegram.chats import Chat
from tests.fakes.telegram.fake import FakeTelegram
from tests.fakes.telegram.faults import FaultKind
from tests.fakes.telegram.messages import Message
from tests.support.virtual_time import VirtualClock, running_bot

LONG = 150.0
"""Seconds after which nothing more comes of anything here."""


@pytest.fixture
def clock() -> VirtualClock:
    """The clock of the bot and of the fakes."""
    return VirtualClock()


@pytest.fixture
async def telegram(clock: VirtualClock) -> AsyncIterator[FakeTelegram]:
    """The fake server with its real limits; the test fails if it has recorded a violation."""
    async with FakeTelegram(clock, flood=True) as telegram:
        yield telegram
    assert telegram.violations == []
    assert telegram.throttled == []


@pytest.fixture
async def bot(telegram: FakeTelegram, clock: VirtualClock, tmp_path: Path) -> AsyncIterator[None]:
    """Reelay at work there, with a gateway that needs ten seconds."""
    async with (
        FakeOpenAIGateway(cheap=True, render_seconds=10, now=clock.now) as gateway,
        running_bot(clock, telegram, gateway, tmp_path),
    ):
        yield
    assert gateway.violations == []
    assert max(gateway.creates.values(), default=1) == 1


def _said(chat: Chat) -> list[str]:
    """All texts that the bot ever sent there, as they were then."""
    return [
        event.text for event in chat.events("sent") if event.message and not event.message.media
    ]


def _videos(chat: Chat) -> list[Message]:
    """All videos that the bot ever sent there."""
    found = [event.message for event in chat.events("sent") if event.message]
    return [message for message in found if message.video]


# --- answers -----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["dropped-after", "garbage-after"])
@pytest.mark.parametrize("times", [1, None])
@pytest.mark.usefixtures("bot")
async def test_unclear_answer_is_repeated_once_and_marked(
    telegram: FakeTelegram, clock: VirtualClock, kind: FaultKind, times: int | None
) -> None:
    """An answer that may have been posted is sent once more, and no more."""
    telegram.faults.add("sendMessage", kind, times=times)
    ann = telegram.user("Ann")
    await ann.says("/quota")
    await ann.chat.until(lambda _: len(_said(ann.chat)) == 2)
    await clock.sleep_until(clock.now() + LONG)
    first, second = _said(ann.chat)
    assert second == f"(repeated) {first}"


@pytest.mark.parametrize("kind", ["dropped-after", "garbage-after"])
@pytest.mark.parametrize("times", [1, None])
@pytest.mark.usefixtures("bot")
async def test_unclear_status_is_repeated_once_and_marked(
    telegram: FakeTelegram, clock: VirtualClock, kind: FaultKind, times: int | None
) -> None:
    """A status that may have been posted is sent once more, and no more."""
    telegram.faults.add("sendMessage", kind, times=times)
    ann = telegram.user("Ann")
    await ann.says("/video kite")
    await ann.chat.shows_video()
    await clock.sleep_until(clock.now() + LONG)
    first, second = _said(ann.chat)
    assert first.startswith("Task")
    assert second == f"(repeated) {first}"
    assert len(_videos(ann.chat)) == 1


# --- results -----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["dropped-after", "garbage-after"])
@pytest.mark.usefixtures("bot")
async def test_unclear_result_is_repeated_once_and_marked(
    telegram: FakeTelegram, clock: VirtualClock, kind: FaultKind
) -> None:
    """Its status is removed."""
    telegram.faults.add("sendVideo", kind)
    ann = telegram.user("Ann")
    await ann.says("/video kite")
    await ann.chat.shows_video(times=2)
    await clock.sleep_until(clock.now() + LONG)
    first, second = _videos(ann.chat)
    assert ann.chat.from_bot == [first, second]
    assert second.text == f"(repeated) It may have been posted before.\n{first.text}"


@pytest.mark.usefixtures("bot")
async def test_result_unclear_twice_waits_for_fetch(
    telegram: FakeTelegram, clock: VirtualClock
) -> None:
    """After two unclear sends the user is told how to get it."""
    telegram.faults.add("sendVideo", "dropped-after", times=2)
    ann = telegram.user("Ann")
    await ann.says("/video kite")
    told = await ann.chat.shows("Get it with /fetch")
    assert "It may have been posted already" in told.text
    await clock.sleep_until(clock.now() + LONG)
    assert len(_videos(ann.chat)) == 2
    await ann.presses(told, "Get it")
    await ann.chat.shows_video(times=3)
    await clock.sleep_until(clock.now() + LONG)
    assert len(_videos(ann.chat)) == 3


@pytest.mark.parametrize(
    ("kind", "marked"),
    [("500", False), ("502-html", False), ("503", False), ("504", True), ("dropped-before", True)],
)
@pytest.mark.usefixtures("bot")
async def test_result_after_server_error_is_repeated_and_marked_if_unclear(
    telegram: FakeTelegram, clock: VirtualClock, kind: FaultKind, *, marked: bool
) -> None:
    """It is marked only where it may have been posted."""
    telegram.faults.add("sendVideo", kind)
    ann = telegram.user("Ann")
    await ann.says("/video kite")
    await ann.chat.shows_video()
    await clock.sleep_until(clock.now() + LONG)
    (video,) = _videos(ann.chat)
    assert ann.chat.from_bot == [video]
    assert video.text.startswith("(repeated)") is marked


# --- waiting -----------------------------------------------------------------------------


@pytest.mark.usefixtures("bot")
async def test_hanging_call_does_not_delay_others(
    telegram: FakeTelegram, clock: VirtualClock
) -> None:
    """What hung is sent once more, marked."""
    ann, bob = telegram.user("Ann"), telegram.user("Bob")
    telegram.faults.add("sendMessage", "hanging-after", when=lambda it: it["chat_id"] == ann.id)
    await ann.says("/quota")
    await telegram.until(lambda: telegram.faults.hanging)
    await bob.says("/video kite")
    await bob.chat.shows_video()
    await clock.sleep_until(clock.now() + 30)
    assert len(_said(ann.chat)) == 1
    telegram.faults.release()
    await ann.chat.shows("(repeated)")


@pytest.mark.parametrize("method", ["sendMessage", "sendVideo"])
@pytest.mark.parametrize("seconds", [40, 400])
@pytest.mark.usefixtures("bot")
async def test_retry_after_delays_one_chat_only(
    telegram: FakeTelegram, clock: VirtualClock, method: str, seconds: int
) -> None:
    """For the requested time, not much longer."""
    ann, bob = telegram.user("Ann"), telegram.user("Bob")
    telegram.faults.add(method, "429", retry_after=seconds, when=lambda it: it["chat_id"] == ann.id)
    await ann.says("/video kite")
    await telegram.until(lambda: telegram.faults.suffered)
    told = clock.now()
    await bob.says("/video boat")
    await bob.chat.shows_video()
    (sent,) = [event for event in bob.chat.events("sent") if event.message and event.message.video]
    assert sent.time - told < 30
    await ann.chat.shows_video()
    await ann.chat.until(lambda chat: len(chat.from_bot) == 1)
    first, *_ = [call for call in telegram.calls_to("sendVideo", ann.chat) if call.time > told]
    assert seconds <= first.time - told < seconds * 1.2 + 5
    assert len(_videos(ann.chat)) == 1
    assert "repeated" not in _videos(ann.chat)[0].text


# --- changes -----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["dropped-after", "garbage-after", "500", "429"])
@pytest.mark.usefixtures("bot")
async def test_unclear_edit_is_repeated_without_harm(
    telegram: FakeTelegram, clock: VirtualClock, kind: FaultKind
) -> None:
    """An edit that turns out to change nothing counts as success."""
    ann = telegram.user("Ann")
    await ann.says("a red kite")
    draft = await ann.chat.shows("Price: 4 credits")
    telegram.faults.add("editMessageText", kind, retry_after=5)
    await ann.presses(draft, "4 s")
    await ann.chat.until(lambda _: telegram.faults.suffered)
    await clock.sleep_until(clock.now() + 60)
    await ann.presses(draft, "8 s")
    await ann.chat.shows("Price: 8 credits")
    await ann.presses(draft, "Start")
    await ann.chat.shows_video()
    await clock.sleep_until(clock.now() + LONG)
    assert len(_videos(ann.chat)) == 1
    assert len(ann.chat.from_bot) == 1


@pytest.mark.parametrize("kind", ["dropped-before", "dropped-after", "500", "429"])
@pytest.mark.usefixtures("bot")
async def test_failed_deletion_of_a_status_is_retried(
    telegram: FakeTelegram, clock: VirtualClock, kind: FaultKind
) -> None:
    """Later, and not again and again."""
    telegram.faults.add("deleteMessage", kind)
    ann = telegram.user("Ann")
    await ann.says("/video kite")
    video = await ann.chat.shows_video()
    await ann.chat.until(lambda chat: chat.from_bot == [video])
    await clock.sleep_until(clock.now() + LONG)
    assert len(telegram.calls_to("deleteMessage")) == 2


@pytest.mark.parametrize("kind", ["dropped-before", "dropped-after", "garbage", "500", "429"])
@pytest.mark.usefixtures("bot")
async def test_update_with_a_lost_poll_answer_is_handled_once(
    telegram: FakeTelegram, clock: VirtualClock, kind: FaultKind
) -> None:
    """The next poll returns it."""
    ann = telegram.user("Ann")
    await ann.says("/quota")
    await ann.chat.shows("You can spend")
    telegram.faults.add("getUpdates", kind, times=3)
    await ann.says("/video kite")
    await ann.chat.shows_video()
    await clock.sleep_until(clock.now() + LONG)
    assert len(_videos(ann.chat)) == 1
    assert len([text for text in _said(ann.chat) if text.startswith("Task")]) == 1
