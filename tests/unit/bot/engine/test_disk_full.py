"""A full disk, wherever it strikes: nothing is lost or paid twice, and it goes on with room."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from bot.domain.tasks import State, Task
from bot.engine.worker import Worker
from bot.media.storage import Spool
from bot.presentation.task_messages import Outlook, status_text
from bot.store.database import DatabaseUnavailable, Tx
from bot.store.sqlite import SqliteDatabase
from providers.types import Job
from tests.fakes.engine.harness import Stage
from tests.fakes.engine.scripted import MP4
from tests.support.fake_clock import FakeClock

LARGE = Job("j" * 30_000)
"""A job whose id does not fit into what room there may be left."""


@pytest.fixture
async def database(migrated_file: Path, tmp_path: Path) -> AsyncIterator[SqliteDatabase]:
    """SQLite, whose file can be kept from growing."""
    path = tmp_path / "reelay.db"
    shutil.copy(migrated_file, path)
    database = SqliteDatabase(str(path))
    await database.open()
    yield database
    await database.close()


@pytest.fixture
def stage(database: SqliteDatabase, clock: FakeClock, tmp_path: Path) -> Stage:
    """A stage on it."""
    return Stage(database, tmp_path / "data", clock)


async def _fill_up(database: SqliteDatabase) -> None:
    """From now on the file cannot grow: what needs more than a corner of a page fails."""

    def stop(tx: Tx) -> None:
        pages = tx.exec_driver_sql("PRAGMA page_count").scalar_one()
        tx.exec_driver_sql(f"PRAGMA max_page_count = {pages}")

    await database.exclusively(stop)


async def _make_room(database: SqliteDatabase) -> None:
    await database.exclusively(lambda tx: tx.exec_driver_sql("PRAGMA max_page_count = 1000000"))


async def _let_it_try(stage: Stage, database: SqliteDatabase) -> None:
    """Time for one more try; its transaction is through when this returns."""
    await stage.clock.advance(10)
    await database.exclusively(lambda _: None)


def _use_spool(stage: Stage, spool: Spool) -> None:
    stage.world = replace(stage.world, spool=spool)
    stage.worker = Worker(stage.world)


async def test_a_download_is_given_up_for_lack_of_room(stage: Stage) -> None:
    """The task waits, says why, keeps its credits held as they are, and goes on with room."""
    roomy = stage.world.spool
    _use_spool(stage, Spool(stage.folder, keep_free=1 << 60))
    task = await stage.order()
    await stage.run(24 * 3600)
    waiting = await stage.task(task)
    assert (waiting.state, waiting.reason) == (State.FETCHING, "disk-full")
    for language, word in (("en", "room on the disk"), ("zh", "磁盘")):
        assert word in status_text(language, waiting, Outlook())
    _use_spool(stage, roomy)
    await stage.run(120)
    done = await stage.task(task)
    assert (done.state, done.reason) == (State.DONE, None)
    assert status_text("en", done, Outlook()) == f"{task.id}: done."
    assert roomy.result(done.file or "").read_bytes() == MP4
    assert stage.provider.count("submit") == 1


async def test_a_disk_that_fills_up_amid_a_download_costs_what_came(stage: Stage) -> None:
    """The beginning stays; the next try asks for the rest alone."""
    task = await stage.order()
    stage.provider.downloads = [MP4]
    path = stage.world.spool.path(f"{task.id}.mp4.part")
    _use_spool(stage, _Filling(stage.folder, writes=1))
    await stage.run(30)
    assert (await stage.task(task)).reason == "disk-full"
    _use_spool(stage, Spool(stage.folder))
    await stage.run(120)
    assert (await stage.task(task)).state is State.DONE
    assert not path.exists()


class _Filling(Spool):
    """A spool on a disk that is full after so many looks at it."""

    def __init__(self, folder: Path, writes: int) -> None:
        super().__init__(folder)
        self._left = writes

    def _check_room(self, needed: int) -> None:
        self._left -= 1
        self._keep_free = 0 if self._left >= 0 else 1 << 60
        super()._check_room(needed)


async def _create_while_it_fills_up(
    stage: Stage, database: SqliteDatabase
) -> tuple[Task, asyncio.Task[None]]:
    """(a task whose answer to the create cannot be written down, what brings it to its end)."""
    stage.provider.open.clear()
    stage.provider.submits = [LARGE]
    task = await stage.order()
    settling = asyncio.create_task(stage.settle())
    await stage.provider.arrived.wait()
    await _fill_up(database)
    stage.provider.open.set()
    return task, settling


async def test_an_answer_is_lost_that_could_not_be_written_down(
    stage: Stage, database: SqliteDatabase
) -> None:
    """The database fills up while a paid create is under way: the job is kept, and made once."""
    task, settling = await _create_while_it_fills_up(stage, database)
    await _let_it_try(stage, database)
    await _let_it_try(stage, database)
    assert (await stage.task(task)).remote_id is None
    await _make_room(database)
    while not settling.done():
        await _let_it_try(stage, database)
    await stage.run(600)
    done = await stage.task(task)
    assert (done.state, done.remote_id) == (State.DONE, LARGE.remote_id)
    assert stage.provider.count("submit") == 1
    assert (await stage.held(), await stage.spent()) == (0, 4)


async def test_a_database_that_stays_full_costs_a_job(
    stage: Stage, database: SqliteDatabase
) -> None:
    """Full for an hour: the create is never sent again, and an admin finds the task in review."""
    task, settling = await _create_while_it_fills_up(stage, database)
    while not settling.done():
        await _let_it_try(stage, database)
    assert (await stage.task(task)).remote_id is None
    await _make_room(database)
    await stage.run(24 * 3600)
    ended = await stage.task(task)
    assert ended.state is State.REVIEW
    assert stage.provider.count("submit") == 1
    assert await stage.held() == 4


async def test_a_request_is_half_taken_in(stage: Stage, database: SqliteDatabase) -> None:
    """On a full database a request is refused whole: no task, no hold; with room it is taken."""
    await stage.register()
    await _fill_up(database)
    with pytest.raises(DatabaseUnavailable, match="full"):
        await stage.order(prompt="x" * 30_000)
    assert await stage.held() == 0
    await _make_room(database)
    task = await stage.order()
    assert await stage.held() == 4
    await stage.run(60)
    assert (await stage.task(task)).state is State.DONE
