"""The database: runs plain functions of a connection as transactions."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TypeAlias, TypeVar

from sqlalchemy import Connection

Tx: TypeAlias = Connection
"""The connection that a transaction function gets.

The function may run in another thread and, after a lost race, more than once: it uses only its `Tx`
and its own variables. It neither commits nor rolls back; it returns or raises. To continue after a
database error, run that statement in `tx.begin_nested()`.
"""

T = TypeVar("T")


class DatabaseError(Exception):
    """The database cannot be used; the message is one clear line without secrets."""


class DatabaseUrlError(DatabaseError):
    """`DATABASE_URL` is not one that Reelay knows."""


class DatabaseBusy(DatabaseError):
    """Another process holds the SQLite file."""


class DatabaseUnavailable(DatabaseError):
    """The database cannot be reached, or cannot be read or written."""


class DatabaseContended(DatabaseError):
    """Every attempt lost a race. Nothing was written; a later attempt may succeed."""


class DatabaseTooNew(DatabaseError):
    """The tables were written by a newer Reelay."""


class Database(ABC):
    """A database of one kind. The same functions run on each."""

    dialect: str
    single_process: bool
    """No other process can have it open: every lease found at start is stale."""

    @abstractmethod
    async def open(self) -> None:
        """Connect. Raises `DatabaseError`."""

    @abstractmethod
    async def close(self) -> None:
        """Close all connections and locks. Pending calls should have ended before."""

    @abstractmethod
    async def transact(self, function: Callable[[Tx], T]) -> T:
        """Run a function as one durable transaction; its exception rolls it back.

        When this returns, the commit is on the disk. Raises `DatabaseContended` where others were
        first again and again: nothing was written. `DatabaseUnavailable` and the cancellation of
        the caller leave open whether the transaction was committed: it may run to its end with
        nobody waiting for it, and the answer to a commit may be lost.
        """

    @abstractmethod
    async def read(self, function: Callable[[Tx], T]) -> T:
        """Run a read-only function on one consistent snapshot of committed data."""

    @abstractmethod
    async def run_exclusive(self, function: Callable[[Tx], T]) -> T:
        """Run a function that changes the tables, exclusively among all processes."""
