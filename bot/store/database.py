"""What a database does for Reelay: runs plain functions of a connection as transactions."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TypeAlias, TypeVar

from sqlalchemy import Connection

Tx: TypeAlias = Connection
"""What a transaction function gets.

The function may run in another thread and, where it lost a race, more than once: it touches
nothing but its `Tx` and its own variables. It neither commits nor rolls back; it ends, or it
raises. To go on after an error of the database it must have put that statement into
`tx.begin_nested()`.
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
    """Others were first at every try. Nothing was written; a later try may go better."""


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
        """Let go of every connection and lock. Whoever still waits should have been waited for."""

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
        """Run a function that only reads: it sees one moment, and only what was committed."""

    @abstractmethod
    async def run_exclusive(self, function: Callable[[Tx], T]) -> T:
        """Run a function that changes the tables themselves, one at a time among all processes."""
