"""Media storage: results are complete or absent, and no orphaned files remain."""

from __future__ import annotations

import asyncio
import re
import tracemalloc
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.domain.errors import Refusal
from bot.domain.tasks import Destination, Order, State, Task
from bot.media import images
from bot.media.resumable_download import PartialDownload
from bot.media.storage import DiskFull, InvalidVideo, MediaStorage, StoredVideo, TruncatedDownload
from providers.errors import Unanswered
from providers.types import Download
from tests.support import sample_images


def _box(kind: bytes, body: bytes = b"") -> bytes:
    return (len(body) + 8).to_bytes(4, "big") + kind + body


FTYP = _box(b"ftyp", b"isom\x00\x00\x02\x00isomiso2avc1mp41")
MOOV = _box(b"moov", b"m" * 700)
MDAT = _box(b"mdat", bytes(range(256)) * 100)
FILM = FTYP + MOOV + MDAT


@pytest.fixture
def spool(tmp_path: Path) -> MediaStorage:
    """A storage in an empty folder."""
    return MediaStorage(tmp_path / "data")


def _download(
    content: bytes,
    *,
    offset: int = 0,
    total: int | None = -1,
    piece: int = 1000,
    then: Exception | None = None,
) -> Download:
    """Return an open download of `content`; `total` defaults to its true length."""

    async def chunks() -> AsyncIterator[bytes]:
        for at in range(0, len(content), piece):
            yield content[at : at + piece]
        if then is not None:
            raise then

    known = offset + len(content) if total == -1 else total
    return Download(chunks(), known, "video/mp4", offset)


def _files(spool: MediaStorage) -> set[str]:
    folders = (spool.image_path("x").parent, spool.result_path("x").parent)
    return {path.name for folder in folders if folder.is_dir() for path in folder.iterdir()}


# --- downloads ---------------------------------------------------------------------------


@pytest.mark.parametrize("piece", [1, 7, 1000, 10**6])
async def test_result_is_stored_completely(spool: MediaStorage, piece: int) -> None:
    """However the bytes are split in transit, and readable only by us."""
    stored = await spool.store_video(_download(FILM, piece=piece), "k3xw.mp4")
    assert (stored.file_name, stored.size_bytes) == ("k3xw.mp4", len(FILM))
    path = spool.result_path("k3xw.mp4")
    assert path.read_bytes() == FILM
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert _files(spool) == {"k3xw.mp4"}


async def test_download_of_unknown_length_is_checked_by_content(spool: MediaStorage) -> None:
    """With chunked transfer the MP4 boxes show whether it is complete."""
    assert (await spool.store_video(_download(FILM, total=None), "a.mp4")).size_bytes == len(FILM)
    with pytest.raises(InvalidVideo):
        await spool.store_video(_download(FILM[:-1], total=None), "b.mp4")
    assert _files(spool) == {"a.mp4"}


async def test_interrupted_download_is_resumed(spool: MediaStorage) -> None:
    """Bytes that took minutes to transfer are not transferred again."""
    half = len(FILM) // 2
    lost = _download(FILM[:half], total=len(FILM))
    with pytest.raises(TruncatedDownload):
        await spool.store_video(lost, "k3xw.mp4")
    assert spool.resumable_bytes("k3xw.mp4") == half
    assert await spool.find_fetched("k3xw.mp4") is None
    await spool.store_video(_download(FILM[half:], offset=half), "k3xw.mp4")
    assert spool.result_path("k3xw.mp4").read_bytes() == FILM
    assert spool.resumable_bytes("k3xw.mp4") == 0


async def test_dropped_connection_keeps_the_partial_file(spool: MediaStorage) -> None:
    """The exception of the gateway is passed on, and the received bytes are kept."""
    film = FTYP + MOOV + _box(b"mdat", bytes(2 << 20))
    dropped = _download(film[: 1 << 20], total=len(film), piece=1 << 16, then=Unanswered("reset"))
    with pytest.raises(Unanswered):
        await spool.store_video(dropped, "k3xw.mp4")
    assert spool.resumable_bytes("k3xw.mp4") == 1 << 20


async def test_restarted_download_replaces_the_partial_file(spool: MediaStorage) -> None:
    """A server without ranges sends everything again; appending would corrupt the file."""
    with pytest.raises(TruncatedDownload):
        await spool.store_video(_download(FILM[:900], total=len(FILM)), "k3xw.mp4")
    await spool.store_video(_download(FILM, offset=0), "k3xw.mp4")
    assert spool.result_path("k3xw.mp4").read_bytes() == FILM


