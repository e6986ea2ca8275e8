"""Request fields of gateways that use words instead of pixel sizes: `small`, `portrait`. Pure."""

from __future__ import annotations

import re
from typing import Literal

from providers.errors import Unsupported
from providers.types import VideoRequest

_LARGE = 1000
"""Minimum length of the shorter side, in pixels, of a large video: 1024 and 1080, but not 720."""


def orientation_of(request: VideoRequest) -> Literal["portrait", "landscape"] | None:
    """Return the orientation, None if the request does not state one.

    Raises `Unsupported` for a square, which none of these gateways offers.
    """
    wide, high = _sides(request) or (0, 0)
    shape = request.orientation
    if shape is None and wide:
        shape = "landscape" if wide > high else "portrait" if wide < high else "square"
    if shape == "square":
        raise Unsupported("this gateway does not make square videos")
    return shape


def size_word(request: VideoRequest) -> str:
    """Return `small` or `large`; any other word is passed on, since gateways may add sizes."""
    sides = _sides(request)
    if request.size and _shown_sides(request.size) is None:
        return request.size
    return "large" if sides and min(sides) >= _LARGE else "small"


def picture_links(request: VideoRequest) -> list[str]:
    """Return the link to the reference image in a list, empty if there is no image."""
    if request.image is None:
        return []
    if request.image.url is None:
        raise Unsupported("this gateway accepts images as links only")
    return [request.image.url]


def _sides(request: VideoRequest) -> tuple[int, int] | None:
    if request.width and request.height:
        return request.width, request.height
    return _shown_sides(request.size or "")


def _shown_sides(size: str) -> tuple[int, int] | None:
    found = re.fullmatch(r"(\d{1,5})x(\d{1,5})", size)
    return (int(found.group(1)), int(found.group(2))) if found else None
