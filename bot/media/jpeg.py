"""How many times a JPEG goes over its picture, told by its markers alone."""

from __future__ import annotations

import re

_MARKER = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")
"""Within a scan an FF is followed by 00 or the number of a restart."""
_SCAN, _END = 0xDA, 0xD9


def scans(content: bytes) -> int:
    """The scans of the first picture; what follows it, such as a film, is left alone."""
    at, count = 2, 0
    while found := _MARKER.search(content, at):
        kind = found[0][1]
        if kind == _END:
            break
        count += kind == _SCAN
        at = found.end() + int.from_bytes(content[found.end() : found.end() + 2], "big")
    return count
