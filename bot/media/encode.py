"""Convert a video: move its index to the front, encode it smaller, or extract a still image."""

from __future__ import annotations

import asyncio
from pathlib import Path

from bot.media.ffmpeg import (
    THREADS,
    FFmpegFailed,
    FFmpegKilled,
    OutputTooLarge,
    ResourceLimits,
    input_arguments,
    run_checked,
)
from bot.media.probe import NoVideoStream, VideoInfo, probe
from bot.media.transcode_plan import Encoding

THUMBNAIL_SIDE_PX = 320
MAX_THUMBNAIL_BYTES = 200_000
_SKIP_DARK_FRAMES = (
    "signalstats,metadata=select:key=lavfi.signalstats.YAVG:value=40:function=greater,"
)
"""Drops dark frames by their mean luma; black is 16, white 235."""

_THUMBNAIL_SEARCH_S = 5
_DURATION_TOLERANCE_S = 0.3
"""Tolerated difference between the requested and the actual duration, in seconds."""


class EncodingFailed(Exception):
    """The output cannot be produced; a retry will not help."""


async def move_index_first(
    source: Path, target: Path, video: VideoInfo, limits: ResourceLimits
) -> None:
    """Move the index to the front without re-encoding. Raises `EncodingFailed`, `DiskFull`."""
    arguments = ("-map", "0:V:0", "-map", "0:a:0?", "-c", "copy", *_mp4_arguments(target))
    # The index may grow slightly.
    max_bytes = video.size_bytes + (video.size_bytes >> 4) + (1 << 16)
    try:
        await run_checked(
            *input_arguments(source), *arguments, limits=limits, output_bytes=max_bytes
        )
        result = await _probe_output(target, max_bytes, has_audio=video.has_audio)
    except FFmpegFailed as error:
        raise EncodingFailed(str(error)) from error
    same = (result.width, result.height) == (video.width, video.height)
    if not (
        same and result.moov_first and abs(result.seconds - video.seconds) <= _DURATION_TOLERANCE_S
    ):
        raise EncodingFailed(f"{video} became {result}")


async def encode(
    source: Path, target: Path, encoding: Encoding, limit_bytes: int, limits: ResourceLimits
) -> None:
    """Encode below the limit and verify the result by decoding it.

    If it is too large, or ffmpeg was killed, try once more, in the former case at a lower bitrate.
    Raises `EncodingFailed`, `DiskFull`.
    """
    try:
        await _encode_once(source, target, encoding, limit_bytes, limits)
    except (FFmpegKilled, OutputTooLarge) as error:
        if isinstance(error, OutputTooLarge):
            size = await asyncio.to_thread(_file_size, target)
            encoding = encoding.scale_bitrate(0.9 * limit_bytes / max(size, limit_bytes))
        await _encode_last_try(source, target, encoding, limit_bytes, limits)
    except FFmpegFailed as error:
        raise EncodingFailed(str(error)) from error


async def _encode_last_try(
    source: Path, target: Path, encoding: Encoding, limit_bytes: int, limits: ResourceLimits
) -> None:
    try:
        await _encode_once(source, target, encoding, limit_bytes, limits)
    except FFmpegFailed as error:
        raise EncodingFailed(str(error)) from error


async def _encode_once(
    source: Path, target: Path, encoding: Encoding, limit_bytes: int, limits: ResourceLimits
) -> None:
    # Allow twice the limit, to measure by how much the output exceeds it.
    arguments = (*input_arguments(source), *_video_arguments(encoding), *_mp4_arguments(target))
    await run_checked(*arguments, limits=limits, output_bytes=2 * limit_bytes)
    has_audio = encoding.audio_bitrate > 0
    min_seconds = encoding.seconds - _DURATION_TOLERANCE_S if encoding.full_length else 0
    result = await _probe_output(target, limit_bytes, has_audio=has_audio)
    if not min_seconds <= result.seconds <= encoding.seconds + _DURATION_TOLERANCE_S:
        raise FFmpegFailed(f"the output lasts {result.seconds} s instead of {encoding.seconds} s")
    decode_arguments = (*input_arguments(target), "-xerror", "-f", "null", "-")
    await run_checked(*decode_arguments, limits=limits, output_bytes=0)


def _video_arguments(encoding: Encoding) -> tuple[str, ...]:
    rate = str(encoding.video_bitrate)
    buffer = str(int(encoding.video_bitrate * encoding.rate_window_s))
    filters = f"scale={encoding.width}:{encoding.height}:flags=bicubic,setsar=1,format=yuv420p"
    return (
        *(() if encoding.full_length else ("-t", str(encoding.seconds))),
        *("-map", "0:V:0", "-map", "0:a:0?", "-vf", filters),
        *("-threads", str(THREADS), "-c:v", "libx264", "-preset", "fast"),
        # Constant quality limited by maxrate and bufsize: one pass, and the size is bounded.
        *("-crf", "20", "-maxrate", rate, "-bufsize", buffer),
        *(_audio_arguments(encoding.audio_bitrate) if encoding.audio_bitrate else ("-an",)),
    )


def _audio_arguments(bitrate: int) -> tuple[str, ...]:
    return ("-c:a", "aac", "-b:a", str(bitrate), "-af", "aformat=channel_layouts=mono|stereo")


def _mp4_arguments(target: Path) -> tuple[str, ...]:
    return ("-sn", "-dn", "-movflags", "+faststart", "-f", "mp4", f"file:{target}")


async def _probe_output(target: Path, limit_bytes: int, *, has_audio: bool) -> VideoInfo:
    try:
        result = await probe(target)
    except NoVideoStream as error:
        raise FFmpegFailed(f"the output is not a video: {error}") from error
    if result.size_bytes > limit_bytes:
        raise OutputTooLarge(f"{result.size_bytes} bytes are more than {limit_bytes}")
    if result.has_audio != has_audio:
        raise FFmpegFailed("the output has no sound")
    return result


async def make_thumbnail(source: Path, target: Path, limits: ResourceLimits) -> None:
    """Write a JPEG of an early frame, avoiding dark ones. Raises `EncodingFailed`, `DiskFull`.

    Within Telegram's limits: at most 320 pixels per side and less than 200 kB.
    """
    try:
        video = await probe(source)
        try:
            await _extract_frame(source, target, video, _SKIP_DARK_FRAMES, limits)
        except FFmpegFailed:
            # All frames are dark: ffmpeg fails if the filter lets no frame pass.
            await _extract_frame(source, target, video, "", limits)
    except (FFmpegFailed, NoVideoStream) as error:
        raise EncodingFailed(str(error)) from error


async def _extract_frame(
    source: Path, target: Path, video: VideoInfo, frame_filter: str, limits: ResourceLimits
) -> None:
    scale = min(1.0, THUMBNAIL_SIDE_PX / max(video.width, video.height))
    width, height = max(1, int(video.width * scale)), max(1, int(video.height * scale))
    scale_filter = f"scale={width}:{height}:out_range=full,setsar=1"
    await run_checked(
        *(
            "-t",
            str(_THUMBNAIL_SEARCH_S),
            *input_arguments(source),
            "-map",
            "0:V:0",
            "-frames:v",
            "1",
        ),
        *("-vf", f"format=yuv420p,{frame_filter}{scale_filter}", "-color_range", "pc"),
        *("-q:v", "4", "-c:v", "mjpeg", "-f", "image2", "-update", "1", f"file:{target}"),
        limits=limits,
        output_bytes=MAX_THUMBNAIL_BYTES,
    )


def _file_size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
