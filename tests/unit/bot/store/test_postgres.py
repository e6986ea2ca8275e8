"""What is special about PostgreSQL: a network in between, and other processes."""

from __future__ import annotations

import asyncio
import traceback
from functools import partial

import pytest
from sqlalchemy import select, update
from sqlalchemy.exc import DBAPIError, IntegrityError

from bot.store.connect import open_database
from bot.store.database import Database, DatabaseContended, DatabaseUnavailable, Tx
from tests.support.notes_table import notes, numbers, write
from tests.support.postgres_server import PostgresServer


@pytest.fixture
def dialect() -> str:
    """Only this one."""
    return "postgresql"


async def test_serialization_failure_is_retried(store: Database) -> None:
    """The function runs again, and the first run left nothing."""
    runs: list[int] = []

    def race(tx: Tx) -> None:
        runs.append(write(tx, len(runs)))
        if len(runs) < 3:
            tx.exec_driver_sql("DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '40001'; END $$")

    await store.transact(race)
    assert await store.read(numbers) == [2]


async def test_serialization_retries_are_limited(store: Database) -> None:
    """A function that loses every race ends with an error that callers can handle."""
    runs: list[int] = []

    def race(tx: Tx) -> None:
        runs.append(1)
        tx.exec_driver_sql("DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '40P01'; END $$")

    with pytest.raises(DatabaseContended, match="lost 5 races"):
        await store.transact(race)
    assert len(runs) == 5


async def test_deadlocked_transactions_both_succeed(store: Database) -> None:
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


async def test_swallowed_error_without_savepoint_is_raised(store: Database) -> None:
    """PostgreSQL would roll back at the COMMIT and not say so; the caller must know."""
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


async def test_dead_idle_connections_are_replaced(store: Database) -> None:
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


async def test_connection_lost_repeatedly_is_reported(store: Database) -> None:
    """The caller gets one clear line, and nothing was written."""
    runs: list[int] = []

    def die(tx: Tx) -> None:
        runs.append(write(tx, 1))
        tx.exec_driver_sql("SELECT pg_terminate_backend(pg_backend_pid())")

    with pytest.raises(DatabaseUnavailable, match=r"PostgreSQL at 127\.0\.0\.1:"):
        await store.transact(die)
    assert len(runs) == 5
    assert await store.read(numbers) == []


async def test_commit_without_an_answer_is_not_retried(store: Database) -> None:
    """It may have been committed: running it again might hold the credits twice."""
    await store.run_exclusive(
        lambda tx: tx.exec_driver_sql(
            "CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS"
            " $$ BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END $$"
        ).close()
    )
    await store.run_exclusive(
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


async def test_errors_hide_the_password(postgres_server: PostgresServer) -> None:
    """Whatever is wrong with the address, the message is safe to log."""
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
        assert not any(word in told for word in (secret, "hush%2Fhush", password))
        assert "\n" not in str(refusal.value)
        assert str(refusal.value).startswith("PostgreSQL at ")


async def test_failed_statement_hides_its_values(store: Database) -> None:
    """What users wrote stays out of errors, and so out of the logs."""
    await store.transact(lambda tx: write(tx, 1))
    with pytest.raises(IntegrityError) as refusal:
        await store.transact(lambda tx: write(tx, 1, "a secret wish"))
    assert "a secret wish" not in str(refusal.value)
