"""The spool: a result is there whole or not at all, and nothing is left lying about."""

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
    """A spool in an empty folder."""
    return MediaStorage(tmp_path / "data")


def _download(
    content: bytes,
    *,
    offset: int = 0,
    total: int | None = -1,
    piece: int = 1000,
    then: Exception | None = None,
) -> Download:
    """An open result that gives `content`; without a word on `total` it says the truth."""

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


# --- receiving ---------------------------------------------------------------------------


@pytest.mark.parametrize("piece", [1, 7, 1000, 10**6])
async def test_a_result_lies_whole_in_its_place(spool: MediaStorage, piece: int) -> None:
    """However the bytes are cut on their way, the file has them all, for us alone."""
    stored = await spool.store_video(_download(FILM, piece=piece), "k3xw.mp4")
    assert (stored.file_name, stored.size_bytes) == ("k3xw.mp4", len(FILM))
    path = spool.result_path("k3xw.mp4")
    assert path.read_bytes() == FILM
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert _files(spool) == {"k3xw.mp4"}


async def test_a_download_of_unknown_length_is_taken_by_its_content(spool: MediaStorage) -> None:
    """Gateways that send in chunks tell no length; the boxes tell whether it is whole."""
    assert (await spool.store_video(_download(FILM, total=None), "a.mp4")).size_bytes == len(FILM)
    with pytest.raises(InvalidVideo):
        await spool.store_video(_download(FILM[:-1], total=None), "b.mp4")
    assert _files(spool) == {"a.mp4"}


async def test_a_broken_download_goes_on_where_it_stopped(spool: MediaStorage) -> None:
    """What was paid for with minutes of transfer is not transferred again."""
    half = len(FILM) // 2
    lost = _download(FILM[:half], total=len(FILM))
    with pytest.raises(TruncatedDownload):
        await spool.store_video(lost, "k3xw.mp4")
    assert spool.resumable_bytes("k3xw.mp4") == half
    assert await spool.find_fetched("k3xw.mp4") is None
    await spool.store_video(_download(FILM[half:], offset=half), "k3xw.mp4")
    assert spool.result_path("k3xw.mp4").read_bytes() == FILM
    assert spool.resumable_bytes("k3xw.mp4") == 0


async def test_a_connection_that_drops_leaves_the_beginning(spool: MediaStorage) -> None:
    """The error of the gateway comes through as it is, and what came before it is kept."""
    film = FTYP + MOOV + _box(b"mdat", bytes(2 << 20))
    dropped = _download(film[: 1 << 20], total=len(film), piece=1 << 16, then=Unanswered("reset"))
    with pytest.raises(Unanswered):
        await spool.store_video(dropped, "k3xw.mp4")
    assert spool.resumable_bytes("k3xw.mp4") == 1 << 20


async def test_a_server_that_starts_over_is_followed(spool: MediaStorage) -> None:
    """One without ranges sends all again; appended to the old part it would be rubbish."""
    with pytest.raises(TruncatedDownload):
        await spool.store_video(_download(FILM[:900], total=len(FILM)), "k3xw.mp4")
    await spool.store_video(_download(FILM, offset=0), "k3xw.mp4")
    assert spool.result_path("k3xw.mp4").read_bytes() == FILM


async def test_a_server_that_goes_on_too_late_leaves_no_hole(spool: MediaStorage) -> None:
    """A hole of zeros in the middle could pass for a film; the next try begins anew."""
    with pytest.raises(TruncatedDownload):
        await spool.store_video(_download(FILM[:900], total=len(FILM)), "k3xw.mp4")
    with pytest.raises(TruncatedDownload):
        await spool.store_video(_download(FILM[1000:], offset=1000), "k3xw.mp4")
    assert spool.resumable_bytes("k3xw.mp4") == 0


async def test_a_whole_part_is_adopted_after_a_crash(spool: MediaStorage) -> None:
    """Killed between the last byte and the rename; a server would refuse to send "the rest"."""
    _come(spool, FILM)
    again = await spool.find_fetched("k3xw.mp4")
    assert again == await spool.find_fetched("k3xw.mp4") == StoredVideo("k3xw.mp4", len(FILM))
    assert spool.result_path("k3xw.mp4").read_bytes() == FILM
    assert _files(spool) == {"k3xw.mp4"}


@pytest.mark.parametrize("at", [100, len(FILM) - 1])
async def test_what_a_power_cut_left_half_written_is_delivered(
    spool: MediaStorage, at: int
) -> None:
    """Zeros where bytes should be have the right length and the right boxes; all is sent anew."""
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
async def test_a_part_without_its_note_is_begun_anew(
    spool: MediaStorage, note: bytes | None
) -> None:
    """Whatever became of the note, nothing is trusted that it does not prove."""
    _come(spool, FILM[:900])
    path = spool.image_path("k3xw.mp4.part.sum")
    path.unlink() if note is None else path.write_bytes(note)
    assert spool.resumable_bytes("k3xw.mp4") == 0
    await spool.store_video(_download(FILM), "k3xw.mp4")
    assert _files(spool) == {"k3xw.mp4"}


