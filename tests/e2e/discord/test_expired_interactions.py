"""Faults that the Discord front-end had once, and that showed only later; by a fake clock."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path

import pytest

from bot.app import Parts
from tests.fakes.discord import permissions as rights
from tests.fakes.discord.fake import Discord
from tests.fakes.gateways.openai import Gateway
from tests.support.discord_bot import running
from tests.support.virtual_time import HastyClock

TAKES = 1200.0
Running = Callable[..., AbstractAsyncContextManager[Parts]]


@pytest.fixture
def clock() -> HastyClock:
    """The time of everyone."""
    return HastyClock()


@pytest.fixture
async def discord(clock: HastyClock) -> AsyncIterator[Discord]:
    """The server; no call may have broken a rule that the bot can know."""
    async with Discord(clock) as discord:
        yield discord
    assert discord.violations == []


@pytest.fixture
async def gateway(clock: HastyClock) -> AsyncIterator[Gateway]:
    """One that takes its time, and can stop."""
    async with Gateway(
        cheap=True, render_seconds=TAKES, now=clock.now, deletes_abort=True
    ) as gateway:
        yield gateway
    assert gateway.violations == []


@pytest.fixture
def reelay(clock: HastyClock, discord: Discord, gateway: Gateway, tmp_path: Path) -> Running:
    """A bot at work there."""
    return partial(running, clock, discord, gateway, tmp_path, PROVIDERS__LOCAL__CANCEL="on")


async def test_the_last_word_is_swept_away(
    clock: HastyClock, discord: Discord, reelay: Running
) -> None:
    """A status that could not be changed when its task was stopped says so when it can be."""
    ann = discord.person("Ann")
    general = discord.guild("Kites", [ann]).text("general")
    async with reelay():
        use = await ann.uses("/video", channel=general, prompt="a red kite")
        status = await use.shows("Task")
        await clock.until(clock.now() + 20)
        discord.faults.add("update_webhook_message", "dropped-before", times=None)
        await ann.presses(status, "Cancel")
        await clock.until(clock.now() + 150)
        discord.faults.clear()
        await clock.until(clock.now() + 300)
        assert "is cancelled" in status.text
        assert status.labels == []


async def test_a_status_that_cannot_be_changed_is_tried_again_and_again(
    clock: HastyClock, discord: Discord, reelay: Running
) -> None:
    """In a channel that was closed, the bot does not collect refusals until it is banned."""
    ann = discord.person("Ann")
    general = discord.guild("Kites", [ann]).text("general")
    async with reelay():
        use = await ann.uses("/video", channel=general, prompt="a red kite")
        await use.shows("Task")
        await clock.until(clock.now() + 905)
        general.deny(bot=rights.VIEW_CHANNEL)
        await clock.until(use.time + TAKES + 100)
        assert len(discord.called("update_message")) <= 4


async def test_a_status_stands_where_the_bot_may_not_post(
    clock: HastyClock, discord: Discord, reelay: Running
) -> None:
    """Where it may look but not send files, it still takes its own message away."""
    ann = discord.person("Ann")
    general = discord.guild("Kites", [ann]).text("general")
    general.deny(bot=rights.ATTACH_FILES)
    async with reelay():
        use = await ann.uses("/video", channel=general, prompt="a red kite")
        await use.shows("Task")
        await clock.until(use.time + TAKES + 200)
        assert ann.dm.from_bot[-1].video
        assert general.from_bot == []


async def test_an_answer_takes_the_place_of_a_video_that_was_fetched(
    clock: HastyClock, discord: Discord, reelay: Running
) -> None:
    """A slow "Sending it again" must not be written over the video that is sent again."""
    ann, bob = discord.person("Ann"), discord.person("Bob")
    ann.installs()
    strangers = discord.guild("Strangers", [bob, ann], bot=False).text("general")
    async with reelay():
        use = await ann.uses("/video", channel=strangers, prompt="a red kite")
        task = (await use.shows("Task")).text.split()[1].rstrip(":")
        await clock.until(use.time + TAKES + 100)
        discord.faults.add("update_original_webhook_message", "dropped-before", times=4)
        fetch = await ann.uses("/fetch", channel=strangers, task=task)
        await clock.until(clock.now() + 30)
        videos = [one for one in fetch.said if one.video and not one.deleted]
        assert [task in one.text for one in videos] == [True]
