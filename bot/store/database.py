"""How a transaction runs. It is one plain function of a connection; `transact` decides the rest."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TypeVar

from sqlalchemy import Connection

Tx = Connection
"""What a transaction function gets. It may be run more than once, so it does nothing outside."""

T = TypeVar("T")


class DatabaseError(Exception):
    """The database cannot be used; the message is one clear line without secrets."""


class DatabaseUrlError(DatabaseError):
    """`DATABASE_URL` is not one that Reelay knows."""


class DatabaseBusy(DatabaseError):
    """Another process holds the SQLite file."""


class DatabaseUnavailable(DatabaseError):
    """There is no connection to be had."""


class DatabaseTooNew(DatabaseError):
    """The tables were written by a newer Reelay."""


class Database(ABC):
    """A store of one kind. The same functions run on each."""

    dialect: str
    single_process: bool
    """Nobody else can have it open: what is leased in it at the start was left by the dead."""

    @abstractmethod
    async def open(self) -> None:
        """Connect. Raises `DatabaseError`."""

    @abstractmethod
    async def close(self) -> None:
        """Let go of every connection and lock."""

    @abstractmethod
    async def transact(self, function: Callable[[Tx], T]) -> T:
        """Run a function as one durable transaction; its exception rolls it back.

        When this returns the commit is on the disk. A caller that is cancelled while waiting does
        not know whether its transaction ran.
        """

    @abstractmethod
    async def read(self, function: Callable[[Tx], T]) -> T:
        """Run a function that only reads; it sees what was committed before."""

    @abstractmethod
    async def exclusively(self, function: Callable[[Tx], T]) -> T:
        """Run a function alone among all processes: for migrations."""


def open_database(url: str) -> Database:
    """The database of a `DATABASE_URL`, not yet opened."""
    from bot.store.postgres import PostgresDatabase  # noqa: PLC0415 - each brings its own driver
    from bot.store.sqlite import SqliteDatabase  # noqa: PLC0415

    scheme, _, rest = url.partition("://")
    if scheme == "sqlite" and rest.startswith("/") and len(rest) > 1:
        return SqliteDatabase(rest[1:])
    if scheme in {"postgresql", "postgres"} and rest:
        return PostgresDatabase(f"postgresql+asyncpg://{rest}")
    raise DatabaseUrlError(
        "DATABASE_URL: write sqlite:///path/to/file.db or postgresql://user:password@host/name"
    )
