"""Acceptance: a durable transaction that holds credits and adds a task, fifty people at once."""

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

import asyncpg
from sqlalchemy import (
    CheckConstraint,
    Column,
    ForeignKey,
    Integer,
    MetaData,
    Table,
    Text,
    bindparam,
    event,
    insert,
    update,
)
from sqlalchemy.ext.asyncio import create_async_engine

from bot.store.database import Tx, open_database
from tests.benchmarks.figure import Figure
from tests.standins.postgres import Server, shared_server

PEOPLE = 50
ACCEPTANCES = 1000
ROUNDS = 5
PRICE = 4

Accept = Callable[[str, str], Awaitable[object]]
"""Accept a task of an account, durably."""

metadata = MetaData()
accounts = Table(
    "accounts",
    metadata,
    Column("id", Text, primary_key=True),
    Column("free", Integer, CheckConstraint("free >= 0"), nullable=False),
    Column("held", Integer, nullable=False),
)
tasks = Table(
    "tasks",
    metadata,
    Column("id", Text, primary_key=True),
    Column("account", Text, ForeignKey("accounts.id"), nullable=False),
    Column("prompt", Text, nullable=False),
    Column("state", Text, nullable=False),
)
entries = Table(
    "entries",
    metadata,
    Column("task", Text, ForeignKey("tasks.id"), primary_key=True),
    Column("account", Text, ForeignKey("accounts.id"), nullable=False),
    Column("held", Integer, nullable=False),
)

HOLD = "UPDATE accounts SET free = free - {0}, held = held + {0} WHERE id = {1} AND free >= {0}"
TASK = "INSERT INTO tasks (id, account, prompt, state) VALUES ({}, {}, {}, {})"
ENTRY = "INSERT INTO entries (task, account, held) VALUES ({}, {}, {})"


# Built once: to build a statement costs several times what it costs to run it.
_HOLD = (
    update(accounts)
    .where(accounts.c.id == bindparam("account"), accounts.c.free >= bindparam("price"))
    .values(free=accounts.c.free - bindparam("price"), held=accounts.c.held + bindparam("price"))
)
_TASK = insert(tasks)
_ENTRY = insert(entries)


def accept(tx: Tx, account: str, task: str) -> None:
    """The transaction as Reelay writes it."""
    tx.execute(_HOLD, {"account": account, "price": PRICE})
    tx.execute(_TASK, {"id": task, "account": account, "prompt": "a kite", "state": "queued"})
    tx.execute(_ENTRY, {"task": task, "account": account, "held": PRICE})


# --- the ways ----------------------------------------------------------------------------


@asynccontextmanager
async def ours(url: str) -> AsyncIterator[Accept]:
    """`database.transact`."""
    database = open_database(url)
    await database.open()
    yield lambda account, task: database.transact(partial(accept, account=account, task=task))
    await database.close()


@asynccontextmanager
async def plain_sqlite(url: str) -> AsyncIterator[Accept]:
    """sqlite3 in a thread: the whole transaction in one hop, one commit each."""
    hold, new, entry = HOLD.format("?1", "?2"), TASK.format(*"????"), ENTRY.format(*"???")
    loop = asyncio.get_running_loop()
    with ThreadPoolExecutor(1) as thread:
        connection = await loop.run_in_executor(thread, _connect, url)

        def run(account: str, task: str) -> None:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute(hold, (PRICE, account))
            connection.execute(new, (task, account, "a kite", "queued"))
            connection.execute(entry, (task, account, PRICE))
            connection.execute("COMMIT")

        yield lambda account, task: loop.run_in_executor(thread, run, account, task)
        await loop.run_in_executor(thread, connection.close)


def _connect(url: str) -> sqlite3.Connection:
    connection = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)
    for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
        connection.execute(f"PRAGMA {pragma}")
    return connection


@asynccontextmanager
async def naive_sqlalchemy(url: str) -> AsyncIterator[Accept]:
    """SQLAlchemy's own way over aiosqlite: a hop for each statement, a commit each."""
    # One connection: with more of them its transactions lock each other out.
    engine = create_async_engine(
        url.replace("sqlite:", "sqlite+aiosqlite:"), pool_size=1, max_overflow=0, pool_timeout=60
    )

    @event.listens_for(engine.sync_engine, "connect")
    def set_up(connection: sqlite3.Connection, _: object) -> None:
        for pragma in ("synchronous = FULL", "foreign_keys = ON"):
            connection.execute(f"PRAGMA {pragma}").close()

    async def run(account: str, task: str) -> None:
        async with engine.begin() as tx:
            await tx.run_sync(accept, account, task)

    yield run
    await engine.dispose()


@asynccontextmanager
async def plain_asyncpg(url: str) -> AsyncIterator[Accept]:
    """The driver alone with its own pool, a round trip for each statement."""
    hold = HOLD.format("$1::integer", "$2")
    new = TASK.format("$1", "$2", "$3", "$4")
    entry = ENTRY.format("$1", "$2", "$3")

    async def run(account: str, task: str) -> None:
        async with pool.acquire() as connection, connection.transaction():
            await connection.execute(hold, PRICE, account)
            await connection.execute(new, task, account, "a kite", "queued")
            await connection.execute(entry, task, account, PRICE)

    async with asyncpg.create_pool(url, min_size=20, max_size=20) as pool:
        yield run


# --- measuring ---------------------------------------------------------------------------

Way = Callable[[str], AbstractAsyncContextManager[Accept]]


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
            await _prepare(url)
            accepts.append(await stack.enter_async_context(way(url)))
        rounds = [[await _round(one) for one in accepts] for _ in range(ROUNDS + 1)]
    # The first round warms up: connections are made, statements compiled.
    return [
        Cost(median(cost.cpu for cost in costs), median(cost.wall for cost in costs))
        for costs in zip(*rounds[1:], strict=True)
    ]


async def _prepare(url: str) -> None:
    database = open_database(url)
    await database.open()
    await database.exclusively(metadata.create_all)
    people = [{"id": str(person), "free": 10**9, "held": 0} for person in range(PEOPLE)]
    await database.transact(lambda tx: tx.execute(insert(accounts), people).close())
    await database.close()


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


def _on_postgresql(server: Server) -> Iterator[Figure]:
    mine, floor = asyncio.run(_with_databases(server, [ours, plain_asyncpg]))
    yield Figure(
        name="acceptance on PostgreSQL, CPU each",
        value=mine.cpu * 1000,
        unit="ms",
        floor=floor.cpu * 1000,
        floor_name="asyncpg",
        goal=3,
    )


async def _with_databases(server: Server, ways: Sequence[Way]) -> list[Cost]:
    urls = [server.url(await server.create(migrated=False)) for _ in ways]
    return await measure(ways, urls)
