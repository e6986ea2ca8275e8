"""What a database promises, the same for both kinds; and what each kind adds."""

from __future__ import annotations

import asyncio
import signal
import sqlite3
import stat
import subprocess
import sys
import traceback
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import Column, Integer, MetaData, Table, Text, func, insert, select, update
from sqlalchemy.exc import DBAPIError, IntegrityError

from bot.store.database import (
    Database,
    DatabaseBusy,
    DatabaseError,
    DatabaseUnavailable,
    DatabaseUrlError,
    Tx,
    open_database,
)
from tests.standins.postgres import Server

ROOT = Path(__file__).parents[3]
notes = Table("notes", MetaData(), Column("id", Integer, primary_key=True), Column("words", Text))

only_sqlite = pytest.mark.parametrize("dialect", ["sqlite"], indirect=True)
only_postgresql = pytest.mark.parametrize("dialect", ["postgresql"], indirect=True)


@pytest.fixture
async def store(database: Database) -> Database:
    """A database with an empty table of notes."""
    await database.exclusively(notes.metadata.create_all)
    return database


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Database]:
    database = open_database(url)
    await database.open()
    try:
        yield database
    finally:
        await database.close()


def write(tx: Tx, number: int, words: str = "") -> int:
    tx.execute(insert(notes).values(id=number, words=words))
    return number


def numbers(tx: Tx) -> list[int]:
    return list(tx.execute(select(notes.c.id).order_by(notes.c.id)).scalars())


