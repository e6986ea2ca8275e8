"""A resumable download: a partial file, and a checkpoint with the length and hash of its start.

After a power failure a file may have the right length, but zeros in the middle, which its MP4
boxes do not show. So the file is synced at intervals, and then its length and SHA-256 are written
to a checkpoint file. A download resumes only from the checkpoint, and only if the hash matches.
"""

from __future__ import annotations

import os
from hashlib import sha256
from pathlib import Path
from threading import Lock

CHECKPOINT_BYTES = 8 << 20
"""Bytes between checkpoints: the most that must be downloaded again after a crash."""

_READ_BYTES = 1 << 20
_COUNT_DIGITS = 20
_CHECKPOINT_FILE_BYTES = _COUNT_DIGITS + 1 + 64


class PartialDownload:
    """The partial file of one result. All methods block."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._checkpoint_path = path.with_name(f"{path.name}.sum")
        self._digest = sha256()
        self._position = 0
        self._checkpoint_position = 0
        # The thread of a cancelled await still writes while another may already run `checkpoint`.
        self._lock = Lock()

    @property
    def resumable_bytes(self) -> int:
        """Number of bytes from which the download can resume, if the hash still matches."""
        checkpointed = self._read_checkpoint()[0]
        return checkpointed if checkpointed <= file_size(self.path) else 0

    def open_at(self, offset: int) -> bool:
        """Prepare to write at this offset. False, with the file removed, if it cannot resume."""
        self._digest, self._position, self._checkpoint_position = sha256(), offset, offset
        if offset and not self._matches_checkpoint(offset):
            self.discard()
            return False
        if not offset:
            self._checkpoint_path.unlink(missing_ok=True)
        descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            os.ftruncate(descriptor, offset)
        finally:
            os.close(descriptor)
        return True

    def write(self, chunks: list[bytes]) -> None:
        """Append received chunks, and write a checkpoint when one is due."""
        with self._lock:
            self._append(chunks)
            if self._position - self._checkpoint_position >= CHECKPOINT_BYTES:
                self._write_checkpoint()

    def _append(self, chunks: list[bytes]) -> None:
        # Opened for every write: a permanent descriptor could not be closed safely when the await
        # on this thread is cancelled.
        descriptor = os.open(self.path, os.O_WRONLY)
        try:
            for chunk in chunks:
                self._write_chunk(descriptor, chunk)
        finally:
            os.close(descriptor)

    def _write_chunk(self, descriptor: int, chunk: bytes) -> None:
        view = memoryview(chunk)
        while view:
            written = os.pwrite(descriptor, view, self._position)
            self._digest.update(view[:written])
            self._position += written
            view = view[written:]

    def checkpoint(self) -> None:
        """Sync the file and write a checkpoint."""
        with self._lock:
            self._write_checkpoint()

    def _write_checkpoint(self) -> None:
        fsync_path(self.path)
        # Overwritten in place with constant length, so that it is never empty.
        descriptor = os.open(self._checkpoint_path, os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            os.pwrite(
                descriptor,
                f"{self._position:0{_COUNT_DIGITS}} {self._digest.hexdigest()}".encode(),
                0,
            )
        finally:
            os.close(descriptor)
        self._checkpoint_position = self._position

    def is_verified_complete(self) -> bool:
        """Whether the hash of the checkpoint covers the whole file and matches."""
        self._digest = sha256()
        size = file_size(self.path)
        return size > 0 and self.resumable_bytes == size and self._matches_checkpoint(size)

    def move_to(self, target: Path) -> None:
        """Move the complete file to its place among the results, atomically."""
        self.path.replace(target)
        # The new name must survive a power failure too, else the database refers to a lost video.
        fsync_path(target.parent)
        self._checkpoint_path.unlink(missing_ok=True)

    def discard(self) -> None:
        """Remove the partial file and its checkpoint."""
        self._checkpoint_path.unlink(missing_ok=True)
        self.path.unlink(missing_ok=True)

    def _matches_checkpoint(self, size: int) -> bool:
        checkpointed, expected_digest = self._read_checkpoint()
        if checkpointed != size or file_size(self.path) < size:
            return False
        with self.path.open("rb") as file:
            while size and (chunk := file.read(min(_READ_BYTES, size))):
                self._digest.update(chunk)
                size -= len(chunk)
        return not size and self._digest.hexdigest() == expected_digest

    def _read_checkpoint(self) -> tuple[int, str]:
        """Return (length, hash) of the checkpoint; (0, "") if it is missing or invalid."""
        try:
            content = self._checkpoint_path.read_bytes()
        except FileNotFoundError:
            return 0, ""
        count, _, digest = content.decode(errors="replace").partition(" ")
        if (
            len(content) != _CHECKPOINT_FILE_BYTES
            or len(count) != _COUNT_DIGITS
            or not count.isdecimal()
        ):
            return 0, ""
        return int(count), digest


def file_size(path: Path) -> int:
    """Return the size of a file in bytes; 0 if it does not exist."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def fsync_path(path: Path) -> None:
    """Flush a file or folder to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
