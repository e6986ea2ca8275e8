"""How a video gets under a chat's limit: as it is, made smaller, or by a preview beside the whole.

Pure: the same video and limit always give the same plan, also after a restart.

What looks good is reckoned in bits per pixel. The Kush Gauge (Amerasinghe, "H.264 For The Rest Of
Us", 2010) asks 0.07 for little motion, 0.14 for some; YouTube's settings for uploads come to 0.13
(1080p, 8 Mbit/s, 30 frames) to 0.18 (720p, 5 Mbit/s) (support.google.com/youtube/answer/1722171).
A video is made smaller in its picture until 0.07 are there. At the smallest picture 0.05 will do:
encoders have gained as much since. With less it would look bad, and is not encoded.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from bot.media.probe import Probed

GOOD_BITS_PER_PIXEL = 0.07
LEAST_BITS_PER_PIXEL = 0.05
LONGEST_SECONDS = 600.0
"""What lasts longer takes too long to encode while somebody waits."""

PREVIEW_SECONDS = (8.0, 4.0, 2.0)
_PREVIEW_BITS_PER_PIXEL = 0.15
_SIDES = (1080, 720, 540, 480, 360)
_PREVIEW_SIDES = (480, 360, 240)
_SPARE = 0.03
"""Of the limit: rate control is not exact, and an upload has more around it than the file."""

_RICH_RATE = 1_000_000
_SOUND_RATES = (64_000, 128_000)
_SOUND_FRAMES = 48_000 / 1024
_BITS_PER_SAMPLE = 128
"""Of the index, for each picture and each frame of sound."""

_INDEX_BITS = 32_000
_PLAYED = frozenset({("h264", "yuv420p"), ("h264", "yuvj420p")})
"""What every chat's every client plays in place; the rest is shown by some as a mere file."""


class Way(StrEnum):
    """What is done with a video."""

    AS_IS = "as-is"
    FASTSTART = "faststart"
    """Only its index is moved to the front."""
    ENCODE = "encode"
    LINK = "link"
    """A preview, and a link to the whole."""
    KEEP = "keep"
    """A preview, and word of how to get the whole: there is no address for a link."""


@dataclass(frozen=True, slots=True)
class Encoding:
    """How to encode."""

    seconds: float
    """From the beginning."""
    width: int
    height: int
    video_rate: int
    """At most so many bits per second, over `window` seconds more than it lasts."""
    window: float
    sound_rate: int
    """Bits per second; 0 where there is no sound."""
    whole: bool = False
    """Nothing may be missing at its end, as it may of a preview."""

    def slower(self, factor: float) -> Encoding:
        """The same at a lower rate."""
        return replace(self, video_rate=max(1000, int(self.video_rate * factor)))


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do; `encoding` is of the whole or of the preview, None where none is to be made."""

    way: Way
    encoding: Encoding | None = None


def plan(video: Probed, limit_bytes: int, *, link_possible: bool, encodable: bool = True) -> Plan:
    """How to send it. `encodable=False` when it was tried to encode the whole, in vain."""
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
    """How the whole is to be had when the chat does not take it."""
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
    """At the largest size that looks good; None if none does."""
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
    """The video's own size, unless it is too large, and smaller ones; even, as 4:2:0 needs."""
    own = min(video.width, video.height)
    for side in (min(own, sides[0]), *(side for side in sides[1:] if side < own)):
        yield _even(video.width * side / own), _even(video.height * side / own)


def _even(length: float) -> int:
    return max(2, round(length / 2) * 2)
