"""What is special about SQLite: one process, one file, several transactions in one commit."""

from __future__ import annotations

import asyncio
import sqlite3
import stat
import threading
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError

from bot.store.connect import open_database
from bot.store.database import Database, DatabaseBusy, DatabaseError, DatabaseUnavailable, Tx
from tests.support.notes_table import notes, numbers, open_store, run_script, write


@pytest.fixture
def dialect() -> str:
    """Only this one."""
    return "sqlite"


_OPENER = """
import asyncio, sys
from bot.store.connect import open_database
from bot.store.database import DatabaseBusy

async def main():
    database = open_database(sys.argv[1])
    try:
        await database.open()
    except DatabaseBusy as error:
        sys.exit(str(error))
    await database.close()

asyncio.run(main())
"""


async def test_second_process_is_refused_in_one_line(database_url: str) -> None:
    """Two processes on one file would each take over the other's tasks."""
    async with open_store(database_url):
        with run_script(_OPENER, database_url) as second:
            _, said = second.communicate()
        assert second.returncode == 1
        assert said.count("\n") == 1
        assert said.startswith("another Reelay is using ")
    with run_script(_OPENER, database_url) as third:
        assert third.communicate() == ("", "")


async def test_close_finishes_pending_transactions(database_url: str) -> None:
    """Transactions that wait when the database is closed are still run and answered."""
    async with open_store(database_url) as store:
        await store.run_exclusive(notes.metadata.create_all)
        tried = [asyncio.create_task(store.transact(partial(write, number=n))) for n in range(10)]
        await asyncio.sleep(0)
    assert await asyncio.gather(*tried) == list(range(10))
    async with open_store(database_url) as store:
        assert await store.read(numbers) == list(range(10))


async def test_closed_database_raises(database_url: str) -> None:
    """Using it before `open` is an error with a message, not an endless wait."""
    database = open_database(database_url)
    for use in (database.read, database.transact, database.run_exclusive):
        with pytest.raises(DatabaseUnavailable, match="not open"):
            await use(numbers)


async def test_lock_by_another_program_is_named(store: Database) -> None:
    """An open SQLite shell must not look like a fault of Reelay."""
    await store.transact(lambda tx: tx.exec_driver_sql("PRAGMA busy_timeout = 1").close())
    path = await store.read(lambda tx: tx.exec_driver_sql("PRAGMA database_list").all()[0][2])
    shell = sqlite3.connect(path)
    shell.execute("BEGIN IMMEDIATE")
    with pytest.raises(DatabaseBusy, match="close it there"):
        await store.transact(lambda tx: write(tx, 1))
    shell.close()
    await store.transact(lambda tx: write(tx, 1))
    assert await store.read(numbers) == [1]


async def test_failed_commit_is_reported_to_its_whole_group(store: Database) -> None:
    """No caller is told of a success that was not written; the next ones continue."""

    def break_a_promise(tx: Tx) -> None:
        tx.exec_driver_sql("PRAGMA defer_foreign_keys = ON")
        tx.exec_driver_sql("INSERT INTO deliveries (task, front_end, address) VALUES ('-', '', '')")

    tried = [store.transact(partial(write, number=n)) for n in range(3)]
    ended = await asyncio.gather(*tried, store.transact(break_a_promise), return_exceptions=True)
    assert [type(end) for end in ended] == [DatabaseUnavailable] * 4
    assert await store.read(numbers) == []
    assert await store.transact(lambda tx: write(tx, 1)) == 1


async def test_full_disk_keeps_every_acknowledged_write(store: Database) -> None:
    """Acknowledged rows are there, other callers get an error, and room makes it work again."""
    await store.transact(lambda tx: tx.exec_driver_sql("PRAGMA max_page_count = 200").close())
    tried = [store.transact(partial(write, number=n, words="x" * 20_000)) for n in range(60)]
    ended = await asyncio.gather(*tried, return_exceptions=True)
    promised = [end for end in ended if isinstance(end, int)]
    refused = [end for end in ended if isinstance(end, DBAPIError | DatabaseError)]
    assert len(promised) + len(refused) == 60
    assert refused
    assert await store.read(numbers) == promised
    await store.transact(lambda tx: tx.exec_driver_sql("PRAGMA max_page_count = 2000").close())
    await store.transact(lambda tx: write(tx, 1000))


async def test_migration_may_rebuild_tables_but_not_break_references(store: Database) -> None:
    """It runs without foreign keys, and is undone if it leaves a broken one."""
    orphan = "INSERT INTO deliveries (task, front_end, address) VALUES ('-', '', '')"
    with pytest.raises(DatabaseUnavailable, match="deliveries points at no row of tasks"):
        await store.run_exclusive(lambda tx: tx.exec_driver_sql(orphan).close())
    with pytest.raises(IntegrityError):
        await store.transact(lambda tx: tx.exec_driver_sql(orphan).close())


async def test_new_file_is_private_to_its_owner(tmp_path: Path) -> None:
    """Parent folders are made; neither they nor the file are open to other users."""
    path = tmp_path / "a" / "b.db"
    async with open_store(f"sqlite:///{path}"):
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        assert {stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()} == {0o600}


async def test_file_that_is_no_database_is_reported_in_one_line(tmp_path: Path) -> None:
    """A file of another kind, or a folder, is named with the reason and left alone."""
    text = tmp_path / "notes.txt"
    text.write_text("not a database " * 1000)
    for path, reason in ((text, "file is not a database"), (tmp_path, "Is a directory")):
        database = open_database(f"sqlite:///{path}")
        with pytest.raises(DatabaseUnavailable, match=reason) as refusal:
            await database.open()
        assert str(path) in str(refusal.value)
    assert text.read_text() == "not a database " * 1000


@pytest.mark.parametrize("turns", [1, 10, 30, 100, 300, 1000])
async def test_interrupted_start_leaves_no_thread(database_url: str, turns: int) -> None:
    """A thread left behind would keep the process from ending."""
    before = set(threading.enumerate())
    database = open_database(database_url)
    opening = asyncio.create_task(database.open())
    for _ in range(turns):
        await asyncio.sleep(0)
    opening.cancel()
    await asyncio.gather(opening, return_exceptions=True)
    await database.close()
    for thread in set(threading.enumerate()) - before:
        await asyncio.to_thread(thread.join, 10)
        assert not thread.is_alive()


@pytest.mark.parametrize("code", ["SQLITE_FULL", "SQLITE_IOERR_WRITE", "SQLITE_CANTOPEN"])
async def test_disk_errors_are_told_from_wrong_statements(database: Database, code: str) -> None:
    """Disk errors are retried by the caller; wrong statements are not."""

    def fail(_: Tx) -> None:
        cause = sqlite3.OperationalError("disk trouble")
        cause.sqlite_errorcode = getattr(sqlite3, code)
        raise OperationalError("INSERT", {}, cause)

    for way in (database.transact, database.read):
        with pytest.raises(DatabaseUnavailable, match="disk trouble"):
            await way(fail)
        with pytest.raises(OperationalError, match="no such table"):
            await way(lambda tx: tx.exec_driver_sql("SELECT * FROM nowhere"))