def program(script: str, *arguments: str) -> subprocess.Popen[str]:
    """Another process that runs a script of ours."""
    return subprocess.Popen(
        [sys.executable, "-c", script, *arguments],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


# --- both kinds --------------------------------------------------------------------------


async def test_what_was_committed_is_read(store: Database) -> None:
    """A read that starts after `transact` has returned sees what was written."""
    assert await store.transact(lambda tx: write(tx, 1)) == 1
    assert await store.read(numbers) == [1]


async def test_an_exception_leaves_nothing_behind(store: Database) -> None:
    """The writes of a function that raises are rolled back, and the caller gets its exception."""

    def fail(tx: Tx) -> None:
        write(tx, 1)
        raise LookupError("as it was raised")

    with pytest.raises(LookupError, match="as it was raised"):
        await store.transact(fail)
    assert await store.read(numbers) == []


async def test_a_failure_among_many_takes_nothing_with_it(store: Database) -> None:
    """Of transactions that wait together, only the failing ones are undone, and those whole."""
    await store.transact(lambda tx: write(tx, 0, "taken"))

    def hold_and_add(tx: Tx, number: int) -> None:
        write(tx, number)
        if number % 3 == 0:
            write(tx, 0, "the second statement is refused")

    tried = [store.transact(partial(hold_and_add, number=n)) for n in range(1, 61)]
    ended = await asyncio.gather(*tried, return_exceptions=True)
    refused = [number for number, end in enumerate(ended, 1) if isinstance(end, IntegrityError)]
    assert refused == list(range(3, 61, 3))
    assert await store.read(numbers) == [0, *(n for n in range(1, 61) if n % 3)]


async def test_every_exception_reaches_its_own_caller(store: Database) -> None:
    """Also one that no future can carry, and without a word to the neighbours."""

    def empty(tx: Tx) -> int:
        return next(iter(numbers(tx)))

    first, second = await asyncio.gather(
        store.transact(empty), store.transact(lambda tx: write(tx, 1)), return_exceptions=True
    )
    assert isinstance(first, RuntimeError)
    assert second == 1


async def test_five_hundred_at_once_are_all_done(store: Database) -> None:
    """No transaction is lost or told that the database is locked, however many wait."""
    await store.transact(lambda tx: write(tx, 0, ""))
    longer = update(notes).where(notes.c.id == 0).values(words=notes.c.words + "x")

    def add(tx: Tx, number: int) -> None:
        tx.execute(longer)
        write(tx, number)

    await asyncio.gather(*(store.transact(partial(add, number=n)) for n in range(1, 501)))
    assert await store.read(numbers) == list(range(501))
    length = select(func.length(notes.c.words)).where(notes.c.id == 0)
    assert await store.read(lambda tx: tx.execute(length).scalar()) == 500


async def test_a_read_sees_one_moment_and_no_half_of_a_transaction(store: Database) -> None:
    """While pairs are written, every read finds whole pairs, and the same ones when it looks on."""
    count = select(func.count()).select_from(notes)

    def write_pair(tx: Tx, number: int) -> None:
        write(tx, number)
        write(tx, -number)

    def look_twice(tx: Tx) -> tuple[int, int]:
        return tx.execute(count).scalar_one(), tx.execute(count).scalar_one()

    pairs = [store.transact(partial(write_pair, number=n)) for n in range(1, 101)]
    looks = [store.read(look_twice) for _ in range(100)]
    mixed = [one for both in zip(pairs, looks, strict=True) for one in both]
    seen = [end for end in await asyncio.gather(*mixed) if end is not None]
    assert all(first == second and first % 2 == 0 for first, second in seen)
    assert await store.read(look_twice) == (200, 200)


async def test_a_read_cannot_write(store: Database) -> None:
    """A function that writes was given to the wrong method; it must not half work."""
    with pytest.raises(DBAPIError, match=r"readonly|read-only"):
        await store.read(lambda tx: write(tx, 1))
    assert await store.read(numbers) == []


async def test_a_savepoint_lets_a_function_go_on_after_a_refusal(store: Database) -> None:
    """What was refused inside `begin_nested` is undone; what stands around it is committed."""

    def try_twice(tx: Tx) -> None:
        write(tx, 1)
        try:
            with tx.begin_nested():
                write(tx, 2)
                write(tx, 1)
        except IntegrityError:
            write(tx, 3)

    await store.transact(try_twice)
    assert await store.read(numbers) == [1, 3]


async def test_a_waiter_that_leaves_harms_nobody(store: Database) -> None:
    """Cancelling some callers at any moment loses no other's transaction and no connection."""
    for start in range(0, 300, 30):
        waiting = [
            asyncio.create_task(store.transact(partial(write, number=n)))
            for n in range(start, start + 30)
        ]
        for _ in range(start // 30):
            await asyncio.sleep(0)
        for leaving in waiting[::3]:
            leaving.cancel()
        ended = await asyncio.gather(*waiting, return_exceptions=True)
        stayed = [number for index, number in enumerate(ended) if index % 3]
        assert stayed == [n for n in range(start, start + 30) if (n - start) % 3]
        assert set(stayed) <= set(await store.read(numbers))


async def test_one_object_may_be_opened_again(database_url: str) -> None:
    """Nothing of a closed connection is left in the way."""
    database = open_database(database_url)
    for _ in range(2):
        await database.open()
        assert await database.read(lambda tx: tx.exec_driver_sql("SELECT 1").scalar()) == 1
        await database.close()


_WRITER = """
import asyncio, sys
from bot.store.database import open_database
from tests.bot.store.test_database import write

async def main():
    database = open_database(sys.argv[1])
    await database.open()
    async def keep_writing(start):
        for number in range(start, 10**9, 5):
            await database.transact(lambda tx: write(tx, number))
            print(number, flush=True)
    await asyncio.gather(*(keep_writing(start) for start in range(5)))

asyncio.run(main())
"""


async def test_what_was_promised_survives_a_kill(database_url: str) -> None:
    """Each transaction that had returned when the process was killed is there afterwards."""
    async with opened(database_url) as store:
        await store.exclusively(notes.metadata.create_all)
    with program(_WRITER, database_url) as writer:
        assert writer.stdout
        promised = [int(writer.stdout.readline()) for _ in range(200)]
        writer.send_signal(signal.SIGKILL)
        promised += [int(line) for line in writer.stdout.read().splitlines(keepends=True)[:-1]]
    async with opened(database_url) as store:
        assert set(promised) <= set(await store.read(numbers))


@pytest.mark.parametrize(
    "url",
    [
        "mysql://me:hush@host/name",
        "sqlite://me:hush@host/name",
        "sqlite:///",
        "sqlite:///:memory:",
        "hush",
        "postgresql://",
        "postgresql://me:hush/hush@host/name",
        "postgresql://me:12/hush@host/name",
        "postgresql://me:12#hush@host/name",
        "postgresql://me:12?hush@host/name",
        "postgresql://me:hush@host:port/name",
    ],
)
def test_an_address_that_is_none_is_told_without_the_password(url: str) -> None:
    """The message says what to write, and quotes nothing that might be secret."""
    with pytest.raises(DatabaseUrlError, match="DATABASE_URL: write ") as refusal:
        open_database(url)
    assert "hush" not in "".join(traceback.format_exception(refusal.value)).replace(url, "")


# --- SQLite ------------------------------------------------------------------------------

_OPENER = """
import asyncio, sys
from bot.store.database import DatabaseBusy, open_database

async def main():
    database = open_database(sys.argv[1])
    try:
        await database.open()
    except DatabaseBusy as error:
        sys.exit(str(error))
    await database.close()

asyncio.run(main())
"""


@only_sqlite
async def test_a_second_process_is_refused_in_one_line(database_url: str) -> None:
    """Two processes on one SQLite file would each take the other's tasks for a dead one's."""
    async with opened(database_url):
        with program(_OPENER, database_url) as second:
            _, said = second.communicate()
        assert second.returncode == 1
        assert said.count("\n") == 1
        assert said.startswith("another Reelay is using ")
    with program(_OPENER, database_url) as third:
        assert third.communicate() == ("", "")


@only_sqlite
async def test_closing_ends_what_was_begun(database_url: str) -> None:
    """Transactions that wait when the database is closed are still done and answered."""
    async with opened(database_url) as store:
        await store.exclusively(notes.metadata.create_all)
        tried = [asyncio.create_task(store.transact(partial(write, number=n))) for n in range(10)]
        await asyncio.sleep(0)
    assert await asyncio.gather(*tried) == list(range(10))
    async with opened(database_url) as store:
        assert await store.read(numbers) == list(range(10))


@only_sqlite
async def test_a_closed_database_says_so(database_url: str) -> None:
    """To use it before it was opened is an error with words, not a wait without end."""
    database = open_database(database_url)
    for use in (database.read, database.transact, database.exclusively):
        with pytest.raises(DatabaseUnavailable, match="not open"):
            await use(numbers)


@only_sqlite
async def test_another_program_that_locks_the_file_is_named_as_the_reason(store: Database) -> None:
    """Somebody's open shell of SQLite must not look like a fault of Reelay."""
    await store.transact(lambda tx: tx.exec_driver_sql("PRAGMA busy_timeout = 1").close())
    path = await store.read(lambda tx: tx.exec_driver_sql("PRAGMA database_list").all()[0][2])
    shell = sqlite3.connect(path)
    shell.execute("BEGIN IMMEDIATE")
    with pytest.raises(DatabaseBusy, match="close it there"):
        await store.transact(lambda tx: write(tx, 1))
    shell.close()
    await store.transact(lambda tx: write(tx, 1))
    assert await store.read(numbers) == [1]


@only_sqlite
async def test_a_commit_that_fails_is_told_to_all_of_its_group(store: Database) -> None:
    """Nobody is told of a success that was not written; the next ones go on."""

    def break_a_promise(tx: Tx) -> None:
        tx.exec_driver_sql("PRAGMA defer_foreign_keys = ON")
        tx.exec_driver_sql("INSERT INTO deliveries (task, front_end, address) VALUES ('-', '', '')")

    tried = [store.transact(partial(write, number=n)) for n in range(3)]
    ended = await asyncio.gather(*tried, store.transact(break_a_promise), return_exceptions=True)
    assert [type(end) for end in ended] == [DatabaseUnavailable] * 4
    assert await store.read(numbers) == []
    assert await store.transact(lambda tx: write(tx, 1)) == 1


@only_sqlite
async def test_a_full_disk_loses_nothing_that_was_promised(store: Database) -> None:
    """Who is answered finds their rows, who is not gets an error, and room makes it work again."""
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


@only_sqlite
async def test_tables_may_be_rebuilt_but_not_so_that_rows_point_nowhere(store: Database) -> None:
    """A migration runs without foreign keys, and is undone if it leaves a broken one."""
    orphan = "INSERT INTO deliveries (task, front_end, address) VALUES ('-', '', '')"
    with pytest.raises(DatabaseUnavailable, match="deliveries points at no row of tasks"):
        await store.exclusively(lambda tx: tx.exec_driver_sql(orphan).close())
    with pytest.raises(IntegrityError):
        await store.transact(lambda tx: tx.exec_driver_sql(orphan).close())


async def test_a_new_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    """The folders above it are made, and neither they nor the file are open to others."""
    path = tmp_path / "a" / "b.db"
    async with opened(f"sqlite:///{path}"):
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        assert {stat.S_IMODE(one.stat().st_mode) for one in path.parent.iterdir()} == {0o600}


async def test_what_is_no_database_is_told_in_one_line(tmp_path: Path) -> None:
    """A file of another kind, or a folder, is named with the reason and left alone."""
    text = tmp_path / "notes.txt"
    text.write_text("not a database " * 1000)
    for path, reason in ((text, "file is not a database"), (tmp_path, "Is a directory")):
        database = open_database(f"sqlite:///{path}")
        with pytest.raises(DatabaseUnavailable, match=reason) as refusal:
            await database.open()
        assert str(path) in str(refusal.value)
    assert text.read_text() == "not a database " * 1000


# --- PostgreSQL --------------------------------------------------------------------------


@only_postgresql
async def test_a_lost_race_is_run_again(store: Database) -> None:
    """After a serialization failure the function runs anew, and the first run left nothing."""
    runs: list[int] = []

    def race(tx: Tx) -> None:
        runs.append(write(tx, len(runs)))
        if len(runs) < 3:
            tx.exec_driver_sql("DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '40001'; END $$")

    await store.transact(race)
    assert await store.read(numbers) == [2]


@only_postgresql
async def test_races_are_not_run_for_ever(store: Database) -> None:
    """A function that loses every race ends with the database's own error."""
    runs: list[int] = []

    def race(tx: Tx) -> None:
        runs.append(1)
        tx.exec_driver_sql("DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '40P01'; END $$")

    with pytest.raises(DBAPIError):
        await store.transact(race)
    assert len(runs) == 5


@only_postgresql
async def test_rivals_that_lock_each_other_out_both_get_through(store: Database) -> None:
    """A real deadlock costs one of them a second run, not its work."""
    await store.transact(lambda tx: (write(tx, 1), write(tx, 2)))

    def lengthen(tx: Tx, *order: int) -> None:
        for number in order:
            words = notes.c.words + "x"
            tx.execute(update(notes).where(notes.c.id == number).values(words=words))
            tx.exec_driver_sql("SELECT pg_sleep(0.01)")

    await asyncio.gather(
        *(store.transact(lambda tx: lengthen(tx, 1, 2)) for _ in range(2)),
        *(store.transact(lambda tx: lengthen(tx, 2, 1)) for _ in range(2)),
    )
    words = select(notes.c.words).order_by(notes.c.id)
    assert await store.read(lambda tx: tx.execute(words).scalars().all()) == ["xxxx", "xxxx"]


@only_postgresql
async def test_an_error_swallowed_without_a_savepoint_is_no_success(store: Database) -> None:
    """PostgreSQL would roll back at the COMMIT and not say so; the caller must hear of it."""
    await store.transact(lambda tx: write(tx, 1))

    def swallow(tx: Tx) -> None:
        write(tx, 2)
        try:
            write(tx, 1)
        except IntegrityError:
            return

    with pytest.raises(DBAPIError, match="current transaction is aborted"):
        await store.transact(swallow)
    assert await store.transact(lambda tx: write(tx, 2)) == 2


@only_postgresql
async def test_connections_that_died_idle_are_replaced(store: Database) -> None:
    """After a restart of the server the next transactions simply work."""
    await asyncio.gather(*(store.transact(partial(write, number=n)) for n in range(20)))

    def kill_all_others(tx: Tx) -> None:
        tx.exec_driver_sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )

    await store.transact(kill_all_others)
    await asyncio.gather(*(store.transact(partial(write, number=n)) for n in range(20, 40)))
    assert await store.read(numbers) == list(range(40))


@only_postgresql
async def test_a_connection_lost_on_the_way_is_told(store: Database) -> None:
    """When it is lost again and again the caller gets one clear line, and nothing was written."""
    runs: list[int] = []

    def die(tx: Tx) -> None:
        runs.append(write(tx, 1))
        tx.exec_driver_sql("SELECT pg_terminate_backend(pg_backend_pid())")

    with pytest.raises(DatabaseUnavailable, match=r"PostgreSQL at 127\.0\.0\.1:"):
        await store.transact(die)
    assert len(runs) == 5
    assert await store.read(numbers) == []


@only_postgresql
async def test_a_commit_without_an_answer_is_not_run_again(store: Database) -> None:
    """It may have been committed: to run it again might hold the credits twice."""
    await store.exclusively(
        lambda tx: tx.exec_driver_sql(
            "CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS"
            " $$ BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END $$"
        ).close()
    )
    await store.exclusively(
        lambda tx: tx.exec_driver_sql(
            "CREATE CONSTRAINT TRIGGER at_commit AFTER INSERT ON notes"
            " DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION die()"
        ).close()
    )
    runs: list[int] = []

    def once(tx: Tx) -> None:
        runs.append(write(tx, 1))

    with pytest.raises(DatabaseUnavailable):
        await store.transact(once)
    assert runs == [1]


async def test_no_error_shows_the_password(postgres_server: Server) -> None:
    """Whatever is wrong with the address, the words about it are safe to log."""
    secret = "hush/hush"
    user = "reelay:hush%2Fhush@"
    right = postgres_server.url("postgres")
    place = right.rpartition("@")[2]
    wrong = [
        f"postgresql://{user}{place}",
        f"postgresql://{user}127.0.0.1:1/reelay",
        f"postgresql://{user}nowhere.invalid/reelay",
        f"postgresql://{user}{place}?sslmode=perhaps",
        f"{right}_that_is_not_there",
    ]
    for url in wrong:
        database = open_database(url)
        with pytest.raises(DatabaseUnavailable) as refusal:
            await database.open()
        told = "".join(traceback.format_exception(refusal.value)) + repr(database)
        password = right.split(":")[2].partition("@")[0]
        assert not any(one in told for one in (secret, "hush%2Fhush", password))
        assert "\n" not in str(refusal.value)
        assert str(refusal.value).startswith("PostgreSQL at ")


@only_postgresql
async def test_a_failed_statement_does_not_show_its_values(store: Database) -> None:
    """What people wrote stays out of errors, and so out of the logs."""
    await store.transact(lambda tx: write(tx, 1))
    with pytest.raises(IntegrityError) as refusal:
        await store.transact(lambda tx: write(tx, 1, "a secret wish"))
    assert "a secret wish" not in str(refusal.value)
