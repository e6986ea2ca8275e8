"""Marks of front-ends, the same on every database."""

from __future__ import annotations

import asyncio

import pytest

from bot.chat.interactive_messages import InteractiveMessages
from bot.store.database import Database
from tests.support.fake_clock import FakeClock


@pytest.fixture
def interactive_messages(database: Database, clock: FakeClock) -> InteractiveMessages:
    """The cards of one front-end."""
    return InteractiveMessages(database, clock, "chat")


async def test_concurrent_set_mark_keeps_one_value(
    interactive_messages: InteractiveMessages,
) -> None:
    """A mark that is set by many at once has one of their values, and no call fails."""
    await asyncio.gather(
        *(interactive_messages.set_state("menus", str(number)) for number in range(8))
    )
    assert (await interactive_messages.get_state())["menus"] in {str(number) for number in range(8)}
    await interactive_messages.set_state("menus", "new")
    await interactive_messages.set_state("moved:-7", "-1007")
    assert await interactive_messages.get_state() == {"menus": "new", "moved:-7": "-1007"}
