"""Store reference images and result videos on the disk, without loading whole videos in memory."""

from __future__ import annotations

import asyncio
import errno
import shutil
from collections.abc import AsyncIterator, Iterator
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bot.domain.tasks import Fit, Task
from bot.media import images
from bot.media.mp4 import NotAnMP4, check_mp4
from bot.media.process_lock import Living
from bot.media.resumable_download import Part, size_of
from providers.types import Download

LARGEST_BYTES = 4 << 30
KEEP_FREE_BYTES = 200 << 20
"""Disk space that is kept free, so that the database can still write."""

_PIECE = 512 << 10
"""Bytes that are collected before they are written in a thread."""


class SpoolError(Exception):
    """A file cannot be stored."""


class DiskFull(SpoolError):
    """There is not enough disk space now; a retry may succeed."""


class Truncated(SpoolError):
    """The server sent fewer bytes than announced. The partial file is kept to resume from."""


class NotAVideo(SpoolError):
    """The download is not a complete MP4, or is too large. The file is deleted."""


@dataclass(frozen=True, slots=True)
class Stored:
    """A result video on the disk."""

    file: str
    bytes: int


@dataclass(frozen=True, slots=True)
class KeptPicture:
    """A reference image on the disk, in a form that every gateway accepts."""

    file: str
    cropped_percent: float
    """Percentage of the original that was cropped."""


