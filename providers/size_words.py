"""Request fields of gateways that use words instead of pixel sizes: `small`, `portrait`. Pure."""

from __future__ import annotations

import re
from typing import Literal

from providers.errors import Unsupported
from providers.types import VideoRequest

_LARGE_SIDE_PX = 1000
"""Minimum length of the shorter side, in pixels, of a large video: 1024 and 1080, but not 720."""


def request_orientation(request: VideoRequest) -> Literal["portrait", "landscape"] | None:
    """Return the orientation, None if the request does not state one.

    Raises `Unsupported` for a square, which none of these gateways offers.
    """
    width, height = _dimensions(request) or (0, 0)
    orientation = request.orientation
    if orientation is None and width:
        orientation = "landscape" if width > height else "portrait" if width < height else "square"
    if orientation == "square":
        raise Unsupported("this gateway does not make square videos")
    return orientation


def size_word(request: VideoRequest) -> str:
    """Return `small` or `large`; any other word is passed on, since gateways may add sizes."""
    sides = _dimensions(request)
    if request.size and _parse_size(request.size) is None:
        return request.size
    return "large" if sides and min(sides) >= _LARGE_SIDE_PX else "small"


def image_urls(request: VideoRequest) -> list[str]:
    """Return the link to the reference image in a list, empty if there is no image."""
    if request.image is None:
        return []
    if request.image.url is None:
        raise Unsupported("this gateway accepts images as links only")
    return [request.image.url]


def _dimensions(request: VideoRequest) -> tuple[int, int] | None:
    if request.width and request.height:
        return request.width, request.height
    return _parse_size(request.size or "")


def _parse_size(size: str) -> tuple[int, int] | None:
    match = re.fullmatch(r"(\d{1,5})x(\d{1,5})", size)
    return (int(match.group(1)), int(match.group(2))) if match else None
