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

from bot.media.probe import Probed

GOOD_BITS_PER_PIXEL = 0.07
LEAST_BITS_PER_PIXEL = 0.05
LONGEST_SECONDS = 600.0
"""Longer videos are not encoded: it would take too long while a user waits."""

PREVIEW_SECONDS = (8.0, 4.0, 2.0)
_PREVIEW_BITS_PER_PIXEL = 0.15
_SIDES = (1080, 720, 540, 480, 360)
_PREVIEW_SIDES = (480, 360, 240)
_SPARE = 0.03
"""Reserved fraction of the limit: rate control is inexact, and an upload has some overhead."""

_RICH_RATE = 1_000_000
_SOUND_RATES = (64_000, 128_000)
_SOUND_FRAMES = 48_000 / 1024
_BITS_PER_SAMPLE = 128
"""Size of an index entry, one for each video frame and each audio frame."""

_INDEX_BITS = 32_000
_PLAYED = frozenset({("h264", "yuv420p"), ("h264", "yuvj420p")})
"""Formats that every client of every chat plays inline; some show others as a plain file."""


class Way(StrEnum):
    """How a video is sent."""

    AS_IS = "as-is"
    FASTSTART = "faststart"
    """Only move its index to the front."""
    ENCODE = "encode"
    LINK = "link"
    """Send a preview, and a link to the whole video."""
    KEEP = "keep"
    """Send a preview, and explain how to get the whole video: there is no publisher for links."""


@dataclass(frozen=True, slots=True)
class Encoding:
    """Parameters of an encoding."""

    seconds: float
    """Duration to encode, from the beginning."""
    width: int
    height: int
    video_rate: int
    """Maximum bits per second; the buffer allows `window` seconds more of it in total."""
    window: float
    sound_rate: int
    """Bits per second; 0 without sound."""
    whole: bool = False
    """The whole video is encoded, so its end must not be missing, unlike that of a preview."""

    def slower(self, factor: float) -> Encoding:
        """Return a copy with the bitrate multiplied by `factor`."""
        return replace(self, video_rate=max(1000, int(self.video_rate * factor)))


@dataclass(frozen=True, slots=True)
class Plan:
    """The chosen way; `encoding` is for the whole video or the preview, None for neither."""

    way: Way
    encoding: Encoding | None = None


def plan(video: Probed, limit_bytes: int, *, link_possible: bool, encodable: bool = True) -> Plan:
    """Choose how to send a video. `encodable=False`: encoding the whole video already failed."""
    fits = video.bytes <= limit_bytes
    as_is = Plan(Way.AS_IS if video.moov_first else Way.FASTSTART)
    if fits and (video.video_codec, video.pixel_format) in _PLAYED:
        return as_is
    if encodable and video.seconds <= LONGEST_SECONDS:
        whole = _encoding(video, video.seconds, limit_bytes, _sizes(video, _SIDES))
        if whole is not None:
            return Plan(Way.ENCODE, replace(whole, whole=True))
    return (
        as_is if fits else Plan(beside(link_possible=link_possible), _preview(video, limit_bytes))
    )


def beside(*, link_possible: bool) -> Way:
    """Return how to offer a video that the chat does not accept."""
    return Way.LINK if link_possible else Way.KEEP


def _preview(video: Probed, limit_bytes: int) -> Encoding | None:
    sizes = list(_sizes(video, _PREVIEW_SIDES))
    for longest in PREVIEW_SECONDS:
        seconds = min(longest, video.seconds)
        found = _encoding(video, seconds, limit_bytes, sizes)
        if found is not None:
            pixels = found.width * found.height * video.frame_rate
            enough = _PREVIEW_BITS_PER_PIXEL * pixels / found.video_rate
            return found.slower(enough) if enough < 1 else found
    return None


def _encoding(
    video: Probed,
    seconds: float,
    limit_bytes: int,
    sizes: Iterable[tuple[int, int]],
) -> Encoding | None:
    """Return the encoding with the highest resolution of good quality; None if there is none."""
    window = min(seconds / 8, 4.0)
    samples = video.frame_rate + (_SOUND_FRAMES if video.has_sound else 0)
    bits = limit_bytes * 8 * (1 - _SPARE) - _INDEX_BITS - samples * _BITS_PER_SAMPLE * seconds
    sound_rate = _SOUND_RATES[bits / seconds >= _RICH_RATE] if video.has_sound else 0
    rate = int((bits - sound_rate * seconds) / (seconds + window))
    width, height, bits_per_pixel = 0, 0, 0.0
    for width, height in sizes:
        bits_per_pixel = rate / (width * height * video.frame_rate)
        if bits_per_pixel >= GOOD_BITS_PER_PIXEL:
            break
    if bits_per_pixel < LEAST_BITS_PER_PIXEL:
        return None
    return Encoding(seconds, width, height, rate, window, sound_rate)


def _sizes(video: Probed, sides: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Yield the original size, unless too large, and smaller ones; even, as 4:2:0 requires."""
    own = min(video.width, video.height)
    for side in (min(own, sides[0]), *(side for side in sides[1:] if side < own)):
        yield _even(video.width * side / own), _even(video.height * side / own)


def _even(length: float) -> int:
    return max(2, round(length / 2) * 2)
