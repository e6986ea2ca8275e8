"""Files on our disk: pictures on their way in, results on their way out, never one in memory."""

from __future__ import annotations

import asyncio
import errno
import os
import shutil
from collections.abc import AsyncIterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path

from bot.media import images
from bot.model import Task
from providers.base import Download

_PIECE = 1 << 20
"""Bytes gathered before they go to the disk in one hop off the loop."""
_LARGEST = 4 << 30
_KEEP_FREE = 100 << 20
"""Bytes that downloads leave free, so that the database can go on writing."""


class SpoolError(Exception):
    """A file could not be stored."""


class DiskFull(SpoolError):
    """There is no room now; it is worth trying again."""


class Truncated(SpoolError):
    """The other side sent fewer bytes than it said."""


class NotAVideo(SpoolError):
    """What came is no whole MP4."""


@dataclass(frozen=True, slots=True)
class Stored:
    """A finished video as it lies on the disk."""

    file: str
    bytes: int


class Spool:
    """`spool/` has pictures and partial downloads, `results/` the finished videos."""

    def __init__(self, data_dir: Path) -> None:
        self._incoming = data_dir / "spool"
        self._results = data_dir / "results"

    def path(self, file: str) -> Path:
        """Where a picture lies."""
        return self._incoming / _plain(file)

    def result(self, file: str) -> Path:
        """Where a finished video lies."""
        return self._results / _plain(file)

    # --- pictures ------------------------------------------------------------------------

    async def keep_picture(
        self, source: Path, name: str, width: int | None, height: int | None
    ) -> str:
        """Check, turn, strip and fit a picture; its file's name. Raises `Refusal`."""
        self._make()
        return await asyncio.to_thread(
            images.prepare, source, self._incoming / _plain(name), width, height
        )

    async def remove_picture(self, file: str) -> None:
        """The picture is no longer needed."""
        await asyncio.to_thread(self.path(file).unlink, missing_ok=True)

    async def remove_of(self, task: Task) -> None:
        """Nothing of this task is to be kept."""
        if task.order.image:
            await self.remove_picture(task.order.image)
        if task.file:
            await asyncio.to_thread(self.result(task.file).unlink, missing_ok=True)

    # --- results -------------------------------------------------------------------------

    def _part(self, name: str) -> Path:
        return self._incoming / f"{_plain(name)}.part"

    def part_size(self, name: str) -> int:
        """How many bytes of a broken download are there already."""
        try:
            return self._part(name).stat().st_size
        except FileNotFoundError:
            return 0

    async def fetched(self, name: str) -> Stored | None:
        """The result, if an earlier process has fetched it and died before it could say so."""
        path = self.result(name)
        if not path.is_file():
            return None
        return Stored(name, path.stat().st_size)

    async def receive(self, download: Download, name: str) -> Stored:
        """Stream a download to the disk; the file appears whole or not at all.

        A broken one leaves its beginning behind, for the next try to go on with. Raises
        `SpoolError`, and what the download itself raises.
        """
        self._make()
        part = self._part(name)
        try:
            await self._append(download, part)
            await asyncio.to_thread(_check_whole, part, download.total)
            return Stored(name, await asyncio.to_thread(_put, part, self.result(name)))
        except OSError as error:
            if error.errno in {errno.ENOSPC, errno.EDQUOT}:
                raise DiskFull(str(error)) from error
            raise
        except (NotAVideo, Truncated):
            if part.exists() and (download.total is None or part.stat().st_size >= download.total):
                # What is complete and yet no video would never become one by going on.
                part.unlink()
            raise

    async def _append(self, download: Download, part: Path) -> None:
        if download.total is not None:
            self._refuse_too_large(download.total)
        start = download.offset
        async for piece in _gathered(download.chunks):
            if start + len(piece) > _LARGEST:
                raise NotAVideo(f"more than {_LARGEST} bytes")
            await asyncio.to_thread(_write, part, piece, start)
            start += len(piece)

    def _refuse_too_large(self, total: int) -> None:
        if total > _LARGEST:
            raise NotAVideo(f"{total} bytes are more than {_LARGEST}")
        free = shutil.disk_usage(self._incoming).free
        if total + _KEEP_FREE > free:
            raise DiskFull(f"{total} bytes are to come and {free} are free")

    # --- keeping order -------------------------------------------------------------------

    def _make(self) -> None:
        for folder in (self._incoming, self._results):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    async def sweep(self, in_use: AbstractSet[str], fetching: AbstractSet[str]) -> int:
        """Remove what no task knows of: left by a process that died. How many files."""
        return await asyncio.to_thread(self._sweep, in_use, {f"{name}.part" for name in fetching})

    def _sweep(self, in_use: AbstractSet[str], parts: AbstractSet[str]) -> int:
        self._make()
        orphans = [
            path
            for folder in (self._incoming, self._results)
            for path in folder.iterdir()
            if path.is_file() and path.name not in in_use | parts
        ]
        for path in orphans:
            path.unlink(missing_ok=True)
        return len(orphans)


def _plain(file: str) -> str:
    if file != Path(file).name or file in {"", ".", ".."}:
        raise ValueError(f"not a plain file name: {file!r}")
    return file


async def _gathered(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    pieces: list[bytes] = []
    size = 0
    async for chunk in chunks:
        pieces.append(chunk)
        size += len(chunk)
        if size >= _PIECE:
            yield b"".join(pieces)
            pieces, size = [], 0
    if pieces:
        yield b"".join(pieces)


def _write(part: Path, piece: bytes, start: int) -> None:
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        os.ftruncate(descriptor, start)
        view = memoryview(piece)
        written = 0
        while written < len(view):
            written += os.pwrite(descriptor, view[written:], start + written)
    finally:
        os.close(descriptor)


def _check_whole(part: Path, total: int | None) -> None:
    size = part.stat().st_size if part.exists() else 0
    if size == 0 or (total is not None and size != total):
        raise Truncated(f"{size} of {total} bytes came")
    _check_mp4(part, size)


def _check_mp4(path: Path, size: int) -> None:
    """Walk the top-level boxes: `ftyp` first, `moov` and `mdat` there, the last one whole."""
    seen = set()
    with path.open("rb") as file:
        at = 0
        while at + 8 <= size:
            file.seek(at)
            head = file.read(16)
            length, kind = int.from_bytes(head[:4], "big"), head[4:8]
            if length == 1:
                length = int.from_bytes(head[8:16], "big")
            elif length == 0:
                length = size - at
            if at == 0 and kind != b"ftyp":
                raise NotAVideo(f"begins with {head[:8]!r}")
            if length < 8 or at + length > size:
                raise NotAVideo(f"is cut off at {size} bytes")
            seen.add(kind)
            at += length
    if not {b"ftyp", b"moov", b"mdat"} <= seen:
        raise NotAVideo("is no whole MP4")


def _put(part: Path, target: Path) -> int:
    descriptor = os.open(part, os.O_RDONLY)
    try:
        os.fsync(descriptor)
        size = os.fstat(descriptor).st_size
    finally:
        os.close(descriptor)
    part.replace(target)
    # The name too must survive a power cut, or a paid video is only a row that points nowhere.
    folder = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
    return size
