"""One look at one job: schedule, request, parse, decide, write; five hundred at once."""

from __future__ import annotations

import asyncio
import json
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import httpx

from bot.engine.worker import Worker
from tests.benchmarks.figure import Figure
from tests.benchmarks.fixed_server import fixed_server
from tests.benchmarks.running import start, world_at

AT_ONCE = 500
ROUNDS = 9

Round = Callable[[], Awaitable[object]]
"""Looks at every job once."""


@asynccontextmanager
async def ours(address: str) -> AsyncIterator[Round]:
    """The worker's own round, as in the process; only its clock is turned by hand."""
    with tempfile.TemporaryDirectory() as name:
        async with world_at(address, Path(name)) as (world, clock):
            await start(world, AT_ONCE)
            worker = Worker(world)

            async def look() -> None:
                await clock.advance(100)
                assert await worker.run_once()
                await worker.wait_idle()

            yield look


@asynccontextmanager
async def plain_aiohttp(address: str) -> AsyncIterator[Round]:
    """A GET and json.loads, nothing else."""
    connector = aiohttp.TCPConnector(limit=AT_ONCE)
    async with aiohttp.ClientSession(connector=connector) as session:

        async def get() -> None:
            async with session.get(f"{address}/videos/job") as response:
                assert json.loads(await response.read())["progress"] == 42

        yield lambda: asyncio.gather(*(get() for _ in range(AT_ONCE)))


@asynccontextmanager
async def plain_httpx(address: str) -> AsyncIterator[Round]:
    """The same over httpx's own transport."""
    limits = httpx.Limits(max_connections=AT_ONCE, max_keepalive_connections=AT_ONCE)
    async with httpx.AsyncClient(limits=limits, timeout=None, trust_env=False) as client:  # noqa: S113 - the server is ours

        async def get() -> None:
            response = await client.get(f"{address}/videos/job")
            assert response.json()["progress"] == 42

        yield lambda: asyncio.gather(*(get() for _ in range(AT_ONCE)))


async def _cost(one: Round) -> float:
    """Processor time of this process for each look, in milliseconds."""
    before = time.process_time()
    await one()
    return (time.process_time() - before) / AT_ONCE * 1000


async def _measured(address: str) -> tuple[float, float, float]:
    async with ours(address) as mine, plain_aiohttp(address) as floor:
        # The first round of each makes the connections.
        rounds = [(await _cost(mine), await _cost(floor)) for _ in range(ROUNDS)][1:]
    async with plain_httpx(address) as peer:
        # Once is enough: it takes half a minute of processor time.
        worst = await _cost(peer)
    # The round in the middle, whole: on a busy machine only figures of one moment can be compared.
    mine_then, floor_then = sorted(rounds, key=lambda pair: pair[0] / pair[1])[len(rounds) // 2]
    return mine_then, floor_then, worst


def run() -> Iterator[Figure]:
    """Goal 1."""
    with fixed_server() as server:
        mine, floor, peer = asyncio.run(_measured(server.address))
    name = f"a look, {AT_ONCE} at once, CPU each"
    yield Figure(name, mine, "ms", floor, "aiohttp GET and json.loads", 3.5)
    yield Figure(
        name="looks for the processor time of one of the peer's",
        value=peer / mine,
        unit="",
        floor=1.0,
        floor_name=f"httpx's own transport ({peer:.3g} ms)",
        goal=8,
        at_least=True,
    )
