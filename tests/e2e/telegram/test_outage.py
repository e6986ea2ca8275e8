"""Telegram is away for two minutes of virtual time."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest

from bot.app import Components
from tests.fakes.gateways.openai import FakeOpenAIGateway
from tests.fakes.telegram.fake import FakeTelegram
from tests.fakes.telegram.faults import Outage
from tests.fakes.telegram.messages import Message
from tests.support.virtual_time import VirtualClock, running_bot

WAITING = 30
OUTAGE = 120.0
LATE = 130.0
"""Seconds after which all must be over once Telegram is back: the longest wait between two tries,
and the pace."""
ANY_OUTAGE = pytest.mark.parametrize("kind", ["refused", "502", "dropped"])


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
    """A gateway that needs half a minute."""
    async with FakeOpenAIGateway(cheap=True, render_seconds=30, now=clock.now) as gateway:
        yield gateway
    assert gateway.violations == []


@pytest.fixture
def bot(
    telegram: FakeTelegram, gateway: FakeOpenAIGateway, clock: VirtualClock, tmp_path: Path
) -> AbstractAsyncContextManager[Components]:
    """Reelay, running against the fake server."""
    return running_bot(clock, telegram, gateway, tmp_path)


def _videos(request: Message) -> list[Message]:
    """All that were ever sent in reply to it."""
    sent = (event.message for event in request.chat.events("sent"))
    return [
        message for message in sent if message and message.video and message.reply_to is request
    ]


@ANY_OUTAGE
async def test_results_waiting_in_an_outage_are_posted_once(
    telegram: FakeTelegram,
    clock: VirtualClock,
    bot: AbstractAsyncContextManager[Components],
    kind: Outage,
) -> None:
    """Thirty results that wait when Telegram comes back."""
    people = [telegram.user(f"Person {number}") for number in range(WAITING)]
    async with bot:
        requests = [await person.says(f"/video kite {person.id}") for person in people]
        await telegram.until(lambda: all(person.chat.from_bot for person in people))
        await telegram.outage(kind)
        await clock.sleep_until(clock.now() + OUTAGE)
        assert not any(_videos(one) for one in requests)
        await telegram.recovered()
        await clock.sleep_until(clock.now() + LATE)
    for request in requests:
        (video,) = _videos(request)
        assert request.chat.from_bot == [video]
        assert kind == "dropped" or "repeated" not in video.text


@ANY_OUTAGE
async def test_messages_sent_in_an_outage_are_answered_once(
    telegram: FakeTelegram,
    clock: VirtualClock,
    bot: AbstractAsyncContextManager[Components],
    kind: Outage,
) -> None:
    """A user who writes while Telegram does not reach the bot is answered afterwards, once.

    The process may even have been started meanwhile.
    """
    await telegram.outage(kind)
    ann, bob = telegram.user("Ann"), telegram.user("Bob")
    async with bot:
        await ann.says("/quota")
        await clock.sleep_until(clock.now() + OUTAGE)
        await bob.says("/quota")
        await telegram.recovered()
        await clock.sleep_until(clock.now() + LATE)
    for person in (ann, bob):
        (answer,) = person.chat.from_bot
        assert "You can spend" in answer.text
