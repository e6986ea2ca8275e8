"""Decide how a video is sent within a size limit: as is, transcoded, or as a preview.

Pure: the same video and limit always give the same plan, also after a restart.

Quality is measured in bits per pixel. The Kush Gauge (Amerasinghe, "H.264 For The Rest Of Us",
2010) recommends 0.07 for low motion and 0.14 for medium motion; YouTube's recommended upload
settings amount to 0.13 (1080p, 8 Mbit/s, 30 frames) to 0.18 (720p, 5 Mbit/s)
(support.google.com/youtube/answer/1722171). The resolution is reduced until 0.07 is reached. At
the lowest resolution 0.05 is enough, since encoders have improved by that much. A video that would
get less is not encoded.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from bot.media.probe import VideoInfo

GOOD_BITS_PER_PIXEL = 0.07
MIN_BITS_PER_PIXEL = 0.05
MAX_ENCODE_SECONDS = 600.0
"""Longer videos are not encoded: it would take too long while a user waits."""

PREVIEW_SECONDS = (8.0, 4.0, 2.0)
_PREVIEW_BITS_PER_PIXEL = 0.15
_SIDES = (1080, 720, 540, 480, 360)
_PREVIEW_SIDES = (480, 360, 240)
_SIZE_RESERVE_FRACTION = 0.03
"""Reserved fraction of the limit: rate control is inexact, and an upload has some overhead."""

_HIGH_BITRATE = 1_000_000
_AUDIO_BITRATES = (64_000, 128_000)
_AUDIO_FRAMES_PER_S = 48_000 / 1024
_INDEX_BITS_PER_FRAME = 128
"""Size of an index entry, one for each video frame and each audio frame."""

_INDEX_BITS = 32_000
_PLAYABLE_FORMATS = frozenset({("h264", "yuv420p"), ("h264", "yuvj420p")})
"""Formats that every client of every chat plays inline; some show others as a plain file."""


class Strategy(StrEnum):
    """How a video is sent."""

    AS_IS = "as-is"
    FASTSTART = "faststart"
    """Only move its index to the front."""
    ENCODE = "encode"
    PREVIEW_AND_LINK = "link"
    """Send a preview, and a link to the whole video."""
    PREVIEW_ONLY = "keep"
    """Send a preview, and explain how to get the whole video: there is no publisher for links."""


@dataclass(frozen=True, slots=True)
class Encoding:
    """Parameters of an encoding."""

    seconds: float
    """Duration to encode, from the beginning."""
    width: int
    height: int
    video_bitrate: int
    """Maximum bits per second; the buffer allows `rate_window_s` seconds more of it in total."""
    rate_window_s: float
    audio_bitrate: int
    """Bits per second; 0 without sound."""
    full_length: bool = False
    """The whole video is encoded, so its end must not be missing, unlike that of a preview."""

    def scale_bitrate(self, factor: float) -> Encoding:
        """Return a copy with the bitrate multiplied by `factor`."""
        return replace(self, video_bitrate=max(1000, int(self.video_bitrate * factor)))


@dataclass(frozen=True, slots=True)
class TranscodePlan:
    """The strategy; `encoding` is for the whole video or the preview, None for neither."""

    strategy: Strategy
    encoding: Encoding | None = None


def choose_plan(
    video: VideoInfo, limit_bytes: int, *, link_possible: bool, encodable: bool = True
) -> TranscodePlan:
    """Choose how to send a video. `encodable=False`: encoding the whole video already failed."""
    fits = video.size_bytes <= limit_bytes
    as_is = TranscodePlan(Strategy.AS_IS if video.moov_first else Strategy.FASTSTART)
    if fits and (video.video_codec, video.pixel_format) in _PLAYABLE_FORMATS:
        return as_is
    if encodable and video.seconds <= MAX_ENCODE_SECONDS:
        encoding = _best_encoding(
            video, video.seconds, limit_bytes, _candidate_sizes(video, _SIDES)
        )
        if encoding is not None:
            return TranscodePlan(Strategy.ENCODE, replace(encoding, full_length=True))
    return (
        as_is
        if fits
        else TranscodePlan(
            fallback_strategy(link_possible=link_possible), _preview_encoding(video, limit_bytes)
        )
    )


def fallback_strategy(*, link_possible: bool) -> Strategy:
    """Return how to offer a video that the chat does not accept."""
    return Strategy.PREVIEW_AND_LINK if link_possible else Strategy.PREVIEW_ONLY


def _preview_encoding(video: VideoInfo, limit_bytes: int) -> Encoding | None:
    sizes = list(_candidate_sizes(video, _PREVIEW_SIDES))
    for max_seconds in PREVIEW_SECONDS:
        seconds = min(max_seconds, video.seconds)
        encoding = _best_encoding(video, seconds, limit_bytes, sizes)
        if encoding is not None:
            pixels = encoding.width * encoding.height * video.frame_rate
            factor = _PREVIEW_BITS_PER_PIXEL * pixels / encoding.video_bitrate
            return encoding.scale_bitrate(factor) if factor < 1 else encoding
    return None


def _best_encoding(
    video: VideoInfo,
    seconds: float,
    limit_bytes: int,
    sizes: Iterable[tuple[int, int]],
) -> Encoding | None:
    """Return the encoding with the highest resolution of good quality; None if there is none."""
    window = min(seconds / 8, 4.0)
    frames_per_s = video.frame_rate + (_AUDIO_FRAMES_PER_S if video.has_audio else 0)
    bits = (
        limit_bytes * 8 * (1 - _SIZE_RESERVE_FRACTION)
        - _INDEX_BITS
        - frames_per_s * _INDEX_BITS_PER_FRAME * seconds
    )
    audio_bitrate = _AUDIO_BITRATES[bits / seconds >= _HIGH_BITRATE] if video.has_audio else 0
    video_bitrate = int((bits - audio_bitrate * seconds) / (seconds + window))
    width, height, bits_per_pixel = 0, 0, 0.0
    for width, height in sizes:
        bits_per_pixel = video_bitrate / (width * height * video.frame_rate)
        if bits_per_pixel >= GOOD_BITS_PER_PIXEL:
            break
    if bits_per_pixel < MIN_BITS_PER_PIXEL:
        return None
    return Encoding(seconds, width, height, video_bitrate, window, audio_bitrate)


def _candidate_sizes(video: VideoInfo, sides: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Yield the original size, unless too large, and smaller ones; even, as 4:2:0 requires."""
    shorter_side = min(video.width, video.height)
    for side in (min(shorter_side, sides[0]), *(side for side in sides[1:] if side < shorter_side)):
        yield (
            _round_even(video.width * side / shorter_side),
            _round_even(video.height * side / shorter_side),
        )


def _round_even(length: float) -> int:
    return max(2, round(length / 2) * 2)
