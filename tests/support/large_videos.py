"""Real MP4s of a given size, made by ffmpeg in under a second from noise.

Their index is at the end, where many encoders leave it.
"""

from __future__ import annotations

from pathlib import Path

from tests.support.sample_videos import ffmpeg

SECONDS = 3
_FRAMES = ("-f", "rawvideo", "-pix_fmt", "yuv420p", "-s", "480x270", "-r", "12")
_NOISE = (*_FRAMES, "-i", "/dev/urandom")
_SOUND = ("-f", "lavfi", "-i", "sine=440:r=44100")
_QUICK = ("-c:v", "libx264", "-preset", "ultrafast", "-threads", "2", "-pix_fmt", "yuv420p")
_AAC = ("-c:a", "aac", "-b:a", "64k")


def video_of_size(target: Path, size: int) -> Path:
    """Three seconds of noise with sound, of exactly this size."""
    steady = _steady(size * 8 / SECONDS)
    ffmpeg(*_NOISE, *_SOUND, "-t", str(SECONDS), *_QUICK, *steady, *_AAC, str(target))
    _pad(target, size)
    return target


def video_of_length(target: Path, seconds: int, size: int) -> Path:
    """A 1280x720 video with sound of this length and exactly this size."""
    scene = target.with_name(f"scene of {target.name}")
    steady = _steady(size * 8 / seconds)
    show = ("-f", "lavfi", "-i", "testsrc2=s=1280x720:r=24")
    ffmpeg(*show, *_SOUND, "-t", "4", *_QUICK, *steady, *_AAC, str(scene))
    again = ("-stream_loop", "-1", "-i", str(scene))
    ffmpeg(*again, "-t", str(seconds), "-c", "copy", str(target))
    scene.unlink()
    _pad(target, size)
    return target


def unusual_video(
    target: Path, *how: str, source: str = "testsrc2=s=320x180:r=12", seconds: int = 2
) -> Path:
    """A short video with sound and unusual encoder options."""
    ffmpeg("-f", "lavfi", "-i", source, *_SOUND, "-t", str(seconds), *_AAC, *how, str(target))
    return target


def _steady(whole_rate: float) -> tuple[str, ...]:
    rate = str(int(whole_rate * 0.8) - 80_000)
    steady = ("-b:v", rate, "-minrate", rate, "-maxrate", rate, "-bufsize", rate)
    return (*steady, "-x264-params", "nal-hrd=cbr:force-cfr=1")


def _pad(film: Path, size: int) -> None:
    """Up to the size by an empty box, which every player skips."""
    missing = size - film.stat().st_size
    assert missing >= 8
    with film.open("r+b") as file:
        file.seek(0, 2)
        file.write(missing.to_bytes(4, "big") + b"free")
        file.truncate(size)
