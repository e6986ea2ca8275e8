"""A video that takes twenty minutes; Discord lets the bot answer for fifteen. By a fake clock."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.app import Components
from tests.fakes.discord import permissions as rights
from tests.fakes.discord.channels import Channel
from tests.fakes.discord.fake import FakeDiscord
from tests.fakes.discord.interactions import Interaction
from tests.fakes.discord.messages import Message
from tests.fakes.discord.users import FakeUser
from tests.fakes.gateways.openai import FakeOpenAIGateway
from tests.support.discord_bot import running_bot
from tests.support.virtual_time import VirtualClock

TAKES = 1200.0
LATE = 1300.0
"""Seconds after which all is over."""


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
    assert discord.late_responses == []


@pytest.fixture
async def bot(
    discord: FakeDiscord, clock: VirtualClock, tmp_path: Path
) -> AsyncIterator[Components]:
    """Reelay at work there, with a gateway that takes its time."""
    async with (
        FakeOpenAIGateway(cheap=True, render_seconds=TAKES, now=clock.now) as gateway,
        running_bot(clock, discord, gateway, tmp_path) as parts,
    ):
        yield parts
    assert gateway.violations == []
    assert max(gateway.creates.values()) == 1


def _videos(channel: Channel, person: FakeUser) -> list[Message]:
    """All that were ever posted there for this person."""
    sent = (event.message for event in channel.log if event.kind == "sent")
    return [message for message in sent if message and message.video and message.pings == [person]]


@pytest.mark.usefixtures("bot")
async def test_slow_video_is_posted_after_the_interaction_expired(
    discord: FakeDiscord, clock: VirtualClock
) -> None:
    """In a channel, a thread, a forum's post, a voice channel's chat and alone it is posted.

    By the bot's own right, calling its person and nobody else, once; and the status goes away.
    """
    ann, bob = discord.user("Ann"), discord.user("Bob")
    guild = discord.guild("Kites", [bob, ann])
    general = guild.text("general")
    rooms = [
        general,
        general.thread("Ideas"),
        guild.forum("videos").thread("My post"),
        guild.voice("Tower"),
        ann.dm,
    ]
    people = [ann, bob, discord.user("Cat"), discord.user("Dan"), ann]
    for one in people[2:4]:
        guild.add(one)
    uses: list[Interaction] = []
    for room, one in zip(rooms, people, strict=True):
        prompt = f"a kite for @everyone and {bob.mention}"
        uses.append(await one.uses("/video", channel=room, prompt=f"{prompt} {len(uses)}"))
    await clock.sleep_until(clock.now() + LATE)
    for room, one, use in zip(rooms, people, uses, strict=True):
        (video,) = _videos(room, one)
        assert video.interaction is None
        assert video.nonce
        assert not video.pings_everyone
        assert 900 < video.time - use.time < TAKES + 120
        assert use.original is not None
        assert use.original.deleted
        assert [message for message in room.from_bot if message.video] == [video]
        assert room.from_bot == [video]


@pytest.mark.usefixtures("bot")
async def test_closed_channel_sends_the_video_to_the_user(
    discord: FakeDiscord, clock: VirtualClock
) -> None:
    """Hidden, muted, deleted, locked, or the bot removed: by direct message, with the reason."""
    people = [discord.user(name) for name in ("Ann", "Bob", "Cat", "Dan", "Eve")]
    guilds = [discord.guild(f"Guild of {person.name}", [person]) for person in people]
    discord.guild("Home", people)
    rooms = [guild.text("general") for guild in guilds]
    hidden, silent, removed, _, locked = rooms
    rooms[4] = locked.thread("Ideas")
    for one, room in zip(people, rooms, strict=True):
        use = await one.uses("/video", channel=room, prompt=f"a red kite for {one.name}")
        await use.shows("Task")
    began = clock.now()
    await clock.sleep_until(began + 930)
    hidden.deny(bot=rights.VIEW_CHANNEL)
    silent.deny(bot=rights.SEND_MESSAGES | rights.ATTACH_FILES)
    removed.remove()
    guilds[3].kicks_bot()
    rooms[4].archive(locked=True)
    await clock.sleep_until(began + LATE)
    for one, room in zip(people, rooms, strict=True):
        assert _videos(room, one) == []
        (video,) = one.dm.from_bot
        assert video.video
        assert "I could not post it where you asked for it." in video.text


@pytest.mark.usefixtures("bot")
async def test_unreachable_user_gets_the_video_by_fetch(
    discord: FakeDiscord, clock: VirtualClock
) -> None:
    """Neither the channel nor direct messages are open: the video is kept."""
    ann = discord.user("Ann")
    guild = discord.guild("Kites", [ann])
    general, other = guild.text("general"), guild.text("other")
    use = await ann.uses("/video", channel=general, prompt="a red kite")
    task = await _task_of(use)
    general.deny(bot=rights.VIEW_CHANNEL)
    ann.closes_dms()
    await clock.sleep_until(use.time + LATE)
    assert _videos(general, ann) == []
    assert ann.dm.from_bot == []
    await _is_fetched(clock, ann, other, task, "The chat does not let the bot write.")
    # The result, and the last word on it, each once in the channel and once alone.
    assert len(discord.calls_to("create_message")) == 4


@pytest.mark.usefixtures("bot")
async def test_user_installed_app_warns_and_offers_fetch(
    discord: FakeDiscord, clock: VirtualClock
) -> None:
    """The status mentions the 15 minutes; afterwards `/fetch` brings the video."""
    ann, bob = discord.user("Ann"), discord.user("Bob")
    ann.installs()
    strangers = discord.guild("Strangers", [bob, ann], bot=False)
    rooms = [strangers.text("general"), discord.group([bob, ann])]
    uses = [await ann.uses("/video", channel=one, prompt=f"kite {one.kind}") for one in rooms]
    tasks = [await _task_of(one) for one in uses]
    for seconds in (5, 880):
        await clock.sleep_until(uses[0].time + seconds)
        for use, task in zip(uses, tasks, strict=True):
            assert "Here I can write for 15 minutes only." in use.messages[-1].text
            assert f"/fetch {task}" in use.messages[-1].text
    assert all(len(one.messages[-1].edits) > 1 for one in uses)
    await clock.sleep_until(uses[0].time + LATE)
    for room, task in zip(rooms, tasks, strict=True):
        assert _videos(room, ann) == []
        await _is_fetched(clock, ann, room, task, "Discord let me write there for 15 minutes only.")
    assert discord.calls_to("create_message") == []


async def _task_of(use: Interaction) -> str:
    return (await use.shows("Task")).text.split()[1].rstrip(":")


async def _is_fetched(
    clock: VirtualClock, person: FakeUser, room: Channel, task: str, why: str
) -> None:
    """The person reads why it is not there, fetches it, and gets it once."""
    tasks = await person.uses("/tasks", channel=room)
    await tasks.shows(why)
    fetch = await person.uses("/fetch", channel=room, task=task)
    video = await room.shows_video()
    assert video.interaction is fetch
    await clock.sleep_until(clock.now() + 60)
    assert _videos(room, person) == [video]
