"""Results on their way into chats that take only so much."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from bot.domain.tasks import State
from bot.engine.worker import Worker
from bot.media.links import Links
from bot.media.transcoder import Fitter
from bot.ports import DeliveryError, DeliveryUnclear
from tests.fakes.engine.harness import Stage
from tests.support.large_videos import lasting, weighing
from tests.support.video_frames import complaints

MB = 1_000_000
LIMIT = 10 << 20


@pytest.fixture
async def fitter(stage: Stage) -> AsyncIterator[Fitter]:
    """One that makes one thing at once."""
    it = Fitter(stage.folder, asyncio.Semaphore(1))
    yield it
    it.close()


@pytest.fixture(scope="session")
def heavy(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A film of 11 MB."""
    return weighing(tmp_path_factory.mktemp("heavy") / "heavy.mp4", 11 * MB).read_bytes()


@pytest.fixture(scope="session")
def long(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A film that would look bad under the limit."""
    film = lasting(tmp_path_factory.mktemp("long") / "long.mp4", 300, 30 * MB)
    return film.read_bytes()


def use(stage: Stage, fitter: Fitter, *, links: bool = False) -> None:
    publisher = Links("https://bot.example.org", b"s" * 32) if links else None
    stage.world = replace(stage.world, fitter=fitter, publisher=publisher)
    stage.worker = Worker(stage.world)
    stage.chat.limit = LIMIT


@pytest.mark.parametrize("dialect", ["sqlite"], indirect=True)
async def test_a_video_that_is_too_large_is_lost(
    stage: Stage, fitter: Fitter, heavy: bytes
) -> None:
    """It is made smaller before it is posted, and is kept as it was."""
    use(stage, fitter)
    stage.provider.downloads = [heavy]
    task = await stage.order()
    await stage.run(60)
    found = await stage.task(task)
    assert (found.state, found.bytes) == (State.DONE, len(heavy))
    (sent,) = stage.chat.sent
    assert sent.bytes == sent.path.stat().st_size <= LIMIT
    assert (sent.seconds, sent.width, sent.height) == (3, 480, 270)
    assert not complaints(sent.path)
    assert sent.thumbnail is not None
    assert stage.world.spool.result(found.file or "").read_bytes() == heavy


@pytest.mark.parametrize("dialect", ["sqlite"], indirect=True)
async def test_what_would_look_bad_is_posted(stage: Stage, fitter: Fitter, long: bytes) -> None:
    """A preview with a link to the whole, or with word of who has it; the same after a restart."""
    use(stage, fitter, links=True)
    stage.chat.deliveries = [DeliveryError("blocked", retry_after=5), None]
    stage.provider.downloads = [long]
    task = await stage.order()
    await stage.run(3)
    stage.restart()
    await stage.run(120)
    assert (await stage.task(task)).state is State.DONE
    first, second = stage.chat.sent
    assert first == second
    assert first.bytes <= LIMIT
    assert first.seconds < 10
    (text,) = stage.chat.posted_texts
    assert "It has 30 MB, and this chat takes at most 10 MB" in text
    assert "https://bot.example.org/media/" in text
    use(stage, fitter)
    await stage.order("console:b")
    await stage.run(120)
    assert "This is a preview" in stage.chat.posted_texts[-1]
    assert "/media/" not in stage.chat.posted_texts[-1]


@pytest.mark.parametrize("dialect", ["sqlite"], indirect=True)
async def test_a_full_disk_loses_a_video_on_its_way(stage: Stage, heavy: bytes) -> None:
    """Where there is no room to make it smaller it waits, told so, and goes on when there is."""
    hungry = Fitter(stage.folder, asyncio.Semaphore(1), keep_free=1 << 60)
    use(stage, hungry)
    stage.provider.downloads = [heavy]
    task = await stage.order()
    await stage.run(300)
    found = await stage.task(task)
    assert (found.state, found.reason) == (State.DELIVERING, "disk-full")
    hungry.close()
    roomy = Fitter(stage.folder, asyncio.Semaphore(1))
    use(stage, roomy)
    await stage.run(120)
    assert (await stage.task(task)).state is State.DONE
    roomy.close()


@pytest.mark.parametrize("dialect", ["sqlite"], indirect=True)
async def test_an_unclear_send_is_made_smaller_anew(
    stage: Stage, fitter: Fitter, heavy: bytes
) -> None:
    """What was made once is sent again as it is, marked as a repeat."""
    use(stage, fitter)
    stage.chat.deliveries = [DeliveryUnclear(), None]
    stage.provider.downloads = [heavy]
    task = await stage.order()
    await stage.run(3)
    made = {path: path.stat().st_mtime_ns for path in (stage.folder / "fitted").iterdir()}
    await stage.run(120)
    assert (await stage.task(task)).state is State.DONE
    assert {path: path.stat().st_mtime_ns for path in made} == made
    assert stage.chat.posted_texts[-1].startswith("(repeated)")


@pytest.mark.parametrize("dialect", ["sqlite"], indirect=True)
async def test_what_was_made_smaller_is_kept_for_ever(
    stage: Stage, fitter: Fitter, heavy: bytes
) -> None:
    """With the result goes all that was made of it."""
    from bot.engine.retention import tidy

    use(stage, fitter)
    stage.provider.downloads = [heavy]
    await stage.order()
    await stage.run(60)
    assert list((stage.folder / "fitted").iterdir())
    await stage.clock.advance(31 * 86400)
    await tidy(stage.world)
    assert list((stage.folder / "fitted").iterdir()) == []
    assert list((stage.folder / "results").iterdir()) == []
