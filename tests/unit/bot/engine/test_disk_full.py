"""A full disk at any step: nothing is lost or paid twice, and work continues with room."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from bot.domain.tasks import State, Task
from bot.engine.worker import Worker
from bot.media.storage import MediaStorage
from bot.presentation.task_messages import Eta, status_text
from bot.store.database import DatabaseUnavailable, Tx
from bot.store.sqlite import SqliteDatabase
from providers.types import Job
from tests.fakes.engine.harness import EngineHarness
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
def harness(database: SqliteDatabase, clock: FakeClock, tmp_path: Path) -> EngineHarness:
    """The engine on it."""
    return EngineHarness(database, tmp_path / "data", clock)


async def _fill_up(database: SqliteDatabase) -> None:
    """From now on the file cannot grow: what needs more than a corner of a page fails."""

    def stop(tx: Tx) -> None:
        pages = tx.exec_driver_sql("PRAGMA page_count").scalar_one()
        tx.exec_driver_sql(f"PRAGMA max_page_count = {pages}")

    await database.run_exclusive(stop)


async def _make_room(database: SqliteDatabase) -> None:
    await database.run_exclusive(lambda tx: tx.exec_driver_sql("PRAGMA max_page_count = 1000000"))


async def _let_it_try(stage: EngineHarness, database: SqliteDatabase) -> None:
    """Time for one more try; its transaction is through when this returns."""
    await stage.clock.advance(10)
    await database.run_exclusive(lambda _: None)


def _use_spool(stage: EngineHarness, spool: MediaStorage) -> None:
    stage.engine = replace(stage.engine, storage=spool)
    stage.worker = Worker(stage.engine)


async def test_download_without_room_waits_and_resumes(harness: EngineHarness) -> None:
    """The task waits, says why, keeps its hold, and continues when there is room."""
    roomy = harness.engine.storage
    _use_spool(harness, MediaStorage(harness.folder, min_free_bytes=1 << 60))
    task = await harness.accept_task()
    await harness.run_for(24 * 3600)
    waiting = await harness.task(task)
    assert (waiting.state, waiting.reason) == (State.FETCHING, "disk-full")
    for language, word in (("en", "room on the disk"), ("zh", "磁盘")):
        assert word in status_text(language, waiting, Eta())
    _use_spool(harness, roomy)
    await harness.run_for(120)
    done = await harness.task(task)
    assert (done.state, done.reason) == (State.DONE, None)
    assert status_text("en", done, Eta()) == f"{task.id}: done."
    assert roomy.result_path(done.file or "").read_bytes() == MP4
    assert harness.provider.count("submit") == 1


async def test_download_resumes_from_partial_file_after_disk_full(harness: EngineHarness) -> None:
    """The partial file stays; the next try requests only the rest."""
    task = await harness.accept_task()
    harness.provider.downloads = [MP4]
    path = harness.engine.storage.image_path(f"{task.id}.mp4.part")
    _use_spool(harness, _Filling(harness.folder, writes=1))
    await harness.run_for(30)
    assert (await harness.task(task)).reason == "disk-full"
    _use_spool(harness, MediaStorage(harness.folder))
    await harness.run_for(120)
    assert (await harness.task(task)).state is State.DONE
    assert not path.exists()


class _Filling(MediaStorage):
    """A storage on a disk that is full after a number of checks."""

    def __init__(self, folder: Path, writes: int) -> None:
        super().__init__(folder)
        self._left = writes

    def _check_free_space(self, needed_bytes: int) -> None:
        self._left -= 1
        self._min_free_bytes = 0 if self._left >= 0 else 1 << 60
        super()._check_free_space(needed_bytes)


async def _create_while_it_fills_up(
    stage: EngineHarness, database: SqliteDatabase
) -> tuple[Task, asyncio.Task[None]]:
    """(a task whose answer to the create cannot be written down, what brings it to its end)."""
    stage.provider.answer_creates.clear()
    stage.provider.submits = [LARGE]
    task = await stage.accept_task()
    settling = asyncio.create_task(stage.run_due_steps())
    await stage.provider.create_received.wait()
    await _fill_up(database)
    stage.provider.answer_creates.set()
    return task, settling


async def test_create_answer_survives_full_database(
    harness: EngineHarness, database: SqliteDatabase
) -> None:
    """The database fills up during a paid create: the job id is kept, and one job is made."""
    task, settling = await _create_while_it_fills_up(harness, database)
    await _let_it_try(harness, database)
    await _let_it_try(harness, database)
    assert (await harness.task(task)).remote_id is None
    await _make_room(database)
    while not settling.done():
        await _let_it_try(harness, database)
    await harness.run_for(600)
    done = await harness.task(task)
    assert (done.state, done.remote_id) == (State.DONE, LARGE.remote_id)
    assert harness.provider.count("submit") == 1
    assert (await harness.held(), await harness.spent()) == (0, 4)


async def test_create_is_never_resent_while_database_stays_full(
    harness: EngineHarness, database: SqliteDatabase
) -> None:
    """After an hour the create was sent once, and the task is in review for an admin."""
    task, settling = await _create_while_it_fills_up(harness, database)
    while not settling.done():
        await _let_it_try(harness, database)
    assert (await harness.task(task)).remote_id is None
    await _make_room(database)
    await harness.run_for(24 * 3600)
    ended = await harness.task(task)
    assert ended.state is State.REVIEW
    assert harness.provider.count("submit") == 1
    assert await harness.held() == 4


async def test_request_on_full_database_is_refused_as_a_whole(
    harness: EngineHarness, database: SqliteDatabase
) -> None:
    """On a full database there is neither task nor hold; with room the request is accepted."""
    await harness.register_providers()
    await _fill_up(database)
    with pytest.raises(DatabaseUnavailable, match="full"):
        await harness.accept_task(prompt="x" * 30_000)
    assert await harness.held() == 0
    await _make_room(database)
    task = await harness.accept_task()
    assert await harness.held() == 4
    await harness.run_for(60)
    assert (await harness.task(task)).state is State.DONE
