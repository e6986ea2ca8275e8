"""Videos of every weight in places that take so much: as they are, made to fit, or a preview."""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from hashlib import sha256
from pathlib import Path

import httpx
import pytest

from bot.app import App, Components, open_components
from bot.frontends.discord import Discord as FrontEnd
from bot.media.probe import probe
from tests.e2e.discord.conftest import RunBot
from tests.fakes.change_signal import PATIENCE_S
from tests.fakes.discord.cdn import digest
from tests.fakes.discord.channels import Channel
from tests.fakes.discord.fake import FakeDiscord
from tests.fakes.discord.interactions import Interaction
from tests.fakes.discord.messages import Message
from tests.fakes.discord.users import FakeUser
from tests.fakes.gateways.openai import KEY, FakeOpenAIGateway
from tests.fakes.gateways.openai_jobs import Job
from tests.support.bot_in_process import settings
from tests.support.jumpable_clock import JumpableClock
from tests.support.large_videos import SECONDS, video_of_length, video_of_size
from tests.support.sample_videos import ffmpeg
from tests.support.video_frames import player_errors

MB = 1_000_000
TEN, FIFTY, HUNDRED = 10 << 20, 50 << 20, 100 << 20
WEIGHTS = (11, 30, 120)
"""MB of three short films, which a gateway makes when its prompt names one of them."""
LONG = "long 120"
LONG_SECONDS = 360
"""So long that it would be mush under the smallest limit."""
PATIENCE = 40.0
LATE = 1000.0
"""Seconds after which no interaction can be answered any more."""

Films = Mapping[str, Path]
Late = Callable[[], AbstractAsyncContextManager[Components]]


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Films:
    """The films by the words that name them."""
    folder = tmp_path_factory.mktemp("films")
    found = {f"{weight}": _at_once(folder / f"{weight}.mp4", weight * MB) for weight in WEIGHTS}
    return {LONG: video_of_length(folder / "long.mp4", LONG_SECONDS, 120 * MB), **found}


def _at_once(target: Path, size: int) -> Path:
    """A video of this size that streams as it is, so that it is not re-encoded."""
    slow = video_of_size(target.with_name("slow.mp4"), size - MB)
    ffmpeg("-i", str(slow), "-c", "copy", "-movflags", "+faststart", str(target))
    slow.unlink()
    with target.open("r+b") as file:
        missing = size - file.seek(0, 2)
        file.write(missing.to_bytes(4, "big") + b"free")
        file.truncate(size)
    return target


@dataclass
class Heavy(FakeOpenAIGateway):
    """Makes the film that a prompt names."""

    films: Films = field(default_factory=dict)

    async def _film(self, job: Job) -> bytes:
        prompt = job.body["prompt"]
        named = next(path for words, path in self.films.items() if f"{words} MB" in prompt)
        return await asyncio.to_thread(named.read_bytes)


@pytest.fixture
async def gateway(videos: Films) -> AsyncIterator[Heavy]:
    """A gateway that is ready at once."""
    async with Heavy(cheap=True, render_seconds=0.1, films=videos) as gateway:
        yield gateway
    assert gateway.violations == []


def _environ(gateway: FakeOpenAIGateway) -> dict[str, str]:
    return {
        "PROVIDERS__LOCAL__KIND": "openai",
        "PROVIDERS__LOCAL__API_KEY": KEY,
        "PROVIDERS__LOCAL__BASE_URL": gateway.url,
        "DAILY_CREDITS": "1000",
    }


@pytest.fixture
def run_with_gateway(run_bot: RunBot, gateway: Heavy) -> RunBot:
    """Run a bot with that gateway."""
    return partial(run_bot, **_environ(gateway))


@pytest.fixture
def public_url_settings() -> dict[str, str]:
    """The settings of a bot that has an address, and so can give links."""
    with socket.socket() as it:
        it.bind(("127.0.0.1", 0))
        port = it.getsockname()[1]
    return {"HTTP_PORT": str(port), "PUBLIC_URL": f"http://127.0.0.1:{port}"}


# --- asking and looking ------------------------------------------------------------------


async def _asks(person: FakeUser, channel: Channel, name: str, more: str = "") -> Interaction:
    prompt = f"a film of {name} MB{more}"
    return await person.uses("/video", channel=channel, prompt=prompt)


