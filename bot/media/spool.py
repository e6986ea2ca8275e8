"""Files on our disk: pictures on their way in, results on their way out, never one in memory."""

from __future__ import annotations

import asyncio
import errno
import shutil
from collections.abc import AsyncIterator, Iterator
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bot.media import images
from bot.media.living import Living
from bot.media.mp4 import NotAnMP4, check_mp4
from bot.media.part import Part, size_of
from bot.model import Fit, Task
from providers.base import Download

LARGEST_BYTES = 4 << 30
KEEP_FREE_BYTES = 200 << 20
"""What is left free, so that the database can go on writing."""

_PIECE = 512 << 10
"""Bytes gathered before they go to the disk in one hop off the loop."""


class SpoolError(Exception):
    """A file could not be stored."""


class DiskFull(SpoolError):
    """There is no room now; it is worth trying again."""


class Truncated(SpoolError):
    """The other side sent fewer bytes than it said. What came is kept, to go on with."""


class NotAVideo(SpoolError):
    """What came is no whole MP4, or is too large. Nothing of it is kept."""


@dataclass(frozen=True, slots=True)
class Stored:
    """A finished video as it lies on the disk."""

    file: str
    bytes: int


@dataclass(frozen=True, slots=True)
class KeptPicture:
    """A picture as every gateway takes it, on the disk."""

    file: str
    cropped_percent: float
    """How much of the original was cut away."""


class Spool:
    """`spool/` has pictures and partial downloads, `results/` the finished videos."""

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
        # One at a time: a picture of 40 megapixels takes up to 600 MB while it is decoded.
        self._decoding = asyncio.Lock()

    def close(self) -> None:
        """This process takes in no more pictures."""
        self._living.close()

    def path(self, file: str) -> Path:
        """Where a picture lies."""
        return self._incoming / _plain(file)

    def result(self, file: str) -> Path:
        """Where a finished video lies."""
        return self._results / _plain(file)

    # --- pictures ------------------------------------------------------------------------

    async def keep_picture(
        self,
        source: Path,
        name: str,
        width: int | None,
        height: int | None,
        fit: Fit = "crop",
    ) -> KeptPicture:
        """Check, turn, strip and fit a picture. Raises `Refusal`, `DiskFull`."""
        async with self._decoding:
            with _full_disk_named():
                self._make()
                self._check_room(0)
                target = self.path(self._living.owned(name))
                done = await asyncio.to_thread(images.prepare, source, target, width, height, fit)
        return KeptPicture(done.path.name, done.cropped_percent)

    async def remove_picture(self, file: str) -> None:
        """The picture is no longer needed."""
        await asyncio.to_thread(self.path(file).unlink, missing_ok=True)

    async def drop_part(self, name: str) -> None:
        """Nothing more will come of this download."""
        await asyncio.to_thread(self._part(name).drop)

    async def remove_of(self, task: Task) -> None:
        """Nothing of this task is to be kept."""
        if task.order.image:
            await self.remove_picture(task.order.image)
        if task.file:
            await asyncio.to_thread(self.result(task.file).unlink, missing_ok=True)

    # --- results -------------------------------------------------------------------------

    def _part(self, name: str) -> Part:
        return Part(self._incoming / f"{_plain(name)}.part")

    def part_size(self, name: str) -> int:
        """How many bytes of a broken download need not be sent again."""
        return self._part(name).proven

    async def fetched(self, name: str) -> Stored | None:
        """The result, if an earlier try has fetched it and died before it could say so."""
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
        # Whole, but not yet moved: a server asked for what comes after it would only refuse.
        return self._keep(part, name)

    async def receive(self, download: Download, name: str) -> Stored:
        """Stream a download to the disk; the result appears whole or not at all.

        A download that breaks off leaves its beginning behind, for the next try to go on with.
        Raises `SpoolError`, and what the download itself raises.
        """
        part = self._part(name)
        try:
            with _full_disk_named():
                self._make()
                await self._append(download, part)
                return await asyncio.to_thread(self._finish, part, name, download.total)
        except NotAVideo:
            # What is no video will never become one by going on.
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
                    raise NotAVideo(f"begins with {pieces[0][:16]!r}")
                await asyncio.to_thread(self._write, part, pieces)
                at += size
        finally:
            # Also when it broke off: so much less is to be sent again.
            await asyncio.to_thread(part.note)

    def _begin(self, part: Part, at: int, total: int | None) -> None:
        if total is not None and total > self._largest:
            raise NotAVideo(f"{total} bytes are more than {self._largest}")
        self._check_room((total or at) - at)
        if not part.begin(at):
            raise Truncated(f"what was there is not as it came; it cannot go on at byte {at}")

    def _write(self, part: Part, pieces: list[bytes]) -> None:
        self._check_room(0)
        part.write(pieces)

    def _check_room(self, needed: int) -> None:
        free = shutil.disk_usage(self._incoming).free
        if free < needed + self._keep_free:
            raise DiskFull(f"{needed} bytes are to come and {free} are free")

    def _finish(self, part: Part, name: str, total: int | None) -> Stored:
        size = size_of(part.path)
        if total is not None and size < total:
            raise Truncated(f"{size} of {total} bytes came")
        try:
            check_mp4(part.path)
        except NotAnMP4 as error:
            raise NotAVideo(str(error)) from error
        return self._keep(part, name)

    def _keep(self, part: Part, name: str) -> Stored:
        size = size_of(part.path)
        part.keep(self.result(name))
        return Stored(name, size)

    # --- keeping order -------------------------------------------------------------------

    def _make(self) -> None:
        for folder in (self._incoming, self._results):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    async def sweep(self, in_use: AbstractSet[str], fetching: AbstractSet[str]) -> int:
        """Remove what no task knows of, left by a process that died. How many files.

        `in_use` has pictures and results, `fetching` the results whose parts are still needed.
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
    """The chunks in heaps, unjoined: joining would have every byte twice in memory."""
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
