"""SQLite through aiosqlite: one writer, one thread hop per transaction, group commit."""

from __future__ import annotations

import asyncio
import fcntl
import os
import sqlite3
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar, cast

import aiosqlite
from sqlalchemy import Connection, FromClause, create_engine, event
from sqlalchemy.dialects.sqlite.base import SQLiteCompiler
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.pool import StaticPool

from bot.store.database import Database, DatabaseBusy, DatabaseError, DatabaseUnavailable, Tx

T = TypeVar("T")

_MAX_GROUP_SIZE = 100
"""Maximum number of transactions in one commit: the first waits for the last."""
_LOCK_TIMEOUT_S = 10
"""Seconds to wait for another program that has locked the file, such as a shell."""
_DISK_ERRORS = frozenset({sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN})
_PRAGMAS = (
    "journal_mode = WAL",
    # NORMAL may lose the newest commits when the machine loses power.
    "synchronous = FULL",
    "foreign_keys = ON",
)


class _HintCompiler(SQLiteCompiler):
    """Compiles hints of `with_hint` (INDEXED BY), which SQLAlchemy omits for SQLite."""

    def get_from_hint_text(self, table: FromClause, text: str | None) -> str | None:
        return text


class _Connection:
    """A sqlite3 connection in aiosqlite's thread, with SQLAlchemy on top of it."""

    def __init__(self, path: Path, begin: str, *pragmas: str) -> None:
        self._path = path
        self._begin_statement = begin
        self._pragmas = pragmas
        self.driver_connection: sqlite3.Connection
        self._thread: aiosqlite.Connection | None = None
        # SQLAlchemy shows the values of a failed statement otherwise, and they are people's words.
        self._engine = create_engine(
            "sqlite://",
            creator=lambda: self.driver_connection,
            poolclass=StaticPool,
            hide_parameters=True,
        )
        self._engine.dialect.statement_compiler = _HintCompiler
        event.listen(self._engine, "begin", self._begin_transaction)

    async def open(self) -> None:
        self._thread = await aiosqlite.Connection(self._connect, iter_chunk_size=64)
        await self.run_in_thread(self._set_up)

    async def close(self) -> None:
        if self._thread is not None:
            # The pool would hand out the closed connection if this lane were opened again.
            await self.run_in_thread(self._engine.dispose)
            thread, self._thread = self._thread, None
            await thread.close()

    async def run_in_thread(self, function: Callable[[], T]) -> T:
        """Run a function in the connection's thread.

        aiosqlite has no public way to run several statements per hop, and a hop for each makes a
        transaction five times as slow.
        """
        if self._thread is None:
            raise DatabaseUnavailable("the database is not open")
        result: T = await self._thread._execute(function)  # type: ignore[no-untyped-call]  # noqa: SLF001
        return result

    def run_transaction(self, function: Callable[[Tx], T]) -> T:
        """Run a function in a transaction; only inside a hop."""
        with self._engine.begin() as tx:
            return function(tx)

    def _connect(self) -> sqlite3.Connection:
        # No isolation level: the module would begin transactions by itself, too late for us.
        self.driver_connection = sqlite3.connect(
            self._path, timeout=_LOCK_TIMEOUT_S, isolation_level=None
        )
        return self.driver_connection

    def _set_up(self) -> None:
        for pragma in (*_PRAGMAS, *self._pragmas):
            self.driver_connection.execute(f"PRAGMA {pragma}").close()

    def _begin_transaction(self, connection: Connection) -> None:
        connection.exec_driver_sql(self._begin_statement)


@dataclass(frozen=True, slots=True)
class _TransactionResult:
    """Result of a transaction, as a value: a future cannot carry every exception."""

    value: object = None
    error: Exception | None = None


class _GroupAborted(Exception):
    """The transaction that a group shares has ended early."""


@dataclass(frozen=True, slots=True, eq=False)
class _Pending:
    """A queued transaction and the future of its caller."""

    function: Callable[[Tx], object]
    future: asyncio.Future[_TransactionResult]

    def resolve(self, result: _TransactionResult) -> None:
        if not self.future.done():
            self.future.set_result(result)


