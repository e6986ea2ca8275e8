"""What every database does, whatever its kind."""

from __future__ import annotations

import asyncio
import signal
import traceback
from functools import partial

import pytest
from sqlalchemy import func, select, update
from sqlalchemy.exc import DBAPIError, IntegrityError

from bot.store.connect import open_database
from bot.store.database import Database, DatabaseUrlError, Tx
from tests.support.notes_table import notes, numbers, open_store, run_script, write


async def test_committed_write_is_read(store: Database) -> None:
    """A read that starts after `transact` has returned sees what was written."""
    assert await store.transact(lambda tx: write(tx, 1)) == 1
    assert await store.read(numbers) == [1]


async def test_exception_rolls_back(store: Database) -> None:
    """The writes of a function that raises are undone, and the caller gets its exception."""

    def fail(tx: Tx) -> None:
        write(tx, 1)
        raise LookupError("as it was raised")

    with pytest.raises(LookupError, match="as it was raised"):
        await store.transact(fail)
    assert await store.read(numbers) == []


async def test_failure_in_a_group_undoes_only_itself(store: Database) -> None:
    """Of transactions that wait together, only the failing ones are undone, completely."""
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


async def test_each_caller_gets_its_own_exception(store: Database) -> None:
    """Also one that no future can carry; the neighbours do not notice."""

    def empty(tx: Tx) -> int:
        return next(iter(numbers(tx)))

    first, second = await asyncio.gather(
        store.transact(empty), store.transact(lambda tx: write(tx, 1)), return_exceptions=True
    )
    assert isinstance(first, RuntimeError)
    assert second == 1


async def test_500_concurrent_transactions_succeed(store: Database) -> None:
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


async def test_read_sees_a_consistent_snapshot(store: Database) -> None:
    """While pairs are written, every read finds whole pairs, and the same ones when it repeats."""
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


async def test_read_cannot_write(store: Database) -> None:
    """A function that writes in `read` fails; it must not half work."""
    with pytest.raises(DBAPIError, match=r"readonly|read-only"):
        await store.read(lambda tx: write(tx, 1))
    assert await store.read(numbers) == []


async def test_savepoint_undoes_only_its_own_statements(store: Database) -> None:
    """What was refused inside `begin_nested` is undone; the rest is committed."""

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


async def test_cancelled_waiter_harms_no_other(store: Database) -> None:
    """Cancelling callers at any moment loses no other transaction and no connection."""
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


async def test_database_can_be_reopened(database_url: str) -> None:
    """Nothing of a closed connection is left in the way."""
    database = open_database(database_url)
    for _ in range(2):
        await database.open()
        assert await database.read(lambda tx: tx.exec_driver_sql("SELECT 1").scalar()) == 1
        await database.close()


_WRITER = """
import asyncio, sys
from bot.store.connect import open_database
from tests.support.notes_table import write

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


async def test_returned_transactions_survive_a_kill(database_url: str) -> None:
    """Each transaction that had returned when the process was killed is there afterwards."""
    async with open_store(database_url) as store:
        await store.run_exclusive(notes.metadata.create_all)
    with run_script(_WRITER, database_url) as writer:
        assert writer.stdout
        promised = [int(writer.stdout.readline()) for _ in range(200)]
        writer.send_signal(signal.SIGKILL)
        promised += [int(line) for line in writer.stdout.read().splitlines(keepends=True)[:-1]]
    async with open_store(database_url) as store:
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
def test_invalid_url_is_reported_without_password(url: str) -> None:
    """The message says what to write, and quotes nothing that might be secret."""
    with pytest.raises(DatabaseUrlError, match="DATABASE_URL: write ") as refusal:
        open_database(url)
    assert "hush" not in "".join(traceback.format_exception(refusal.value)).replace(url, "")
