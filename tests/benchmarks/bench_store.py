"""Acceptance: the transaction that holds credits and writes a task, fifty people at once."""

from __future__ import annotations

import asyncio
import sqlite3
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from itertools import count
from pathlib import Path
from statistics import median
from zoneinfo import ZoneInfo

import asyncpg
from sqlalchemy import Engine, event
from sqlalchemy.engine.interfaces import ExecutionContext
from sqlalchemy.ext.asyncio import create_async_engine

from bot.credits.ledger import CreditRules
from bot.domain.tasks import Destination, Order
from bot.services import accept_task
from bot.services.accept_task import NewTask
from bot.store.connect import open_database
from bot.store.database import Database, Tx
from bot.store.migrate import migrate
from tests.benchmarks.figure import Figure
from tests.support.postgres_server import PostgresServer, shared_server

PEOPLE = 50
ACCEPTANCES = 500
ROUNDS = 3
NOW = 1_790_000_000.0
RULES = CreditRules(daily_credits=10**6, timezone=ZoneInfo("UTC"))
ORDER = Order(model="m", prompt="a kite", seconds=4, size="1280x720", width=1280, height=720)
EMPTY_LINE = "UPDATE tasks SET state = 'cancelled' WHERE state = 'queued'"
NAMES = ("PERSON", "TASK", "UPDATE")

Accept = Callable[[str, str], Awaitable[object]]
"""Accept a task of a person, durably."""


def accept(tx: Tx, person: str, task: str, update: str) -> None:
    """The transaction as the handler of `/video` runs it."""
    draft = NewTask(task, person, Destination("console"), "en", ORDER, 4, update_key=update)
    accept_task.accept_task(tx, draft, RULES, 10**6, NOW)


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement of an acceptance as it reached the driver."""

    words: str
    values: tuple[object, ...]

    def filled(self, names: dict[object, str]) -> tuple[object, ...]:
        """Its values with those of another acceptance in place of the recorded names."""
        return tuple(names.get(value, value) for value in self.values)


async def recorded(database: Database) -> list[Statement]:
    """The very statements of an acceptance by somebody who is known already."""
    await database.transact(partial(accept, person="PERSON", task="before", update="before"))
    found: list[Statement] = []

    def note(
        _connection: object,
        _cursor: object,
        words: str,
        values: tuple[object, ...],
        _context: ExecutionContext | None,
        _many: bool,
    ) -> None:
        if not words.startswith("BEGIN"):
            found.append(Statement(words, values))

    event.listen(Engine, "before_cursor_execute", note)
    person, task, update = NAMES
    try:
        await database.transact(partial(accept, person=person, task=task, update=update))
    finally:
        event.remove(Engine, "before_cursor_execute", note)
    return found


def named(person: str, task: str) -> dict[object, str]:
    return dict(zip(NAMES, (person, task, task), strict=True))


# --- the ways ----------------------------------------------------------------------------


@asynccontextmanager
async def ours(url: str, _: Sequence[Statement]) -> AsyncIterator[Accept]:
    """`database.transact`."""
    database = open_database(url)
    await database.open()
    yield lambda person, task: database.transact(
        partial(accept, person=person, task=task, update=task)
    )
    await database.close()


@asynccontextmanager
async def plain_sqlite(url: str, statements: Sequence[Statement]) -> AsyncIterator[Accept]:
    """sqlite3 in a thread: the whole transaction in one hop, one commit each."""
    loop = asyncio.get_running_loop()
    with ThreadPoolExecutor(1) as thread:
        connection = await loop.run_in_executor(thread, _connect, url)

        def run(person: str, task: str) -> None:
            names = named(person, task)
            connection.execute("BEGIN IMMEDIATE")
            for statement in statements:
                connection.execute(statement.words, statement.filled(names)).fetchall()
            connection.execute("COMMIT")

        yield lambda person, task: loop.run_in_executor(thread, run, person, task)
        await loop.run_in_executor(thread, connection.close)


def _connect(url: str) -> sqlite3.Connection:
    connection = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)
    for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
        connection.execute(f"PRAGMA {pragma}")
    return connection


@asynccontextmanager
async def naive_sqlalchemy(url: str, _: Sequence[Statement]) -> AsyncIterator[Accept]:
    """SQLAlchemy's own way over aiosqlite: a hop for each statement, a commit each."""
    # One connection: with more of them its transactions lock each other out.
    engine = create_async_engine(
        url.replace("sqlite:", "sqlite+aiosqlite:"), pool_size=1, max_overflow=0, pool_timeout=60
    )

    @event.listens_for(engine.sync_engine, "connect")
    def set_up(connection: sqlite3.Connection, _: object) -> None:
        for pragma in ("synchronous = FULL", "foreign_keys = ON"):
            connection.execute(f"PRAGMA {pragma}").close()

    async def run(person: str, task: str) -> None:
        async with engine.begin() as tx:
            await tx.run_sync(accept, person, task, task)

    yield run
    await engine.dispose()


