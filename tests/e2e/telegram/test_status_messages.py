"""The status of a task: one message, in place, correct, rate-limited, removed at the end."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from itertools import pairwise
from pathlib import Path

import pytest

from bot.app import Components
from bot.frontends.telegram import Telegram as FrontEnd
from bot.frontends.telegram.rate_limiter import RateLimits
from tests.e2e.telegram.conftest import RunBot
from tests.fakes.gateways.openai import KEY, FakeOpenAIGateway
from tests.fakes.telegram.chats import Chat
from tests.fakes.telegram.fake import TOKEN, FakeTelegram
from tests.fakes.telegram.messages import Message
from tests.fakes.telegram.users import FakeUser
from tests.support.bot_in_process import running_bot, settings

ENDLESS = 1e9


@pytest.fixture
async def gateway() -> AsyncIterator[FakeOpenAIGateway]:
    """A gateway that finishes at once unless a test changes that."""
    async with FakeOpenAIGateway(cheap=True, render_seconds=0.1) as gateway:
        yield gateway
    assert gateway.violations == []


def served_by(gateway: FakeOpenAIGateway, **more: str) -> dict[str, str]:
    """The settings of a bot whose videos are made there."""
    kept = {"KIND": "openai", "API_KEY": KEY, "BASE_URL": gateway.url, **more}
    return {f"PROVIDERS__LOCAL__{name}": value for name, value in kept.items()}


async def _quota(person: FakeUser) -> str:
    """What somebody can spend; all that they did before is dealt with."""
    asked = await person.says("/quota")
    return (await person.chat.shows("You can spend", after=asked)).text.partition(":")[0]


async def _status(request: Message) -> Message:
    """The first answer to a request, whatever it says by now."""

    def look(chat: Chat) -> Message | None:
        return next((message for message in chat.from_bot if message.reply_to is request), None)

    found = await request.chat.until(look)
    assert found is not None
    return found


# --- what it says ------------------------------------------------------------------------


async def test_status_shows_position_eta_and_progress_then_vanishes(
    telegram: FakeTelegram, run_bot: RunBot, gateway: FakeOpenAIGateway
) -> None:
    """The ETA once durations were measured."""
    ann, ben, cleo = (telegram.user(name) for name in ("Ann", "Ben", "Cleo"))
    async with run_bot(**served_by(gateway, MAX_CONCURRENT="1")):
        await ann.says("/video a kite")
        await ann.chat.shows_video()
        gateway.render_seconds = ENDLESS
        await ann.says("/video a boat")
        running = await ann.chat.shows("It should be ready in about")
        await ann.chat.until(lambda _: gateway.creates["a boat"])
        asked = [await person.says("/video a fish") for person in (ben, cleo)]
        first = await ben.chat.shows("Task")
        second = await cleo.chat.shows("One task is ahead of it.")
        assert "ahead" not in first.text
        assert [first.reply_to, second.reply_to] == asked
        gateway.render_seconds = 2.0
        await ann.chat.until(lambda _: "being made" in running.text and "%" in running.text)
        await ann.chat.shows_video(times=2)
        await ann.chat.until(lambda _: running.deleted)
        for one, status in ((ben, first), (cleo, second)):
            gateway.render_seconds = 0.1
            video = await one.chat.shows_video()
            await one.chat.until(lambda chat, video=video: chat.from_bot == [video])  # type: ignore[misc]
            assert status.deleted
    for one in (ann, ben, cleo):
        assert "(repeated)" not in telegram.event_log(one.chat)
        texts = [event.text for event in one.chat.events("sent") if event.text.startswith("Task ")]
        assert len(texts) == (2 if one is ann else 1)


async def test_edited_message_in_a_group_starts_no_second_task(
    telegram: FakeTelegram, run_bot: RunBot, gateway: FakeOpenAIGateway
) -> None:
    """Nor does an edited mention: edits are not requested from Telegram."""
    ann = telegram.user("Ann")
    group = telegram.supergroup("Friends", [ann])
    async with run_bot(**served_by(gateway)):
        asked = await ann.says("/video a kite", chat=group)
        await _status(asked)
        await ann.edits(asked, "/video a boat")
        video = await group.shows_video()
        await group.until(lambda chat: chat.from_bot == [video])
        await ann.edits(asked, "/video a fish")
        await ann.says("/tasks", chat=group)
        tasks = await group.shows("Your newest tasks:")
    assert len(tasks.text.splitlines()) == 2
    assert telegram.world.updates.allowed == {"message", "callback_query", "my_chat_member"}


# --- how often ---------------------------------------------------------------------------


UNHURRIED = RateLimits(
    overall=1000,
    private_every=0.01,
    group_most=1000,
    edit_every_group=0.8,
    edit_every_private=0.4,
    group_reserve=0,
    overall_reserve=0,
)
"""Two paces that can be told apart, and that a test can wait for."""
MARGIN = 0.05
Reelay = AbstractAsyncContextManager[Components]


def _with_pace(telegram: FakeTelegram, folder: Path, rules: RateLimits, **environ: str) -> Reelay:
    own = settings(
        folder,
        TELEGRAM_BOT_TOKEN=TOKEN,
        TELEGRAM_API_URL=telegram.url,
        TELEGRAM_UPLOAD_MB="50",
        **environ,
    )
    return running_bot(own, [FrontEnd(own, rules=rules)])


def _gaps(telegram: FakeTelegram, chat: Chat) -> list[float]:
    """Seconds between two edits in a chat."""
    times = [call.time for call in telegram.calls_to("editMessageText", chat)]
    return [later - earlier for earlier, later in pairwise(times)]


async def test_status_edits_keep_their_interval(
    telegram: FakeTelegram, gateway: FakeOpenAIGateway, tmp_path: Path
) -> None:
    """Those of a group together; each one changes the text."""
    ann, ben = telegram.user("Ann"), telegram.user("Ben")
    group = telegram.supergroup("Friends", [ann, ben])
    gateway.render_seconds = 3.5
    async with _with_pace(telegram, tmp_path, UNHURRIED, **served_by(gateway)):
        for person in (ann, ben):
            await person.says("/video a kite", chat=group)
        await ann.says("/video a boat")
        await ann.chat.shows_video()
        await group.shows_video(times=2)
    shared, own = _gaps(telegram, group), _gaps(telegram, ann.chat)
    assert len(shared) >= 2
    assert len(own) >= 3
    assert min(shared) >= UNHURRIED.edit_every_group - MARGIN
    assert min(own) >= UNHURRIED.edit_every_private - MARGIN
    for chat in (group, ann.chat):
        said = [(event.message, event.text) for event in chat.events("edited")]
        assert len(said) == len(set(said))
    assert {event.message for event in group.events("edited")} == {
        event.message for event in group.events("deleted")
    }


async def test_retry_after_delays_only_its_chat(
    telegram: FakeTelegram, run_bot: RunBot, gateway: FakeOpenAIGateway
) -> None:
    """For the requested time; its video is posted afterwards."""
    ann, ben = telegram.user("Ann"), telegram.user("Ben")
    told = telegram.faults.add(
        "editMessageText", "429", retry_after=2, when=lambda given: given["chat_id"] == ann.id
    )
    gateway.render_seconds = 1.0
    async with run_bot(**served_by(gateway)):
        await ann.says("/video a kite")
        await telegram.until(lambda: told.left == 0)
        await ben.says("/video a boat")
        await ben.chat.shows_video()
        assert not any(message.video for message in ann.chat.from_bot)
        video = await ann.chat.shows_video()
        await ann.chat.until(lambda chat: chat.from_bot == [video])


# --- cancelling --------------------------------------------------------------------------


async def test_queued_task_is_cancelled_without_charge(
    telegram: FakeTelegram, run_bot: RunBot, gateway: FakeOpenAIGateway
) -> None:
    """At once."""
    ann = telegram.user("Ann")
    gateway.render_seconds = ENDLESS
    async with run_bot(**served_by(gateway, MAX_CONCURRENT="1")):
        await ann.says("/video a kite")
        await ann.chat.until(lambda _: gateway.creates["a kite"])
        status = await _status(await ann.says("/video a boat"))
        assert await _quota(ann) == "You can spend 52 credits"
        answer = await (await ann.presses(status, "Cancel")).answer
        assert "is cancelled. You got 4 credits back." in answer.text
        await ann.chat.until(lambda _: "is cancelled. You got 4 credits back." in status.text)
        assert status.labels == []
        assert await _quota(ann) == "You can spend 56 credits"
    assert gateway.creates["a boat"] == 0


async def test_cancel_is_refused_where_the_gateway_cannot(
    telegram: FakeTelegram, run_bot: RunBot, gateway: FakeOpenAIGateway
) -> None:
    """The press is told what it costs, and the video comes."""
    ann = telegram.user("Ann")
    gateway.render_seconds = ENDLESS
    async with run_bot(**served_by(gateway)):
        await ann.says("/video a kite")
        status = await ann.chat.shows("being made")
        answer = await (await ann.presses(status, "Cancel")).answer
        assert "cannot stop it. It costs 4 credits, and you will get the video" in answer.text
        assert status.labels == ["Cancel"]
        gateway.render_seconds = 0.1
        await ann.chat.shows_video()
        assert await _quota(ann) == "You can spend 56 credits"


async def test_requested_cancel_is_announced_with_its_outcome(
    telegram: FakeTelegram, run_bot: RunBot
) -> None:
    """Where the gateway can cancel, the press says what may happen, then what did."""
    ann = telegram.user("Ann")
    async with run_bot():
        await ann.says("/video a [stuck] kite")
        status = await ann.chat.shows("being made")
        answer = await (await ann.presses(status, "Cancel")).answer
        assert "was asked to stop" in answer.text
        assert "If it does, you get 4 credits back" in answer.text
        await ann.chat.until(lambda _: "is cancelled. You got 4 credits back." in status.text)
        assert status.labels == []
        assert await _quota(ann) == "You can spend 60 credits"
    assert len(ann.chat.from_bot) == 2


async def test_cancel_during_delivery_is_charged(
    telegram: FakeTelegram, run_bot: RunBot, gateway: FakeOpenAIGateway
) -> None:
    """The video is on its way."""
    ann = telegram.user("Ann")
    held = telegram.faults.add("sendVideo", "held")
    async with run_bot(**served_by(gateway)):
        status = await _status(await ann.says("/video a kite"))
        await telegram.until(lambda: held.left == 0)
        answer = await (await ann.presses(status, "Cancel")).answer
        assert "is already made and on its way to you. It costs 4 credits." in answer.text
        telegram.faults.release()
        await ann.chat.shows_video()
        assert await _quota(ann) == "You can spend 56 credits"


# --- the end -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("word", "why"),
    [
        ("fail", "The gateway failed while making it."),
        ("moderated", "The gateway's rules do not allow this prompt or picture."),
    ],
)
async def test_failure_is_told_with_its_reason(
    telegram: FakeTelegram, run_bot: RunBot, word: str, why: str
) -> None:
    """Below the request: why, that the credits came back, and a button; no status remains."""
    ann = telegram.user("Ann")
    group = telegram.supergroup("Friends", [ann])
    async with run_bot():
        asked = await ann.says(f"/video a [{word}] kite", chat=group)
        note = await group.shows("made no video.")
        await group.until(lambda chat: chat.from_bot == [note])
        assert note.reply_to is asked
        assert why in note.text
        assert "You got 4 credits back." in note.text
        assert note.labels == ["Try again"]
        await ann.presses(note, "Try again")
        second = await group.shows("made no video.", times=2)
        assert second.reply_to is note
        await ann.says("/quota", chat=group)
        await group.shows("You can spend 60 credits")


@pytest.mark.parametrize("outcome", ["done", "failed"])
async def test_status_of_a_quick_task_is_removed(
    telegram: FakeTelegram, run_bot: RunBot, gateway: FakeOpenAIGateway, outcome: str
) -> None:
    """The task ends before Telegram has answered the send of its status."""
    ann = telegram.user("Ann")
    held = telegram.faults.add("sendMessage", "held-after")
    async with run_bot(**served_by(gateway)):
        await ann.says("/video a kite" if outcome == "done" else "/video a kite !failed")
        await ann.chat.until(lambda chat: _at_an_end(chat.from_bot))
        assert held.left == 0
        status = ann.chat.from_bot[0]
        assert status.text.startswith("Task ")
        telegram.faults.release()
        await ann.chat.until(lambda _: status.deleted)
    assert len(ann.chat.from_bot) == 1


def _at_an_end(messages: list[Message]) -> bool:
    return any(message.video or "made no video" in message.text for message in messages)


async def test_unclear_status_is_repeated_once_and_marked(
    telegram: FakeTelegram, run_bot: RunBot
) -> None:
    """The second is removed with the video, and no third comes."""
    ann = telegram.user("Ann")
    telegram.faults.add("sendMessage", "dropped-after")
    async with run_bot():
        await ann.says("/video a [stuck] kite")
        status = await ann.chat.shows("(repeated) Task ")
        first, second = ann.chat.from_bot
        assert second is status
        assert first.text.startswith("Task ")
        await ann.presses(first, "Cancel")
        await ann.chat.until(lambda _: "is cancelled" in status.text)
    assert len(ann.chat.from_bot) == 2


async def test_failed_or_deleted_status_does_not_stop_the_video(
    telegram: FakeTelegram, run_bot: RunBot, gateway: FakeOpenAIGateway
) -> None:
    """Neither a failing edit nor a user who deletes the status."""
    ann, ben = telegram.user("Ann"), telegram.user("Ben")
    telegram.faults.add("editMessageText", "500", times=None)
    async with run_bot(**served_by(gateway)):
        await ann.says("/video a kite")
        await ben.deletes(await _status(await ben.says("/video a boat")))
        for person in (ann, ben):
            video = await person.chat.shows_video()
            await person.chat.until(lambda chat, video=video: chat.from_bot == [video])  # type: ignore[misc]
