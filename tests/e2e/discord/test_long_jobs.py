"""A video that takes twenty minutes; Discord lets the bot answer for fifteen. By a fake clock."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.app import Parts
from tests.fakes.discord import permissions as rights
from tests.fakes.discord.channels import Channel
from tests.fakes.discord.fake import Discord
from tests.fakes.discord.interactions import Interaction
from tests.fakes.discord.messages import Message
from tests.fakes.discord.users import Person
from tests.fakes.gateways.openai import Gateway
from tests.support.discord_bot import running
from tests.support.virtual_time import HastyClock

TAKES = 1200.0
LATE = 1300.0
"""Seconds after which all is over."""


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
    assert discord.late == []


@pytest.fixture
async def reelay(discord: Discord, clock: HastyClock, tmp_path: Path) -> AsyncIterator[Parts]:
    """Reelay at work there, with a gateway that takes its time."""
    async with (
        Gateway(cheap=True, render_seconds=TAKES, now=clock.now) as gateway,
        running(clock, discord, gateway, tmp_path) as parts,
    ):
        yield parts
    assert gateway.violations == []
    assert max(gateway.creates.values()) == 1


def _videos(channel: Channel, person: Person) -> list[Message]:
    """All that were ever posted there for this person."""
    sent = (one.message for one in channel.log if one.kind == "sent")
    return [one for one in sent if one and one.video and one.pings == [person]]


@pytest.mark.usefixtures("reelay")
async def test_a_video_that_takes_long_never_comes(discord: Discord, clock: HastyClock) -> None:
    """In a channel, a thread, a forum's post, a voice channel's chat and alone it is posted.

    By the bot's own right, calling its person and nobody else, once; and the status goes away.
    """
    ann, bob = discord.person("Ann"), discord.person("Bob")
    guild = discord.guild("Kites", [bob, ann])
    general = guild.text("general")
    rooms = [
        general,
        general.thread("Ideas"),
        guild.forum("videos").thread("My post"),
        guild.voice("Tower"),
        ann.dm,
    ]
    people = [ann, bob, discord.person("Cat"), discord.person("Dan"), ann]
    for one in people[2:4]:
        guild.add(one)
    uses: list[Interaction] = []
    for room, one in zip(rooms, people, strict=True):
        prompt = f"a kite for @everyone and {bob.mention}"
        uses.append(await one.uses("/video", channel=room, prompt=f"{prompt} {len(uses)}"))
    await clock.until(clock.now() + LATE)
    for room, one, use in zip(rooms, people, uses, strict=True):
        (video,) = _videos(room, one)
        assert video.interaction is None
        assert video.nonce
        assert not video.pings_everyone
        assert 900 < video.time - use.time < TAKES + 120
        assert use.original is not None
        assert use.original.deleted
        assert [it for it in room.from_bot if it.video] == [video]
        assert room.from_bot == [video]


@pytest.mark.usefixtures("reelay")
async def test_a_channel_is_closed_to_the_bot_meanwhile(
    discord: Discord, clock: HastyClock
) -> None:
    """Hidden, silent, gone, locked, or the bot thrown out: the person alone gets it, with why."""
    people = [discord.person(name) for name in ("Ann", "Bob", "Cat", "Dan", "Eve")]
    guilds = [discord.guild(f"Guild of {one.name}", [one]) for one in people]
    discord.guild("Home", people)
    rooms = [one.text("general") for one in guilds]
    hidden, silent, removed, _, locked = rooms
    rooms[4] = locked.thread("Ideas")
    for one, room in zip(people, rooms, strict=True):
        use = await one.uses("/video", channel=room, prompt=f"a red kite for {one.name}")
        await use.shows("Task")
    began = clock.now()
    await clock.until(began + 930)
    hidden.deny(bot=rights.VIEW_CHANNEL)
    silent.deny(bot=rights.SEND_MESSAGES | rights.ATTACH_FILES)
    removed.remove()
    guilds[3].kicks_bot()
    rooms[4].archive(locked=True)
    await clock.until(began + LATE)
    for one, room in zip(people, rooms, strict=True):
        assert _videos(room, one) == []
        (video,) = one.dm.from_bot
        assert video.video
        assert "I could not post it where you asked for it." in video.text


@pytest.mark.usefixtures("reelay")
async def test_a_video_is_lost_with_the_last_way_to_its_person(
    discord: Discord, clock: HastyClock
) -> None:
    """Neither the channel nor direct messages are open: it is kept, and `/fetch` brings it."""
    ann = discord.person("Ann")
    guild = discord.guild("Kites", [ann])
    general, other = guild.text("general"), guild.text("other")
    use = await ann.uses("/video", channel=general, prompt="a red kite")
    task = await _task_of(use)
    general.deny(bot=rights.VIEW_CHANNEL)
    ann.closes_dms()
    await clock.until(use.time + LATE)
    assert _videos(general, ann) == []
    assert ann.dm.from_bot == []
    await _is_fetched(clock, ann, other, task, "The chat does not let the bot write.")
    # The result, and the last word on it, each once in the channel and once alone.
    assert len(discord.called("create_message")) == 4


@pytest.mark.usefixtures("reelay")
async def test_a_guest_is_not_told_that_time_is_short(discord: Discord, clock: HastyClock) -> None:
    """Where the app is the person's own, it says so all the time, and `/fetch` brings the video."""
    ann, bob = discord.person("Ann"), discord.person("Bob")
    ann.installs()
    strangers = discord.guild("Strangers", [bob, ann], bot=False)
    rooms = [strangers.text("general"), discord.group([bob, ann])]
    uses = [await ann.uses("/video", channel=one, prompt=f"kite {one.kind}") for one in rooms]
    tasks = [await _task_of(one) for one in uses]
    for seconds in (5, 880):
        await clock.until(uses[0].time + seconds)
        for use, task in zip(uses, tasks, strict=True):
            assert "Here I can write for 15 minutes only." in use.messages[-1].text
            assert f"/fetch {task}" in use.messages[-1].text
    assert all(len(one.messages[-1].edits) > 1 for one in uses)
    await clock.until(uses[0].time + LATE)
    for room, task in zip(rooms, tasks, strict=True):
        assert _videos(room, ann) == []
        await _is_fetched(clock, ann, room, task, "Discord let me write there for 15 minutes only.")
    assert discord.called("create_message") == []


async def _task_of(use: Interaction) -> str:
    return (await use.shows("Task")).text.split()[1].rstrip(":")


async def _is_fetched(
    clock: HastyClock, person: Person, room: Channel, task: str, why: str
) -> None:
    """The person reads why it is not there, fetches it, and gets it once."""
    tasks = await person.uses("/tasks", channel=room)
    await tasks.shows(why)
    fetch = await person.uses("/fetch", channel=room, task=task)
    video = await room.shows_video()
    assert video.interaction is fetch
    await clock.until(clock.now() + 60)
    assert _videos(room, person) == [video]