@asynccontextmanager
async def plain_asyncpg(url: str, statements: Sequence[Statement]) -> AsyncIterator[Accept]:
    """The driver alone with its own pool, a round trip for each statement."""

    async def run(person: str, task: str) -> None:
        names = named(person, task)
        async with pool.acquire() as connection, connection.transaction():
            for statement in statements:
                await connection.fetch(statement.words, *statement.filled(names))

    async with asyncpg.create_pool(url, min_size=20, max_size=20) as pool:
        yield run


# --- measuring ---------------------------------------------------------------------------

Way = Callable[[str, Sequence[Statement]], AbstractAsyncContextManager[Accept]]


@dataclass(frozen=True, slots=True)
class Cost:
    """What one acceptance takes: processor time of this process, and time on the wall."""

    cpu: float
    wall: float


async def measure(ways: Sequence[Way], urls: Sequence[str]) -> list[Cost]:
    """The median cost of each way, the rounds interleaved."""
    async with AsyncExitStack() as stack:
        accepts = []
        for way, url in zip(ways, urls, strict=True):
            statements = await _prepare(url)
            accepts.append(await stack.enter_async_context(way(url, statements)))
        rounds = []
        for _ in range(ROUNDS + 1):
            rounds.append([await _round(one) for one in accepts])
            for url in urls:
                await _empty_line(url)
    # The first round warms up: connections are made, statements compiled.
    return [
        Cost(median(cost.cpu for cost in costs), median(cost.wall for cost in costs))
        for costs in zip(*rounds[1:], strict=True)
    ]


async def _prepare(url: str) -> list[Statement]:
    database = open_database(url)
    await database.open()
    await migrate(database)
    for person in range(PEOPLE):
        name = f"first{person}"
        await database.transact(partial(accept, person=str(person), task=name, update=name))
    statements = await recorded(database)
    await database.close()
    return statements


async def _empty_line(url: str) -> None:
    """Nobody waits any more: a round begins as the one before did."""
    if url.startswith("postgresql"):
        server = await asyncpg.connect(url)
        await server.execute(EMPTY_LINE)
        await server.close()
    else:
        connection = _connect(url)
        connection.execute(EMPTY_LINE)
        connection.close()


_numbers = count()


async def _round(one: Accept) -> Cost:
    async def keep_asking(person: int) -> None:
        for _ in range(ACCEPTANCES // PEOPLE):
            await one(str(person), f"task{next(_numbers)}")

    cpu, wall = time.process_time(), time.perf_counter()
    await asyncio.gather(*(keep_asking(person) for person in range(PEOPLE)))
    return Cost(
        (time.process_time() - cpu) / ACCEPTANCES, (time.perf_counter() - wall) / ACCEPTANCES
    )


def run() -> Iterator[Figure]:
    """Goals 2 and 3."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        yield from _on_sqlite(folder)
        with shared_server(folder) as server:
            yield from _on_postgresql(server)


def _on_sqlite(folder: Path) -> Iterator[Figure]:
    urls = [f"sqlite:///{folder}/{number}.db" for number in range(3)]
    mine, floor, naive = asyncio.run(measure([ours, plain_sqlite, naive_sqlalchemy], urls))
    yield Figure(
        name="acceptance on SQLite, CPU each",
        value=mine.cpu * 1000,
        unit="ms",
        floor=floor.cpu * 1000,
        floor_name="sqlite3 in one hop",
        goal=3,
    )
    yield Figure(
        name="acceptances on SQLite",
        value=1 / mine.wall,
        unit="/s",
        floor=1 / naive.wall,
        floor_name="SQLAlchemy over aiosqlite, naively",
        goal=4,
        at_least=True,
    )


def _on_postgresql(server: PostgresServer) -> Iterator[Figure]:
    mine, floor = asyncio.run(_with_databases(server, [ours, plain_asyncpg]))
    yield Figure(
        name="acceptance on PostgreSQL, CPU each",
        value=mine.cpu * 1000,
        unit="ms",
        floor=floor.cpu * 1000,
        floor_name="asyncpg",
        goal=3,
    )


async def _with_databases(server: PostgresServer, ways: Sequence[Way]) -> list[Cost]:
    urls = [server.url(await server.create(migrated=False)) for _ in ways]
    return await measure(ways, urls)
