"""A download under way: a file, and beside it how many of its bytes are certainly as they came.

After a power cut a file may have the right length and zeros in its middle, which no look at its
boxes would show. So at intervals what was written is put on the disk for good, and its number of
bytes and their SHA-256 are noted; a download goes on only from there, and only if they agree.
"""

from __future__ import annotations

import os
from hashlib import sha256
from pathlib import Path
from threading import Lock

NOTE_EVERY = 8 << 20
"""Bytes; what a process that dies loses at the most."""

_PIECE = 1 << 20
_DIGITS = 20
_NOTE_BYTES = _DIGITS + 1 + 64


class Part:
    """The part of one result. Everything here blocks."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._note = path.with_name(f"{path.name}.sum")
        self._seen = sha256()
        self._at = 0
        self._noted = 0
        # A cancelled await leaves its thread writing, while the next one is already to note that.
        self._busy = Lock()

    @property
    def proven(self) -> int:
        """How many bytes need not be sent again, if they are still as they came."""
        noted = self._read_note()[0]
        return noted if noted <= size_of(self.path) else 0

    def begin(self, at: int) -> bool:
        """Go on behind this byte. False, and nothing is left, where that cannot be."""
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
        """Add what has come."""
        with self._busy:
            self._add(pieces)
            if self._at - self._noted >= NOTE_EVERY:
                self._write_note()

    def _add(self, pieces: list[bytes]) -> None:
        # Opened each time: a descriptor kept open could not be closed safely when the await on
        # this thread is cancelled.
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
        """Put all that has come on the disk for good, and note that it is there."""
        with self._busy:
            self._write_note()

    def _write_note(self) -> None:
        sync(self.path)
        # In place and always of one length, so that it is never empty for a moment.
        descriptor = os.open(self._note, os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            os.pwrite(descriptor, f"{self._at:0{_DIGITS}} {self._seen.hexdigest()}".encode(), 0)
        finally:
            os.close(descriptor)
        self._noted = self._at

    def is_proven_whole(self) -> bool:
        """Whether every byte of the file is as it came."""
        self._seen = sha256()
        size = size_of(self.path)
        return size > 0 and self.proven == size and self._is_as_noted(size)

    def keep(self, target: Path) -> None:
        """Nothing more comes: it is a result now. It appears whole or not at all."""
        self.path.replace(target)
        # The name too must survive a power cut, or a paid video is only a row that points nowhere.
        sync(target.parent)
        self._note.unlink(missing_ok=True)

    def drop(self) -> None:
        """Nothing will come of it."""
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
        """(bytes, their digest); nothing, where the note is none."""
        try:
            text = self._note.read_bytes()
        except FileNotFoundError:
            return 0, ""
        number, _, digest = text.decode(errors="replace").partition(" ")
        if len(text) != _NOTE_BYTES or len(number) != _DIGITS or not number.isdecimal():
            return 0, ""
        return int(number), digest


def size_of(path: Path) -> int:
    """How many bytes a file has; 0 where there is none."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def sync(path: Path) -> None:
    """What was written is on the disk when this returns."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