async def test_gap_in_a_resumed_download_is_rejected(spool: MediaStorage) -> None:
    """A gap of zeros could pass for a video; the next attempt starts over."""
    with pytest.raises(TruncatedDownload):
        await spool.store_video(_download(FILM[:900], total=len(FILM)), "k3xw.mp4")
    with pytest.raises(TruncatedDownload):
        await spool.store_video(_download(FILM[1000:], offset=1000), "k3xw.mp4")
    assert spool.resumable_bytes("k3xw.mp4") == 0


async def test_complete_partial_file_is_adopted_after_a_crash(spool: MediaStorage) -> None:
    """After SIGKILL between the last byte and the rename; a range request would fail."""
    _come(spool, FILM)
    again = await spool.find_fetched("k3xw.mp4")
    assert again == await spool.find_fetched("k3xw.mp4") == StoredVideo("k3xw.mp4", len(FILM))
    assert spool.result_path("k3xw.mp4").read_bytes() == FILM
    assert _files(spool) == {"k3xw.mp4"}


@pytest.mark.parametrize("at", [100, len(FILM) - 1])
async def test_damaged_partial_file_is_downloaded_again(spool: MediaStorage, at: int) -> None:
    """Zeros after a power failure have the right length and boxes."""
    _come(spool, FILM)
    part = spool.image_path("k3xw.mp4.part")
    spoilt = bytearray(FILM)
    spoilt[at] ^= 1
    part.write_bytes(spoilt)
    assert await spool.find_fetched("k3xw.mp4") is None
    with pytest.raises(TruncatedDownload):
        await spool.store_video(_download(b"", offset=len(FILM)), "k3xw.mp4")
    assert _files(spool) == set()
    await spool.store_video(_download(FILM), "k3xw.mp4")
    assert spool.result_path("k3xw.mp4").read_bytes() == FILM


@pytest.mark.parametrize("note", [b"", b"rubbish", b"\xff" * 85, b"9" * 85, None])
async def test_partial_file_without_a_checkpoint_starts_over(
    spool: MediaStorage, note: bytes | None
) -> None:
    """Nothing is trusted that the checkpoint does not prove."""
    _come(spool, FILM[:900])
    path = spool.image_path("k3xw.mp4.part.sum")
    path.unlink() if note is None else path.write_bytes(note)
    assert spool.resumable_bytes("k3xw.mp4") == 0
    await spool.store_video(_download(FILM), "k3xw.mp4")
    assert _files(spool) == {"k3xw.mp4"}


async def test_large_download_writes_checkpoints(spool: MediaStorage) -> None:
    """After SIGKILL at most 8 MB are downloaded again."""
    size = 20 << 20
    seen = []

    async def chunks() -> AsyncIterator[bytes]:
        yield FTYP + MOOV + (size + 8).to_bytes(4, "big") + b"mdat"
        for _ in range(size >> 16):
            yield bytes(1 << 16)
            seen.append(spool.resumable_bytes("k3xw.mp4"))

    total = len(FTYP + MOOV) + 8 + size
    await spool.store_video(Download(chunks(), total, "video/mp4"), "k3xw.mp4")
    assert len(set(seen)) == 3
    assert max(seen) >= 16 << 20


def _come(spool: MediaStorage, content: bytes) -> None:
    """Simulate a process killed after this part of a download was received and checkpointed."""
    path = spool.image_path("k3xw.mp4.part")
    for folder in (path.parent, spool.result_path("k3xw.mp4").parent):
        folder.mkdir(parents=True, exist_ok=True)
    part = PartialDownload(path)
    assert part.open_at(0)
    part.write([content])
    part.checkpoint()


NO_FILMS = {
    "nothing": b"",
    "a web page": b"<html>" * 300,
    "json": b'{"error": {"message": "no such job"}}',
    "cut off in the last box": FILM[:-1],
    "cut off after the first box": FTYP,
    "cut off inside a head": FTYP + MOOV + MDAT[:12],
    "without pictures": FTYP + MOOV,
    "without an index": FTYP + MDAT,
    "with the index cut off": FTYP + MDAT + MOOV[:100],
    "boxes without end": FTYP + b"\x00\x00\x00\x08free" * 100_001,
    "a box that is larger than the world": FTYP + b"\x00\x00\x00\x01mdat" + b"\xff" * 8 + bytes(99),
}


