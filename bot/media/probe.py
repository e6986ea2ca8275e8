"""Read the properties of a video file with ffmpeg."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from pathlib import Path

from bot.media.ffmpeg import FFmpegFailed, Limits, opened, run
from bot.media.mp4 import NotAnMP4, begins_with_moov

_LIMITS = Limits(seconds=20.0)
_USUAL_RATE = 30.0

# Anchored to the start of a line, where ffmpeg never prints metadata of the file.
_LENGTH = re.compile(r"^  Duration: (\d+):(\d\d):(\d\d(?:\.\d+)?)", re.MULTILINE)
_VIDEO = re.compile(
    r"^  Stream #0:\S+: Video: (?P<codec>\w+).*?, (?P<pixels>[a-z]\w*)(?:\([^)\n]*\))?"
    r", (?P<width>[1-9]\d{0,4})x(?P<height>[1-9]\d{0,4})\b"
    r"(?: \[SAR (?P<wide>[1-9]\d*):(?P<high>[1-9]\d*) )?"
    r"(?P<rest>.*)$(?P<below>(?:\n    .*)*)",
    re.MULTILINE,
)
_SOUND = re.compile(r"^  Stream #0:\S+: Audio: ", re.MULTILINE)
_RATE = re.compile(r", (\d+(?:\.\d+)?)(k?) (?:fps|tbr)\b")
_TURNED = re.compile(r"^ +display ?matrix: rotation of (-?\d+)\.", re.MULTILINE | re.IGNORECASE)


class NoVideo(Exception):
    """ffmpeg found no video stream; the message contains the end of its error output."""


@dataclass(frozen=True, slots=True)
class Probed:
    """Properties of a video."""

    bytes: int
    seconds: float
    width: int
    """Display size, rotated and in square pixels; so is `height`."""
    height: int
    frame_rate: float
    video_codec: str
    pixel_format: str
    has_sound: bool
    moov_first: bool

    @property
    def bit_rate(self) -> float:
        """Of the whole file, in bits per second."""
        return self.bytes * 8 / self.seconds


async def probe(path: Path) -> Probed:
    """Read the properties of a video. Raises `NoVideo`."""
    try:
        size, moov_first = await asyncio.to_thread(_outside, path)
        told = await run(*opened(path), limits=_LIMITS)
    except (OSError, NotAnMP4, FFmpegFailed) as error:
        raise NoVideo(str(error)) from error
    return _understood(told.words, size, moov_first=moov_first)


def _outside(path: Path) -> tuple[int, bool]:
    return path.stat().st_size, begins_with_moov(path)


def _understood(words: str, size: int, *, moov_first: bool) -> Probed:
    length = _LENGTH.search(words)
    # A cover image is also listed as a video stream.
    films = (film for film in _VIDEO.finditer(words) if "(attached pic)" not in film["rest"])
    video = next(films, None)
    if length is None or video is None:
        raise NoVideo(words.strip()[-300:])
    hours, minutes, seconds = length.groups()
    lasts = int(hours) * 3600 + int(minutes) * 60 + float(seconds)
    if not lasts:
        raise NoVideo("its duration is 0")
    width, height = _shown_size(video)
    return Probed(
        bytes=size,
        seconds=lasts,
        width=width,
        height=height,
        frame_rate=_frame_rate(video["rest"]),
        video_codec=video["codec"],
        pixel_format=video["pixels"],
        has_sound=_SOUND.search(words) is not None,
        moov_first=moov_first,
    )


def _shown_size(video: re.Match[str]) -> tuple[int, int]:
    width, height = int(video["width"]), int(video["height"])
    if video["wide"]:
        width = max(1, round(width * int(video["wide"]) / int(video["high"])))
    turned = _TURNED.search(video["below"])
    if turned and abs(int(turned[1])) % 180 == 90:
        return height, width
    return width, height


def _frame_rate(rest: str) -> float:
    rate = _RATE.search(rest)
    if rate is None:
        return _USUAL_RATE
    return float(rate[1]) * (1000 if rate[2] else 1) or _USUAL_RATE
