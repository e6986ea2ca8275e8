"""Fixtures for all tests: a database of each kind, and a fake clock."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import pytest

from bot.store.connect import open_database
from bot.store.database import Database
from tests.support.fake_clock import FakeClock
from tests.support.migrated_file import migrated_path
from tests.support.postgres_server import PostgresServer, shared_server

T = TypeVar("T")


@pytest.fixture
def clock() -> FakeClock:
    """A clock that stands still until it is advanced."""
    return FakeClock()


@pytest.fixture(scope="session")
def postgres_server(
    tmp_path_factory: pytest.TempPathFactory, worker_id: str
) -> Iterator[PostgresServer]:
    """The PostgreSQL server of this test run."""
    own = tmp_path_factory.getbasetemp()
    with shared_server(own if worker_id == "master" else own.parent) as server:
        yield server


@pytest.fixture(scope="session")
def migrated_file() -> Path:
    """A migrated SQLite file, to be copied."""
    return migrated_path()


def _run(work: Coroutine[None, None, T]) -> T:
    # In a thread: a fixture that is no coroutine may not touch the loop of its test.
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, work).result()


@pytest.fixture(params=["sqlite", "postgresql"])
def dialect(request: pytest.FixtureRequest) -> str:
    """The kind of database that the other fixtures are about."""
    kind: str = request.param
    return kind


@pytest.fixture
def database_url(dialect: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a fresh, migrated database, not opened."""
    if dialect == "sqlite":
        path = tmp_path / "reelay.db"
        shutil.copy(request.getfixturevalue("migrated_file"), path)
        yield f"sqlite:///{path}"
    else:
        yield from _on_server(request.getfixturevalue("postgres_server"), migrated=True)


@pytest.fixture
def empty_database_url(
    dialect: str, request: pytest.FixtureRequest, tmp_path: Path
) -> Iterator[str]:
    """The URL of a database without tables."""
    if dialect == "sqlite":
        yield f"sqlite:///{tmp_path / 'empty.db'}"
    else:
        yield from _on_server(request.getfixturevalue("postgres_server"), migrated=False)


def _on_server(server: PostgresServer, *, migrated: bool) -> Iterator[str]:
    name = _run(server.create(migrated=migrated))
    yield server.url(name)
    _run(server.drop(name))


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """A fresh, migrated database, opened."""
    database = open_database(database_url)
    await database.open()
    yield database
    await database.close()


@pytest.fixture
def new_postgres_url(postgres_server: PostgresServer) -> Iterator[Callable[[], str]]:
    """Each call returns the URL of another fresh, migrated database."""
    names: list[str] = []

    def new() -> str:
        names.append(_run(postgres_server.create(migrated=True)))
        return postgres_server.url(names[-1])

    yield new
    for name in names:
        _run(postgres_server.drop(name))
