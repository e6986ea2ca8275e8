"""A video appears where it was requested and mentions only its user."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.discord.conftest import RunBot
from tests.fakes.discord.channels import Channel
from tests.fakes.discord.fake import FakeDiscord, ImageFile
from tests.fakes.discord.messages import Message
from tests.fakes.discord.permissions import USE_EXTERNAL_APPS
from tests.fakes.discord.users import FakeUser
from tests.fakes.gateways.openai import FakeOpenAIGateway
from tests.support import sample_images

GUILD_PLACES = [
    "channel",
    "channel for adults",
    "announcements",
    "thread",
    "private thread",
    "post",
    "chat of a voice channel",
]
LENT_PLACES = ["group", "guild without the bot", "thread of a guild without the bot"]
ASKED_WITH = ["words", "picture"]
MINUTES = "Here I can write for 15 minutes only."


def _in_guild(
    discord: FakeDiscord, kind: str, ann: FakeUser, bob: FakeUser, *, bot: bool
) -> Channel:
    guild = discord.guild("Kites", [bob, ann], bot=bot)
    match kind:
        case "channel for adults":
            return guild.text("general", nsfw=True)
        case "announcements":
            return guild.news("news")
        case "thread" | "thread of a guild without the bot":
            return guild.text("general").thread("Ideas", by=ann)
        case "private thread":
            return guild.text("general").thread("Ideas", by=ann, private=True)
        case "post":
            return guild.forum("videos").thread("My post", by=ann)
        case "chat of a voice channel":
            return guild.voice("Lounge")
    return guild.text("general")


def _lent(discord: FakeDiscord, kind: str, ann: FakeUser, bob: FakeUser) -> Channel:
    """A place that knows the bot only through Ann."""
    ann.installs()
    if kind == "group":
        return discord.group([ann, bob])
    return _in_guild(discord, kind, ann, bob, bot=False)


def _photo(folder: Path) -> ImageFile:
    return ImageFile(sample_images.photo(folder / "photo.jpg", 1280, 720), "photo.jpg")


async def _makes(ann: FakeUser, channel: Channel, folder: Path, asked_with: str) -> Message:
    """The video of a kite, when nothing else of the bot stands there."""
    options = {"image": _photo(folder)} if asked_with == "picture" else {}
    use = await ann.uses("/video", channel=channel, prompt="a red kite", options=options)
    assert (await use.answer).kind == "thinking"
    video = await channel.shows_video()
    await channel.until(lambda channel: channel.from_bot == [video])
    return video


def _posts_elsewhere(discord: FakeDiscord, channel: Channel) -> list[Message]:
    """What the bot said in any other place."""
    return [
        message
        for other in discord.world.channels.values()
        if other is not channel
        for message in other.history.values()
        if message.sender is discord.bot
    ]


def _is_whole(video: Message, ann: FakeUser, gateway: FakeOpenAIGateway, asked_with: str) -> None:
    """It is the film of what was asked for, and only Ann is called by it."""
    assert "a red kite" in video.text
    assert video.pings == [ann]
    assert not video.pings_everyone
    assert gateway.creates == {"a red kite": 1}
    (job,) = gateway.jobs.values()
    assert (job.picture is not None) is (asked_with == "picture")


# --- where the bot is at home ------------------------------------------------------------


@pytest.mark.parametrize("asked_with", ASKED_WITH)
@pytest.mark.parametrize("kind", GUILD_PLACES)
async def test_video_appears_in_the_channel_of_the_request(
    discord: FakeDiscord,
    run_with_gateway: RunBot,
    gateway: FakeOpenAIGateway,
    ann: FakeUser,
    bob: FakeUser,
    tmp_path: Path,
    kind: str,
    asked_with: str,
) -> None:
    """In every kind of channel: it is public and mentions its user."""
    place = _in_guild(discord, kind, ann, bob, bot=True)
    async with run_with_gateway():
        video = await _makes(ann, place, tmp_path, asked_with)
    _is_whole(video, ann, gateway, asked_with)
    assert _posts_elsewhere(discord, place) == []
    assert not video.ephemeral


@pytest.mark.parametrize("asked_with", ASKED_WITH)
async def test_direct_message_is_answered_in_private(
    discord: FakeDiscord,
    run_with_gateway: RunBot,
    gateway: FakeOpenAIGateway,
    ann: FakeUser,
    bob: FakeUser,
    tmp_path: Path,
    asked_with: str,
) -> None:
    """Although both are in a guild with the bot."""
    discord.guild("Kites", [ann, bob])
    async with run_with_gateway():
        video = await _makes(ann, ann.dm, tmp_path, asked_with)
    _is_whole(video, ann, gateway, asked_with)
    assert _posts_elsewhere(discord, ann.dm) == []


# --- where it is but for a person --------------------------------------------------------


@pytest.mark.parametrize("asked_with", ASKED_WITH)
@pytest.mark.parametrize("kind", LENT_PLACES)
async def test_user_installed_app_answers_by_the_interaction(
    discord: FakeDiscord,
    run_with_gateway: RunBot,
    gateway: FakeOpenAIGateway,
    ann: FakeUser,
    bob: FakeUser,
    tmp_path: Path,
    kind: str,
    asked_with: str,
) -> None:
    """Where only Ann has the app, the video comes by her interaction, and she knows the limit."""
    place = _lent(discord, kind, ann, bob)
    async with run_with_gateway():
        video = await _makes(ann, place, tmp_path, asked_with)
    _is_whole(video, ann, gateway, asked_with)
    assert any(MINUTES in line for event in place.log for line in event.lines)
    assert discord.calls_to("create_message") == []
    assert _posts_elsewhere(discord, place) == []


@pytest.mark.parametrize("place", ["direct messages", "guild with the bot"])
async def test_user_installed_app_in_a_guild_of_the_bot_posts_normally(
    discord: FakeDiscord,
    run_with_gateway: RunBot,
    gateway: FakeOpenAIGateway,
    ann: FakeUser,
    bob: FakeUser,
    tmp_path: Path,
    place: str,
) -> None:
    """Where the bot may write, no 15-minute limit is mentioned."""
    ann.installs()
    at_home = place == "guild with the bot"
    channel = _in_guild(discord, "channel", ann, bob, bot=True) if at_home else ann.dm
    async with run_with_gateway():
        video = await _makes(ann, channel, tmp_path, "words")
    _is_whole(video, ann, gateway, "words")
    assert not any(MINUTES in line for event in channel.log for line in event.lines)


async def test_restricted_guild_shows_answers_to_the_user_alone(
    discord: FakeDiscord,
    run_with_gateway: RunBot,
    gateway: FakeOpenAIGateway,
    ann: FakeUser,
    bob: FakeUser,
) -> None:
    """The guild restricts such apps: all answers are private, the video too."""
    place = _lent(discord, "guild without the bot", ann, bob)
    place.deny(everyone=USE_EXTERNAL_APPS)
    async with run_with_gateway():
        await ann.uses("/video", channel=place, prompt="a red kite")
        video = await ann.sees_video()
        await place.until(lambda _: ann.alone == [video])
    assert gateway.creates == {"a red kite": 1}
    assert place.from_bot == []
    assert video.only_for is ann


async def test_each_video_mentions_its_own_user(
    discord: FakeDiscord, run_with_gateway: RunBot, ann: FakeUser, bob: FakeUser
) -> None:
    """Two users of one channel each get their own video."""
    general = discord.guild("Kites", [ann, bob]).text("general")
    async with run_with_gateway():
        await ann.uses("/video", channel=general, prompt="a red kite")
        await bob.uses("/video", channel=general, prompt="a blue boat")
        await general.shows_video(times=2)
        await general.until(lambda channel: len(channel.from_bot) == 2)
    pinged = {("kite" in message.text, message.pings[0].name) for message in general.from_bot}
    assert pinged == {(True, "Ann"), (False, "Bob")}
    assert all(len(message.pings) == 1 for message in general.from_bot)


async def test_concurrent_requests_end_in_their_own_channels(
    discord: FakeDiscord, run_with_gateway: RunBot, ann: FakeUser, bob: FakeUser
) -> None:
    """Three videos at once, requested in three channels."""
    guild = discord.guild("Kites", [ann, bob])
    general, post = guild.text("general"), guild.forum("videos").thread("My post", by=ann)
    wanted = {general: "a red kite", post: "a blue boat", ann.dm: "a green hill"}
    async with run_with_gateway():
        for place, prompt in wanted.items():
            await ann.uses("/video", channel=place, prompt=prompt)
        for place, prompt in wanted.items():
            assert prompt in (await place.shows_video()).text
            await place.until(lambda channel: len(channel.from_bot) == 1)
