"""Reelay at work in Discord by a clock that waits for nobody; see `hasty`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from bot.app import App, Parts, parts_of
from bot.frontends.discord import Discord as FrontEnd
from tests.standins.discord import Discord
from tests.standins.gateway import KEY, Gateway
from tests.standins.hasty import HastyClock
from tests.standins.reelay import settings


@asynccontextmanager
async def running(
    clock: HastyClock, discord: Discord, gateway: Gateway, folder: Path, **environ: str
) -> AsyncIterator[Parts]:
    """Reelay at work there; results are posted as the gateway makes them."""
    gateways = {
        "POLL_MIN_SECONDS": "2",
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
    async with parts_of(own) as whole:
        parts = replace(whole, front_ends=[FrontEnd(own, clock)], clock=clock, fitter=None)
        app = App(own, parts)
        work = asyncio.create_task(app.run())
        passing = None
        try:
            await discord.until(lambda: discord.world.commands.syncs, 30)
            await discord.until(lambda: discord.world.listens(None), 30)
            passing = asyncio.create_task(clock.run())
            yield parts
            if work.done():
                work.result()
        finally:
            passing = passing or asyncio.create_task(clock.run())
            await app.stop()
            async with asyncio.timeout(30):
                await work
            passing.cancel()