async def _film(channel: Channel, name: str, more: str = "") -> Message:
    """The film of this name, once it is posted."""

    def look(channel: Channel) -> Message | None:
        found = [
            message
            for message in channel.from_bot
            if f"of {name} MB{more}" in message.text and message.video
        ]
        return found[-1] if found else None

    found = await channel.until(look, PATIENCE)
    assert found is not None
    return found


async def _is_made_to_fit(message: Message, limit: int) -> None:
    """All of it is there, it plays without a complaint, and the original is to be had."""
    assert message.video is not None
    assert message.video.size <= limit
    seen = await probe(message.video.path)
    assert seen.seconds == pytest.approx(SECONDS, abs=0.3)
    assert (seen.has_audio, seen.moov_first) == (True, True)
    assert not player_errors(message.video.path)
    assert "Original" in message.labels


def _is_whole(message: Message, film: Path) -> None:
    """The very bytes; so there is no other original."""
    assert message.video is not None
    assert message.video.sha256 == digest(film)
    assert "Original" not in message.labels


async def _linked(message: Message) -> str:
    """The SHA-256 of what the link in a message leads to."""
    found = re.search(r"http://127\.0\.0\.1:\d+/\S+", message.text)
    assert found is not None, message.text
    known = sha256()
    async with (
        httpx.AsyncClient(trust_env=False) as client,
        client.stream("GET", found[0]) as answer,
    ):
        assert answer.status_code == 200
        async for piece in answer.aiter_bytes():
            known.update(piece)
    return known.hexdigest()


def _refused(discord: FakeDiscord) -> list[str]:
    """What was too large, by operation."""
    return [call.operation for call in discord.calls if call.status == 413]


# --- the whole table ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tier", "own", "limit"),
    [(0, TEN, TEN), (2, TEN, FIFTY), (0, FIFTY, FIFTY), (3, TEN, HUNDRED)],
    ids=["10", "50 by boosts", "50 by nitro", "100"],
)
async def test_too_large_video_is_reencoded_and_linked(
    discord: FakeDiscord,
    run_with_gateway: RunBot,
    videos: Films,
    public_url_settings: dict[str, str],
    tier: int,
    own: int,
    limit: int,
) -> None:
    """What fits comes as it is; else it is re-encoded at once, and Original links to it."""
    ann = discord.user("Ann", file_limit=own)
    general = discord.guild("Kites", [ann], tier=tier).text("general")
    names = [str(weight) for weight in WEIGHTS]
    async with run_with_gateway(**public_url_settings):
        for name in names:
            await _asks(ann, general, name)
        for name in names:
            message = await _film(general, name)
            if videos[name].stat().st_size <= limit:
                _is_whole(message, videos[name])
                continue
            await _is_made_to_fit(message, limit)
            told = await (await ann.presses(message, "Original")).shows(
                public_url_settings["PUBLIC_URL"]
            )
            assert told.only_for is ann
            assert await _linked(told) == digest(videos[name])
    assert _refused(discord) == []


# --- what cannot be made to fit ----------------------------------------------------------


async def _is_preview(message: Message) -> None:
    assert message.video is not None
    assert message.video.size <= TEN
    assert not player_errors(message.video.path)
    seen = await probe(message.video.path)
    assert seen.seconds == pytest.approx(8, abs=0.3)
    assert re.search(r"has 120 MB, .* at most 10 MB", message.text)
    assert "Original" in message.labels


async def test_long_video_gets_a_preview_and_a_link(
    discord: FakeDiscord,
    run_with_gateway: RunBot,
    videos: Films,
    public_url_settings: dict[str, str],
) -> None:
    """Its first seconds, with a link to the whole, as Original gives one."""
    ann = discord.user("Ann")
    general = discord.guild("Kites", [ann]).text("general")
    async with run_with_gateway(**public_url_settings):
        await _asks(ann, general, LONG)
        message = await _film(general, LONG)
        await _is_preview(message)
        assert await _linked(message) == digest(videos[LONG])
        told = await (await ann.presses(message, "Original")).shows(
            public_url_settings["PUBLIC_URL"]
        )
        assert await _linked(told) == digest(videos[LONG])
    assert _refused(discord) == []


