"""Reelay, running against the fake Discord with the test's clock and gateway."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path

from bot.app import App, Components, open_components
from bot.frontends.discord import Discord as FrontEnd
from bot.ports import Clock
from tests.fakes.change_signal import PATIENCE_S
from tests.fakes.discord.fake import FakeDiscord
from tests.fakes.gateways.openai import KEY, FakeOpenAIGateway
from tests.support.bot_in_process import settings
from tests.support.virtual_time import VirtualClock


@asynccontextmanager
async def running_bot(
    clock: Clock, discord: FakeDiscord, gateway: FakeOpenAIGateway, folder: Path, **environ: str
) -> AsyncIterator[Components]:
    """Run Reelay; videos are posted unchanged."""
    gateways = {
        "PROVIDERS__LOCAL__KIND": "openai",
        "PROVIDERS__LOCAL__API_KEY": KEY,
        "PROVIDERS__LOCAL__BASE_URL": gateway.url,
        "PROVIDERS__LOCAL__MAX_CONCURRENT": "1000",
    }
    own = settings(
        folder,
        DISCORD_BOT_TOKEN=discord.token,
        DISCORD_API_URL=discord.url,
        **gateways | environ,
    )
    async with AsyncExitStack() as stack:
        whole = await stack.enter_async_context(open_components(own))
        parts = replace(whole, front_ends=[FrontEnd(own, clock)], clock=clock, fitter=None)
        app = App(own, parts)
        work = asyncio.create_task(app.run())
        stack.push_async_callback(_ended, app, work)
        # A clock that hurries must not outrun what discord.py does by the machine's.
        await discord.until(lambda: discord.world.commands.syncs)
        await discord.until(lambda: discord.world.listens(None))
        if isinstance(clock, VirtualClock):
            await stack.enter_async_context(_passing(clock))
        yield parts
        if work.done():
            work.result()


async def _ended(app: App, work: asyncio.Task[int]) -> None:
    await app.stop()
    async with asyncio.timeout(PATIENCE_S):
        await work


@asynccontextmanager
async def _passing(clock: VirtualClock) -> AsyncIterator[None]:
    passing = asyncio.create_task(clock.run())
    try:
        yield
    finally:
        passing.cancel()
        with suppress(asyncio.CancelledError):
            await passing
