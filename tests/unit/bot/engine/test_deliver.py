"""Deliveries into chats with an upload limit."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from bot.credits import lifecycle
from bot.domain.tasks import State
from bot.engine.worker import Worker
from bot.media.links import SignedLinks
from bot.media.transcoder import Transcoder
from bot.ports import DeliveryError, DeliveryOutcomeUnknown
from bot.store import deliveries
from bot.store.database import Tx
from tests.fakes.engine.harness import EngineHarness
from tests.support.large_videos import video_of_length, video_of_size
from tests.support.video_frames import player_errors

HOUR = 3600.0


MB = 1_000_000


LIMIT = 10 << 20


@pytest.fixture
async def fitter(harness: EngineHarness) -> AsyncIterator[Transcoder]:
    """One that makes one thing at once."""
    it = Transcoder(harness.folder, asyncio.Semaphore(1))
    yield it
    it.close()


@pytest.fixture(scope="session")
def large_video(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A film of 11 MB."""
    return video_of_size(tmp_path_factory.mktemp("heavy") / "heavy.mp4", 11 * MB).read_bytes()


@pytest.fixture(scope="session")
def long_video(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A film that would look bad under the limit."""
    film = video_of_length(tmp_path_factory.mktemp("long") / "long.mp4", 300, 30 * MB)
    return film.read_bytes()


def use(stage: EngineHarness, fitter: Transcoder, *, links: bool = False) -> None:
    publisher = SignedLinks("https://bot.example.org", b"s" * 32) if links else None
    stage.engine = replace(stage.engine, transcoder=fitter, publisher=publisher)
    stage.worker = Worker(stage.engine)
    stage.chat.limit = LIMIT


@pytest.mark.parametrize("dialect", ["sqlite"], indirect=True)
async def test_too_large_video_is_reencoded_and_original_kept(
    harness: EngineHarness, fitter: Transcoder, large_video: bytes
) -> None:
    """The posted copy fits the limit; the original stays on disk."""
    use(harness, fitter)
    harness.provider.downloads = [large_video]
    task = await harness.accept_task()
    await harness.run_for(60)
    found = await harness.task(task)
    assert (found.state, found.bytes) == (State.DONE, len(large_video))
    (sent,) = harness.chat.posted_videos
    assert sent.size_bytes == sent.path.stat().st_size <= LIMIT
    assert (sent.seconds, sent.width, sent.height) == (3, 480, 270)
    assert not player_errors(sent.path)
    assert sent.thumbnail is not None
    assert harness.engine.storage.result_path(found.file or "").read_bytes() == large_video


@pytest.mark.parametrize("dialect", ["sqlite"], indirect=True)
async def test_preview_and_link_replace_a_video_that_would_look_bad(
    harness: EngineHarness, fitter: Transcoder, long_video: bytes
) -> None:
    """A preview is posted with a link, or a note on who has the whole; also after a restart."""
    use(harness, fitter, links=True)
    harness.chat.delivery_results = [DeliveryError("blocked", retry_after=5), None]
    harness.provider.downloads = [long_video]
    task = await harness.accept_task()
    await harness.run_for(3)
    harness.restart()
    await harness.run_for(120)
    assert (await harness.task(task)).state is State.DONE
    first, second = harness.chat.posted_videos
    assert first == second
    assert first.size_bytes <= LIMIT
    assert first.seconds < 10
    (text,) = harness.chat.posted_texts
    assert "It has 30 MB, and this chat takes at most 10 MB" in text
    assert "https://bot.example.org/media/" in text
    use(harness, fitter)
    await harness.accept_task("console:b")
    await harness.run_for(120)
    assert "This is a preview" in harness.chat.posted_texts[-1]
    assert "/media/" not in harness.chat.posted_texts[-1]


@pytest.mark.parametrize("dialect", ["sqlite"], indirect=True)
async def test_full_disk_before_reencoding_delays_the_delivery(
    harness: EngineHarness, large_video: bytes
) -> None:
    """Without room to re-encode, the delivery waits and says why; it continues with room."""
    hungry = Transcoder(harness.folder, asyncio.Semaphore(1), min_free_bytes=1 << 60)
    use(harness, hungry)
    harness.provider.downloads = [large_video]
    task = await harness.accept_task()
    await harness.run_for(300)
    found = await harness.task(task)
    assert (found.state, found.reason) == (State.DELIVERING, "disk-full")
    hungry.close()
    roomy = Transcoder(harness.folder, asyncio.Semaphore(1))
    use(harness, roomy)
    await harness.run_for(120)
    assert (await harness.task(task)).state is State.DONE
    roomy.close()


@pytest.mark.parametrize("dialect", ["sqlite"], indirect=True)
async def test_unclear_send_reuses_the_reencoded_file(
    harness: EngineHarness, fitter: Transcoder, large_video: bytes
) -> None:
    """The file is re-encoded once; the second send is marked as a repeat."""
    use(harness, fitter)
    harness.chat.delivery_results = [DeliveryOutcomeUnknown(), None]
    harness.provider.downloads = [large_video]
    task = await harness.accept_task()
    await harness.run_for(3)
    made = {path: path.stat().st_mtime_ns for path in (harness.folder / "fitted").iterdir()}
    await harness.run_for(120)
    assert (await harness.task(task)).state is State.DONE
    assert {path: path.stat().st_mtime_ns for path in made} == made
    assert harness.chat.posted_texts[-1].startswith("(repeated)")


@pytest.mark.parametrize("dialect", ["sqlite"], indirect=True)
async def test_reencoded_files_are_removed_with_the_result(
    harness: EngineHarness, fitter: Transcoder, large_video: bytes
) -> None:
    """Removing a result removes every file that was made from it."""
    from bot.engine.retention import purge_expired

    use(harness, fitter)
    harness.provider.downloads = [large_video]
    await harness.accept_task()
    await harness.run_for(60)
    assert list((harness.folder / "fitted").iterdir())
    await harness.clock.advance(31 * 86400)
    await purge_expired(harness.engine)
    assert list((harness.folder / "fitted").iterdir()) == []
    assert list((harness.folder / "results").iterdir()) == []


async def test_failed_send_is_retried_and_posted_once(harness: EngineHarness) -> None:
    """A send that certainly failed is retried, posted once, and not marked."""
    harness.chat.delivery_results = [*[DeliveryError("blocked", retry_after=9)] * 5, None]
    task = await harness.accept_task()
    await harness.run_for(HOUR)
    assert (await harness.task(task)).state is State.DONE
    assert harness.chat.posted_texts == [f"Task {task.id} is ready: a red kite"]


async def test_closed_chat_keeps_the_video_for_fetch(harness: EngineHarness) -> None:
    """A result that can never be posted is kept, and the user is told how to get it."""
    harness.chat.delivery_results = [DeliveryError("chat-gone", is_permanent=True)]
    task = await harness.accept_task()
    await harness.run_for(HOUR)
    found = await harness.task(task)
    assert (found.state, found.reason) == (State.UNDELIVERED, "chat-gone")
    assert found.file is not None
    assert harness.engine.storage.result_path(found.file).is_file()
    assert f"/fetch {task.id}" in harness.chat.final_messages[0]
    assert await harness.spent() == 4


async def test_unclear_send_is_repeated_once_and_marked(harness: EngineHarness) -> None:
    """The chat is searched; if nothing is found, the video is sent once more, marked."""
    harness.chat.delivery_results = [DeliveryOutcomeUnknown()]
    task = await harness.accept_task()
    await harness.run_for(HOUR)
    found = await harness.task(task)
    assert (found.state, found.reason) == (State.UNDELIVERED, "send-unclear")


async def test_repeat_of_unclear_send_is_marked(harness: EngineHarness) -> None:
    """The one repeat of an unclear send says that it may stand there already."""
    harness.chat.delivery_results = [DeliveryOutcomeUnknown(), None]
    task = await harness.accept_task()
    await harness.run_for(HOUR)
    assert (await harness.task(task)).state is State.DONE
    assert harness.chat.posted_texts[0].startswith("(repeated)")


async def test_posted_video_that_is_found_is_not_resent(harness: EngineHarness) -> None:
    """When the chat shows that the unclear send worked, nothing is sent again."""
    harness.chat.delivery_results = [DeliveryOutcomeUnknown()]
    harness.chat.found_receipt = "message-7"
    task = await harness.accept_task()
    await harness.run_for(HOUR)
    assert (await harness.task(task)).state is State.DONE
    assert harness.chat.posted_texts == []


async def test_repeat_by_admin_stays_marked(harness: EngineHarness) -> None:
    """A result that may have been posted already stays marked when an admin resends it."""
    harness.chat.delivery_results = [DeliveryOutcomeUnknown(), DeliveryOutcomeUnknown(), None]
    task = await harness.accept_task()
    await harness.run_for(HOUR)
    found = await harness.task(task)
    assert found.state is State.UNDELIVERED

    def again(tx: Tx) -> None:
        now = harness.clock.now()
        assert lifecycle.transition(tx, found, State.DELIVERING, now)
        deliveries.restart(tx, task.id, task.destination)

    await harness.database.transact(again)
    await harness.run_for(60)
    assert harness.chat.posted_texts[0].startswith("(repeated)")
