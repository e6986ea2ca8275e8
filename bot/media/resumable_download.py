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

NOTE_EVERY = 8 << 20
"""Bytes between checkpoints: the most that must be downloaded again after a crash."""

_PIECE = 1 << 20
_DIGITS = 20
_NOTE_BYTES = _DIGITS + 1 + 64


class Part:
    """The partial file of one result. All methods block."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._note = path.with_name(f"{path.name}.sum")
        self._seen = sha256()
        self._at = 0
        self._noted = 0
        # After a cancelled await its thread still writes, while `note` may already run in another.
        self._busy = Lock()

    @property
    def proven(self) -> int:
        """Number of bytes from which the download can resume, if the hash still matches."""
        noted = self._read_note()[0]
        return noted if noted <= size_of(self.path) else 0

    def begin(self, at: int) -> bool:
        """Prepare to write at this offset. False, with the file removed, if it cannot resume."""
        self._seen, self._at, self._noted = sha256(), at, at
        if at and not self._is_as_noted(at):
            self.drop()
            return False
        if not at:
            self._note.unlink(missing_ok=True)
        descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            os.ftruncate(descriptor, at)
        finally:
            os.close(descriptor)
        return True

    def write(self, pieces: list[bytes]) -> None:
        """Append received chunks, and write a checkpoint when one is due."""
        with self._busy:
            self._add(pieces)
            if self._at - self._noted >= NOTE_EVERY:
                self._write_note()

    def _add(self, pieces: list[bytes]) -> None:
        # Opened for every write: a permanent descriptor could not be closed safely when the await
        # on this thread is cancelled.
        descriptor = os.open(self.path, os.O_WRONLY)
        try:
            for piece in pieces:
                self._write(descriptor, piece)
        finally:
            os.close(descriptor)

    def _write(self, descriptor: int, piece: bytes) -> None:
        view = memoryview(piece)
        while view:
            written = os.pwrite(descriptor, view, self._at)
            self._seen.update(view[:written])
            self._at += written
            view = view[written:]

    def note(self) -> None:
        """Sync the file and write a checkpoint."""
        with self._busy:
            self._write_note()

    def _write_note(self) -> None:
        sync(self.path)
        # Overwritten in place with constant length, so that it is never empty.
        descriptor = os.open(self._note, os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            os.pwrite(descriptor, f"{self._at:0{_DIGITS}} {self._seen.hexdigest()}".encode(), 0)
        finally:
            os.close(descriptor)
        self._noted = self._at

    def is_proven_whole(self) -> bool:
        """Whether the hash of the checkpoint covers the whole file and matches."""
        self._seen = sha256()
        size = size_of(self.path)
        return size > 0 and self.proven == size and self._is_as_noted(size)

    def keep(self, target: Path) -> None:
        """Move the complete file to its place among the results, atomically."""
        self.path.replace(target)
        # The new name must survive a power failure too, else the database refers to a lost video.
        sync(target.parent)
        self._note.unlink(missing_ok=True)

    def drop(self) -> None:
        """Remove the partial file and its checkpoint."""
        self._note.unlink(missing_ok=True)
        self.path.unlink(missing_ok=True)

    def _is_as_noted(self, size: int) -> bool:
        noted, digest = self._read_note()
        if noted != size or size_of(self.path) < size:
            return False
        with self.path.open("rb") as file:
            while size and (piece := file.read(min(_PIECE, size))):
                self._seen.update(piece)
                size -= len(piece)
        return not size and self._seen.hexdigest() == digest

    def _read_note(self) -> tuple[int, str]:
        """Return (length, hash) of the checkpoint; (0, "") if it is missing or invalid."""
        try:
            text = self._note.read_bytes()
        except FileNotFoundError:
            return 0, ""
        number, _, digest = text.decode(errors="replace").partition(" ")
        if len(text) != _NOTE_BYTES or len(number) != _DIGITS or not number.isdecimal():
            return 0, ""
        return int(number), digest


def size_of(path: Path) -> int:
    """Return the size of a file in bytes; 0 if it does not exist."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def sync(path: Path) -> None:
    """Flush a file or folder to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
