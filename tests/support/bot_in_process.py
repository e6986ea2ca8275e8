"""Reelay in the process of the test, with its real parts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from bot.app import App, Components, FrontEnd, open_components
from bot.config import Settings, load_settings
from tests.fakes.change_signal import PATIENCE_S
from tests.support.migrated_file import copy_migrated


def settings(folder: Path, **environ: str) -> Settings:
    """The settings of these variables alone, with everything kept in a folder.

    Unless they name a database, its tables are there already.
    """
    kept = {
        "DATA_DIR": str(folder / "data"),
        "DATABASE_URL": f"sqlite:///{folder / 'reelay.db'}",
        "HTTP_PORT": "0",
        "POLL_MIN_SECONDS": "0.1",
    }
    empty = folder / "none.env"
    folder.mkdir(parents=True, exist_ok=True)
    empty.touch()
    if "DATABASE_URL" not in environ:
        copy_migrated(folder / "reelay.db")
    return load_settings(empty, {**kept, **environ})


@asynccontextmanager
async def running_bot(
    settings: Settings, front_ends: Sequence[FrontEnd] | None = None
) -> AsyncIterator[Components]:
    """Run Reelay with these front-ends or its own; it must stop when asked."""
    async with open_components(settings) as own:
        parts = own if front_ends is None else replace(own, front_ends=front_ends)
        app = App(settings, parts)
        work = asyncio.create_task(app.run())
        try:
            yield parts
            if work.done():
                work.result()
        finally:
            await app.stop()
            async with asyncio.timeout(PATIENCE_S):
                await work