@pytest.mark.parametrize("what", NO_FILMS)
async def test_incomplete_video_never_becomes_a_result(spool: MediaStorage, what: str) -> None:
    """A result that does not play must not be charged, delivered or resumed."""
    with pytest.raises(InvalidVideo):
        await spool.store_video(_download(NO_FILMS[what]), "k3xw.mp4")
    assert _files(spool) == set()


FILMS = {
    "index last": FTYP + MDAT + MOOV,
    "padded": FTYP + MOOV + MDAT + _box(b"free", bytes(5000)),
    "last box without a length": FTYP + MOOV + b"\x00\x00\x00\x00mdat" + bytes(900),
    "box with a long length": FTYP
    + MOOV
    + b"\x00\x00\x00\x01mdat"
    + (916).to_bytes(8, "big")
    + bytes(900),
    "fragments": FTYP + MOOV + (_box(b"moof", bytes(40)) + _box(b"mdat", bytes(90))) * 50,
    "a few stray bytes": FILM + b"\x00\x00",
}


@pytest.mark.parametrize("what", FILMS)
async def test_unusual_mp4_files_are_accepted(spool: MediaStorage, what: str) -> None:
    """Encoders differ in order and length encoding of boxes."""
    assert (await spool.store_video(_download(FILMS[what]), "k3xw.mp4")).size_bytes == len(
        FILMS[what]
    )


