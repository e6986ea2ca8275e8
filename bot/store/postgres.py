"""PostgreSQL through asyncpg: many processes at once; what lost a race runs again."""

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

_CONNECTIONS = 20
_CONNECT_SECONDS = 10
_LOST_RACES = {"40001", "40P01"}
"""serialization_failure and deadlock_detected: nothing was written, so it may run again."""
_TRIES = 5
_TABLES_LOCK = 0x7265656C6179
"""Any number will do, as long as all processes name the same."""
_FAILED = "failed"
_HOW_TO_WRITE_IT = (
    "DATABASE_URL: write postgresql://user:password@host/name,"
    " with %40 for @, %2F for / and so on in the password"
)


class PostgresDatabase(Database):
    """A database on a server."""

    dialect = "postgresql"
    single_process = False

    def __init__(self, url: str) -> None:
        self._shown = _without_user(url)

        async def connect() -> asyncpg.Connection[asyncpg.Record]:
            # asyncpg reads the address itself, so that all that libpq allows there works.
            return await asyncpg.connect(url, timeout=_CONNECT_SECONDS)

        self._engine = create_async_engine(
            "postgresql+asyncpg://",
            async_creator=connect,
            pool_size=_CONNECTIONS // 2,
            max_overflow=_CONNECTIONS // 2,
            # SQLAlchemy shows the values of a failed statement otherwise: people's words.
            hide_parameters=True,
        )
        self._turns = asyncio.Semaphore(_CONNECTIONS)
        event.listen(self._engine.sync_engine, "handle_error", _note)
        # One moment for all statements of a function that reads, as SQLite has it.
        self._reading = self._engine.execution_options(
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
        return await self._run(self._reading, function)

    async def exclusively(self, function: Callable[[Tx], T]) -> T:
        def locked(tx: Tx) -> T:
            tx.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _TABLES_LOCK})
            return function(tx)

        return await self._run(self._engine, locked)

    async def _run(self, engine: AsyncEngine, function: Callable[[Tx], T]) -> T:
        tries = 0
        while True:
            tries += 1
            attempt = _Attempt(function)
            try:
                async with self._connected(engine) as connection:
                    return await connection.run_sync(attempt)
            except DBAPIError as error:
                if tries == _TRIES or not attempt.may_run_again(error):
                    if error.connection_invalidated:
                        raise self._unavailable(error) from error
                    if _lost_race(error):
                        lost = f"PostgreSQL at {self._shown}: lost {tries} races in a row"
                        raise DatabaseContended(lost) from error
                    raise
            # Rivals that met once must not meet again in step.
            await asyncio.sleep(random.uniform(0, 0.02))  # noqa: S311 - nothing secret in it

    @asynccontextmanager
    async def _connected(self, engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
        # The pool lets newcomers barge in before those who wait, until these give up.
        async with self._turns, self._checked_out(engine) as connection:
            yield connection

    @asynccontextmanager
    async def _checked_out(self, engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
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
        words = str(getattr(cause, "__cause__", None) or cause) or type(cause).__name__
        return DatabaseUnavailable(f"PostgreSQL at {self._shown}: {words.splitlines()[0]}")


class _Attempt(Generic[T]):
    """One run of a transaction function, as far as it came."""

    def __init__(self, function: Callable[[Tx], T]) -> None:
        self._function = function
        self._committing = False

    def __call__(self, tx: Tx) -> T:
        tx.info.pop(_FAILED, None)
        result = self._function(tx)
        if tx.info.pop(_FAILED, False):
            # An error swallowed without a savepoint: the COMMIT would roll back and not say so.
            tx.execute(text("SELECT 1"))
        self._committing = True
        tx.commit()
        return result

    def may_run_again(self, error: DBAPIError) -> bool:
        """Whether it is certain that nothing was committed, and another run may go better."""
        return _lost_race(error) or (error.connection_invalidated and not self._committing)


def _lost_race(error: DBAPIError) -> bool:
    return getattr(error.orig, "sqlstate", None) in _LOST_RACES


def _note(context: ExceptionContext) -> None:
    if context.connection is not None:
        context.connection.info[_FAILED] = True


def _without_user(url: str) -> str:
    """Where the database is, without who goes there."""
    try:
        parts = urlsplit(url)
        place = f"{parts.hostname or 'localhost'}:{parts.port or 5432}{parts.path}"
    except ValueError:
        raise DatabaseUrlError(_HOW_TO_WRITE_IT) from None
    # A sign that had to be escaped cut the address short: what follows may be the password.
    if "@" in f"{parts.path}{parts.query}{parts.fragment}":
        raise DatabaseUrlError(_HOW_TO_WRITE_IT)
    return place
