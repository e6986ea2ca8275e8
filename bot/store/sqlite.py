"""SQLite through aiosqlite: one writer, whole transactions in one hop, waiting ones in one commit."""

from __future__ import annotations

import asyncio
import fcntl
import os
import sqlite3
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

import aiosqlite
from sqlalchemy import Connection, Engine, create_engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import StaticPool

from bot.store.database import Database, DatabaseBusy, DatabaseUnavailable, Tx

T = TypeVar("T")
_GROUP = 200
"""Transactions in one commit at the most: the first of them must not wait for ever."""


class _Session:
    """One aiosqlite connection, with SQLAlchemy on top of it inside its thread."""

    def __init__(self, path: Path, *, query_only: bool) -> None:
        self._path = path
        self._query_only = query_only
        self._connection: aiosqlite.Connection | None = None
        self._engine: Engine | None = None

    async def open(self) -> None:
        # No implicit BEGIN: the transactions here say themselves when they begin.
        self._connection = await aiosqlite.connect(self._path, isolation_level=None, timeout=30)
        self._engine = await self.hop(self._prepare)

    async def close(self) -> None:
        if self._connection is not None:
            if self._engine is not None:
                await self.hop(self._engine.dispose)
            await self._connection.close()
            self._connection = self._engine = None

    async def hop(self, function: Callable[[], T]) -> T:
        """Run a function in the connection's thread.

        aiosqlite has no public way to run more than one statement in a hop, and a hop a statement
        costs five times the transaction.
        """
        if self._connection is None:
            raise DatabaseUnavailable("the database is not open")
        return await self._connection._execute(function)  # type: ignore[no-any-return]  # noqa: SLF001

    async def run(self, function: Callable[[Connection], T]) -> T:
        """Run a function of a SQLAlchemy connection in one hop."""
        return await self.hop(partial(self._call, function))

    def _call(self, function: Callable[[Connection], T]) -> T:
        if self._engine is None:
            raise DatabaseUnavailable("the database is not open")
        with self._engine.connect() as connection:
            return function(connection)

    def _raw(self) -> sqlite3.Connection:
        if self._connection is None:
            raise DatabaseUnavailable("the database is not open")
        return self._connection._conn  # noqa: SLF001 - SQLAlchemy needs the connection itself

    def _prepare(self) -> Engine:
        raw = self._raw()
        pragmas = ["journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"]
        pragmas += ["query_only = ON"] if self._query_only else []
        for pragma in pragmas:
            raw.execute(f"PRAGMA {pragma}").close()
        return create_engine(
            "sqlite://",
            creator=self._raw,
            poolclass=StaticPool,
            # The pool must not roll back by itself: BEGIN and COMMIT are ours.
            pool_reset_on_return=None,
            isolation_level="AUTOCOMMIT",
        )


class _Waiting:
    """A transaction in the queue, and whoever waits for it."""

    def __init__(self, function: Callable[[Tx], object]) -> None:
        self.function = function
        self.future: asyncio.Future[object] = asyncio.get_running_loop().create_future()

    def settle(self, result: object) -> None:
        """Tell the one who waits, if they still do."""
        if self.future.done():
            return
        if isinstance(result, BaseException):
            self.future.set_exception(result)
        else:
            self.future.set_result(result)


class SqliteDatabase(Database):
    """One file, one process."""

    dialect = "sqlite"
    single_process = True

    def __init__(self, path: str) -> None:
        self._path = Path(path)
        self._lock: int | None = None
        self._writer = _Session(self._path, query_only=False)
        self._reader = _Session(self._path, query_only=True)
        self._queue: list[_Waiting] = []
        self._pump: asyncio.Task[None] | None = None

    async def open(self) -> None:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._take_lock()
            await self._writer.open()
            await self._reader.open()
        except (OSError, sqlite3.Error) as error:
            await self.close()
            raise DatabaseUnavailable(f"cannot open {self._path}: {error}") from None

    async def close(self) -> None:
        if self._pump is not None:
            await asyncio.wait({self._pump})
        await self._reader.close()
        await self._writer.close()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _take_lock(self) -> None:
        lock = os.open(f"{self._path}.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            raise DatabaseBusy(
                f"another Reelay is using {self._path}; stop it first, or use PostgreSQL to run several"
            ) from None
        self._lock = lock

    async def transact(self, function: Callable[[Tx], T]) -> T:
        waiting = _Waiting(function)
        self._queue.append(waiting)
        if self._pump is None or self._pump.done():
            self._pump = asyncio.create_task(self._commit_groups())
        return await waiting.future  # type: ignore[return-value]

    async def _commit_groups(self) -> None:
        while self._queue:
            group, self._queue = self._queue[:_GROUP], self._queue[_GROUP:]
            try:
                results = await self._writer.run(partial(_commit, [one.function for one in group]))
            except Exception as error:  # noqa: BLE001 - each of the group must hear of it
                results = [error] * len(group)
            for one, result in zip(group, results, strict=True):
                one.settle(result)

    async def read(self, function: Callable[[Tx], T]) -> T:
        return await self._reader.run(partial(_read, function))

    async def exclusively(self, function: Callable[[Tx], T]) -> T:
        return await self.transact(function)


def _read(function: Callable[[Tx], T], connection: Connection) -> T:
    connection.exec_driver_sql("BEGIN")
    try:
        return function(connection)
    finally:
        connection.exec_driver_sql("ROLLBACK")


def _commit(functions: list[Callable[[Tx], object]], connection: Connection) -> list[object]:
    """Run each in a savepoint of one transaction: one that fails takes nothing of the others."""
    connection.exec_driver_sql("BEGIN IMMEDIATE")
    try:
        results = [_in_savepoint(function, connection) for function in functions]
        connection.exec_driver_sql("COMMIT")
    except BaseException:
        _roll_back(connection)
        raise
    return results


def _in_savepoint(function: Callable[[Tx], object], connection: Connection) -> object:
    connection.exec_driver_sql("SAVEPOINT one")
    try:
        result = function(connection)
    except Exception as error:  # noqa: BLE001 - handed to the one who waits for it
        connection.exec_driver_sql("ROLLBACK TO one")
        connection.exec_driver_sql("RELEASE one")
        return error
    connection.exec_driver_sql("RELEASE one")
    return result


def _roll_back(connection: Connection) -> None:
    try:
        connection.exec_driver_sql("ROLLBACK")
    except DBAPIError:
        # A full disk may have rolled it back already; there is nothing left to undo.
        return


