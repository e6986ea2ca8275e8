"""A bot at work for a stand-in of Discord that lets no rule be broken."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest

from bot.app import Parts
from bot.frontends.discord import Discord as FrontEnd
from tests.standins.discord import Discord
from tests.standins.reelay import running, settings

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
