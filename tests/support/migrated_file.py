"""A SQLite file with Reelay's tables, made once in a process and copied: that is much faster."""

from __future__ import annotations

import asyncio
import atexit
import shutil
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

from bot.store.connect import open_database
from bot.store.migrate import migrate


@cache
def migrated_path() -> Path:
    """The file; to be copied, not changed."""
    folder = Path(mkdtemp(prefix="reelay-migrated-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    path = folder / "reelay.db"
    # In a thread, because the caller may have an event loop of its own.
    with ThreadPoolExecutor(1) as pool:
        pool.submit(asyncio.run, _migrate(f"sqlite:///{path}")).result()
    return path


def copy_migrated(target: Path) -> None:
    """Put a copy there, with what the directory needs; a file that exists is left as it is."""
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not target.exists():
        shutil.copy(migrated_path(), target)


async def _migrate(url: str) -> None:
    database = open_database(url)
    await database.open()
    try:
        await migrate(database)
    finally:
        await database.close()
