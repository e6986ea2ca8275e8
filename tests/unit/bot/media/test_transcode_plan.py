"""Choice of the strategy for a video: a table of cases, and properties of every encoding."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.media.probe import VideoInfo
from bot.media.transcode_plan import MAX_ENCODE_SECONDS, MIN_BITS_PER_PIXEL, Strategy, choose_plan

MIB = 1 << 20
DISCORD, TELEGRAM = 10 * MIB, 50_000_000
FILM = VideoInfo(
    size_bytes=9 * MIB,
    seconds=10.0,
    width=1280,
    height=720,
    frame_rate=24.0,
    video_codec="h264",
    pixel_format="yuv420p",
    has_audio=True,
    moov_first=True,
)

films = st.builds(
    VideoInfo,
    size_bytes=st.integers(1, 1 << 32),
    seconds=st.floats(0.04, 100_000, allow_nan=False),
    width=st.integers(1, 9000),
    height=st.integers(1, 9000),
    frame_rate=st.floats(0.1, 1000),
    video_codec=st.sampled_from(["h264", "hevc", "vp9"]),
    pixel_format=st.sampled_from(["yuv420p", "yuv420p10le", "yuv444p"]),
    has_audio=st.booleans(),
    moov_first=st.booleans(),
)


@pytest.mark.parametrize(
    ("film", "limit", "way"),
    [
        (FILM, DISCORD, Strategy.AS_IS),
        (replace(FILM, size_bytes=DISCORD), DISCORD, Strategy.AS_IS),
        (replace(FILM, moov_first=False), DISCORD, Strategy.FASTSTART),
        (replace(FILM, size_bytes=DISCORD + 1), DISCORD, Strategy.ENCODE),
        (replace(FILM, size_bytes=11 * MIB, moov_first=False), TELEGRAM, Strategy.FASTSTART),
        (replace(FILM, video_codec="hevc"), DISCORD, Strategy.ENCODE),
        (replace(FILM, pixel_format="yuv420p10le"), DISCORD, Strategy.ENCODE),
        (replace(FILM, size_bytes=200 * MIB, seconds=300), DISCORD, Strategy.PREVIEW_AND_LINK),
        (replace(FILM, size_bytes=200 * MIB, seconds=300), TELEGRAM, Strategy.ENCODE),
        (
            replace(FILM, size_bytes=200 * MIB, seconds=MAX_ENCODE_SECONDS + 1),
            90 * MIB,
            Strategy.PREVIEW_AND_LINK,
        ),
        (replace(FILM, video_codec="hevc", seconds=3000), DISCORD, Strategy.AS_IS),
    ],
)
def test_strategy_depends_on_size_format_and_quality(
    film: VideoInfo, limit: int, way: Strategy
) -> None:
    """At the limit and one byte above, in a format not playable everywhere, and when too long."""
    assert choose_plan(film, limit, link_possible=True).strategy is way


def test_without_a_publisher_no_link_is_promised() -> None:
    """The preview is sent anyway."""
    long = replace(FILM, size_bytes=200 * MIB, seconds=300)
    linked, kept = (
        choose_plan(long, DISCORD, link_possible=possible) for possible in (True, False)
    )
    assert (linked.strategy, kept.strategy) == (Strategy.PREVIEW_AND_LINK, Strategy.PREVIEW_ONLY)
    assert linked.encoding == kept.encoding is not None
    assert kept.encoding.seconds == 8


def test_failed_encoding_is_not_planned_again() -> None:
    """A video above the limit becomes a preview; one below it is sent unchanged."""
    heavy, strange = replace(FILM, size_bytes=11 * MIB), replace(FILM, video_codec="hevc")
    assert (
        choose_plan(heavy, DISCORD, link_possible=True, encodable=False).strategy
        is Strategy.PREVIEW_AND_LINK
    )
    assert (
        choose_plan(strange, DISCORD, link_possible=True, encodable=False).strategy
        is Strategy.AS_IS
    )


def test_resolution_is_reduced_before_quality() -> None:
    """The longer the video, the lower its resolution, until it is not encoded at all."""
    sides = []
    for seconds in (10, 40, 60, 100, 130):
        encoding = choose_plan(
            replace(FILM, size_bytes=99 * MIB, seconds=seconds), DISCORD, link_possible=True
        ).encoding
        assert encoding is not None
        sides.append(encoding.height)
    assert sides == sorted(sides, reverse=True)
    assert sides[0] == 720
    assert sides[-1] == 360
    assert choose_plan(
        replace(FILM, size_bytes=99 * MIB, seconds=250), DISCORD, link_possible=True
    ).strategy is (Strategy.PREVIEW_AND_LINK)


def test_portrait_video_keeps_its_shape() -> None:
    """The shorter side is reduced, whichever it is."""
    upright = replace(FILM, size_bytes=99 * MIB, width=1080, height=1920, seconds=60)
    encoding = choose_plan(upright, DISCORD, link_possible=True).encoding
    assert encoding is not None
    assert encoding.width / encoding.height == pytest.approx(1080 / 1920, rel=0.01)


@given(films, st.integers(1, 2_000_000_000), st.booleans(), st.booleans())
def test_every_encoding_fits_with_even_size_and_good_quality(
    film: VideoInfo, limit: int, link: bool, encodable: bool
) -> None:
    """Bitrate times duration is below the limit for any input; plans are repeatable."""
    chosen = choose_plan(film, limit, link_possible=link, encodable=encodable)
    assert chosen == choose_plan(film, limit, link_possible=link, encodable=encodable)
    assert chosen.strategy not in {Strategy.AS_IS, Strategy.FASTSTART} or film.size_bytes <= limit
    if (encoding := chosen.encoding) is None:
        return
    video_bits = encoding.video_bitrate * (encoding.seconds + encoding.rate_window_s)
    assert video_bits + encoding.audio_bitrate * encoding.seconds < limit * 8 * 0.98
    pixels = encoding.width * encoding.height * film.frame_rate
    assert encoding.video_bitrate / pixels >= MIN_BITS_PER_PIXEL * 0.99
    assert encoding.width % 2 == encoding.height % 2 == 0
    assert min(encoding.width, encoding.height) >= 2
    assert (encoding.audio_bitrate > 0) == film.has_audio