async def test_other_content_is_rejected_early(spool: MediaStorage) -> None:
    """An endless web page is dropped after its first bytes."""
    read = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal read
        while True:
            read += 1 << 16
            yield b"<br/>" * ((1 << 16) // 5)

    with pytest.raises(InvalidVideo):
        await spool.store_video(Download(endless(), None, "video/mp4"), "k3xw.mp4")
    assert read <= 1 << 20


async def test_too_large_video_is_dropped(tmp_path: Path) -> None:
    """Whether its length is announced or not."""
    spool = MediaStorage(tmp_path, max_video_bytes=10_000)
    for total in (len(FILM), None):
        with pytest.raises(InvalidVideo):
            await spool.store_video(_download(FILM, total=total), "k3xw.mp4")
    assert _files(spool) == set()


async def test_free_space_is_reserved_for_the_database(tmp_path: Path) -> None:
    """A full disk raises `DiskFull`; the partial file is kept."""
    spool = MediaStorage(tmp_path)
    with pytest.raises(TruncatedDownload):
        await spool.store_video(_download(FILM[:900], total=len(FILM)), "k3xw.mp4")
    full = MediaStorage(tmp_path, min_free_bytes=1 << 60)
    with pytest.raises(DiskFull):
        await full.store_video(_download(FILM[900:], offset=900), "k3xw.mp4")
    with pytest.raises(DiskFull):
        await MediaStorage(tmp_path, max_video_bytes=1 << 62).store_video(
            _download(FILM, total=1 << 60), "a.mp4"
        )
    assert full.resumable_bytes("k3xw.mp4") == 900


async def test_cancelled_download_can_be_resumed(spool: MediaStorage) -> None:
    """At a graceful stop the partial file stays, and no descriptor remains open."""
    begun = asyncio.Event()

    async def stalls() -> AsyncIterator[bytes]:
        yield (FTYP + MOOV + MDAT[:8] + bytes(1 << 20))[: 1 << 20]
        begun.set()
        await asyncio.Event().wait()

    taking = asyncio.create_task(
        spool.store_video(Download(stalls(), 2 << 20, "video/mp4"), "k3xw.mp4")
    )
    await begun.wait()
    taking.cancel()
    await asyncio.wait([taking])
    assert taking.cancelled()
    assert spool.resumable_bytes("k3xw.mp4") == 1 << 20


async def test_large_videos_are_not_held_in_memory(spool: MediaStorage) -> None:
    """Eight of 32 MB at once need a few megabytes, whatever the size of the chunks."""
    body = 32 << 20

    async def chunks() -> AsyncIterator[bytes]:
        yield FTYP + MOOV + (body + 8).to_bytes(4, "big") + b"mdat"
        for _ in range(body >> 16):
            yield bytes(1 << 16)

    total = len(FTYP + MOOV) + 8 + body
    tracemalloc.start()
    try:
        await asyncio.gather(
            *(
                spool.store_video(Download(chunks(), total, "video/mp4"), f"{number}.mp4")
                for number in range(8)
            )
        )
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 16 << 20


# --- images and cleanup ------------------------------------------------------------------


async def test_image_is_stored_fitted(spool: MediaStorage, tmp_path: Path) -> None:
    """It has exactly the size of the video, at the path that the task records."""
    source = sample_images.rotated_photo(tmp_path / "photo.jpg", 6)
    kept = await spool.store_image(source, "k3xw", 72, 128)
    file = kept.file_name
    assert re.fullmatch(r"k3xw-[0-9a-f]{8}\.jpg", file)
    assert kept.cropped_percent == 62.5
    assert sample_images.corner_colours(spool.image_path(file)) == sample_images.UPRIGHT
    await spool.remove_image(file)
    await spool.remove_image(file)
    assert _files(spool) == set()


async def test_image_is_refused_on_a_full_disk(tmp_path: Path) -> None:
    """So that the database can still write."""
    source = sample_images.rotated_photo(tmp_path / "photo.jpg", 1)
    full = MediaStorage(tmp_path / "data", min_free_bytes=1 << 60)
    with pytest.raises(DiskFull):
        await full.store_image(source, "k3xw", 72, 128)
    assert _files(full) == set()


async def test_padded_image_is_stored_uncropped(spool: MediaStorage, tmp_path: Path) -> None:
    """Nothing is cropped, and 0 percent is returned."""
    source = sample_images.rotated_photo(tmp_path / "photo.jpg", 6)
    kept = await spool.store_image(source, "k3xw", 72, 128, "pad")
    assert kept.cropped_percent == 0
    assert images.read_image_info(spool.image_path(kept.file_name)).height == 128


async def test_refused_image_leaves_no_file(spool: MediaStorage, tmp_path: Path) -> None:
    """A user who tries a text file leaves nothing behind."""
    (tmp_path / "photo.png").write_text("no picture")
    with pytest.raises(Refusal):
        await spool.store_image(tmp_path / "photo.png", "k3xw", 72, 128)
    assert _files(spool) == set()


def test_file_name_cannot_leave_its_folder(spool: MediaStorage) -> None:
    """Names come from database rows; none may lead elsewhere."""
    for name in ("", ".", "..", "../x", "a/b", "/etc/passwd", "a\x00b"):
        for way in (spool.image_path, spool.result_path, spool.resumable_bytes):
            with pytest.raises(ValueError, match="file name"):
                way(name)


async def test_orphaned_files_are_removed(spool: MediaStorage, tmp_path: Path) -> None:
    """Those of a crashed process; new files of a running one stay."""
    source = sample_images.rotated_photo(tmp_path / "photo.jpg", 1)
    kept = {}
    for name in ("known", "orphan"):
        kept[name] = (await spool.store_image(source, name, 72, 128)).file_name
        await spool.store_video(_download(FILM), f"{name}.mp4")
        with pytest.raises(TruncatedDownload):
            await spool.store_video(_download(FILM[:900], total=len(FILM)), f"{name}-2.mp4")
    other = MediaStorage(spool.image_path("x").parents[1])
    known = {kept["known"], "known.mp4"}
    assert await other.remove_orphans(known, {"known-2.mp4"}) == 3
    parts = {"known-2.mp4.part", "known-2.mp4.part.sum"}
    assert _files(spool) == {*known, kept["orphan"], *parts}
    spool.close()
    assert await other.remove_orphans(known, {"known-2.mp4"}) == 1
    assert _files(spool) == {*known, *parts}
    assert await MediaStorage(tmp_path / "new").remove_orphans(set(), set()) == 0


async def test_removed_task_leaves_no_files(spool: MediaStorage, tmp_path: Path) -> None:
    """`/forgetme` removes image and video too."""
    source = sample_images.rotated_photo(tmp_path / "photo.jpg", 1)
    picture = (await spool.store_image(source, "k3xw", 72, 128)).file_name
    await spool.store_video(_download(FILM), "k3xw.mp4")
    task = Task(
        id="k3xw",
        user_id="console:local",
        state=State.DONE,
        order=Order("m", "p", 4, image=picture),
        price=4,
        destination=Destination("console"),
        created_at=0,
        state_since=0,
        due_at=0,
        file="k3xw.mp4",
    )
    await spool.remove_local_files(task)
    await spool.remove_local_files(task)
    assert _files(spool) == set()
