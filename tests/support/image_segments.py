"""Segments of an image file, parsed without an image library."""

from __future__ import annotations

import zlib

_STANDALONE = {0x01, *range(0xD0, 0xD8)}
_NAMES = {
    0xC0: "SOF0",
    0xC2: "SOF2",
    0xC4: "DHT",
    0xD9: "EOI",
    0xDA: "SOS",
    0xDB: "DQT",
    0xFE: "COM",
}


def jpeg_segments(content: bytes) -> list[tuple[str, bytes]]:
    """Every segment by its name with what it holds; what follows the picture is `after`."""
    assert content[:2] == b"\xff\xd8"
    found: list[tuple[str, bytes]] = []
    at = 2
    while True:
        assert content[at] == 0xFF
        marker = content[at + 1]
        name = f"APP{marker - 0xE0}" if 0xE0 <= marker <= 0xEF else _NAMES.get(marker, hex(marker))
        if name == "EOI":
            return [*found, (name, b""), ("after", content[at + 2 :])]
        length = int.from_bytes(content[at + 2 : at + 4], "big")
        found.append((name, content[at + 4 : at + 2 + length]))
        at += 2 + length
        if name == "SOS":
            at = _end_of_scan(content, at)


def _end_of_scan(content: bytes, at: int) -> int:
    while content[at] != 0xFF or content[at + 1] == 0 or content[at + 1] in _STANDALONE:
        at += 1
    return at


def png_chunks(content: bytes) -> list[tuple[str, bytes]]:
    """Every chunk by its name with what it holds; what follows the picture is `after`."""
    assert content[:8] == b"\x89PNG\r\n\x1a\n"
    found: list[tuple[str, bytes]] = []
    at = 8
    while True:
        length = int.from_bytes(content[at : at + 4], "big")
        name, body = content[at + 4 : at + 8], content[at + 8 : at + 8 + length]
        assert int.from_bytes(content[at + 8 + length : at + 12 + length], "big") == zlib.crc32(
            name + body
        )
        found.append((name.decode(), body))
        at += 12 + length
        if name == b"IEND":
            return [*found, ("after", content[at:])]
