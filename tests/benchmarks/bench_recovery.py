"""Back to work after `kill -9` with ten thousand jobs in flight."""

from __future__ import annotations

import asyncio
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests.benchmarks.figure import Figure
from tests.benchmarks.fixed_server import Running, fixed_server
from tests.benchmarks.process import reelay
from tests.benchmarks.running import KEY, start, world_at

JOBS = 10_000
SPREAD = 10.0
ALLOWED = 2.0


def run() -> Iterator[Figure]:
    """Goal 7, on SQLite."""
    with tempfile.TemporaryDirectory() as name, fixed_server() as server:
        folder = Path(name)
        asyncio.run(_fill(server.address, folder))
        # The first process takes leases and is killed in the middle of its looks.
        _first_look(server, folder)
        taken = _first_look(server, folder)
        yield Figure(
            name=f"from the start to the first look, {JOBS:,} in flight, killed before",
            value=taken,
            unit="s",
            floor=ALLOWED,
            floor_name="allowed",
            goal=1,
        )
        yield Figure(
            name="the same",
            value=taken,
            unit="s",
            floor=_reading(folder),
            floor_name="reading the rows, and an empty start comes on top,",
            goal=50,
        )


async def _fill(address: str, folder: Path) -> None:
    async with world_at(address, folder, time.time()) as (world, _):
        await start(world, JOBS, SPREAD)


def _first_look(server: Running, folder: Path) -> float:
    server.forget()
    began = time.perf_counter()
    with reelay(
        folder,
        CONSOLE="false",
        PROVIDERS__LOCAL__KIND="openai",
        PROVIDERS__LOCAL__API_KEY=KEY,
        PROVIDERS__LOCAL__BASE_URL=server.address,
        PROVIDERS__LOCAL__MAX_CONCURRENT="100000",
    ):
        server.wait()
        return time.perf_counter() - began


def _reading(folder: Path) -> float:
    connection = sqlite3.connect(folder / "reelay.db")
    began = time.perf_counter()
    connection.execute("SELECT * FROM tasks").fetchall()
    taken = time.perf_counter() - began
    connection.close()
    return taken
