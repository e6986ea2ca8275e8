"""Convert a video: move its index to the front, encode it smaller, or extract a still image."""

from __future__ import annotations

import asyncio
from pathlib import Path

from bot.media.ffmpeg import (
    THREADS,
    FFmpegFailed,
    Killed,
    Limits,
    OutputTooLarge,
    make,
    opened,
)
from bot.media.probe import NoVideo, Probed, probe
from bot.media.transcode_plan import Encoding

THUMBNAIL_SIDE = 320
THUMBNAIL_BYTES = 200_000
_BRIGHT = "signalstats,metadata=select:key=lavfi.signalstats.YAVG:value=40:function=greater,"
"""Drops dark frames by their mean luma; black is 16, white 235."""

_SEARCHED_SECONDS = 5
_LOSS = 0.3
"""Tolerated difference between the requested and the actual duration, in seconds."""


class NotFitted(Exception):
    """The output cannot be produced; a retry will not help."""


async def faststart(source: Path, target: Path, video: Probed, limits: Limits) -> None:
    """Move the index to the front without re-encoding. Raises `NotFitted`, `DiskFull`."""
    copied = ("-map", "0:V:0", "-map", "0:a:0?", "-c", "copy", *_mp4(target))
    # The index may grow slightly.
    room = video.bytes + (video.bytes >> 4) + (1 << 16)
    try:
        await make(*opened(source), *copied, limits=limits, output_bytes=room)
        made = await _checked(target, room, has_sound=video.has_sound)
    except FFmpegFailed as error:
        raise NotFitted(str(error)) from error
    same = (made.width, made.height) == (video.width, video.height)
    if not (same and made.moov_first and abs(made.seconds - video.seconds) <= _LOSS):
        raise NotFitted(f"{video} became {made}")


async def encode(
    source: Path, target: Path, encoding: Encoding, limit_bytes: int, limits: Limits
) -> None:
    """Encode below the limit and verify the result by decoding it.

    If it is too large, or ffmpeg was killed, try once more, in the former case at a lower bitrate.
    Raises `NotFitted`, `DiskFull`.
    """
    try:
        await _encode(source, target, encoding, limit_bytes, limits)
    except (Killed, OutputTooLarge) as error:
        if isinstance(error, OutputTooLarge):
            size = await asyncio.to_thread(_size, target)
            encoding = encoding.slower(0.9 * limit_bytes / max(size, limit_bytes))
        await _encode_or_give_up(source, target, encoding, limit_bytes, limits)
    except FFmpegFailed as error:
        raise NotFitted(str(error)) from error


async def _encode_or_give_up(
    source: Path, target: Path, encoding: Encoding, limit_bytes: int, limits: Limits
) -> None:
    try:
        await _encode(source, target, encoding, limit_bytes, limits)
    except FFmpegFailed as error:
        raise NotFitted(str(error)) from error


async def _encode(
    source: Path, target: Path, encoding: Encoding, limit_bytes: int, limits: Limits
) -> None:
    # Allow twice the limit, to measure by how much the output exceeds it.
    shaped = (*opened(source), *_shape(encoding), *_mp4(target))
    await make(*shaped, limits=limits, output_bytes=2 * limit_bytes)
    has_sound = encoding.sound_rate > 0
    least = encoding.seconds - _LOSS if encoding.whole else 0
    made = await _checked(target, limit_bytes, has_sound=has_sound)
    if not least <= made.seconds <= encoding.seconds + _LOSS:
        raise FFmpegFailed(f"the output lasts {made.seconds} s instead of {encoding.seconds} s")
    played = (*opened(target), "-xerror", "-f", "null", "-")
    await make(*played, limits=limits, output_bytes=0)


def _shape(encoding: Encoding) -> tuple[str, ...]:
    rate = str(encoding.video_rate)
    buffer = str(int(encoding.video_rate * encoding.window))
    scaled = f"scale={encoding.width}:{encoding.height}:flags=bicubic,setsar=1,format=yuv420p"
    return (
        *(() if encoding.whole else ("-t", str(encoding.seconds))),
        *("-map", "0:V:0", "-map", "0:a:0?", "-vf", scaled),
        *("-threads", str(THREADS), "-c:v", "libx264", "-preset", "fast"),
        # Constant quality limited by maxrate and bufsize: one pass, and the size is bounded.
        *("-crf", "20", "-maxrate", rate, "-bufsize", buffer),
        *(_sound(encoding.sound_rate) if encoding.sound_rate else ("-an",)),
    )


def _sound(rate: int) -> tuple[str, ...]:
    return ("-c:a", "aac", "-b:a", str(rate), "-af", "aformat=channel_layouts=mono|stereo")


def _mp4(target: Path) -> tuple[str, ...]:
    return ("-sn", "-dn", "-movflags", "+faststart", "-f", "mp4", f"file:{target}")


async def _checked(target: Path, limit_bytes: int, *, has_sound: bool) -> Probed:
    try:
        made = await probe(target)
    except NoVideo as error:
        raise FFmpegFailed(f"the output is not a video: {error}") from error
    if made.bytes > limit_bytes:
        raise OutputTooLarge(f"{made.bytes} bytes are more than {limit_bytes}")
    if made.has_sound != has_sound:
        raise FFmpegFailed("the output has no sound")
    return made


async def thumbnail(source: Path, target: Path, limits: Limits) -> None:
    """Write a JPEG of an early frame, avoiding dark ones. Raises `NotFitted`, `DiskFull`.

    Within Telegram's limits: at most 320 pixels per side and less than 200 kB.
    """
    try:
        video = await probe(source)
        try:
            await _still(source, target, video, _BRIGHT, limits)
        except FFmpegFailed:
            # All frames are dark: ffmpeg fails if the filter lets no frame pass.
            await _still(source, target, video, "", limits)
    except (FFmpegFailed, NoVideo) as error:
        raise NotFitted(str(error)) from error


async def _still(source: Path, target: Path, video: Probed, chosen: str, limits: Limits) -> None:
    smaller = min(1.0, THUMBNAIL_SIDE / max(video.width, video.height))
    width, height = max(1, int(video.width * smaller)), max(1, int(video.height * smaller))
    scaled = f"scale={width}:{height}:out_range=full,setsar=1"
    await make(
        *("-t", str(_SEARCHED_SECONDS), *opened(source), "-map", "0:V:0", "-frames:v", "1"),
        *("-vf", f"format=yuv420p,{chosen}{scaled}", "-color_range", "pc"),
        *("-q:v", "4", "-c:v", "mjpeg", "-f", "image2", "-update", "1", f"file:{target}"),
        limits=limits,
        output_bytes=THUMBNAIL_BYTES,
    )


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
