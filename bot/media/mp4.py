"""Whether a file is a whole MP4, and plays while it still loads, told by its outermost boxes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import IO

_NEEDED = frozenset({b"ftyp", b"moov", b"mdat"})
_MOST_BOXES = 100_000
"""Even hours of fragments have fewer; without an end a hostile file would keep us busy."""


class NotAnMP4(Exception):
    """What is wrong with the file."""


def check_mp4(path: Path) -> None:
    """Raise `NotAnMP4` unless all that a player needs is there and nothing is cut off."""
    size = path.stat().st_size
    seen: set[bytes] = set()
    with path.open("rb") as file:
        for at, length, kind in _boxes(file, size):
            if at == 0 and kind != b"ftyp":
                raise NotAnMP4(f"begins with {kind!r}")
            if at + length > size:
                raise NotAnMP4(f"is cut off in {kind!r} at {size} bytes")
            seen.add(kind)
    if missing := _NEEDED - seen:
        raise NotAnMP4(f"of {size} bytes lacks {sorted(missing)}")


def begins_with_moov(path: Path) -> bool:
    """Whether the index comes before the content, so that playing need not wait for the end."""
    with path.open("rb") as file:
        for _, _, kind in _boxes(file, path.stat().st_size):
            if kind in {b"moov", b"mdat"}:
                return kind == b"moov"
    return False


def _boxes(file: IO[bytes], size: int) -> Iterator[tuple[int, int, bytes]]:
    """Where each box begins, how long it says that it is in all, and of what kind."""
    at = 0
    for _ in range(_MOST_BOXES):
        if at + 8 > size:
            return
        length, kind = _box(file, at, size)
        yield at, length, kind
        at += length
    raise NotAnMP4(f"has more than {_MOST_BOXES} boxes")


def _box(file: IO[bytes], at: int, size: int) -> tuple[int, bytes]:
    """How long the box is in all, and of what kind."""
    file.seek(at)
    head = file.read(16)
    length, kind = int.from_bytes(head[:4], "big"), head[4:8]
    if length == 1:
        return max(16, int.from_bytes(head[8:16], "big")), kind
    if length == 0:
        return size - at, kind
    return max(8, length), kind
