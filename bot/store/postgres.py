"""PostgreSQL through asyncpg: many processes; a transaction that lost a race runs again."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Generic, TypeVar
from urllib.parse import urlsplit

import asyncpg
from sqlalchemy import event, text
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from bot.store.database import (
    Database,
    DatabaseContended,
    DatabaseUnavailable,
    DatabaseUrlError,
    Tx,
)

T = TypeVar("T")

_MAX_CONNECTIONS = 20
_CONNECT_TIMEOUT_S = 10
_RETRYABLE_SQLSTATES = {"40001", "40P01"}
"""serialization_failure and deadlock_detected: nothing was written, so it may run again."""
_MAX_ATTEMPTS = 5
_MIGRATION_LOCK_KEY = 0x7265656C6179
"""Any number, as long as all processes use the same."""
_STATEMENT_FAILED = "failed"
_URL_HELP = (
    "DATABASE_URL: write postgresql://user:password@host/name,"
    " with %40 for @, %2F for / and so on in the password"
)


class PostgresDatabase(Database):
    """A database on a server."""

    dialect = "postgresql"
    single_process = False

    def __init__(self, url: str) -> None:
        self._location = _location_of(url)

        async def connect() -> asyncpg.Connection[asyncpg.Record]:
            # asyncpg reads the address itself, so that all that libpq allows there works.
            return await asyncpg.connect(url, timeout=_CONNECT_TIMEOUT_S)

        self._engine = create_async_engine(
            "postgresql+asyncpg://",
            async_creator=connect,
            pool_size=_MAX_CONNECTIONS // 2,
            max_overflow=_MAX_CONNECTIONS // 2,
            # SQLAlchemy shows the values of a failed statement otherwise: people's words.
            hide_parameters=True,
        )
        self._free_connections = asyncio.Semaphore(_MAX_CONNECTIONS)
        event.listen(self._engine.sync_engine, "handle_error", _mark_failed)
        # One moment for all statements of a function that reads, as SQLite has it.
        self._read_engine = self._engine.execution_options(
            isolation_level="REPEATABLE READ", postgresql_readonly=True
        )

    async def open(self) -> None:
        try:
            await self.read(lambda tx: tx.execute(text("SELECT 1")).scalar())
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        await self._engine.dispose()

    async def transact(self, function: Callable[[Tx], T]) -> T:
        return await self._run(self._engine, function)

    async def read(self, function: Callable[[Tx], T]) -> T:
        return await self._run(self._read_engine, function)

    async def run_exclusive(self, function: Callable[[Tx], T]) -> T:
        def locked(tx: Tx) -> T:
            tx.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MIGRATION_LOCK_KEY})
            return function(tx)

        return await self._run(self._engine, locked)

    async def _run(self, engine: AsyncEngine, function: Callable[[Tx], T]) -> T:
        attempts = 0
        while True:
            attempts += 1
            attempt = _Attempt(function)
            try:
                async with self._acquire(engine) as connection:
                    return await connection.run_sync(attempt)
            except DBAPIError as error:
                if attempts == _MAX_ATTEMPTS or not attempt.may_run_again(error):
                    if error.connection_invalidated:
                        raise self._unavailable(error) from error
                    if _is_retryable(error):
                        message = f"PostgreSQL at {self._location}: lost {attempts} races in a row"
                        raise DatabaseContended(message) from error
                    raise
            # Rivals that met once must not meet again in step.
            await asyncio.sleep(random.uniform(0, 0.02))  # noqa: S311 - nothing secret in it

    @asynccontextmanager
    async def _acquire(self, engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
        # The pool lets newcomers barge in before those who wait, until these give up.
        async with self._free_connections, self._check_out(engine) as connection:
            yield connection

    @asynccontextmanager
    async def _check_out(self, engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
        try:
            connection = await engine.connect()
        except (DBAPIError, OSError, PoolTimeoutError, asyncpg.InterfaceError) as error:
            raise self._unavailable(error) from error
        try:
            yield connection
        finally:
            await connection.close()

    def _unavailable(self, error: Exception) -> DatabaseUnavailable:
        cause = error.orig if isinstance(error, DBAPIError) else error
        message = str(getattr(cause, "__cause__", None) or cause) or type(cause).__name__
        return DatabaseUnavailable(f"PostgreSQL at {self._location}: {message.splitlines()[0]}")


class _Attempt(Generic[T]):
    """One attempt of a transaction, and how far it came."""

    def __init__(self, function: Callable[[Tx], T]) -> None:
        self._function = function
        self._is_committing = False

    def __call__(self, tx: Tx) -> T:
        tx.info.pop(_STATEMENT_FAILED, None)
        result = self._function(tx)
        if tx.info.pop(_STATEMENT_FAILED, False):
            # An error swallowed without a savepoint: the COMMIT would roll back and not say so.
            tx.execute(text("SELECT 1"))
        self._is_committing = True
        tx.commit()
        return result

    def may_run_again(self, error: DBAPIError) -> bool:
        """Whether certainly nothing was committed and another attempt may succeed."""
        return _is_retryable(error) or (error.connection_invalidated and not self._is_committing)


def _is_retryable(error: DBAPIError) -> bool:
    return getattr(error.orig, "sqlstate", None) in _RETRYABLE_SQLSTATES


def _mark_failed(context: ExceptionContext) -> None:
    if context.connection is not None:
        context.connection.info[_STATEMENT_FAILED] = True


def _location_of(url: str) -> str:
    """Return the address of the database without credentials."""
    try:
        parts = urlsplit(url)
        location = f"{parts.hostname or 'localhost'}:{parts.port or 5432}{parts.path}"
    except ValueError:
        raise DatabaseUrlError(_URL_HELP) from None
    # A sign that had to be escaped cut the address short: what follows may be the password.
    if "@" in f"{parts.path}{parts.query}{parts.fragment}":
        raise DatabaseUrlError(_URL_HELP)
    return location
