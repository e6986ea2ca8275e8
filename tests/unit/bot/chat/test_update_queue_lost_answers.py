"""The update queue and a database whose answers get lost: what was committed is found out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

import pytest

from bot.chat.update_queue import StoredUpdate, UpdateQueue
from bot.store import updates
from bot.store.database import Database, DatabaseUnavailable, Tx
from tests.fakes.change_signal import PATIENCE_S
from tests.support.fake_clock import FakeClock

T = TypeVar("T")
LEASE = 60


class Unheard(Database):
    """A database whose answers do not come through; the first of them is lost, or never given."""

    def __init__(self, real: Database) -> None:
        self.real = real
        self.dialect = real.dialect
        self.single_process = False
        self.lose: Callable[[str], bool] = lambda _: False
        """Whether the answer to the function of this name is lost."""
        self.refuse: Callable[[str], Exception | None] = lambda _: None
        """What the function of this name meets instead of being done."""
        self.under_way = 0
        """Functions that have begun and not ended."""

    async def transact(self, function: Callable[[Tx], T]) -> T:
        name = function.__qualname__
        if (error := self.refuse(name)) is not None:
            raise error
        self.under_way += 1
        try:
            result = await self.real.transact(function)
        finally:
            self.under_way -= 1
        if self.lose(name):
            raise DatabaseUnavailable("the answer was lost")
        return result

    async def read(self, function: Callable[[Tx], T]) -> T:
        self.under_way += 1
        try:
            return await self.real.read(function)
        finally:
            self.under_way -= 1

    async def run_exclusive(self, function: Callable[[Tx], T]) -> T:
        return await self.real.run_exclusive(function)

    async def open(self) -> None:
        """Somebody else has opened it."""

    async def close(self) -> None:
        """Somebody else closes it."""


class Process:
    """An inbox at work, and what it was given to deal with."""

    def __init__(self, database: Unheard, clock: FakeClock) -> None:
        self.given: list[int] = []
        self.database = database
        self.clock = clock
        self.inbox = UpdateQueue(database, clock, "chat", self._handle)

    async def _handle(self, one: StoredUpdate) -> None:
        self.given.append(one.id)

    async def live(self, seconds: float) -> None:
        """Let so much time pass, with the looks that belong to it."""
        for _ in range(int(seconds) // 10):
            await self.clock.advance(10)
            await self.looked()

    async def looked(self) -> None:
        """Return when a look has had from the database what it wants."""
        async with asyncio.timeout(PATIENCE_S):
            await asyncio.sleep(0.001)
            while self.database.under_way:
                await asyncio.sleep(0.001)


@asynccontextmanager
async def _living(database: Unheard, clock: FakeClock) -> AsyncIterator[Process]:
    process = Process(database, clock)
    looking = asyncio.create_task(process.inbox.run())
    await process.looked()
    try:
        yield process
    finally:
        looking.cancel()
        await asyncio.gather(looking, return_exceptions=True)
        await process.inbox.stop(5)


@pytest.fixture
def mute_database(database: Database) -> Unheard:
    """A database whose answers get lost."""
    return Unheard(database)


async def test_update_stored_without_answer_is_handled(
    mute_database: Unheard, clock: FakeClock
) -> None:
    """The platform sends it again, and it is known already: it is handled all the same."""
    async with _living(mute_database, clock) as process:
        mute_database.lose = lambda name: "persist" in name
        with pytest.raises(DatabaseUnavailable):
            await process.inbox.take([StoredUpdate(1, "ann", "{}"), StoredUpdate(2, "bob", "{}")])
        mute_database.lose = lambda _: False
        await process.inbox.take([StoredUpdate(1, "ann", "{}"), StoredUpdate(3, "ann", "{}")])
        await process.live(20)
        await process.inbox.wait_idle()
        assert sorted(process.given) == [1, 2, 3]


async def test_claim_taken_over_without_answer_is_handled(
    mute_database: Unheard, database: Database, clock: FakeClock
) -> None:
    """The updates of a dead process were claimed, although the answer was lost."""
    left = [StoredUpdate(1, "ann", "{}"), StoredUpdate(2, "ann", "{}")]
    now = clock.now()
    await database.transact(lambda tx: updates.add(tx, "chat", left, "dead", now, now + LEASE))
    async with _living(mute_database, clock) as process:
        mute_database.lose = lambda name: "claim" in name
        await process.live(LEASE + 10)
        mute_database.lose = lambda _: False
        await process.live(20)
        await process.inbox.wait_idle()
        assert process.given == [1, 2]


async def test_handled_update_is_acknowledged_later(
    mute_database: Unheard, clock: FakeClock
) -> None:
    """When the acknowledgement cannot be written, it is written later."""
    async with _living(mute_database, clock) as process:
        mute_database.refuse = lambda name: DatabaseUnavailable("away") if "_done" in name else None
        await process.inbox.take([StoredUpdate(1, "ann", "{}")])
        await process.inbox.wait_idle()
        mute_database.refuse = lambda _: None
        await process.live(20)
        assert process.given == [1]
    async with _living(mute_database, clock) as heir:
        await heir.live(2 * LEASE)
        await heir.inbox.wait_idle()
        assert heir.given == []


async def test_poll_loop_survives_an_unexpected_error(
    mute_database: Unheard, database: Database, clock: FakeClock
) -> None:
    """The next poll happens."""
    now = clock.now()
    await database.transact(
        lambda tx: updates.add(tx, "chat", [StoredUpdate(1, "ann", "{}")], "dead", now, now + LEASE)
    )
    async with _living(mute_database, clock) as process:
        mute_database.refuse = lambda name: ValueError("odd") if "claim" in name else None
        await process.live(20)
        mute_database.refuse = lambda _: None
        await process.live(LEASE)
        await process.inbox.wait_idle()
        assert process.given == [1]
