"""Fitting videos of any size to the limits of chats: outputs, caching and cleanup."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import subprocess
import sys
import tracemalloc
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from bot.media.probe import probe
from bot.media.storage import DiskFull
from bot.media.transcode_plan import Strategy, choose_plan
from bot.media.transcoder import Transcoder
from tests.fakes.change_signal import PATIENCE_S
from tests.support.large_videos import SECONDS, unusual_video, video_of_length, video_of_size
from tests.support.video_frames import player_errors

H264 = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p")
MB = 1_000_000
DISCORD, TELEGRAM = 10 << 20, 50 * MB


@pytest.fixture
async def fitter(tmp_path: Path) -> AsyncIterator[Transcoder]:
    """A transcoder that creates one output at a time."""
    fitter = _fitter(tmp_path)
    yield fitter
    fitter.close()


def _fitter(tmp_path: Path) -> Transcoder:
    return Transcoder(tmp_path / "data", asyncio.Semaphore(1))


def _files(tmp_path: Path) -> list[str]:
    return sorted(path.name for path in (tmp_path / "data" / "fitted").iterdir())


# --- sizes -------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [9 * MB, 11 * MB, 49 * MB, 60 * MB, 200 * MB])
async def test_any_video_is_fitted_to_each_limit(tmp_path: Path, size: int) -> None:
    """Below the limit, playable, with the same duration and sound; a second call gives the same."""
    film = video_of_size(tmp_path / "film.mp4", size)
    for limit in (DISCORD, TELEGRAM):
        fitter = _fitter(tmp_path)
        fitted = await fitter.fit_to_limit(film, limit, link_possible=True)
        fitter.close()
        assert fitted.strategy is (Strategy.FASTSTART if size <= limit else Strategy.ENCODE)
        assert fitted.path is not None
        assert fitted.video is not None
        assert fitted.size_bytes == fitted.path.stat().st_size <= limit
        assert not player_errors(fitted.path)
        assert fitted.video.seconds == pytest.approx(SECONDS, abs=0.3)
        assert (fitted.video.has_audio, fitted.video.moov_first) == (True, True)
        restarted = _fitter(tmp_path)
        assert await restarted.fit_to_limit(film, limit, link_possible=True) == fitted
        restarted.close()
    assert film.stat().st_size == size


async def test_video_of_poor_quality_is_replaced_by_a_preview(
    tmp_path: Path, fitter: Transcoder
) -> None:
    """Five minutes within Discord's limit would look bad; the first seconds are sent instead."""
    film = video_of_length(tmp_path / "film.mp4", 300, 200 * MB)
    fitted = await fitter.fit_to_limit(film, DISCORD, link_possible=True)
    assert fitted.strategy is Strategy.PREVIEW_AND_LINK
    assert fitted.path is not None
    assert fitted.video is not None
    assert fitted.size_bytes <= 2 * MB
    assert not player_errors(fitted.path)
    assert fitted.video.seconds == pytest.approx(8, abs=0.3)
    assert fitted.video.has_audio
    kept = await fitter.fit_to_limit(film, DISCORD, link_possible=False)
    assert (kept.strategy, kept.path) == (Strategy.PREVIEW_ONLY, fitted.path)


async def test_playable_video_within_the_limit_is_sent_unchanged(
    tmp_path: Path, fitter: Transcoder
) -> None:
    """Nothing is encoded, so nothing is stored twice."""
    film = unusual_video(tmp_path / "film.mp4", *H264, "-movflags", "+faststart")
    fitted = await fitter.fit_to_limit(film, DISCORD, link_possible=True)
    assert (fitted.strategy, fitted.path) == (Strategy.AS_IS, film)
    assert not (tmp_path / "data" / "fitted").exists()


async def test_audio_file_is_sent_unchanged_or_not_at_all(
    tmp_path: Path, fitter: Transcoder
) -> None:
    """It cannot be encoded and has no preview; it is sent if it is small enough."""
    song = unusual_video(tmp_path / "song.mp4", "-map", "1", "-t", "2")
    as_is = await fitter.fit_to_limit(song, DISCORD, link_possible=True)
    assert (as_is.strategy, as_is.path, as_is.video) == (Strategy.AS_IS, song, None)
    linked = await fitter.fit_to_limit(song, 1000, link_possible=True)
    assert (linked.strategy, linked.path) == (Strategy.PREVIEW_AND_LINK, None)