class Spool:
    """Images and partial downloads in `spool/`, finished videos in `results/`."""

    def __init__(
        self,
        data_dir: Path,
        *,
        largest: int = LARGEST_BYTES,
        keep_free: int = KEEP_FREE_BYTES,
    ) -> None:
        self._incoming = data_dir / "spool"
        self._results = data_dir / "results"
        self._living = Living(data_dir / "living")
        self._largest = largest
        self._keep_free = keep_free
        # One at a time: decoding an image of 40 megapixels takes up to 600 MB.
        self._decoding = asyncio.Lock()

    def close(self) -> None:
        """Release the process tag; no further images may be stored."""
        self._living.close()

    def path(self, file: str) -> Path:
        """Return the path of an image."""
        return self._incoming / _plain(file)

    def result(self, file: str) -> Path:
        """Return the path of a result video."""
        return self._results / _plain(file)

    # --- images --------------------------------------------------------------------------

    async def keep_picture(
        self,
        source: Path,
        name: str,
        width: int | None,
        height: int | None,
        fit: Fit = "crop",
    ) -> KeptPicture:
        """Check, normalize, fit and store an image. Raises `Refusal`, `DiskFull`."""
        async with self._decoding:
            with _full_disk_named():
                self._make()
                self._check_room(0)
                target = self.path(self._living.owned(name))
                done = await asyncio.to_thread(images.prepare, source, target, width, height, fit)
        return KeptPicture(done.path.name, done.cropped_percent)

    async def remove_picture(self, file: str) -> None:
        """Delete an image."""
        await asyncio.to_thread(self.path(file).unlink, missing_ok=True)

    async def drop_part(self, name: str) -> None:
        """Delete the partial file of a download that will not be resumed."""
        await asyncio.to_thread(self._part(name).drop)

    async def remove_of(self, task: Task) -> None:
        """Delete image and result of a task."""
        if task.order.image:
            await self.remove_picture(task.order.image)
        if task.file:
            await asyncio.to_thread(self.result(task.file).unlink, missing_ok=True)

    # --- results -------------------------------------------------------------------------

    def _part(self, name: str) -> Part:
        return Part(self._incoming / f"{_plain(name)}.part")

    def part_size(self, name: str) -> int:
        """Return the number of bytes from which an interrupted download can resume."""
        return self._part(name).proven

    async def fetched(self, name: str) -> Stored | None:
        """Return the result, if an earlier attempt stored it and crashed before recording that."""
        return await asyncio.to_thread(self._fetched, name)

    def _fetched(self, name: str) -> Stored | None:
        result, part = self.result(name), self._part(name)
        if result.is_file():
            return Stored(name, size_of(result))
        if not part.is_proven_whole():
            return None
        try:
            check_mp4(part.path)
        except NotAnMP4:
            return None
        # Complete, but not moved yet: a range request beyond its end would only fail.
        return self._keep(part, name)

    async def receive(self, download: Download, name: str) -> Stored:
        """Stream a download to the disk; the result appears complete or not at all.

        An interrupted download leaves a partial file, from which the next attempt resumes. Raises
        `SpoolError`, and any exception of the download.
        """
        part = self._part(name)
        try:
            with _full_disk_named():
                self._make()
                await self._append(download, part)
                return await asyncio.to_thread(self._finish, part, name, download.total)
        except NotAVideo:
            # Resuming will not turn it into a video.
            await asyncio.to_thread(part.drop)
            raise

    async def _append(self, download: Download, part: Part) -> None:
        at = download.offset
        await asyncio.to_thread(self._begin, part, at, download.total)
        try:
            async for pieces, size in _gathered(download.chunks):
                if at + size > self._largest:
                    raise NotAVideo(f"more than {self._largest} bytes")
                if at == 0 and not b"ftyp".startswith(pieces[0][4:8]):
                    raise NotAVideo(f"starts with {pieces[0][:16]!r}")
                await asyncio.to_thread(self._write, part, pieces)
                at += size
        finally:
            # Also after an error, so that the next attempt can resume from here.
            await asyncio.to_thread(part.note)

    def _begin(self, part: Part, at: int, total: int | None) -> None:
        if total is not None and total > self._largest:
            raise NotAVideo(f"{total} bytes are more than {self._largest}")
        self._check_room((total or at) - at)
        if not part.begin(at):
            raise Truncated(f"the partial file is damaged; cannot resume at byte {at}")

    def _write(self, part: Part, pieces: list[bytes]) -> None:
        self._check_room(0)
        part.write(pieces)

    def _check_room(self, needed: int) -> None:
        free = shutil.disk_usage(self._incoming).free
        if free < needed + self._keep_free:
            raise DiskFull(f"{needed} bytes are needed and {free} are free")

    def _finish(self, part: Part, name: str, total: int | None) -> Stored:
        size = size_of(part.path)
        if total is not None and size < total:
            raise Truncated(f"received {size} of {total} bytes")
        try:
            check_mp4(part.path)
        except NotAnMP4 as error:
            raise NotAVideo(str(error)) from error
        return self._keep(part, name)

    def _keep(self, part: Part, name: str) -> Stored:
        size = size_of(part.path)
        part.keep(self.result(name))
        return Stored(name, size)

    # --- cleanup -------------------------------------------------------------------------

    def _make(self) -> None:
        for folder in (self._incoming, self._results):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    async def sweep(self, in_use: AbstractSet[str], fetching: AbstractSet[str]) -> int:
        """Remove files that no task refers to, left by crashed processes; return how many.

        `in_use` are images and results, `fetching` results whose partial files are still needed.
        """
        parts = {f"{name}.part{more}" for name in fetching for more in ("", ".sum")}
        return await asyncio.to_thread(self._sweep, in_use | parts)

    def _sweep(self, known: AbstractSet[str]) -> int:
        self._make()
        folders = (self._incoming, self._results)
        orphans = [
            path
            for folder in folders
            for path in folder.iterdir()
            if path.name not in known and path.is_file() and self._living.may_go(path.name)
        ]
        for path in orphans:
            path.unlink(missing_ok=True)
        self._living.bury()
        return len(orphans)


def _plain(file: str) -> str:
    if file != Path(file).name or file in {"", ".", ".."} or "\x00" in file:
        raise ValueError(f"not a plain file name: {file!r}")
    return file


@contextmanager
def _full_disk_named() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise DiskFull(str(error)) from error
        raise


async def _gathered(chunks: AsyncIterator[bytes]) -> AsyncIterator[tuple[list[bytes], int]]:
    """Yield (chunks, size) in batches; joining the chunks would copy every byte in memory."""
    heap: list[bytes] = []
    size = 0
    async for chunk in chunks:
        if chunk:
            heap.append(chunk)
            size += len(chunk)
        if size >= _PIECE:
            yield heap, size
            heap, size = [], 0
    if heap:
        yield heap, size
