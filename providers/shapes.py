"""How gateways that have words instead of sizes are told a request's shape and picture; pure."""

from __future__ import annotations

import re
from typing import Literal

from providers.base import VideoRequest
from providers.errors import Unsupported

_LARGE = 1000
"""Lines of the shorter side from which a video is large: 1024 and 1080, but not 720."""


def orientation_of(request: VideoRequest) -> Literal["portrait", "landscape"] | None:
    """Which way up, if anybody said so. None of these gateways makes a square."""
    wide, high = _sides(request) or (0, 0)
    shape = request.orientation
    if shape is None and wide:
        shape = "landscape" if wide > high else "portrait" if wide < high else "square"
    if shape == "square":
        raise Unsupported("it makes no square videos")
    return shape


def size_word(request: VideoRequest) -> str:
    """`small` or `large`; a word that is neither is passed on, for new ones may come."""
    sides = _sides(request)
    if request.size and _shown_sides(request.size) is None:
        return request.size
    return "large" if sides and min(sides) >= _LARGE else "small"


def picture_links(request: VideoRequest) -> list[str]:
    """The link to the reference picture, if there is one."""
    if request.image is None:
        return []
    if request.image.url is None:
        raise Unsupported("it takes pictures as links only")
    return [request.image.url]


def _sides(request: VideoRequest) -> tuple[int, int] | None:
    if request.width and request.height:
        return request.width, request.height
    return _shown_sides(request.size or "")


def _shown_sides(size: str) -> tuple[int, int] | None:
    found = re.fullmatch(r"(\d{1,5})x(\d{1,5})", size)
    return (int(found.group(1)), int(found.group(2))) if found else None