async def test_no_preview_if_none_fits(tmp_path: Path, fitter: Transcoder) -> None:
    """With a limit of a few kilobytes only the link is sent."""
    film = video_of_size(tmp_path / "film.mp4", 9 * MB)
    fitted = await fitter.fit_to_limit(film, 5000, link_possible=True)
    assert (fitted.strategy, fitted.path) == (Strategy.PREVIEW_AND_LINK, None)


async def test_damaged_video_is_encoded_only_once(tmp_path: Path, fitter: Transcoder) -> None:
    """A preview of the intact part is sent, and a restart does not try again."""
    film = video_of_length(tmp_path / "long.mp4", 8, 20 * MB)
    whole = await fitter.fit_to_limit(film, TELEGRAM, link_possible=True)
    assert whole.path is not None
    os.truncate(whole.path, 12 * MB)
    fitted = await fitter.fit_to_limit(whole.path, DISCORD, link_possible=True)
    assert fitted.strategy is Strategy.PREVIEW_AND_LINK
    assert fitted.path is not None
    assert not player_errors(fitted.path)
    marked = [name for name in _files(tmp_path) if name.endswith(".failed")]
    assert len(marked) == 1
    restarted = _fitter(tmp_path)
    assert await restarted.fit_to_limit(whole.path, DISCORD, link_possible=True) == fitted
    restarted.close()


# --- caching -----------------------------------------------------------------------------


async def test_concurrent_requests_create_one_output(tmp_path: Path, fitter: Transcoder) -> None:
    """One for ten chats with the same limit; another for a different limit."""
    film = video_of_size(tmp_path / "film.mp4", 11 * MB)
    asked = [fitter.fit_to_limit(film, DISCORD, link_possible=True) for _ in range(10)]
    first, *others = await asyncio.gather(
        *asked, fitter.fit_to_limit(film, TELEGRAM, link_possible=True)
    )
    assert first.path is not None
    made_at = first.path.stat().st_mtime_ns
    assert [other.path for other in others[:-1]] == [first.path] * 9
    assert others[-1].path != first.path
    assert len(_files(tmp_path)) == 2
    await fitter.fit_to_limit(film, DISCORD, link_possible=False)
    assert first.path.stat().st_mtime_ns == made_at


async def test_thumbnail_is_created_once(tmp_path: Path, fitter: Transcoder) -> None:
    """A failure is remembered too."""
    film = unusual_video(tmp_path / "film.mp4", *H264)
    still = await fitter.thumbnail(film)
    assert still is not None
    made_at = still.stat().st_mtime_ns
    assert await fitter.thumbnail(film) == still
    assert still.stat().st_mtime_ns == made_at
    (tmp_path / "text.mp4").write_text("no film")
    assert await fitter.thumbnail(tmp_path / "text.mp4") is None
    assert await fitter.thumbnail(tmp_path / "text.mp4") is None


# --- faults ------------------------------------------------------------------------------


async def test_full_disk_delays_the_output(tmp_path: Path) -> None:
    """Nothing is started that cannot be finished, and nothing is marked as impossible."""
    film = video_of_size(tmp_path / "film.mp4", 11 * MB)
    full = Transcoder(tmp_path / "data", asyncio.Semaphore(1), min_free_bytes=1 << 60)
    with pytest.raises(DiskFull):
        await full.fit_to_limit(film, DISCORD, link_possible=True)
    full.close()
    assert not _files(tmp_path)
    roomy = _fitter(tmp_path)
    assert (await roomy.fit_to_limit(film, DISCORD, link_possible=True)).path is not None
    roomy.close()


async def test_missing_result_raises_file_not_found(tmp_path: Path, fitter: Transcoder) -> None:
    """It is not recorded as impossible to encode."""
    with pytest.raises(FileNotFoundError):
        await fitter.fit_to_limit(tmp_path / "film.mp4", DISCORD, link_possible=True)
    with pytest.raises(FileNotFoundError):
        await fitter.thumbnail(tmp_path / "film.mp4")


