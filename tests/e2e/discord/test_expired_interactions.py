"""Faults that the Discord front-end had once, and that showed only later; by a fake clock."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path

import pytest

from bot.app import Components
from tests.fakes.discord import permissions as rights
from tests.fakes.discord.fake import FakeDiscord
from tests.fakes.gateways.openai import FakeOpenAIGateway
from tests.support.discord_bot import running_bot
from tests.support.virtual_time import VirtualClock

TAKES = 1200.0
Running = Callable[..., AbstractAsyncContextManager[Components]]


@pytest.fixture
def clock() -> VirtualClock:
    """The clock of the bot and of the fakes."""
    return VirtualClock()


@pytest.fixture
async def discord(clock: VirtualClock) -> AsyncIterator[FakeDiscord]:
    """The fake server; the test fails if it has recorded a violation."""
    async with FakeDiscord(clock) as discord:
        yield discord
    assert discord.violations == []


@pytest.fixture
async def gateway(clock: VirtualClock) -> AsyncIterator[FakeOpenAIGateway]:
    """One that takes its time, and can stop."""
    async with FakeOpenAIGateway(
        cheap=True, render_seconds=TAKES, now=clock.now, deletes_abort=True
    ) as gateway:
        yield gateway
    assert gateway.violations == []


@pytest.fixture
def bot(
    clock: VirtualClock, discord: FakeDiscord, gateway: FakeOpenAIGateway, tmp_path: Path
) -> Running:
    """A bot at work there."""
    return partial(running_bot, clock, discord, gateway, tmp_path, PROVIDERS__LOCAL__CANCEL="on")


async def test_final_message_survives_a_failed_edit(
    clock: VirtualClock, discord: FakeDiscord, bot: Running
) -> None:
    """A status whose edit failed when its task was cancelled is edited later."""
    ann = discord.user("Ann")
    general = discord.guild("Kites", [ann]).text("general")
    async with bot():
        use = await ann.uses("/video", channel=general, prompt="a red kite")
        status = await use.shows("Task")
        await clock.sleep_until(clock.now() + 20)
        discord.faults.add("update_webhook_message", "dropped-before", times=None)
        await ann.presses(status, "Cancel")
        await clock.sleep_until(clock.now() + 150)
        discord.faults.clear()
        await clock.sleep_until(clock.now() + 300)
        assert "is cancelled" in status.text
        assert status.labels == []


async def test_closed_channel_is_not_edited_again_and_again(
    clock: VirtualClock, discord: FakeDiscord, bot: Running
) -> None:
    """The bot does not collect refusals there until it is banned."""
    ann = discord.user("Ann")
    general = discord.guild("Kites", [ann]).text("general")
    async with bot():
        use = await ann.uses("/video", channel=general, prompt="a red kite")
        await use.shows("Task")
        await clock.sleep_until(clock.now() + 905)
        general.deny(bot=rights.VIEW_CHANNEL)
        await clock.sleep_until(use.time + TAKES + 100)
        assert len(discord.calls_to("update_message")) <= 4


async def test_status_is_removed_without_the_right_to_post(
    clock: VirtualClock, discord: FakeDiscord, bot: Running
) -> None:
    """Where it may look but not send files, it still deletes its own message."""
    ann = discord.user("Ann")
    general = discord.guild("Kites", [ann]).text("general")
    general.deny(bot=rights.ATTACH_FILES)
    async with bot():
        use = await ann.uses("/video", channel=general, prompt="a red kite")
        await use.shows("Task")
        await clock.sleep_until(use.time + TAKES + 200)
        assert ann.dm.from_bot[-1].video
        assert general.from_bot == []


async def test_late_answer_does_not_replace_a_fetched_video(
    clock: VirtualClock, discord: FakeDiscord, bot: Running
) -> None:
    """A slow "Sending it again" must not be written over the video."""
    ann, bob = discord.user("Ann"), discord.user("Bob")
    ann.installs()
    strangers = discord.guild("Strangers", [bob, ann], bot=False).text("general")
    async with bot():
        use = await ann.uses("/video", channel=strangers, prompt="a red kite")
        task = (await use.shows("Task")).text.split()[1].rstrip(":")
        await clock.sleep_until(use.time + TAKES + 100)
        discord.faults.add("update_original_webhook_message", "dropped-before", times=4)
        fetch = await ann.uses("/fetch", channel=strangers, task=task)
        await clock.sleep_until(clock.now() + 30)
        videos = [message for message in fetch.said if message.video and not message.deleted]
        assert [task in video.text for video in videos] == [True]