class SqliteDatabase(Database):
    """One file, used by one process."""

    dialect = "sqlite"
    single_process = True

    def __init__(self, path: str) -> None:
        self._path = Path(path)
        self._writer = _Connection(self._path, "BEGIN IMMEDIATE")
        self._reader = _Connection(self._path, "BEGIN", "query_only = ON")
        self._lock_fd: int | None = None
        self._pending: deque[_Pending] = deque()
        self._drain_task: asyncio.Task[None] | None = None

    async def open(self) -> None:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._acquire_lock()
            # For its owner only from the first byte: people's prompts are in it.
            os.close(os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600))
            await self._writer.open()
            await self._reader.open()
        except BaseException as error:
            # Whatever it was: a thread left behind would keep the process from ending.
            await self.close()
            if isinstance(error, OSError | sqlite3.Error):
                raise self._translate_error(error) from None
            raise

    async def close(self) -> None:
        while self._drain_task is not None:
            await asyncio.wait({self._drain_task})
        await self._reader.close()
        await self._writer.close()
        if self._lock_fd is not None:
            # The lock file stays: to remove it would take it from under a process that waits.
            os.close(self._lock_fd)
            self._lock_fd = None

    async def transact(self, function: Callable[[Tx], T]) -> T:
        pending = _Pending(function, asyncio.get_running_loop().create_future())
        self._pending.append(pending)
        if self._drain_task is None:
            self._drain_task = asyncio.create_task(self._drain())
        result = await pending.future
        if result.error is not None:
            raise self._translate_disk_error(result.error)
        return cast("T", result.value)

    async def read(self, function: Callable[[Tx], T]) -> T:
        try:
            return await self._reader.run_in_thread(partial(self._reader.run_transaction, function))
        except OperationalError as error:
            raise self._translate_disk_error(error) from None

    async def run_exclusive(self, function: Callable[[Tx], T]) -> T:
        # The process lock keeps other processes away, the writer's thread everybody else.
        return await self._writer.run_in_thread(
            partial(_without_foreign_keys, self._writer, function)
        )

    def _acquire_lock(self) -> None:
        self._lock_fd = os.open(f"{self._path}.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._lock_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DatabaseBusy(
                f"another Reelay is using {self._path};"
                " stop it first, or use PostgreSQL to run several"
            ) from None

    async def _drain(self) -> None:
        """Commit queued transactions, group by group, until the queue is empty."""
        try:
            while self._pending:
                size = min(len(self._pending), _MAX_GROUP_SIZE)
                group = [self._pending.popleft() for _ in range(size)]
                # What nobody waits for any more is left out as long as that is possible.
                if awaited := [pending for pending in group if not pending.future.done()]:
                    await self._commit(awaited)
        finally:
            self._drain_task = None

    async def _commit(self, group: list[_Pending]) -> None:
        functions = [pending.function for pending in group]
        try:
            results = await self._writer.run_in_thread(partial(_run_group, self._writer, functions))
        except Exception as error:  # noqa: BLE001 - each one that waits must hear of it
            results = [_TransactionResult(error=self._translate_error(error)) for _ in group]
        for pending, result in zip(group, results, strict=True):
            pending.resolve(result)

    def _translate_disk_error(self, error: Exception) -> Exception:
        """Return the error, or `DatabaseUnavailable` if the disk caused it."""
        cause = error.orig if isinstance(error, OperationalError) else None
        code = getattr(cause, "sqlite_errorcode", 0) & 0xFF
        return self._translate_error(error) if code in _DISK_ERRORS else error

    def _translate_error(self, error: Exception) -> DatabaseError:
        if isinstance(error, DatabaseError):
            return error
        cause = error.__cause__ if isinstance(error, _GroupAborted) else error
        cause = cause.orig if isinstance(cause, DBAPIError) else cause
        if getattr(cause, "sqlite_errorcode", None) == sqlite3.SQLITE_BUSY:
            return DatabaseBusy(f"another program has {self._path} locked; close it there")
        return DatabaseUnavailable(f"{self._path}: {getattr(cause, 'strerror', None) or cause}")


def _run_group(
    connection: _Connection, functions: list[Callable[[Tx], object]]
) -> list[_TransactionResult]:
    """Run all in one transaction; a savepoint isolates each from the others' failures."""
    return connection.run_transaction(
        lambda tx: [_run_one(connection.driver_connection, tx, function) for function in functions]
    )


def _run_one(
    driver_connection: sqlite3.Connection, tx: Tx, function: Callable[[Tx], object]
) -> _TransactionResult:
    # By hand: SQLAlchemy's own savepoints cost more than a small transaction.
    driver_connection.execute("SAVEPOINT one").close()
    try:
        result = _TransactionResult(function(tx))
    except Exception as error:
        # A full disk rolls all back at once; what came after it would be committed piecemeal.
        if not driver_connection.in_transaction:
            raise _GroupAborted from error
        driver_connection.execute("ROLLBACK TO one").close()
        result = _TransactionResult(error=error)
    driver_connection.execute("RELEASE one").close()
    return result


def _without_foreign_keys(connection: _Connection, function: Callable[[Tx], T]) -> T:
    """Run a function that may rebuild referenced tables; check foreign keys at the end."""

    def checked(tx: Tx) -> T:
        result = function(tx)
        violation = tx.exec_driver_sql("PRAGMA foreign_key_check").first()
        if violation is not None:
            raise DatabaseUnavailable(f"a row of {violation[0]} points at no row of {violation[2]}")
        return result

    # SQLite ignores this inside a transaction.
    connection.driver_connection.execute("PRAGMA foreign_keys = OFF").close()
    try:
        return connection.run_transaction(checked)
    finally:
        connection.driver_connection.execute("PRAGMA foreign_keys = ON").close()
