"""A running bot and a fake Discord that records every violation."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from pathlib import Path

import pytest

from bot.app import Components
from bot.frontends.discord import Discord as FrontEnd
from tests.fakes.discord.fake import FakeDiscord
from tests.fakes.discord.users import FakeUser
from tests.fakes.gateways.openai import KEY, FakeOpenAIGateway
from tests.support.bot_in_process import running_bot, settings

RunBot = Callable[..., AbstractAsyncContextManager[Components]]


@pytest.fixture
async def discord() -> AsyncIterator[FakeDiscord]:
    """The fake server; the test fails if it has recorded a violation."""
    async with FakeDiscord() as discord:
        yield discord
    assert discord.violations == []


@pytest.fixture
def run_bot(discord: FakeDiscord, tmp_path: Path) -> RunBot:
    """Run Reelay against it, in the same folder each time; settings by keyword."""

    @asynccontextmanager
    async def bot(**environ: str) -> AsyncIterator[Components]:
        own = settings(
            tmp_path,
            DISCORD_BOT_TOKEN=discord.token,
            DISCORD_API_URL=discord.url,
            **environ,
        )
        async with running_bot(own, [FrontEnd(own)]) as parts:
            yield parts

    return bot


@pytest.fixture
async def gateway() -> AsyncIterator[FakeOpenAIGateway]:
    """A gateway that finishes videos at once."""
    async with FakeOpenAIGateway(cheap=True, render_seconds=0.1) as gateway:
        yield gateway
    assert gateway.violations == []


@pytest.fixture
def run_with_gateway(run_bot: RunBot, gateway: FakeOpenAIGateway) -> RunBot:
    """Run Reelay with that gateway."""
    return partial(
        run_bot,
        PROVIDERS__LOCAL__KIND="openai",
        PROVIDERS__LOCAL__API_KEY=KEY,
        PROVIDERS__LOCAL__BASE_URL=gateway.url,
    )


@pytest.fixture
def ann(discord: FakeDiscord) -> FakeUser:
    """A user."""
    return discord.user("Ann")


@pytest.fixture
def bob(discord: FakeDiscord) -> FakeUser:
    """Another user."""
    return discord.user("Bob")
