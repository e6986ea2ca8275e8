"""Check by its top-level boxes whether an MP4 is complete and starts with its index."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import IO

_NEEDED = frozenset({b"ftyp", b"moov", b"mdat"})
_MOST_BOXES = 100_000
"""Limit against malicious files; even a fragmented video of several hours has fewer boxes."""


class NotAnMP4(Exception):
    """The file is not a complete MP4; the message states why."""


def check_mp4(path: Path) -> None:
    """Raise `NotAnMP4` if a required box is missing or the file is truncated."""
    size = path.stat().st_size
    seen: set[bytes] = set()
    with path.open("rb") as file:
        for at, length, kind in _boxes(file, size):
            if at == 0 and kind != b"ftyp":
                raise NotAnMP4(f"starts with {kind!r} instead of b'ftyp'")
            if at + length > size:
                raise NotAnMP4(f"is truncated in box {kind!r} at {size} bytes")
            seen.add(kind)
    if missing := _NEEDED - seen:
        raise NotAnMP4(f"has {size} bytes, but no box {sorted(missing)}")


def begins_with_moov(path: Path) -> bool:
    """Whether the index precedes the content, so that playback can start before the end loaded."""
    with path.open("rb") as file:
        for _, _, kind in _boxes(file, path.stat().st_size):
            if kind in {b"moov", b"mdat"}:
                return kind == b"moov"
    return False


def _boxes(file: IO[bytes], size: int) -> Iterator[tuple[int, int, bytes]]:
    """Yield (offset, declared length including the header, type) of each top-level box."""
    at = 0
    for _ in range(_MOST_BOXES):
        if at + 8 > size:
            return
        length, kind = _box(file, at, size)
        yield at, length, kind
        at += length
    raise NotAnMP4(f"has more than {_MOST_BOXES} boxes")


def _box(file: IO[bytes], at: int, size: int) -> tuple[int, bytes]:
    """Return (length including the header, type) of the box at this offset."""
    file.seek(at)
    head = file.read(16)
    length, kind = int.from_bytes(head[:4], "big"), head[4:8]
    if length == 1:
        return max(16, int.from_bytes(head[8:16], "big")), kind
    if length == 0:
        return size - at, kind
    return max(8, length), kind
