"""PostgreSQL through asyncpg: any number of processes; a transaction that lost a race runs again."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.sql import text

from bot.store.database import Database, DatabaseUnavailable, Tx

T = TypeVar("T")
_LOST_RACES = {"40001", "40P01"}
"""serialization_failure and deadlock_detected: nothing was written, so it may simply run again."""
_RACES = 5
_MIGRATION_LOCK = 0x7265656C6179
"""Any number will do, as long as all processes name the same."""


class PostgresDatabase(Database):
    """A database on a server."""

    dialect = "postgresql"
    single_process = False

    def __init__(self, url: str) -> None:
        self._url = make_url(url)
        self._engine: AsyncEngine | None = None

    @property
    def _shown(self) -> str:
        return f"{self._url.host or 'localhost'}/{self._url.database}"

    async def open(self) -> None:
        self._engine = create_async_engine(
            self._url, pool_size=10, max_overflow=10, pool_pre_ping=False, hide_parameters=True
        )
        try:
            await self.read(lambda tx: tx.execute(text("SELECT 1")).scalar())
        except Exception as error:
            await self.close()
            reason = str(getattr(error, "orig", None) or error).splitlines()[0]
            secret = self._url.password
            reason = reason.replace(str(secret), "***") if secret else reason
            raise DatabaseUnavailable(f"cannot open {self._shown}: {reason}") from None

    async def close(self) -> None:
        if self._engine is not None:
            await self._engine.dispose()
            self._engine = None

    async def transact(self, function: Callable[[Tx], T]) -> T:
        for race in range(_RACES):
            try:
                return await self._once(function)
            except DBAPIError as error:
                lost = getattr(error.orig, "sqlstate", None) in _LOST_RACES
                if not lost or race == _RACES - 1:
                    raise self._told(error) from error
        raise DatabaseUnavailable("unreachable")  # pragma: no cover - the loop returns or raises

    async def _once(self, function: Callable[[Tx], T]) -> T:
        async with self._open_engine().begin() as connection:
            return await connection.run_sync(function)

    async def read(self, function: Callable[[Tx], T]) -> T:
        async with self._open_engine().connect() as connection:
            try:
                return await connection.run_sync(function)
            except DBAPIError as error:
                raise self._told(error) from error

    async def exclusively(self, function: Callable[[Tx], T]) -> T:
        def locked(tx: Tx) -> T:
            tx.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MIGRATION_LOCK})
            return function(tx)

        return await self._once(locked)

    def _open_engine(self) -> AsyncEngine:
        if self._engine is None:
            raise DatabaseUnavailable("the database is not open")
        return self._engine

    def _told(self, error: DBAPIError) -> Exception:
        if error.connection_invalidated or isinstance(error, InterfaceError | OperationalError):
            return DatabaseUnavailable(f"lost the connection to {self._shown}")
        return error


