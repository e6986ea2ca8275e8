"""The update queue: no update is lost or handled twice, and each key has its own order."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from sqlalchemy import select

from bot.chat.update_queue import RetryLater, StoredUpdate, UpdateQueue
from bot.store import schema
from bot.store.connect import open_database
from bot.store.database import Database, DatabaseError
from tests.fakes.change_signal import PATIENCE_S
from tests.support.fake_clock import FakeClock

LEASE = 60
LONGEST_NAP = 120.0


class Waking(FakeClock):
    """A clock that records its sleepers."""

    def __init__(self) -> None:
        super().__init__()
        self.naps: list[float] = []
        self._fell_asleep = asyncio.Event()

    async def sleep(self, seconds: float) -> None:
        self.naps.append(seconds)
        self._fell_asleep.set()
        await super().sleep(seconds)

    async def until_naps(self, count: int) -> None:
        """Wait until sleep was called this many times."""
        async with asyncio.timeout(PATIENCE_S):
            while len(self.naps) < count:
                self._fell_asleep.clear()
                await self._fell_asleep.wait()


class Handler:
    """Records the updates; a test decides what happens to each."""

    def __init__(self) -> None:
        self.given: list[int] = []
        self.done: list[int] = []
        self.hang_on: set[int] = set()
        self.fail_with: dict[int, Exception] = {}
        self.open = asyncio.Event()
        self._changed = asyncio.Event()

    async def __call__(self, one: StoredUpdate) -> None:
        self.given.append(one.id)
        self._changed.set()
        if one.id in self.fail_with:
            raise self.fail_with[one.id]
        if one.id in self.hang_on:
            await self.open.wait()
        self.done.append(one.id)
        self._changed.set()

    async def until_given(self) -> None:
        await self.until(lambda: bool(self.given))

    async def until(self, look: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not look():
                self._changed.clear()
                await self._changed.wait()


class Processes:
    """Processes on one database, in sequence or at once."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.clock = Waking()
        self.inboxes: list[tuple[UpdateQueue, Handler]] = []
        self._running: list[asyncio.Task[None]] = []

    def start(self) -> tuple[UpdateQueue, Handler]:
        """Start a process that does not poll for others' updates yet."""
        handler = Handler()
        inbox = UpdateQueue(self.database, self.clock, "chat", handler)
        self.inboxes.append((inbox, handler))
        return inbox, handler

    async def looks(self, inbox: UpdateQueue) -> None:
        """Let it poll for others' updates until it sleeps."""
        naps = len(self.clock.naps)
        self._running.append(asyncio.create_task(inbox.run()))
        await self.clock.until_naps(naps + 1)

    async def let_pass(self, seconds: float) -> None:
        """Advance the clock, with the polls that are due."""
        for _ in range(int(seconds) // 10):
            naps, looking = len(self.clock.naps), len(self._running)
            await self.clock.advance(10)
            await self.clock.until_naps(naps + looking)

    async def stop_looking(self) -> None:
        """Nobody looks for anything any more; what is under way hangs on."""
        for running in self._running:
            running.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        self._running.clear()

    async def end(self) -> None:
        await self.stop_looking()
        for inbox, handler in self.inboxes:
            handler.open.set()
            await inbox.stop(5)


@pytest.fixture
async def processes(database: Database) -> AsyncIterator[Processes]:
    """No process is running yet."""
    lives = Processes(database)
    yield lives
    await lives.end()


def update(number: int, lane: str = "ann") -> StoredUpdate:
    return StoredUpdate(number, lane, "{}")


async def _done(database: Database) -> list[int]:
    query = select(schema.updates.c.id).where(schema.updates.c.done_at.is_not(None))
    return sorted(await database.read(lambda tx: list(tx.execute(query).scalars())))


async def test_repeated_update_is_handled_once(processes: Processes) -> None:
    """In one call, in two, and in another process after it was handled."""
    inbox, handler = processes.start()
    await inbox.take([update(1), update(1)])
    await inbox.take([update(1), update(2)])
    await inbox.wait_idle()
    other, later = processes.start()
    await other.take([update(2), update(1)])
    await processes.looks(other)
    await other.wait_idle()
    assert handler.done == [1, 2]
    assert later.given == []
    assert await _done(processes.database) == [1, 2]


async def test_slow_update_delays_only_its_own_key(processes: Processes) -> None:
    """Updates of the same key stay in order; other keys do not wait."""
    inbox, handler = processes.start()
    handler.hang_on = {1}
    await inbox.take([update(1), update(2), update(3, "bob")])
    await inbox.take([update(4), update(5, "bob")])
    await handler.until(lambda: handler.done == [3, 5])
    assert handler.given[0] == 1
    handler.open.set()
    await inbox.wait_idle()
    assert [update_id for update_id in handler.done if update_id not in {3, 5}] == [1, 2, 4]


async def test_delayed_update_is_retried_in_order(processes: Processes) -> None:
    """It is tried again after the requested time; those behind it wait."""
    inbox, handler = processes.start()
    handler.fail_with[1] = RetryLater("throttled", 7)
    await inbox.take([update(1), update(2), update(3, "bob")])
    await handler.until(lambda: handler.done == [3])
    await processes.clock.until_naps(1)
    assert processes.clock.naps == [7]
    await processes.clock.advance(6.9)
    assert handler.given.count(1) == 1
    handler.fail_with.clear()
    await processes.clock.advance(0.2)
    await inbox.wait_idle()
    assert handler.done == [3, 1, 2]


@pytest.mark.parametrize("fault", [RetryLater("away"), DatabaseError("away")])
async def test_failing_update_is_given_up_after_twelve_tries(
    processes: Processes, fault: Exception
) -> None:
    """With doubling waits of at most two minutes; then those behind it are handled."""
    inbox, handler = processes.start()
    handler.fail_with[1] = fault
    await inbox.take([update(1), update(2)])
    for tries in range(1, 13):
        await processes.clock.until_naps(tries)
        await processes.clock.advance(processes.clock.naps[-1])
    await inbox.wait_idle()
    assert processes.clock.naps == [1, 2, 4, 8, 16, 32, 64, *[LONGEST_NAP] * 5]
    assert handler.done == [2]
    assert handler.given.count(1) == 12
    assert await _done(processes.database) == [1, 2]


async def test_unexpected_error_costs_one_update(processes: Processes) -> None:
    """The other updates of the key are handled."""
    inbox, handler = processes.start()
    handler.fail_with[1] = ValueError("a mistake")
    await inbox.take([update(1), update(2)])
    await inbox.wait_idle()
    assert handler.given == [1, 2]
    assert await _done(processes.database) == [1, 2]


async def test_claims_of_a_dead_process_are_taken_over(processes: Processes, dialect: str) -> None:
    """At once on a single-process database, else when the lease ends."""
    dead, dying = processes.start()
    dying.hang_on = {1, 3}
    await dead.take([update(1), update(2), update(3, "bob")])
    await dying.until(lambda: dying.given == [1, 3])
    heir, handler = processes.start()
    await processes.looks(heir)
    if dialect == "postgresql":
        await processes.let_pass(LEASE - 10)
        assert handler.given == []
        await processes.let_pass(10)
    await heir.wait_idle()
    assert sorted(handler.done) == [1, 2, 3]
    assert handler.done.index(1) < handler.done.index(2)
    assert await _done(processes.database) == [1, 2, 3]


@pytest.mark.parametrize("dialect", ["postgresql"])
async def test_long_handling_keeps_its_lease(processes: Processes) -> None:
    """An update that takes longer than the lease stays with its process."""
    slow, handler = processes.start()
    handler.hang_on = {1}
    await processes.looks(slow)
    await slow.take([update(1), update(2)])
    await handler.until(lambda: handler.given == [1])
    other, robber = processes.start()
    await processes.looks(other)
    await processes.let_pass(3 * LEASE)
    assert robber.given == []
    handler.open.set()
    await slow.wait_idle()
    assert handler.done == [1, 2]


@pytest.mark.parametrize("dialect", ["postgresql"])
async def test_full_process_keeps_its_claims(processes: Processes) -> None:
    """A process with too many updates still extends the leases of those it has."""
    full, handler = processes.start()
    handler.hang_on = set(range(1, 2001))
    await processes.looks(full)
    await full.take([update(number, f"lane{number}") for number in range(1, 2001)])
    other, robber = processes.start()
    await processes.looks(other)
    await processes.let_pass(2 * LEASE)
    assert robber.given == []
    handler.open.set()
    await full.wait_idle()
    assert len(handler.done) == 2000


async def test_full_process_takes_no_more_until_there_is_room(processes: Processes) -> None:
    """At two thousand updates it waits; it continues once they are handled."""
    inbox, handler = processes.start()
    handler.hang_on = {1}
    await inbox.take([update(number) for number in range(1, 2001)])
    waiting = asyncio.create_task(inbox.wait_for_capacity())
    await handler.until(lambda: handler.given == [1])
    assert not waiting.done()
    handler.open.set()
    await asyncio.wait_for(waiting, PATIENCE_S)
    await inbox.wait_idle()
    assert handler.done == list(range(1, 2001))


async def test_new_updates_follow_old_ones_after_restart(processes: Processes) -> None:
    """Updates that come while old ones are claimed go behind them, however many."""
    dead, dying = processes.start()
    dying.hang_on = {1}
    before = [update(number) for number in range(1, 451)]
    await dead.take(before)
    await dead.stop(0)
    heir, handler = processes.start()
    running = asyncio.create_task(heir.run())
    await asyncio.sleep(0)
    await heir.take([update(451)])
    await handler.until(lambda: len(handler.done) == 451)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert handler.done == list(range(1, 452))


async def test_stop_leaves_unfinished_updates_for_the_next_process(processes: Processes) -> None:
    """They are available at once; what was handled is not."""
    leaving, handler = processes.start()
    handler.hang_on = {2}
    await leaving.take([update(1), update(2), update(3)])
    await handler.until(lambda: handler.given == [1, 2])
    await leaving.stop(0)
    assert handler.done == [1]
    heir, later = processes.start()
    await processes.looks(heir)
    await heir.wait_idle()
    assert later.done == [2, 3]


async def test_stop_does_not_wait_for_delayed_updates(processes: Processes) -> None:
    """A delayed update is tried at once by the next process."""
    leaving, handler = processes.start()
    handler.fail_with[1] = RetryLater("away", 100)
    await leaving.take([update(1), update(2)])
    await processes.clock.until_naps(1)
    async with asyncio.timeout(PATIENCE_S):
        await leaving.stop(60)
    heir, later = processes.start()
    await processes.looks(heir)
    await heir.wait_idle()
    assert later.done == [1, 2]


async def test_update_that_kills_processes_is_given_up(processes: Processes) -> None:
    """After as many processes as it may have tries; what is behind it is handled."""
    lived = 0
    first, handler = processes.start()
    handler.hang_on = {1}
    await first.take([update(1), update(2)])
    while True:
        await handler.until_given()
        if handler.given != [1]:
            break
        lived += 1
        heir, handler = processes.start()
        handler.hang_on = {1}
        await processes.clock.advance(LEASE)
        await processes.looks(heir)
        await processes.stop_looking()
    assert lived == 13
    assert handler.given == [2]
    await heir.wait_idle()
    assert await _done(processes.database) == [1, 2]


async def test_update_that_cannot_be_stored_is_not_started(dialect: str, tmp_path: Path) -> None:
    """Without its database `take` raises, and nothing begins."""
    nowhere = {
        "sqlite": f"sqlite:///{tmp_path}/not-opened.db",
        "postgresql": "postgresql://reelay@127.0.0.1:1/reelay",
    }
    database = open_database(nowhere[dialect])
    handler = Handler()
    inbox = UpdateQueue(database, Waking(), "chat", handler)
    with pytest.raises(DatabaseError):
        await inbox.take([update(1)])
    await database.close()
    assert handler.given == []
