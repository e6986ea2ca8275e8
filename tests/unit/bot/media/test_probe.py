"""Reading video properties with the bundled ffmpeg, also from misleading files."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.media.probe import NoVideoStream, probe
from providers.sandbox.render import Scene, render
from tests.support.large_videos import unusual_video
from tests.support.sample_videos import ffmpeg

H264 = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p")


async def test_video_properties_are_read(tmp_path: Path) -> None:
    """Duration, size, codec and sound; also if the file name looks like a URL."""
    scene = Scene("a kite", "", seconds=2, width=96, height=160, seed="calm")
    film = await render(scene, tmp_path, lambda _: None)
    named = film.rename(tmp_path / "http:2.mp4")
    facts = await probe(named)
    assert facts.seconds == pytest.approx(2, abs=0.1)
    assert (facts.width, facts.height) == (96, 160)
    assert (facts.video_codec, facts.pixel_format) == ("h264", "yuv420p")
    assert (facts.frame_rate, facts.has_audio, facts.moov_first) == (24, True, True)
    assert facts.size_bytes == named.stat().st_size
    assert facts.bitrate == pytest.approx(facts.size_bytes * 4, rel=0.05)


@pytest.mark.parametrize(
    ("how", "codec", "pixels"),
    [
        (("-c:v", "libx265", "-x265-params", "log-level=0:pools=1"), "hevc", "yuv420p"),
        (("-c:v", "libx264", "-pix_fmt", "yuv420p10le"), "h264", "yuv420p10le"),
        (("-c:v", "libx264", "-pix_fmt", "yuv444p"), "h264", "yuv444p"),
        (("-c:v", "mpeg4"), "mpeg4", "yuv420p"),
        ((*H264, "-color_range", "tv", "-colorspace", "bt709"), "h264", "yuv420p"),
    ],
)
async def test_codec_and_pixel_format_are_read(
    tmp_path: Path, how: tuple[str, ...], codec: str, pixels: str
) -> None:
    """They decide whether every chat plays it; here with the index at the end."""
    facts = await probe(
        unusual_video(tmp_path / "a.mp4", *how, source="testsrc2=s=320x180:r=12,format=yuv420p")
    )
    assert (facts.video_codec, facts.pixel_format) == (codec, pixels)
    assert (facts.width, facts.height, facts.moov_first) == (320, 180, False)


async def test_display_size_respects_rotation_and_aspect_ratio(tmp_path: Path) -> None:
    """Phones store rotated videos; pixels need not be square."""
    film = unusual_video(tmp_path / "a.mp4", *H264)
    turned = tmp_path / "turned.mp4"
    ffmpeg("-display_rotation", "90", "-i", str(film), "-c", "copy", str(turned))
    squeezed = unusual_video(tmp_path / "b.mp4", *H264, "-vf", "setsar=2")
    assert [((facts := await probe(it)).width, facts.height) for it in (turned, squeezed)] == [
        (180, 320),
        (640, 180),
    ]


async def test_metadata_of_the_file_is_not_trusted(tmp_path: Path) -> None:
    """A title may imitate the output of ffmpeg, even over several lines."""
    words = (
        "  Duration: 99:00:00.00, start\n  Stream #0:0: Video: vp9, yuv444p, 16x16, 9 fps"
        "\r  Stream #0:9: Audio: aac"
    )
    told = ("-an", "-metadata", f"title={words}", "-metadata:s:v:0", f"handler_name={words}")
    facts = await probe(unusual_video(tmp_path / "a.mp4", *H264, *told))
    assert (facts.seconds, facts.video_codec, facts.has_audio) == (2, "h264", False)
    assert (facts.width, facts.height, facts.frame_rate) == (320, 180, 12)


async def test_other_files_are_no_video(tmp_path: Path) -> None:
    """A text, an empty file, half a box, audio only, and a missing file."""
    (tmp_path / "a.mp4").write_text("no film")
    (tmp_path / "empty.mp4").write_bytes(b"")
    (tmp_path / "half.mp4").write_bytes(b"\x00\x00\x00\x20ftypisom")
    ffmpeg("-f", "lavfi", "-i", "sine", "-t", "1", str(tmp_path / "sound.mp4"))
    for name in ("a.mp4", "empty.mp4", "half.mp4", "sound.mp4", "nothing.mp4"):
        with pytest.raises(NoVideoStream):
            await probe(tmp_path / name)


async def test_cover_image_is_no_video(tmp_path: Path) -> None:
    """The cover of a song is listed as a stream, but is a still image."""
    cover, song = tmp_path / "cover.png", tmp_path / "song.mp4"
    ffmpeg("-f", "lavfi", "-i", "color=red:s=64x64", "-frames:v", "1", str(cover))
    heard = ("-f", "lavfi", "-i", "sine", "-i", str(cover), "-map", "0", "-map", "1", "-t", "1")
    ffmpeg(*heard, "-c:v", "copy", "-disposition:v:0", "attached_pic", str(song))
    with pytest.raises(NoVideoStream):
        await probe(song)


async def test_playlist_opens_no_other_file(tmp_path: Path) -> None:
    """Disguised as an MP4 it would make ffmpeg open other files, or servers."""
    unusual_video(tmp_path / "secret.ts", *H264)
    playlist = tmp_path / "a.mp4"
    playlist.write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n{tmp_path}/secret.ts\n")
    with pytest.raises(NoVideoStream):
        await probe(playlist)


async def test_endless_boxes_are_not_read(tmp_path: Path) -> None:
    """A million tiny boxes before the content would take too long."""
    film = tmp_path / "a.mp4"
    film.write_bytes(b"\x00\x00\x00\x08ftyp" + b"\x00\x00\x00\x08free" * 200_000)
    with pytest.raises(NoVideoStream, match="more than 100000 boxes"):
        await probe(film)
