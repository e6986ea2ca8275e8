"""What is really in a video file, as ffmpeg sees it."""

from __future__ import annotations

import asyncio
import re
from asyncio.subprocess import DEVNULL, PIPE
from dataclasses import dataclass
from pathlib import Path

from imageio_ffmpeg import get_ffmpeg_exe

_PATIENCE = 20.0
_LENGTH = re.compile(r"Duration: (\d+):(\d\d):(\d\d(?:\.\d+)?)")
_VIDEO = re.compile(r"Stream #\S+: Video: (\w+).*? ([1-9]\d{0,4})x([1-9]\d{0,4})\b")
_SOUND = re.compile(r"Stream #\S+: Audio: ")


class NoVideo(Exception):
    """ffmpeg found no moving picture; its own last words."""


@dataclass(frozen=True, slots=True)
class Facts:
    """A video by its numbers."""

    seconds: float
    width: int
    height: int
    video_codec: str
    has_sound: bool


async def probe(path: Path) -> Facts:
    """Look into a file. Raises `NoVideo`."""
    told = await _told_by_ffmpeg(path)
    length, video = _LENGTH.search(told), _VIDEO.search(told)
    if length is None or video is None:
        raise NoVideo(told.strip()[-300:])
    hours, minutes, seconds = length.groups()
    return Facts(
        seconds=int(hours) * 3600 + int(minutes) * 60 + float(seconds),
        width=int(video[2]),
        height=int(video[3]),
        video_codec=video[1],
        has_sound=_SOUND.search(told) is not None,
    )


async def _told_by_ffmpeg(path: Path) -> str:
    """What `ffmpeg -i` says; the wheel has no ffprobe."""
    # The prefix keeps a name with a colon from being read as a protocol.
    process = await asyncio.create_subprocess_exec(
        *(get_ffmpeg_exe(), "-hide_banner", "-nostdin", "-i", f"file:{path}"),
        stdin=DEVNULL,
        stdout=DEVNULL,
        stderr=PIPE,
        start_new_session=True,
    )
    try:
        async with asyncio.timeout(_PATIENCE):
            _, told = await process.communicate()
    except TimeoutError:
        raise NoVideo(f"ffmpeg said nothing for {_PATIENCE:.0f} s") from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()
    return told.decode(errors="replace")
