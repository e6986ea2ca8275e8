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
from bot.media.mp4 import InvalidMP4, check_mp4
from bot.media.process_lock import ProcessTag
from bot.media.resumable_download import PartialDownload, file_size
from providers.types import Download

MAX_VIDEO_BYTES = 4 << 30
MIN_FREE_BYTES = 200 << 20
"""Disk space that is kept free, so that the database can still write."""

_WRITE_BATCH_BYTES = 512 << 10
"""Bytes that are collected before they are written in a thread."""


class StorageError(Exception):
    """A file cannot be stored."""


class DiskFull(StorageError):
    """There is not enough disk space now; a retry may succeed."""


class TruncatedDownload(StorageError):
    """The server sent fewer bytes than announced. The partial file is kept to resume from."""


class InvalidVideo(StorageError):
    """The download is not a complete MP4, or is too large. The file is deleted."""


@dataclass(frozen=True, slots=True)
class StoredVideo:
    """A result video on the disk."""

    file_name: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class StoredImage:
    """A reference image on the disk, in a form that every gateway accepts."""

    file_name: str
    cropped_percent: float
    """Percentage of the original that was cropped."""


class MediaStorage:
    """Images and partial downloads in `spool/`, finished videos in `results/`."""

    def __init__(
        self,
        data_dir: Path,
        *,
        max_video_bytes: int = MAX_VIDEO_BYTES,
        min_free_bytes: int = MIN_FREE_BYTES,
    ) -> None:
        self._incoming = data_dir / "spool"
        self._results = data_dir / "results"
        self._process_tag = ProcessTag(data_dir / "living")
        self._max_video_bytes = max_video_bytes
        self._min_free_bytes = min_free_bytes
        # One at a time: decoding an image of 40 megapixels takes up to 600 MB.
        self._decode_lock = asyncio.Lock()

    def close(self) -> None:
        """Release the process tag; no further images may be stored."""
        self._process_tag.close()

    def image_path(self, file_name: str) -> Path:
        """Return the path of an image."""
        return self._incoming / _check_plain_name(file_name)

    def result_path(self, file_name: str) -> Path:
        """Return the path of a result video."""
        return self._results / _check_plain_name(file_name)

    # --- images --------------------------------------------------------------------------

    async def store_image(
        self,
        source: Path,
        name: str,
        width: int | None,
        height: int | None,
        fit: Fit = "crop",
    ) -> StoredImage:
        """Check, normalize, fit and store an image. Raises `Refusal`, `DiskFull`."""
        async with self._decode_lock:
            with _raise_disk_full():
                self._create_folders()
                self._check_free_space(0)
                target = self.image_path(self._process_tag.tag(name))
                prepared = await asyncio.to_thread(
                    images.prepare_image, source, target, width, height, fit
                )
        return StoredImage(prepared.path.name, prepared.cropped_percent)

    async def remove_image(self, file_name: str) -> None:
        """Delete an image."""
        await asyncio.to_thread(self.image_path(file_name).unlink, missing_ok=True)

    async def discard_partial(self, name: str) -> None:
        """Delete the partial file of a download that will not be resumed."""
        await asyncio.to_thread(self._partial(name).discard)

    async def remove_local_files(self, task: Task) -> None:
        """Delete image and result of a task."""
        if task.order.image:
            await self.remove_image(task.order.image)
        if task.file:
            await asyncio.to_thread(self.result_path(task.file).unlink, missing_ok=True)

    # --- results -------------------------------------------------------------------------

    def _partial(self, name: str) -> PartialDownload:
        return PartialDownload(self._incoming / f"{_check_plain_name(name)}.part")

    def resumable_bytes(self, name: str) -> int:
        """Return the number of bytes from which an interrupted download can resume."""
        return self._partial(name).resumable_bytes

    async def find_fetched(self, name: str) -> StoredVideo | None:
        """Return the result, if an earlier attempt stored it and crashed before recording that."""
        return await asyncio.to_thread(self._find_fetched, name)

    def _find_fetched(self, name: str) -> StoredVideo | None:
        result, partial = self.result_path(name), self._partial(name)
        if result.is_file():
            return StoredVideo(name, file_size(result))
        if not partial.is_verified_complete():
            return None
        try:
            check_mp4(partial.path)
        except InvalidMP4:
            return None
        # Complete, but not moved yet: a range request beyond its end would only fail.
        return self._move_to_results(partial, name)

    async def store_video(self, download: Download, name: str) -> StoredVideo:
        """Stream a download to the disk; the result appears complete or not at all.

        An interrupted download leaves a partial file, from which the next attempt resumes. Raises
        `StorageError`, and any exception of the download.
        """
        partial = self._partial(name)
        try:
            with _raise_disk_full():
                self._create_folders()
                await self._append(download, partial)
                return await asyncio.to_thread(
                    self._finish_download, partial, name, download.total_bytes
                )
        except InvalidVideo:
            # Resuming will not turn it into a video.
            await asyncio.to_thread(partial.discard)
            raise

    async def _append(self, download: Download, partial: PartialDownload) -> None:
        position = download.offset
        await asyncio.to_thread(self._open_partial, partial, position, download.total_bytes)
        try:
            async for chunks, size in _batched(download.chunks):
                if position + size > self._max_video_bytes:
                    raise InvalidVideo(f"more than {self._max_video_bytes} bytes")
                if position == 0 and not b"ftyp".startswith(chunks[0][4:8]):
                    raise InvalidVideo(f"starts with {chunks[0][:16]!r}")
                await asyncio.to_thread(self._write_chunks, partial, chunks)
                position += size
        finally:
            # Also after an error, so that the next attempt can resume from here.
            await asyncio.to_thread(partial.checkpoint)

    def _open_partial(self, partial: PartialDownload, offset: int, total_bytes: int | None) -> None:
        if total_bytes is not None and total_bytes > self._max_video_bytes:
            raise InvalidVideo(f"{total_bytes} bytes are more than {self._max_video_bytes}")
        self._check_free_space((total_bytes or offset) - offset)
        if not partial.open_at(offset):
            raise TruncatedDownload(f"the partial file is damaged; cannot resume at byte {offset}")

    def _write_chunks(self, partial: PartialDownload, chunks: list[bytes]) -> None:
        self._check_free_space(0)
        partial.write(chunks)

    def _check_free_space(self, needed_bytes: int) -> None:
        free = shutil.disk_usage(self._incoming).free
        if free < needed_bytes + self._min_free_bytes:
            raise DiskFull(f"{needed_bytes} bytes are needed and {free} are free")

    def _finish_download(
        self, partial: PartialDownload, name: str, total_bytes: int | None
    ) -> StoredVideo:
        size = file_size(partial.path)
        if total_bytes is not None and size < total_bytes:
            raise TruncatedDownload(f"received {size} of {total_bytes} bytes")
        try:
            check_mp4(partial.path)
        except InvalidMP4 as error:
            raise InvalidVideo(str(error)) from error
        return self._move_to_results(partial, name)

    def _move_to_results(self, partial: PartialDownload, name: str) -> StoredVideo:
        size = file_size(partial.path)
        partial.move_to(self.result_path(name))
        return StoredVideo(name, size)

    # --- cleanup -------------------------------------------------------------------------

    def _create_folders(self) -> None:
        for folder in (self._incoming, self._results):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    async def remove_orphans(self, in_use: AbstractSet[str], fetching: AbstractSet[str]) -> int:
        """Remove files that no task refers to, left by crashed processes; return how many.

        `in_use` are images and results, `fetching` results whose partial files are still needed.
        """
        partials = {f"{name}.part{suffix}" for name in fetching for suffix in ("", ".sum")}
        return await asyncio.to_thread(self._remove_orphans, in_use | partials)

    def _remove_orphans(self, known_files: AbstractSet[str]) -> int:
        self._create_folders()
        folders = (self._incoming, self._results)
        orphans = [
            path
            for folder in folders
            for path in folder.iterdir()
            if path.name not in known_files
            and path.is_file()
            and self._process_tag.is_orphan(path.name)
        ]
        for path in orphans:
            path.unlink(missing_ok=True)
        self._process_tag.remove_stale()
        return len(orphans)


def _check_plain_name(file_name: str) -> str:
    if file_name != Path(file_name).name or file_name in {"", ".", ".."} or "\x00" in file_name:
        raise ValueError(f"not a plain file name: {file_name!r}")
    return file_name


@contextmanager
def _raise_disk_full() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise DiskFull(str(error)) from error
        raise


async def _batched(chunks: AsyncIterator[bytes]) -> AsyncIterator[tuple[list[bytes], int]]:
    """Yield (chunks, size) in batches; joining the chunks would copy every byte in memory."""
    batch: list[bytes] = []
    size = 0
    async for chunk in chunks:
        if chunk:
            batch.append(chunk)
            size += len(chunk)
        if size >= _WRITE_BATCH_BYTES:
            yield batch, size
            batch, size = [], 0
    if batch:
        yield batch, size
