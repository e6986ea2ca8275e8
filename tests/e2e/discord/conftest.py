"""A bot at work for a stand-in of Discord that lets no rule be broken."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from pathlib import Path

import pytest

from bot.app import Parts
from bot.frontends.discord import Discord as FrontEnd
from tests.fakes.discord.fake import Discord
from tests.fakes.discord.users import Person
from tests.fakes.gateways.openai import KEY, Gateway
from tests.support.bot_in_process import running, settings

Running = Callable[..., AbstractAsyncContextManager[Parts]]


@pytest.fixture
async def discord() -> AsyncIterator[Discord]:
    """The server; at the end no call may have broken a rule that the bot can know."""
    async with Discord() as discord:
        yield discord
    assert discord.violations == []


@pytest.fixture
def bot(discord: Discord, tmp_path: Path) -> Running:
    """Reelay at work there, in the same folder each time; settings by name."""

    @asynccontextmanager
    async def bot(**environ: str) -> AsyncIterator[Parts]:
        own = settings(
            tmp_path,
            DISCORD_BOT_TOKEN=discord.token,
            DISCORD_API_URL=discord.url,
            **environ,
        )
        async with running(own, [FrontEnd(own)]) as parts:
            yield parts

    return bot


@pytest.fixture
async def gateway() -> AsyncIterator[Gateway]:
    """A gateway that makes videos at once."""
    async with Gateway(cheap=True, render_seconds=0.1) as gateway:
        yield gateway
    assert gateway.violations == []


@pytest.fixture
def quick(bot: Running, gateway: Gateway) -> Running:
    """Reelay with that gateway."""
    return partial(
        bot,
        PROVIDERS__LOCAL__KIND="openai",
        PROVIDERS__LOCAL__API_KEY=KEY,
        PROVIDERS__LOCAL__BASE_URL=gateway.url,
    )


@pytest.fixture
def ann(discord: Discord) -> Person:
    """Somebody."""
    return discord.person("Ann")


@pytest.fixture
def bob(discord: Discord) -> Person:
    """Somebody else."""
    return discord.person("Bob")
