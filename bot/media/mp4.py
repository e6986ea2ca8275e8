"""Check by its top-level boxes whether an MP4 is complete and starts with its index."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import IO

_REQUIRED_BOXES = frozenset({b"ftyp", b"moov", b"mdat"})
_MAX_BOXES = 100_000
"""Limit against malicious files; even a fragmented video of several hours has fewer boxes."""


class InvalidMP4(Exception):
    """The file is not a complete MP4; the message states why."""


def check_mp4(path: Path) -> None:
    """Raise `InvalidMP4` if a required box is missing or the file is truncated."""
    size = path.stat().st_size
    seen: set[bytes] = set()
    with path.open("rb") as file:
        for position, length, kind in _boxes(file, size):
            if position == 0 and kind != b"ftyp":
                raise InvalidMP4(f"starts with {kind!r} instead of b'ftyp'")
            if position + length > size:
                raise InvalidMP4(f"is truncated in box {kind!r} at {size} bytes")
            seen.add(kind)
    if missing := _REQUIRED_BOXES - seen:
        raise InvalidMP4(f"has {size} bytes, but no box {sorted(missing)}")


def begins_with_moov(path: Path) -> bool:
    """Whether the index precedes the content, so that playback can start before the end loaded."""
    with path.open("rb") as file:
        for _, _, kind in _boxes(file, path.stat().st_size):
            if kind in {b"moov", b"mdat"}:
                return kind == b"moov"
    return False


def _boxes(file: IO[bytes], size: int) -> Iterator[tuple[int, int, bytes]]:
    """Yield (offset, declared length including the header, type) of each top-level box."""
    position = 0
    for _ in range(_MAX_BOXES):
        if position + 8 > size:
            return
        length, kind = _read_box(file, position, size)
        yield position, length, kind
        position += length
    raise InvalidMP4(f"has more than {_MAX_BOXES} boxes")


def _read_box(file: IO[bytes], position: int, size: int) -> tuple[int, bytes]:
    """Return (length including the header, type) of the box at this offset."""
    file.seek(position)
    header = file.read(16)
    length, kind = int.from_bytes(header[:4], "big"), header[4:8]
    if length == 1:
        return max(16, int.from_bytes(header[8:16], "big")), kind
    if length == 0:
        return size - position, kind
    return max(8, length), kind
