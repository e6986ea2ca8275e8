"""Encoding: the output plays everywhere, and impossible encodings are reported."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from PIL import Image, ImageStat

from bot.media.encode import EncodingFailed, encode, make_thumbnail, move_index_first
from bot.media.ffmpeg import FFmpegFailed, OutputTooLarge, ResourceLimits, run, run_checked
from bot.media.probe import probe
from bot.media.storage import DiskFull
from bot.media.transcode_plan import Encoding
from tests.support.large_videos import unusual_video, video_of_length, video_of_size
from tests.support.sample_videos import ffmpeg
from tests.support.video_frames import difference, frame, player_errors

H264 = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p")
LIMITS = ResourceLimits(seconds=60.0)
MIB = 1 << 20


def _encoding(width: int, height: int, *, rate: int = 500_000, sound: int = 64_000) -> Encoding:
    return Encoding(2.0, width, height, rate, 0.25, sound, full_length=True)


# --- whole videos ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("how", "source", "size"),
    [
        ((*H264[:4], "-pix_fmt", "yuv444p"), "testsrc2=s=321x181:r=12", (320, 180)),
        (
            ("-c:v", "libx265", "-x265-params", "log-level=0:pools=1"),
            "testsrc2=s=320x180:r=12",
            (320, 180),
        ),
        ((*H264[:4], "-pix_fmt", "yuv420p10le"), "testsrc2=s=320x180:r=12", (320, 180)),
        (
            H264,
            "testsrc2=s=320x180:r=30,select='mod(n,7)',setpts=PTS+0.01*random(0)/TB",
            (320, 180),
        ),
        ((*H264, "-vf", "setsar=2"), "testsrc2=s=320x180:r=12", (640, 180)),
        ((*H264, "-ac", "6"), "testsrc2=s=320x180:r=12", (320, 180)),
    ],
    ids=["odd-sides", "hevc", "ten-bit", "variable-rate", "squeezed", "six-channels"],
)
async def test_video_is_encoded_to_a_widely_playable_format(
    tmp_path: Path, how: tuple[str, ...], source: str, size: tuple[int, int]
) -> None:
    """H.264 in 4:2:0 with eight bits, sound kept, the index in front, the same duration."""
    film, target = (
        unusual_video(tmp_path / "a.mp4", *how, "-fps_mode", "vfr", source=source),
        tmp_path / "b",
    )
    await encode(film, target, _encoding(*size), MIB, LIMITS)
    made = await probe(target)
    assert (made.video_codec, made.pixel_format, made.moov_first) == ("h264", "yuv420p", True)
    assert ((made.width, made.height), made.has_audio) == (size, True)
    assert made.seconds == pytest.approx(2, abs=0.3)
    assert not player_errors(target)
    assert difference(frame(target, 1).resize((64, 36)), frame(film, 1).resize((64, 36))) < 4


async def test_rotated_video_is_displayed_upright(tmp_path: Path) -> None:
    """Moving the index keeps the rotation metadata; encoding rotates the frames themselves."""
    film, turned = unusual_video(tmp_path / "a.mp4", *H264), tmp_path / "turned.mp4"
    ffmpeg("-display_rotation", "90", "-i", str(film), "-c", "copy", str(turned))
    video = await probe(turned)
    await move_index_first(turned, tmp_path / "moved", video, LIMITS)
    await encode(turned, tmp_path / "made", _encoding(180, 320), MIB, LIMITS)
    for path in (tmp_path / "moved", tmp_path / "made"):
        assert difference(frame(path, 1), frame(turned, 1)) < 4
    assert (await probe(tmp_path / "moved")).moov_first


async def test_video_without_sound_stays_silent(tmp_path: Path) -> None:
    """No audio stream is added, and missing sound is not an error."""
    film, target = unusual_video(tmp_path / "a.mp4", *H264, "-an"), tmp_path / "b"
    await encode(film, target, _encoding(320, 180, sound=0), MIB, LIMITS)
    assert not (await probe(target)).has_audio


async def test_too_large_output_is_encoded_once_more(tmp_path: Path) -> None:
    """Noise defeats rate control: the second attempt uses a proportionally lower bitrate."""
    film, target = video_of_size(tmp_path / "a.mp4", 9_000_000), tmp_path / "b"
    encoding = Encoding(3.0, 320, 180, 1_500_000, 0.4, 64_000)
    await encode(film, target, encoding, 600_000, LIMITS)
    assert target.stat().st_size <= 600_000
    assert not player_errors(target)
    with pytest.raises(EncodingFailed):
        await encode(film, target, encoding, 20_000, LIMITS)


async def test_truncated_video_is_not_encoded_as_a_whole(tmp_path: Path) -> None:
    """Its index promises more than exists; its beginning can still be encoded."""
    film = unusual_video(tmp_path / "a.mp4", *H264, "-movflags", "+faststart", seconds=4)
    os.truncate(film, film.stat().st_size // 2)
    whole = Encoding(4.0, 320, 180, 500_000, 0.5, 64_000, full_length=True)
    with pytest.raises(EncodingFailed, match=r"instead of 4\.0 s"):
        await encode(film, tmp_path / "b", whole, MIB, LIMITS)
    for seconds in (1.0, 4.0):
        beginning = Encoding(seconds, 320, 180, 500_000, 0.1, 64_000)
        await encode(film, tmp_path / "c", beginning, MIB, LIMITS)
        assert not player_errors(tmp_path / "c")
        assert min(1.0, seconds) <= (await probe(tmp_path / "c")).seconds < 3


async def test_full_disk_is_not_an_encoding_failure(tmp_path: Path) -> None:
    """Space may become free, so it differs from what can never be encoded."""
    film = unusual_video(tmp_path / "a.mp4", *H264)
    full = tmp_path / "full"
    full.symlink_to("/dev/full")
    video = await probe(film)
    with pytest.raises(DiskFull, match=os.strerror(errno.ENOSPC)):
        await encode(film, full, _encoding(320, 180), MIB, LIMITS)
    with pytest.raises(DiskFull):
        await move_index_first(film, full, video, LIMITS)
    with pytest.raises(DiskFull):
        await make_thumbnail(film, full, LIMITS)


# --- thumbnails --------------------------------------------------------------------------


async def test_thumbnail_is_small_and_not_black(tmp_path: Path) -> None:
    """A dark beginning is skipped; it is upright and within the size limit."""
    fade = "testsrc2=s=360x640:r=12,fade=in:st=1:d=0.5"
    film, still = unusual_video(tmp_path / "a.mp4", *H264, source=fade), tmp_path / "still"
    await make_thumbnail(film, still, LIMITS)
    with Image.open(still) as image:
        assert (image.format, image.size, image.mode) == ("JPEG", (180, 320), "RGB")
        assert sum(ImageStat.Stat(image).mean) / 3 > 30
    assert still.stat().st_size < 200_000


async def test_every_video_has_a_thumbnail(tmp_path: Path) -> None:
    """A black one, noise, one smaller than a thumbnail, and one of a single line."""
    sources = (
        "color=black:s=640x360:r=12",
        "color=gray:s=320x320,noise=alls=100:allf=t",
        "testsrc2=s=64x36:r=12",
        "testsrc2=s=1280x2:r=12",
    )
    sizes = []
    for number, source in enumerate(sources):
        film, still = (
            unusual_video(tmp_path / f"{number}.mp4", *H264, source=source),
            tmp_path / f"{number}",
        )
        await make_thumbnail(film, still, LIMITS)
        assert still.stat().st_size < 200_000
        with Image.open(still) as image:
            image.load()
            sizes.append(image.size)
    assert sizes == [(320, 180), (320, 320), (64, 36), (320, 1)]


async def test_file_without_video_has_no_thumbnail(tmp_path: Path) -> None:
    """A text file is distinguished from a full disk."""
    (tmp_path / "a.mp4").write_text("no film")
    with pytest.raises(EncodingFailed):
        await make_thumbnail(tmp_path / "a.mp4", tmp_path / "still", LIMITS)


# --- resource limits ---------------------------------------------------------------------


async def test_run_is_limited_in_time_memory_and_output(tmp_path: Path) -> None:
    """A malicious video cannot occupy ffmpeg, the memory or the disk."""
    film = video_of_size(tmp_path / "a.mp4", 9_000_000)
    work = ("-i", str(film), "-c:v", "libx264", "-f", "mp4", str(tmp_path / "b"))
    with pytest.raises(FFmpegFailed, match="took longer than 0 s"):
        await run_checked(*work, limits=ResourceLimits(seconds=0.01), output_bytes=MIB)
    with pytest.raises(FFmpegFailed):
        await run_checked(*work, limits=ResourceLimits(memory_bytes=300 << 20), output_bytes=MIB)
    with pytest.raises(OutputTooLarge):
        await run_checked(*work, limits=LIMITS, output_bytes=50_000)
    assert (tmp_path / "b").stat().st_size <= 50_176


async def test_run_does_not_inherit_our_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It contains secrets; the variable used here would make ffmpeg write a report."""
    monkeypatch.setenv("FFREPORT", f"file={tmp_path}/report")
    await probe(unusual_video(tmp_path / "a.mp4", *H264))
    (tmp_path / "report").unlink()
    await probe(tmp_path / "a.mp4")
    assert not (tmp_path / "report").exists()


async def test_error_output_is_limited(tmp_path: Path) -> None:
    """A damaged video can produce errors for its whole duration; only the last ones are kept."""
    film = video_of_length(tmp_path / "a.mp4", 30, 12_000_000)
    loud = ("-v", "trace", "-i", str(film), "-f", "null", "-")
    ended = await run(*loud, limits=LIMITS)
    assert ended.status == 0
    assert len(ended.stderr) == MIB // 4