async def test_long_video_without_links_offers_the_original(
    discord: FakeDiscord, run_with_gateway: RunBot, videos: Films
) -> None:
    """The message says how to get the whole: by Original, for users with a higher limit."""
    ann = discord.user("Ann")
    general = discord.guild("Kites", [ann]).text("general")
    async with run_with_gateway():
        await _asks(ann, general, LONG)
        message = await _film(general, LONG)
        await _is_preview(message)
        assert "It is kept for 30 days" in message.text
        await (await ann.presses(message, "Original")).shows("too large for this chat")
        ann.file_limit = 500 << 20
        press = await ann.presses(message, "Original")
        file = await ann.sees_video(PATIENCE)
    assert file.interaction is press
    assert file.only_for is ann
    assert file.video is not None
    assert file.video.sha256 == digest(videos[LONG])
    assert _refused(discord) == []


# --- elsewhere, later, and less than was said --------------------------------------------


async def test_fetched_video_fits_its_new_channel(
    discord: FakeDiscord, run_with_gateway: RunBot, videos: Films
) -> None:
    """What went out whole in a boosted guild is re-encoded for a direct message."""
    discord.gateway.identify_seconds = 0
    ann = discord.user("Ann")
    general = discord.guild("Kites", [ann], tier=2).text("general")
    async with run_with_gateway():
        await _asks(ann, general, "30")
        message = await _film(general, "30")
        _is_whole(message, videos["30"])
    async with run_with_gateway():
        await ann.uses("/fetch", task=message.text.split()[-1])
        await _is_made_to_fit(await ann.sees_video(PATIENCE), TEN)
    assert _refused(discord) == []


async def test_refused_size_is_learned(discord: FakeDiscord, run_with_gateway: RunBot) -> None:
    """After the first 413 of a Discord that announced a higher limit there is no second one."""
    ann = discord.user("Ann")
    general = discord.guild("Kites", [ann], tier=2).text("general")
    async with run_with_gateway():
        for more in ("", " again"):
            use = await _asks(ann, general, "30", more)
            use.file_limit = TEN
            await _is_made_to_fit(await _film(general, "30", more), TEN)
        assert len([message for message in general.from_bot if message.video]) == 2
    assert len(_refused(discord)) == 1


@pytest.fixture
def clock() -> JumpableClock:
    """The clock of the bot and of the fakes."""
    return JumpableClock()


@pytest.fixture
async def virtual_discord(clock: JumpableClock) -> AsyncIterator[FakeDiscord]:
    """The fake server on that clock; the test fails if it has recorded a violation."""
    async with FakeDiscord(clock) as discord:
        yield discord
    assert discord.violations == []


@asynccontextmanager
async def _running(
    clock: JumpableClock, discord: FakeDiscord, gateway: FakeOpenAIGateway, folder: Path
) -> AsyncIterator[None]:
    """A bot that goes by the clock, and makes videos fit."""
    environ = {"DISCORD_BOT_TOKEN": discord.token, "DISCORD_API_URL": discord.url}
    own = settings(folder, **environ, **_environ(gateway))
    async with open_components(own) as whole:
        app = App(own, replace(whole, front_ends=[FrontEnd(own, clock)], clock=clock))
        work = asyncio.create_task(app.run())
        try:
            yield
        finally:
            await app.stop()
            async with asyncio.timeout(PATIENCE_S):
                await work


async def test_guild_limit_applies_after_the_interaction_expired(
    clock: JumpableClock, virtual_discord: FakeDiscord, videos: Films, tmp_path: Path
) -> None:
    """After 15 minutes the guild's current limit counts, not the user's."""
    ann = virtual_discord.user("Ann", file_limit=FIFTY)
    boosted, plain, poorer = (
        virtual_discord.guild(name, [ann], tier=tier).text("general")
        for name, tier in (("Kites", 2), ("Strings", 0), ("Tails", 2))
    )
    async with (
        Heavy(cheap=True, render_seconds=LATE, films=videos, now=clock.now) as gateway,
        _running(clock, virtual_discord, gateway, tmp_path),
    ):
        for channel in (boosted, plain, poorer):
            await (await _asks(ann, channel, "30")).shows("being made")
        assert poorer.guild is not None
        poorer.guild.boosts(0)
        clock.jump(LATE)
        _is_whole(await _film(boosted, "30"), videos["30"])
        for channel in (plain, poorer):
            await _is_made_to_fit(await _film(channel, "30"), TEN)
        assert gateway.violations == []
    assert virtual_discord.calls_to("execute_webhook") == []
    assert len(_refused(virtual_discord)) <= 1
