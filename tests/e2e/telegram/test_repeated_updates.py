"""Telegram may deliver an update twice: whatever it was, it is answered once."""

from __future__ import annotations

import pytest

from tests.e2e.telegram.conftest import RunBot
from tests.fakes.telegram.api_caller import picture
from tests.fakes.telegram.fake import FakeTelegram
from tests.fakes.telegram.users import FakeUser

LINES = (
    "/start",
    "/help",
    "/models",
    "/tasks",
    "/settings duration 8",
    "/language en",
    "/privacy",
    "/forgetme",
    "/cancel zzzzzzzz",
    "/fetch zzzzzzzz",
    "/retry zzzzzzzz",
    "/remix zzzzzzzz at night",
    "/video --size nonsense a kite",
    "/video",
    "/vidoe a kite",
    "a plain text",
    "/admin",
    "/admin providers",
    "/admin grant telegram:5 5",
    "/admin ban telegram:5",
)


async def _say(ann: FakeUser, line: str) -> None:
    """Say it, and wait for an answer."""
    asked = await ann.says(line)
    await ann.chat.until(lambda chat: any(message.id > asked.id for message in chat.from_bot))


async def _repeat_everything(telegram: FakeTelegram, ann: FakeUser) -> None:
    """Deliver every update again: nothing is sent but the answer to one more command."""
    before = len(ann.chat.from_bot)
    for update in list(telegram.updates):
        telegram.redeliver_update(update)
    asked = await ann.says("/quota")
    await ann.chat.shows("You can spend", after=asked)
    assert len(ann.chat.from_bot) == before + 1


@pytest.fixture
def ann(telegram: FakeTelegram) -> FakeUser:
    """An admin, so that every command has an effect."""
    return telegram.user("Ann", id=7)


async def test_every_line_is_answered_once(
    telegram: FakeTelegram, run_bot: RunBot, ann: FakeUser
) -> None:
    """By this process and by the next one."""
    async with run_bot(ADMINS="telegram:7"):
        for line in LINES:
            await _say(ann, line)
        await _repeat_everything(telegram, ann)
    async with run_bot(ADMINS="telegram:7"):
        await _repeat_everything(telegram, ann)


async def test_video_is_made_and_posted_once(
    telegram: FakeTelegram, run_with_gateway: RunBot, ann: FakeUser
) -> None:
    async with run_with_gateway():
        await ann.says("/video a red kite")
        video = await ann.chat.shows_video()
        await ann.chat.until(lambda chat: chat.from_bot == [video])
        await _repeat_everything(telegram, ann)
        await ann.presses(video, "Again")
        await ann.chat.shows_video(times=2)
        await ann.chat.until(lambda chat: len(chat.from_bot) == 3)
        await _repeat_everything(telegram, ann)


async def test_photo_and_its_words_make_one_draft(
    telegram: FakeTelegram, run_bot: RunBot, ann: FakeUser
) -> None:
    async with run_bot(ADMINS="telegram:7"):
        await ann.sends_photo(picture(200, 300))
        draft = await ann.chat.shows("What should the video show?")
        await ann.says("it flies")
        await ann.chat.until(lambda _: "Price:" in draft.text)
        await _repeat_everything(telegram, ann)
        assert draft.text.startswith("it flies\n")
