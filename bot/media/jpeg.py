"""Count the scans of a JPEG without decoding it."""

from __future__ import annotations

import re

_MARKER = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")
"""A marker; within the data of a scan, FF is followed by 00 or a restart number instead."""
_SCAN, _END = 0xDA, 0xD9


def scans(content: bytes) -> int:
    """Count the scans of the first image; data after it, such as a video, is ignored."""
    at, count = 2, 0
    while found := _MARKER.search(content, at):
        kind = found[0][1]
        if kind == _END:
            break
        count += kind == _SCAN
        at = found.end() + int.from_bytes(content[found.end() : found.end() + 2], "big")
    return count