async def test_cancelling_stops_ffmpeg(tmp_path: Path, fitter: Transcoder) -> None:
    """The process ends, its file is removed, and the next attempt succeeds."""
    film = video_of_size(tmp_path / "film.mp4", 60 * MB)
    work = asyncio.create_task(fitter.fit_to_limit(film, DISCORD, link_possible=True))
    await _until(lambda: _parts(tmp_path))
    assert _at_work(tmp_path)
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    assert not _at_work(tmp_path)
    assert not _files(tmp_path)
    assert (
        await fitter.fit_to_limit(film, DISCORD, link_possible=True)
    ).strategy is Strategy.ENCODE


async def test_ffmpeg_killed_from_outside_is_started_again(
    tmp_path: Path, fitter: Transcoder
) -> None:
    """By the kernel for lack of memory, or when the service stops: the video is not to blame."""
    film = video_of_size(tmp_path / "film.mp4", 60 * MB)
    work = asyncio.create_task(fitter.fit_to_limit(film, DISCORD, link_possible=True))
    await _until(lambda: _parts(tmp_path))
    for process in _at_work(tmp_path):
        os.kill(process, signal.SIGTERM)
    assert (await work).strategy is Strategy.ENCODE


async def test_crash_while_encoding_leaves_nothing_permanent(tmp_path: Path) -> None:
    """After SIGKILL ffmpeg ends too, its file is removed, and the same plan succeeds."""
    film = video_of_size(tmp_path / "film.mp4", 60 * MB)
    before = choose_plan(await probe(film), DISCORD, link_possible=True)
    with _child(tmp_path, film) as child:
        await _until(lambda: _parts(tmp_path))
        living = _fitter(tmp_path)
        assert await living.remove_orphans(set()) == 0
        child.send_signal(signal.SIGKILL)
    await _until(lambda: not _at_work(tmp_path))
    assert _parts(tmp_path)
    assert await living.remove_orphans({film.name}) == 1
    assert not _files(tmp_path)
    assert choose_plan(await probe(film), DISCORD, link_possible=True) == before
    assert (
        await living.fit_to_limit(film, DISCORD, link_possible=True)
    ).strategy is Strategy.ENCODE
    living.close()


async def test_unused_outputs_are_removed(tmp_path: Path, fitter: Transcoder) -> None:
    """With their original, or at once for /forgetme; other outputs stay."""
    for name in ("1.mp4", "11.mp4"):
        unusual_video(tmp_path / name, *H264)
        await fitter.fit_to_limit(tmp_path / name, DISCORD, link_possible=True)
        await fitter.thumbnail(tmp_path / name)
    assert len(_files(tmp_path)) == 4
    assert await fitter.remove_orphans({"1.mp4", "11.mp4"}) == 0
    await fitter.remove_outputs("1.mp4")
    assert [name.split("~")[0] for name in _files(tmp_path)] == ["11.mp4"] * 2
    assert await fitter.remove_orphans(set()) == 2


async def test_memory_does_not_grow_with_the_video(tmp_path: Path, fitter: Transcoder) -> None:
    """Probing, moving the index, encoding and the thumbnail of 200 MB use little of it."""
    film = video_of_size(tmp_path / "film.mp4", 200 * MB)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    tracemalloc.start()
    try:
        await fitter.fit_to_limit(film, 300 * MB, link_possible=True)
        await fitter.fit_to_limit(film, DISCORD, link_possible=True)
        await fitter.thumbnail(film)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 2 << 20
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 16 << 10


# --- memory ------------------------------------------------------------------------------

_CHILD = """
import asyncio, sys
from pathlib import Path
from bot.media.transcoder import Transcoder

async def main(data: Path, film: Path, limit: int) -> None:
    await Transcoder(data, asyncio.Semaphore(1)).fit_to_limit(film, limit, link_possible=True)

asyncio.run(main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])))
"""


def _child(tmp_path: Path, film: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", _CHILD, str(tmp_path / "data"), str(film), str(DISCORD)]
    )


async def _until(holds: Callable[[], object]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not holds():
            await asyncio.sleep(0.01)


def _parts(tmp_path: Path) -> list[Path]:
    """Return the unfinished outputs that are not empty."""
    parts = (tmp_path / "data" / "fitted").glob("*.part")
    return [part for part in parts if part.stat().st_size > 0]


def _at_work(tmp_path: Path) -> list[int]:
    """Return the ffmpeg processes of this test."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes()
        except OSError:
            continue
        if str(tmp_path).encode() in words and b"libx264" in words:
            found.append(int(process.name))
    return found
