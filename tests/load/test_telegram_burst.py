"""A burst of messages in Telegram: everybody is answered, and no limit is ever broken."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import select

from bot.domain.tasks import State
from bot.store import schema
from bot.store.database import Database
from tests.fakes.gateways.openai import FakeOpenAIGateway
from tests.fakes.telegram.chats import Chat
from tests.fakes.telegram.fake import FakeTelegram
from tests.fakes.telegram.messages import Message
from tests.fakes.telegram.users import FakeUser
from tests.support.virtual_time import VirtualClock, running_bot

pytestmark = pytest.mark.timeout(1200)

SIZES = (2, 6, 10, 12, 20)
"""Of groups: in the first two no limit of their own is ever reached."""
AT_ONCE = 10
EVERY = 0.1
"""100 messages a second."""
ALL = 400.0
"""Seconds in which all must be over: three messages for each of twenty people, at 20 a minute,
would be 180."""
UNBOUND = 30.0
"""Seconds in which the limit of all chats together lets every result go, before all else."""


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


def _crowd(telegram: FakeTelegram, groups: int) -> list[tuple[FakeUser, Chat]]:
    """Ten people to a group on average."""
    crowd: list[tuple[FakeUser, Chat]] = []
    for number in range(groups):
        size = SIZES[number % len(SIZES)]
        people = [telegram.user(f"Person {len(crowd) + one}") for one in range(size)]
        chat = telegram.supergroup(f"Group {number}", people)
        crowd += [(person, chat) for person in people]
    return crowd


async def _asked(
    crowd: list[tuple[FakeUser, Chat]], clock: VirtualClock
) -> tuple[list[Message], list[Message]]:
    """Everybody wants a video, and then to know what that has cost."""
    began, asked = clock.now(), []
    for number, (person, chat) in enumerate(crowd * 2):
        if number % AT_ONCE == 0:
            await clock.sleep_until(began + number / AT_ONCE * EVERY)
        words = f"/video kite {number}" if number < len(crowd) else "/quota"
        asked.append(await person.says(words, chat=chat))
    return asked[: len(crowd)], asked[len(crowd) :]


def _answers(request: Message) -> list[Message]:
    """What stands there in reply to it."""
    return [message for message in request.chat.from_bot if message.reply_to is request]


def _is_made(request: Message) -> bool:
    """Whether the video, and nothing else, stands there in reply to it."""
    found = _answers(request)
    return len(found) == 1 and found[0].video is not None


async def _ready(database: Database) -> dict[str, float]:
    """Task -> since when its result has waited."""
    events = schema.events.c
    query = select(events.task, events.at).where(events.to_state == State.DELIVERING)
    rows = await database.read(lambda tx: list(tx.execute(query)))
    return {row[0]: row[1] for row in rows}


def _waits(chat: Chat, ready: dict[str, float]) -> list[tuple[float, float]]:
    """From when until when each result of a chat has waited."""
    sent = (event for event in chat.events("sent") if event.message and event.message.video)
    return [(ready[message.text.split()[-1]], message.time) for message in sent]


@pytest.mark.parametrize("groups", [10, pytest.param(50, marks=pytest.mark.long)])
async def test_burst_of_messages_is_answered_within_the_limits(
    telegram: FakeTelegram, clock: VirtualClock, tmp_path: Path, groups: int
) -> None:
    """All write twice, a hundred messages a second: all are answered, results go first.

    No edit of a chat overtakes a result that waits there, and where a group is full, only its own
    people wait.
    """
    crowd = _crowd(telegram, groups)
    async with FakeOpenAIGateway(cheap=True, render_seconds=20, now=clock.now) as gateway:
        async with running_bot(clock, telegram, gateway, tmp_path) as parts:
            wishes, questions = await _asked(crowd, clock)
            end = clock.now() + ALL
            while not (all(map(_is_made, wishes)) and all(map(_answers, questions))):
                assert clock.now() < end
                await clock.sleep_until(clock.now() + 5)
            ready = await _ready(parts.database)
        assert gateway.violations == []
    for question in questions:
        (answer,) = _answers(question)
        assert "You can spend" in answer.text
    assert sum(telegram.uploads.values()) == len(ready) == len(crowd) == 10 * groups
    for chat in {chat for _, chat in crowd}:
        edits = [event.time for event in chat.events("edited")]
        waits = _waits(chat, ready)
        assert not [edit for edit in edits if any(since < edit < sent for since, sent in waits)]
        if len(chat.members) <= SIZES[1]:
            assert max(sent - since for since, sent in waits) < UNBOUND
