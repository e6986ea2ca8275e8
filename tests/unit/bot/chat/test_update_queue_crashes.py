"""The update queue under random crashes: every confirmed update is handled."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.chat.update_queue import RetryLater, StoredUpdate, UpdateQueue
from bot.store.connect import open_database
from bot.store.database import Database, Tx

T = TypeVar("T")

KEYS = ("ann", "bob", "eve")
SPEED = 2000.0
"""Seconds of the fast clock in one second of the machine: a lease ends after 30 ms."""


class FastClock:
    """A `bot.ports.Clock` that runs at `SPEED`."""

    def now(self) -> float:
        return 1_800_000_000.0 + time.monotonic() * SPEED

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds / SPEED)


class Killed(asyncio.CancelledError):
    """The process is dead: whatever it was doing ends here."""


@dataclass(frozen=True)
class Crash:
    """When a process dies: at its n-th transaction, before or after the commit."""

    transaction: int
    after_commit: bool


class CrashingDatabase(Database):
    """The database of one process, which dies at one of its transactions."""

    def __init__(self, real: Database, crash: Crash | None, *, single_process: bool) -> None:
        self.real = real
        self.dialect = real.dialect
        self.single_process = single_process
        self.dead = asyncio.Event()
        self._crash = crash
        self._transactions = 0

    def check_alive(self) -> None:
        if self.dead.is_set():
            raise Killed

    async def transact(self, function: Callable[[Tx], T]) -> T:
        self.check_alive()
        self._transactions += 1
        dies = self._crash is not None and self._transactions == self._crash.transaction
        if dies and self._crash is not None and not self._crash.after_commit:
            self.dead.set()
            raise Killed
        result = await self.real.transact(function)
        if dies:
            self.dead.set()
        self.check_alive()
        return result

    async def read(self, function: Callable[[Tx], T]) -> T:
        self.check_alive()
        result = await self.real.read(function)
        self.check_alive()
        return result

    async def run_exclusive(self, function: Callable[[Tx], T]) -> T:
        return await self.real.run_exclusive(function)

    async def open(self) -> None:
        """The test has opened it."""

    async def close(self) -> None:
        """The test closes it."""


@dataclass
class Platform:
    """Updates that were not confirmed yet; the platform brings them again."""

    unconfirmed: list[StoredUpdate]
    confirmed: list[int] = field(default_factory=list)

    def confirm(self, batch: list[StoredUpdate]) -> None:
        self.confirmed += [update.id for update in batch]
        del self.unconfirmed[: len(batch)]


class Process:
    """One life of the process: it takes batches from the platform and handles them."""

    def __init__(self, database: CrashingDatabase, effects: dict[str, list[int]]) -> None:
        self.database = database
        self.effects = effects
        self.asked_for_time: set[int] = set()
        self.queue = UpdateQueue(database, FastClock(), "chat", self._handle)

    async def _handle(self, update: StoredUpdate) -> None:
        self.database.check_alive()
        await asyncio.sleep(0)
        if update.id % 7 == 0 and update.id not in self.asked_for_time:
            self.asked_for_time.add(update.id)
            raise RetryLater("not now", 3.0)
        self.database.check_alive()
        self.effects[update.ordering_key].append(update.id)

    async def live(self, platform: Platform, sizes: list[int], ended: Callable[[], bool]) -> None:
        """Work until this process dies, or until `ended` says that all is done."""
        runner = asyncio.create_task(self.queue.run())
        try:
            for size in sizes:
                batch = platform.unconfirmed[:size]
                await self.queue.take(batch)
                platform.confirm(batch)
            async with asyncio.timeout(30):
                while not self.database.dead.is_set() and not ended():
                    await asyncio.sleep(0.002)
        except Killed:
            pass
        finally:
            self.database.dead.set()
            runner.cancel()
            await asyncio.gather(runner, return_exceptions=True)
            await self.queue.wait_idle()


_LIFE = st.tuples(
    st.integers(1, 25), st.booleans(), st.lists(st.integers(1, 6), min_size=1, max_size=6)
)


@pytest.mark.parametrize("single_process", [True, False])
@settings(max_examples=25, deadline=None)
@given(
    keys=st.lists(st.sampled_from(KEYS), min_size=1, max_size=30),
    processes=st.lists(_LIFE, max_size=6),
)
async def test_random_crashes_lose_no_update(
    migrated_file: Path,
    tmp_path_factory: pytest.TempPathFactory,
    single_process: bool,
    keys: list[str],
    processes: list[tuple[int, bool, list[int]]],
) -> None:
    """Each update takes effect, and twice only where a crash was in between.

    Where no other process can be alive, those of one key do so in their order; else a dead
    process keeps its updates until their lease ends, and newer ones do not wait for that.
    """
    file = tmp_path_factory.mktemp("crashes") / "reelay.db"
    shutil.copy(migrated_file, file)
    real = open_database(f"sqlite:///{file}")
    await real.open()
    platform = Platform([StoredUpdate(number, key, "{}") for number, key in enumerate(keys, 1)])
    effects: dict[str, list[int]] = {key: [] for key in KEYS}
    handled: set[int] = set()

    def process(crash: Crash | None) -> Process:
        return Process(CrashingDatabase(real, crash, single_process=single_process), effects)

    def all_handled() -> bool:
        handled.update(*effects.values())
        return not platform.unconfirmed and handled.issuperset(platform.confirmed)

    try:
        for transaction, after_commit, sizes in processes:
            crash = Crash(transaction, after_commit)
            await process(crash).live(platform, sizes, all_handled)
        await process(None).live(platform, [len(keys)], all_handled)
        assert sorted(platform.confirmed) == list(range(1, len(keys) + 1))
        assert handled == set(platform.confirmed)
        if single_process:
            for order in effects.values():
                assert all(earlier <= later for earlier, later in pairwise(order))
        repeated = sum(map(len, effects.values())) - len(handled)
        assert repeated <= len(processes)
    finally:
        await real.close()
