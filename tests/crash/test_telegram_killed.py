"""The process dies while users wait in Telegram; the next one finishes everything."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.fakes.change_signal import PATIENCE_S
from tests.fakes.gateways.openai import KEY, FakeOpenAIGateway
from tests.fakes.telegram.api_caller import picture
from tests.fakes.telegram.chats import Chat
from tests.fakes.telegram.fake import TOKEN, FakeTelegram
from tests.fakes.telegram.messages import Message
from tests.fakes.telegram.users import FakeUser
from tests.support.bot_process import BotProcess

FOREVER = 3600.0
USERS = 15
"""Half of what Telegram takes in one second. The bot never sends more in a second, but on a busy
machine the fake server may read at once what was sent in two, and would refuse it. That the bot
keeps this limit among many users is tested in virtual time, by `tests/load/test_telegram_burst.py`.
"""


@pytest.fixture
async def telegram() -> AsyncIterator[FakeTelegram]:
    """The fake server; the test fails if it has recorded a violation."""
    async with FakeTelegram(flood=True) as telegram:
        yield telegram
    assert telegram.violations == []


@pytest.fixture
async def gateway() -> AsyncIterator[FakeOpenAIGateway]:
    """A gateway that finishes at once unless a test changes that."""
    async with FakeOpenAIGateway(cheap=True, render_seconds=0.1) as gateway:
        yield gateway
    assert gateway.violations == []


@pytest.fixture
def bot_process(
    telegram: FakeTelegram, gateway: FakeOpenAIGateway, tmp_path: Path
) -> Iterator[BotProcess]:
    """A process that is not yet started."""
    with BotProcess(
        tmp_path,
        TELEGRAM_BOT_TOKEN=TOKEN,
        TELEGRAM_API_URL=telegram.url,
        TELEGRAM_UPLOAD_MB="50",
        PROVIDERS__LOCAL__KIND="openai",
        PROVIDERS__LOCAL__API_KEY=KEY,
        PROVIDERS__LOCAL__BASE_URL=gateway.url,
        PROVIDERS__LOCAL__MAX_CONCURRENT="100",
    ) as process:
        yield process


class Asked(NamedTuple):
    """One who waits: their request and its status."""

    person: FakeUser
    request: Message
    status: Message


def _answers(request: Message) -> list[Message]:
    """All that the bot ever sent in reply to it."""
    sent = request.chat.events("sent")
    return [event.message for event in sent if event.message and event.message.reply_to is request]


def _videos(request: Message) -> list[Message]:
    return [answer for answer in _answers(request) if answer.video]


async def _requests(telegram: FakeTelegram) -> list[tuple[FakeUser, Message]]:
    """Fifteen people ask: five alone, four in two groups, six in the topics of two forums."""
    people = [telegram.user(f"Person {number}") for number in range(USERS)]
    asked = [(person, await person.says(f"/video kite {person.id}")) for person in people[:5]]
    for number in range(5, 9, 2):
        pair = people[number : number + 2]
        chat = telegram.supergroup(f"Group {number}", pair)
        asked += [
            (person, await person.says(f"/video kite {person.id}", chat=chat)) for person in pair
        ]
    for number in range(9, USERS, 3):
        three = people[number : number + 3]
        forum = telegram.supergroup(f"Forum {number}", three, forum=True)
        topics = [forum.general, await forum.topic("Kites"), await forum.topic("Boats")]
        for topic, one in zip(topics, three, strict=True):
            asked.append((one, await one.says(f"/video kite {one.id}", topic=topic)))
    return asked


async def _announced(
    telegram: FakeTelegram, requests: list[tuple[FakeUser, Message]]
) -> list[Asked]:
    await telegram.until(lambda: all(_answers(one) for _, one in requests))
    return [Asked(person, one, _answers(one)[0]) for person, one in requests]


async def _noted(telegram: FakeTelegram) -> None:
    """All that was sent until now is written down: somebody's later question is answered."""
    late = telegram.user("Late")
    await late.says("/quota")
    await late.chat.until(lambda chat: chat.from_bot)


async def _made(telegram: FakeTelegram, gateway: FakeOpenAIGateway, count: int) -> None:
    """Wait until this many videos are in progress and stored as such."""
    async with asyncio.timeout(PATIENCE_S):
        while gateway.creates.total() < count:
            await _noted(telegram)
    await _noted(telegram)


def _is_finished(one: Asked) -> bool:
    return len(_videos(one.request)) == 1 and one.status.deleted