async def test_a_large_download_is_noted_now_and_then(spool: MediaStorage) -> None:
    """A process that is killed in the middle has at most 8 MB to fetch again."""
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
    """So much of a download has come and is noted, and then its process was killed."""
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
async def test_what_is_no_whole_film_never_becomes_a_result(spool: MediaStorage, what: str) -> None:
    """A result that does not play must not be charged, posted, or resumed."""
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
async def test_unusual_films_are_films(spool: MediaStorage, what: str) -> None:
    """Encoders differ in the order and the lengths of their boxes."""
    assert (await spool.store_video(_download(FILMS[what]), "k3xw.mp4")).size_bytes == len(
        FILMS[what]
    )


async def test_rubbish_is_not_read_to_its_end(spool: MediaStorage) -> None:
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


async def test_a_film_that_is_too_large_is_dropped(tmp_path: Path) -> None:
    """Whether it says so or just does not end."""
    spool = MediaStorage(tmp_path, max_video_bytes=10_000)
    for total in (len(FILM), None):
        with pytest.raises(InvalidVideo):
            await spool.store_video(_download(FILM, total=total), "k3xw.mp4")
    assert _files(spool) == set()


async def test_the_last_room_on_the_disk_is_left_to_the_database(tmp_path: Path) -> None:
    """A full disk is told as such; what came is kept, for there may be room later."""
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


async def test_a_cancelled_download_can_be_gone_on_with(spool: MediaStorage) -> None:
    """At a graceful stop the part stays as it is, and no descriptor stays open."""
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


async def test_a_large_film_is_never_in_memory(spool: MediaStorage) -> None:
    """Eight films of 32 MB at once take a few megabytes, whatever the size of the chunks."""
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


# --- pictures and order ------------------------------------------------------------------


async def test_a_picture_is_kept_fitted(spool: MediaStorage, tmp_path: Path) -> None:
    """What a gateway gets has just the size of the video, and lies where the task says."""
    source = sample_images.rotated_photo(tmp_path / "photo.jpg", 6)
    kept = await spool.store_image(source, "k3xw", 72, 128)
    file = kept.file_name
    assert re.fullmatch(r"k3xw-[0-9a-f]{8}\.jpg", file)
    assert kept.cropped_percent == 62.5
    assert sample_images.corner_colours(spool.image_path(file)) == sample_images.UPRIGHT
    await spool.remove_image(file)
    await spool.remove_image(file)
    assert _files(spool) == set()


async def test_a_picture_takes_the_last_room_on_the_disk(tmp_path: Path) -> None:
    """Nothing is taken in where the database could soon not go on writing."""
    source = sample_images.rotated_photo(tmp_path / "photo.jpg", 1)
    full = MediaStorage(tmp_path / "data", min_free_bytes=1 << 60)
    with pytest.raises(DiskFull):
        await full.store_image(source, "k3xw", 72, 128)
    assert _files(full) == set()


async def test_a_picture_is_kept_whole_where_that_is_asked_for(
    spool: MediaStorage, tmp_path: Path
) -> None:
    """Nothing is cut away, and nothing is said to be."""
    source = sample_images.rotated_photo(tmp_path / "photo.jpg", 6)
    kept = await spool.store_image(source, "k3xw", 72, 128, "pad")
    assert kept.cropped_percent == 0
    assert images.read_image_info(spool.image_path(kept.file_name)).height == 128


async def test_a_refused_picture_leaves_nothing(spool: MediaStorage, tmp_path: Path) -> None:
    """Nothing in the spool can be orphaned by a person who tries a text file."""
    (tmp_path / "photo.png").write_text("no picture")
    with pytest.raises(Refusal):
        await spool.store_image(tmp_path / "photo.png", "k3xw", 72, 128)
    assert _files(spool) == set()


def test_a_file_name_cannot_lead_elsewhere(spool: MediaStorage) -> None:
    """Names come from rows that admins may write; none may reach out of its folder."""
    for name in ("", ".", "..", "../x", "a/b", "/etc/passwd", "a\x00b"):
        for way in (spool.image_path, spool.result_path, spool.resumable_bytes):
            with pytest.raises(ValueError, match="file name"):
                way(name)


async def test_sweeping_removes_what_no_task_knows(spool: MediaStorage, tmp_path: Path) -> None:
    """What a dead process left goes; what a living one has just taken in stays."""
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


async def test_nothing_of_a_forgotten_task_is_left(spool: MediaStorage, tmp_path: Path) -> None:
    """`/forgetme` means the picture and the film too."""
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
