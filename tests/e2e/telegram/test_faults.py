"""Answers that are lost, refused or late: said at most twice, marked, and nobody else waits."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.fakes.gateways.openai import Gateway
from tests.fakes.telegram.chats import Chat
from tests.fakes.telegram.fake import Telegram
from tests.fakes.telegram.faults import FaultKind
from tests.fakes.telegram.messages import Message
from tests.support.virtual_time import HastyClock, running

LONG = 150.0
"""Seconds after which nothing more comes of anything here."""


@pytest.fixture
def clock() -> HastyClock:
    """The time of everyone."""
    return HastyClock()


@pytest.fixture
async def telegram(clock: HastyClock) -> AsyncIterator[Telegram]:
    """The server, with its limits; no call may have broken a rule that the bot can know."""
    async with Telegram(clock, flood=True) as telegram:
        yield telegram
    assert telegram.violations == []
    assert telegram.throttled == []


@pytest.fixture
async def reelay(telegram: Telegram, clock: HastyClock, tmp_path: Path) -> AsyncIterator[None]:
    """Reelay at work there, with a gateway that needs ten seconds."""
    async with (
        Gateway(cheap=True, render_seconds=10, now=clock.now) as gateway,
        running(clock, telegram, gateway, tmp_path),
    ):
        yield
    assert gateway.violations == []
    assert max(gateway.creates.values(), default=1) == 1


def _said(chat: Chat) -> list[str]:
    """All texts that the bot ever sent there, as they were then."""
    return [one.text for one in chat.events("sent") if one.message and not one.message.media]


def _videos(chat: Chat) -> list[Message]:
    """All videos that the bot ever sent there."""
    found = [one.message for one in chat.events("sent") if one.message]
    return [one for one in found if one.video]


# --- answers -----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["dropped-after", "garbage-after"])
@pytest.mark.parametrize("times", [1, None])
@pytest.mark.usefixtures("reelay")
async def test_an_answer_is_said_again_and_again(
    telegram: Telegram, clock: HastyClock, kind: FaultKind, times: int | None
) -> None:
    """An answer of which nobody knows whether it stands is said once more, marked, and no more."""
    telegram.faults.add("sendMessage", kind, times=times)
    ann = telegram.person("Ann")
    await ann.says("/quota")
    await ann.chat.until(lambda _: len(_said(ann.chat)) == 2)
    await clock.until(clock.now() + LONG)
    first, second = _said(ann.chat)
    assert second == f"(repeated) {first}"


@pytest.mark.parametrize("kind", ["dropped-after", "garbage-after"])
@pytest.mark.parametrize("times", [1, None])
@pytest.mark.usefixtures("reelay")
async def test_a_status_is_sent_again_and_again(
    telegram: Telegram, clock: HastyClock, kind: FaultKind, times: int | None
) -> None:
    """A status of which nobody knows whether it stands comes once more, marked, and no more."""
    telegram.faults.add("sendMessage", kind, times=times)
    ann = telegram.person("Ann")
    await ann.says("/video kite")
    await ann.chat.shows_video()
    await clock.until(clock.now() + LONG)
    first, second = _said(ann.chat)
    assert first.startswith("Task")
    assert second == f"(repeated) {first}"
    assert len(_videos(ann.chat)) == 1


# --- results -----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["dropped-after", "garbage-after"])
@pytest.mark.usefixtures("reelay")
async def test_a_result_whose_answer_was_lost_stands_there_twice_unmarked(
    telegram: Telegram, clock: HastyClock, kind: FaultKind
) -> None:
    """It is posted once more and says so; its status goes away."""
    telegram.faults.add("sendVideo", kind)
    ann = telegram.person("Ann")
    await ann.says("/video kite")
    await ann.chat.shows_video(times=2)
    await clock.until(clock.now() + LONG)
    first, second = _videos(ann.chat)
    assert ann.chat.from_bot == [first, second]
    assert second.text == f"(repeated) It may have been posted before.\n{first.text}"


@pytest.mark.usefixtures("reelay")
async def test_a_result_whose_answers_are_lost_is_posted_for_ever(
    telegram: Telegram, clock: HastyClock
) -> None:
    """After two sends into the dark it waits for its person, who is told how to get it."""
    telegram.faults.add("sendVideo", "dropped-after", times=2)
    ann = telegram.person("Ann")
    await ann.says("/video kite")
    told = await ann.chat.shows("Get it with /fetch")
    assert "It may have been posted already" in told.text
    await clock.until(clock.now() + LONG)
    assert len(_videos(ann.chat)) == 2
    await ann.presses(told, "Get it")
    await ann.chat.shows_video(times=3)
    await clock.until(clock.now() + LONG)
    assert len(_videos(ann.chat)) == 3


@pytest.mark.parametrize(
    ("kind", "marked"),
    [("500", False), ("502-html", False), ("503", False), ("504", True), ("dropped-before", True)],
)
@pytest.mark.usefixtures("reelay")
async def test_a_result_is_lost_with_a_server_at_fault(
    telegram: Telegram, clock: HastyClock, kind: FaultKind, *, marked: bool
) -> None:
    """It is posted later; as a repeat only where nobody knows whether it was."""
    telegram.faults.add("sendVideo", kind)
    ann = telegram.person("Ann")
    await ann.says("/video kite")
    await ann.chat.shows_video()
    await clock.until(clock.now() + LONG)
    (video,) = _videos(ann.chat)
    assert ann.chat.from_bot == [video]
    assert video.text.startswith("(repeated)") is marked


# --- waiting -----------------------------------------------------------------------------


@pytest.mark.usefixtures("reelay")
async def test_a_call_that_hangs_stops_all_others(telegram: Telegram, clock: HastyClock) -> None:
    """While one answer hangs, others are answered; what hung is said once more, marked."""
    ann, bob = telegram.person("Ann"), telegram.person("Bob")
    telegram.faults.add("sendMessage", "hanging-after", when=lambda it: it["chat_id"] == ann.id)
    await ann.says("/quota")
    await telegram.until(lambda: telegram.faults.hanging)
    await bob.says("/video kite")
    await bob.chat.shows_video()
    await clock.until(clock.now() + 30)
    assert len(_said(ann.chat)) == 1
    telegram.faults.release()
    await ann.chat.shows("(repeated)")


@pytest.mark.parametrize("method", ["sendMessage", "sendVideo"])
@pytest.mark.parametrize("seconds", [40, 400])
@pytest.mark.usefixtures("reelay")
async def test_a_flood_in_one_chat_silences_the_others(
    telegram: Telegram, clock: HastyClock, method: str, seconds: int
) -> None:
    """A chat that was told to wait waits as long as that, not much longer, and alone."""
    ann, bob = telegram.person("Ann"), telegram.person("Bob")
    telegram.faults.add(method, "429", retry_after=seconds, when=lambda it: it["chat_id"] == ann.id)
    await ann.says("/video kite")
    await telegram.until(lambda: telegram.faults.suffered)
    told = clock.now()
    await bob.says("/video boat")
    await bob.chat.shows_video()
    assert clock.now() - told < 30
    await ann.chat.shows_video()
    await ann.chat.until(lambda chat: len(chat.from_bot) == 1)
    first, *_ = [one for one in telegram.called("sendVideo", ann.chat) if one.time > told]
    assert seconds <= first.time - told < seconds * 1.2 + 5
    assert len(_videos(ann.chat)) == 1
    assert "repeated" not in _videos(ann.chat)[0].text


# --- changes -----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["dropped-after", "garbage-after", "500", "429"])
@pytest.mark.usefixtures("reelay")
async def test_a_change_that_was_made_already_spoils_the_draft(
    telegram: Telegram, clock: HastyClock, kind: FaultKind
) -> None:
    """An edit whose answer was lost is made again; that it changes nothing harms nobody."""
    ann = telegram.person("Ann")
    await ann.says("a red kite")
    draft = await ann.chat.shows("Price: 4 credits")
    telegram.faults.add("editMessageText", kind, retry_after=5)
    await ann.presses(draft, "4 s")
    await ann.chat.until(lambda _: telegram.faults.suffered)
    await clock.until(clock.now() + 60)
    await ann.presses(draft, "8 s")
    await ann.chat.shows("Price: 8 credits")
    await ann.presses(draft, "Start")
    await ann.chat.shows_video()
    await clock.until(clock.now() + LONG)
    assert len(_videos(ann.chat)) == 1
    assert len(ann.chat.from_bot) == 1


@pytest.mark.parametrize("kind", ["dropped-before", "dropped-after", "500", "429"])
@pytest.mark.usefixtures("reelay")
async def test_a_status_that_could_not_be_taken_away_stands_for_ever(
    telegram: Telegram, clock: HastyClock, kind: FaultKind
) -> None:
    """It is tried again later, and not again and again."""
    telegram.faults.add("deleteMessage", kind)
    ann = telegram.person("Ann")
    await ann.says("/video kite")
    video = await ann.chat.shows_video()
    await ann.chat.until(lambda chat: chat.from_bot == [video])
    await clock.until(clock.now() + LONG)
    assert len(telegram.called("deleteMessage")) == 2


@pytest.mark.parametrize("kind", ["dropped-before", "dropped-after", "garbage", "500", "429"])
@pytest.mark.usefixtures("reelay")
async def test_an_update_is_lost_with_the_answer_that_has_brought_it(
    telegram: Telegram, clock: HastyClock, kind: FaultKind
) -> None:
    """What a poll was to bring comes with the next one, and is dealt with once."""
    ann = telegram.person("Ann")
    await ann.says("/quota")
    await ann.chat.shows("You can spend")
    telegram.faults.add("getUpdates", kind, times=3)
    await ann.says("/video kite")
    await ann.chat.shows_video()
    await clock.until(clock.now() + LONG)
    assert len(_videos(ann.chat)) == 1
    assert len([one for one in _said(ann.chat) if one.startswith("Task")]) == 1