async def test_fifteen_users_get_one_video_each_after_a_crash(
    telegram: FakeTelegram, gateway: FakeOpenAIGateway, bot_process: BotProcess
) -> None:
    """In the chat of the request; no status is sent twice or left standing."""
    bot_process.start()
    again, draft = await _made_before(telegram)
    gateway.render_seconds = FOREVER
    asked = await _announced(telegram, await _requests(telegram))
    await _made(telegram, gateway, USERS + 1)
    bot_process.kill()
    press = await asked[0].person.presses(asked[0].status, "Cancel")
    bot_process.start()
    assert "cannot stop it. It costs 4 credits" in (await press.answer).text
    gateway.render_seconds = 0.1
    await telegram.until(lambda: all(_is_finished(request) for request in asked))
    for request in asked:
        (video,) = _videos(request.request)
        assert video.topic is request.request.topic
        assert "repeated" not in video.text
        assert _answers(request.request) == [request.status, video]
    await _buttons_work(again, draft)
    assert set(gateway.creates.values()) == {1, 2}
    assert telegram.throttled == []


async def _made_before(
    telegram: FakeTelegram,
) -> tuple[tuple[FakeUser, Message], tuple[FakeUser, Message]]:
    """A finished video, and a draft, with their owners."""
    ann, bob = telegram.user("Ann"), telegram.user("Bob")
    await ann.says("/video a red kite")
    video = await ann.chat.shows_video()
    await ann.chat.until(lambda chat: chat.from_bot == [video])
    await bob.says("a blue kite")
    return (ann, video), (bob, await bob.chat.shows("a blue kite"))


async def _buttons_work(again: tuple[FakeUser, Message], draft: tuple[FakeUser, Message]) -> None:
    """The buttons of both do after the crash what they say."""
    ann, video = again
    await ann.presses(video, "Again")
    await ann.chat.shows_video(times=2)
    bob, card = draft
    await bob.presses(card, "Start")
    await bob.chat.shows_video()


async def test_confirmed_updates_are_handled_in_order_after_a_crash(
    telegram: FakeTelegram, bot_process: BotProcess
) -> None:
    """Updates that were confirmed and not handled are handled by the next process, in order."""
    people = [telegram.user(f"Person {number}") for number in range(5)]
    stopped = telegram.faults.add("sendMessage", "hanging", times=None)
    telegram.faults.add("getFile", "hanging", times=None)
    bot_process.start()
    for person in people:
        await person.says("/start")
        await person.says("/quota")
        await person.sends_photo(picture(), "/video a kite")
    photographer = telegram.user("Photographer")
    request = await photographer.sends_photo(picture(), "/video a boat")
    await telegram.until(lambda: telegram.pending == 0 and telegram.faults.hanging >= 6)
    bot_process.kill()
    stopped.left = 0
    telegram.faults.clear()
    bot_process.start()
    await photographer.chat.shows_video()
    assert len(_videos(request)) == 1
    for person in people:
        await person.chat.shows_video()
        greeting, quota, *made = [
            event.message for event in person.chat.events("sent") if event.message
        ]
        assert "/help" in greeting.text
        assert "credits" in quota.text
        assert len([message for message in made if message.video]) == 1


@pytest.mark.parametrize("kind", ["private", "group"])
async def test_send_interrupted_by_a_crash_is_repeated_and_marked(
    telegram: FakeTelegram, gateway: FakeOpenAIGateway, bot_process: BotProcess, kind: str
) -> None:
    """A status and a result whose send was not recorded come once more, marked."""
    ann = telegram.user("Ann")
    chat: Chat = ann.chat if kind == "private" else telegram.supergroup("Kites", [ann])
    gateway.render_seconds = FOREVER
    telegram.faults.add("sendMessage", "held-after")
    bot_process.start()
    request = await ann.says("/video a red kite", chat=chat)
    await chat.until(lambda _: _answers(request))
    await _made(telegram, gateway, 1)
    bot_process.kill()
    telegram.faults.add("sendVideo", "held-after")
    bot_process.start()
    await chat.until(lambda _: len(_answers(request)) == 2)
    await _noted(telegram)
    gateway.render_seconds = 0.1
    await chat.until(lambda _: _videos(request))
    bot_process.kill()
    bot_process.start()
    await chat.until(lambda _: len(_videos(request)) == 2)
    first, second = _videos(request)
    assert "repeated" not in first.text
    assert second.text.startswith("(repeated)")
    unnoted, status = [answer for answer in _answers(request) if not answer.video]
    said = [event.text for event in chat.events("sent") if event.message is status]
    assert said[0].startswith("(repeated)")
    await chat.until(lambda _: status.deleted)
    assert not unnoted.deleted
    assert gateway.creates.total() == 1
    await _noted(telegram)
    assert len(_videos(request)) == 2
