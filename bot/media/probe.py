"""Read the properties of a video file with ffmpeg."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from pathlib import Path

from bot.media.ffmpeg import FFmpegFailed, ResourceLimits, input_arguments, run
from bot.media.mp4 import InvalidMP4, begins_with_moov

_LIMITS = ResourceLimits(seconds=20.0)
_DEFAULT_FRAME_RATE = 30.0

# Anchored to the start of a line, where ffmpeg never prints metadata of the file.
_DURATION = re.compile(r"^  Duration: (\d+):(\d\d):(\d\d(?:\.\d+)?)", re.MULTILINE)
_VIDEO = re.compile(
    r"^  Stream #0:\S+: Video: (?P<codec>\w+).*?, (?P<pixels>[a-z]\w*)(?:\([^)\n]*\))?"
    r", (?P<width>[1-9]\d{0,4})x(?P<height>[1-9]\d{0,4})\b"
    r"(?: \[SAR (?P<wide>[1-9]\d*):(?P<high>[1-9]\d*) )?"
    r"(?P<rest>.*)$(?P<below>(?:\n    .*)*)",
    re.MULTILINE,
)
_AUDIO = re.compile(r"^  Stream #0:\S+: Audio: ", re.MULTILINE)
_RATE = re.compile(r", (\d+(?:\.\d+)?)(k?) (?:fps|tbr)\b")
_ROTATION = re.compile(r"^ +display ?matrix: rotation of (-?\d+)\.", re.MULTILINE | re.IGNORECASE)


class NoVideoStream(Exception):
    """ffmpeg found no video stream; the message contains the end of its error output."""


@dataclass(frozen=True, slots=True)
class VideoInfo:
    """Properties of a video."""

    size_bytes: int
    seconds: float
    width: int
    """Display size, rotated and in square pixels; so is `height`."""
    height: int
    frame_rate: float
    video_codec: str
    pixel_format: str
    has_audio: bool
    moov_first: bool

    @property
    def bitrate(self) -> float:
        """Of the whole file, in bits per second."""
        return self.size_bytes * 8 / self.seconds


async def probe(path: Path) -> VideoInfo:
    """Read the properties of a video. Raises `NoVideoStream`."""
    try:
        size, moov_first = await asyncio.to_thread(_stat_file, path)
        result = await run(*input_arguments(path), limits=_LIMITS)
    except (OSError, InvalidMP4, FFmpegFailed) as error:
        raise NoVideoStream(str(error)) from error
    return _parse_output(result.stderr, size, moov_first=moov_first)


def _stat_file(path: Path) -> tuple[int, bool]:
    return path.stat().st_size, begins_with_moov(path)


def _parse_output(output: str, size: int, *, moov_first: bool) -> VideoInfo:
    duration = _DURATION.search(output)
    # A cover image is also listed as a video stream.
    streams = (
        stream for stream in _VIDEO.finditer(output) if "(attached pic)" not in stream["rest"]
    )
    video = next(streams, None)
    if duration is None or video is None:
        raise NoVideoStream(output.strip()[-300:])
    hours, minutes, seconds = duration.groups()
    total_seconds = int(hours) * 3600 + int(minutes) * 60 + float(seconds)
    if not total_seconds:
        raise NoVideoStream("its duration is 0")
    width, height = _display_size(video)
    return VideoInfo(
        size_bytes=size,
        seconds=total_seconds,
        width=width,
        height=height,
        frame_rate=_frame_rate(video["rest"]),
        video_codec=video["codec"],
        pixel_format=video["pixels"],
        has_audio=_AUDIO.search(output) is not None,
        moov_first=moov_first,
    )


def _display_size(video: re.Match[str]) -> tuple[int, int]:
    width, height = int(video["width"]), int(video["height"])
    if video["wide"]:
        width = max(1, round(width * int(video["wide"]) / int(video["high"])))
    rotation = _ROTATION.search(video["below"])
    if rotation and abs(int(rotation[1])) % 180 == 90:
        return height, width
    return width, height


def _frame_rate(rest: str) -> float:
    match = _RATE.search(rest)
    if match is None:
        return _DEFAULT_FRAME_RATE
    return float(match[1]) * (1000 if match[2] else 1) or _DEFAULT_FRAME_RATE
