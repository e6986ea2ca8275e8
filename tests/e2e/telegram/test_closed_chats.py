"""Chats that no longer accept a result: it goes where it can, and is never lost."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path

import pytest

from bot.app import Components
from tests.fakes.gateways.openai import FakeOpenAIGateway
from tests.fakes.telegram.chats import Chat, Topic
from tests.fakes.telegram.fake import FakeTelegram
from tests.fakes.telegram.messages import Message
from tests.fakes.telegram.users import FakeUser
from tests.support.virtual_time import VirtualClock, running_bot

Reelay = Callable[[], AbstractAsyncContextManager[Components]]
LONG = 150.0
"""Seconds after which nothing more comes of anything here."""
IN_PRIVATE = "I could not post it where you asked for it."
CLOSED = "The chat does not let the bot write."
GONE = "The chat is gone."


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
async def gateway(clock: VirtualClock) -> AsyncIterator[FakeOpenAIGateway]:
    """A gateway that needs ten seconds."""
    async with FakeOpenAIGateway(cheap=True, render_seconds=10, now=clock.now) as gateway:
        yield gateway
    assert gateway.violations == []


@pytest.fixture
def bot(
    telegram: FakeTelegram, gateway: FakeOpenAIGateway, clock: VirtualClock, tmp_path: Path
) -> Reelay:
    """Reelay at work there, again and again."""
    return partial(running_bot, clock, telegram, gateway, tmp_path)


def _videos(chat: Chat) -> list[Message]:
    """All videos that the bot ever sent there."""
    found = [event.message for event in chat.events("sent") if event.message]
    return [message for message in found if message.video]


async def _waiting(person: FakeUser, chat: Chat, topic: Topic | None = None) -> str:
    """The task of somebody who waits for a video there."""
    asked = await person.says("/video kite", chat=chat, topic=topic)
    status = await chat.shows("Task", after=asked)
    return status.text.split()[1].rstrip(":")


# --- one person's chat -------------------------------------------------------------------


async def test_blocked_bot_keeps_the_result_until_it_may_write(
    telegram: FakeTelegram, clock: VirtualClock, bot: Reelay
) -> None:
    """One try; when the user unblocks the bot, the reason and the video come."""
    ann = telegram.user("Ann")
    async with bot():
        task = await _waiting(ann, ann.chat)
        await ann.blocks()
        await clock.sleep_until(clock.now() + LONG)
        assert len(telegram.calls_to("sendVideo")) == 1
        await ann.unblocks()
        asked = await ann.says("/tasks")
        told = await ann.chat.shows(task, after=asked)
        assert f"{task}: made but not delivered. {CLOSED}" in told.text
        await ann.says(f"/fetch {task}")
        await ann.chat.shows_video()
        await clock.sleep_until(clock.now() + LONG)
    (video,) = _videos(ann.chat)
    assert "repeated" not in video.text


async def test_deleted_account_is_not_written_to_again(
    telegram: FakeTelegram, clock: VirtualClock, bot: Reelay
) -> None:
    """A user who has left Telegram."""
    ann = telegram.user("Ann")
    async with bot():
        await _waiting(ann, ann.chat)
        await ann.leaves_telegram()
        await clock.sleep_until(clock.now() + 4 * LONG)
    assert len(telegram.calls_to("sendVideo")) == 1
    assert len([call for call in telegram.calls if call.method == "sendMessage"]) <= 2


# --- groups ------------------------------------------------------------------------------


async def _kicked(chat: Chat, topic: Topic) -> None:
    del topic
    await chat.kicks_bot()


async def _vanished(chat: Chat, topic: Topic) -> None:
    del topic
    await chat.vanishes()


async def _topic_closed(chat: Chat, topic: Topic) -> None:
    del chat
    await topic.close()


async def _topic_removed(chat: Chat, topic: Topic) -> None:
    del chat
    await topic.remove()


async def _silenced(chat: Chat, topic: Topic) -> None:
    del topic
    chat.forbidden |= {"video", "text"}


async def _no_videos(chat: Chat, topic: Topic) -> None:
    del topic
    chat.forbidden.add("video")


ENDS = pytest.mark.parametrize(
    ("ends", "reason"),
    [
        (_kicked, GONE),
        (_vanished, GONE),
        (_topic_closed, CLOSED),
        (_topic_removed, GONE),
        (_silenced, CLOSED),
        (_no_videos, CLOSED),
    ],
)


async def test_private_copy_of_an_unclear_result_is_marked(
    telegram: FakeTelegram, clock: VirtualClock, bot: Reelay
) -> None:
    """The group may have the video already, although Telegram's answer was lost."""
    ann = telegram.user("Ann", started=True)
    group = telegram.supergroup("Friends", [ann])
    telegram.faults.add("sendVideo", "dropped-after")
    async with bot():
        await _waiting(ann, group)
        await group.shows_video()
        await group.kicks_bot()
        video = await ann.chat.shows_video()
        await clock.sleep_until(clock.now() + LONG)
    assert video.text.startswith("(repeated) It may have been posted before.")
    assert IN_PRIVATE in video.text
    assert len(_videos(group)) == 1


