"""Two processes with two shards each share one PostgreSQL, as where one machine is not enough."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.fakes.change_signal import PATIENCE_S
from tests.fakes.discord.channels import Channel, Guild
from tests.fakes.discord.fake import TOKEN, FakeDiscord
from tests.fakes.discord.interactions import Interaction
from tests.fakes.discord.messages import Message
from tests.fakes.discord.users import FakeUser
from tests.fakes.gateways.openai import KEY, FakeOpenAIGateway
from tests.support.bot_process import BotProcess

SHARDS = 4
FOREVER = 3600.0


@pytest.fixture
async def discord() -> AsyncIterator[FakeDiscord]:
    """The fake server with its real limits; the test fails if it has recorded a violation."""
    async with FakeDiscord(shards=SHARDS, flood=True) as discord:
        discord.gateway.max_concurrency = SHARDS
        yield discord
    assert discord.violations == []


@pytest.fixture
def processes(
    discord: FakeDiscord,
    gateway: FakeOpenAIGateway,
    tmp_path: Path,
    new_postgres_url: Callable[[], str],
) -> Iterator[tuple[BotProcess, BotProcess]]:
    """Both, begun at the same moment; the database and the videos are for both."""
    url = new_postgres_url()
    with ExitStack() as stack:
        first, second = (
            stack.enter_context(
                BotProcess(
                    tmp_path / shards.partition("/")[0],
                    DATABASE_URL=url,
                    DATA_DIR=str(tmp_path / "data"),
                    DISCORD_BOT_TOKEN=TOKEN,
                    DISCORD_API_URL=discord.url,
                    DISCORD_SHARDS=shards,
                    LEASE_SECONDS="2",
                    PROVIDERS__LOCAL__KIND="openai",
                    PROVIDERS__LOCAL__API_KEY=KEY,
                    PROVIDERS__LOCAL__BASE_URL=gateway.url,
                    PROVIDERS__LOCAL__MAX_CONCURRENT="100",
                )
            )
            for shards in ("0-1/4", "2-3/4")
        )
        first.start()
        second.start()
        yield first, second


@dataclass(frozen=True)
class Asked:
    """One who waits, and how they asked."""

    person: FakeUser
    use: Interaction

    @property
    def videos(self) -> list[Message]:
        """All that were ever posted for this person where they asked."""
        every = self.use.channel.history.values()
        return [message for message in every if message.video and message.pings == [self.person]]

    @property
    def is_finished(self) -> bool:
        """Whether a video is there and the status is gone."""
        status = self.use.original
        return bool(self.videos) and status is not None and status.deleted


def _places(discord: FakeDiscord) -> list[tuple[FakeUser, Channel]]:
    """Two people in a guild of each shard, and one who is alone with the bot."""
    places: list[tuple[FakeUser, Channel]] = []
    for number in range(SHARDS):
        pair = [discord.user(f"Person {number}{letter}") for letter in "ab"]
        general = discord.guild(f"Guild {number}", pair).text("general")
        places += [(person, general) for person in pair]
    alone = discord.user("Alone")
    alone.installs()
    return [*places, (alone, alone.dm)]


def _guilds(places: list[Channel]) -> list[Guild]:
    """One of each shard."""
    guilds = {place.guild.shard: place.guild for place in places if place.guild is not None}
    return [guilds[shard] for shard in range(SHARDS)]


async def _all_ask(discord: FakeDiscord) -> list[Asked]:
    """Everybody asks, once all shards are heard."""
    places, listening = _places(discord), discord.gateway.listening
    guilds = _guilds([channel for _, channel in places])
    await discord.until(lambda: all(listening(guild) for guild in guilds))
    asked = [
        Asked(one, await one.uses("/video", channel=place, prompt=f"kite {one.id}"))
        for one, place in places
    ]
    assert [request.use.told for request in asked] == [1] * len(asked)
    return asked


async def _made(discord: FakeDiscord, gateway: FakeOpenAIGateway, count: int) -> None:
    """Wait until this many videos are in progress and stored as such."""
    late = discord.user("Late")
    guild = discord.guild("Late", [late])
    async with asyncio.timeout(PATIENCE_S):
        while True:
            made = gateway.creates.total()
            await (await late.uses("/quota", channel=guild.text("general"))).shows("You can spend")
            if made == count:
                return


async def test_all_shards_serve_their_users(
    discord: FakeDiscord, gateway: FakeOpenAIGateway, processes: tuple[BotProcess, BotProcess]
) -> None:
    """Users of all shards get one video each; each shard connected once, commands synced once."""
    asked = await _all_ask(discord)
    await discord.until(lambda: all(request.is_finished for request in asked))
    assert [len(request.videos) for request in asked] == [1] * len(asked)
    assert gateway.creates.total() == len(asked)
    assert sorted(session[1:] for session in discord.gateway.identified) == [
        (n, 4) for n in range(4)
    ]
    assert len(discord.world.commands.syncs) == 1
    for process in processes:
        assert "Traceback" not in process.log_text
        assert '"level": "error"' not in process.log_text


async def _all_wait(discord: FakeDiscord, gateway: FakeOpenAIGateway) -> list[Asked]:
    """Everybody has asked, has been told so, and waits for as long as the gateway is at work."""
    gateway.render_seconds = FOREVER
    asked = await _all_ask(discord)
    for request in asked:
        await request.use.shows("Task")
    await _made(discord, gateway, len(asked))
    return asked


async def test_results_of_a_dead_process_are_delivered_by_another(
    discord: FakeDiscord, gateway: FakeOpenAIGateway, processes: tuple[BotProcess, BotProcess]
) -> None:
    """Once, to users of other shards; the process that returns serves them again."""
    asked = await _all_wait(discord, gateway)
    dead, alive = processes
    dead.kill()
    first, *_ = guilds = _guilds([request.use.channel for request in asked])
    await discord.until(lambda: not discord.gateway.listening(first))
    assert [discord.gateway.listening(guild) for guild in guilds] == [False, False, True, True]
    gateway.render_seconds = 0.1
    await discord.until(lambda: all(request.is_finished for request in asked))
    dead.start()
    await discord.until(lambda: discord.gateway.listening(first))
    again = await asked[0].person.uses("/quota", channel=asked[0].use.channel)
    await again.shows("You can spend")
    assert [len(request.videos) for request in asked] == [1] * len(asked)
    assert gateway.creates.total() == len(asked)
    assert len(discord.world.commands.syncs) == 1
    assert "Traceback" not in dead.log_text + alive.log_text


async def test_posted_result_of_a_dead_process_is_found(
    discord: FakeDiscord, gateway: FakeOpenAIGateway, processes: tuple[BotProcess, BotProcess]
) -> None:
    """It died before recording the post: the other one finds it, and removes the status."""
    asked = await _all_wait(discord, gateway)
    discord.faults.add("execute_webhook", "held-after", times=len(asked))
    gateway.render_seconds = 0.1
    await discord.until(lambda: all(request.videos for request in asked))
    dead, alive = processes
    dead.kill()
    discord.faults.release()
    await discord.until(lambda: all(request.is_finished for request in asked))
    assert [len(request.videos) for request in asked] == [1] * len(asked)
    assert "repeated" not in "".join(request.videos[0].text for request in asked)
    assert "Traceback" not in dead.log_text + alive.log_text