@ENDS
async def test_result_of_a_lost_group_is_sent_in_private(
    telegram: FakeTelegram,
    clock: VirtualClock,
    bot: Reelay,
    ends: Callable[..., Awaitable[None]],
    reason: str,
) -> None:
    """To a user who has started the bot, with the reason."""
    del reason
    ann = telegram.user("Ann", started=True)
    group = telegram.supergroup("Friends", [ann], forum=True)
    topic = await group.topic("Kites")
    async with bot():
        task = await _waiting(ann, group, topic)
        await ends(group, topic)
        video = await ann.chat.shows_video()
        assert task in video.text
        assert IN_PRIVATE in video.text
        await ann.presses(video, "Again")
        await ann.chat.shows_video(times=2)
        await clock.sleep_until(clock.now() + LONG)
    first, again = _videos(ann.chat)
    assert ann.chat.from_bot == [first, again]
    assert IN_PRIVATE not in again.text
    assert not _videos(group)


@ENDS
async def test_result_for_a_stranger_waits_for_the_first_contact(
    telegram: FakeTelegram,
    clock: VirtualClock,
    bot: Reelay,
    ends: Callable[..., Awaitable[None]],
    reason: str,
) -> None:
    """A user without a private chat gets video and reason when it begins."""
    ann = telegram.user("Ann")
    group = telegram.supergroup("Friends", [ann], forum=True)
    topic = await group.topic("Kites")
    async with bot():
        task = await _waiting(ann, group, topic)
        await ends(group, topic)
        await clock.sleep_until(clock.now() + LONG)
        assert not _videos(group)
        assert not ann.chat.from_bot
        assert len(telegram.calls_to("sendVideo")) == 2
    async with bot():
        await ann.says("/tasks")
        told = await ann.chat.shows(task)
        assert f"{task}: made but not delivered. {reason}" in told.text
        await ann.says(f"/fetch {task}")
        await ann.chat.shows_video()
        await clock.sleep_until(clock.now() + LONG)
    assert len(_videos(ann.chat)) == 1
    assert not _videos(group)


async def test_failure_of_a_lost_group_is_told_in_private(
    telegram: FakeTelegram, clock: VirtualClock, bot: Reelay
) -> None:
    """That there will be no video, and that nothing was charged."""
    ann = telegram.user("Ann", started=True)
    group = telegram.supergroup("Friends", [ann])
    async with bot():
        asked = await ann.says("/video kite !failed", chat=group)
        await group.shows("Task", after=asked)
        await group.kicks_bot()
        await ann.chat.shows("made no video")
        await clock.sleep_until(clock.now() + LONG)
    assert len(ann.chat.from_bot) == 1


async def test_fetch_delivers_into_a_reopened_topic(
    telegram: FakeTelegram, clock: VirtualClock, bot: Reelay
) -> None:
    """In reply to the /fetch."""
    ann = telegram.user("Ann")
    group = telegram.supergroup("Friends", [ann], forum=True)
    topic = await group.topic("Kites")
    async with bot():
        task = await _waiting(ann, group, topic)
        await topic.close()
        await clock.sleep_until(clock.now() + LONG)
        await topic.reopen()
        asked = await ann.says(f"/fetch {task}", topic=topic)
        video = await group.shows_video()
        await clock.sleep_until(clock.now() + LONG)
    assert (video.reply_to, video.topic) == (asked, topic)
    assert len(_videos(group)) == 1


# --- upgraded groups ---------------------------------------------------------------------


@pytest.mark.parametrize("heard", [True, False])
async def test_result_follows_an_upgraded_group(
    telegram: FakeTelegram, clock: VirtualClock, bot: Reelay, *, heard: bool
) -> None:
    """Although the bot got no update about it."""
    ann = telegram.user("Ann", started=True)
    group = telegram.group("Friends", [ann])
    async with bot():
        task = await _waiting(ann, group)
        if not heard:
            telegram.faults.add("getUpdates", "500", times=None)
        new = await group.upgrades()
        video = await new.shows_video()
        assert task in video.text
        telegram.faults.clear()
        await ann.presses(video, "Again")
        await new.shows_video(times=2)
        await clock.sleep_until(clock.now() + LONG)
    assert len(_videos(new)) == 2
    assert not _videos(group)
    assert not ann.chat.from_bot
    assert len([message for message in new.from_bot if not message.video]) == 0


async def test_upgraded_group_is_remembered_after_a_restart(
    telegram: FakeTelegram, clock: VirtualClock, bot: Reelay
) -> None:
    """Deliveries to the old group go to the new one in the next process too."""
    ann = telegram.user("Ann")
    group = telegram.group("Friends", [ann])
    async with bot():
        await _waiting(ann, group)
        await group.upgrades()
        await telegram.until(lambda: not telegram.pending)
    new = group.upgraded_to
    assert new is not None
    async with bot():
        await new.shows_video()
        await clock.sleep_until(clock.now() + LONG)
    assert len(_videos(new)) == 1
    assert not telegram.calls_to("sendVideo", group)
