"""Real MP4s for tests, made once by ffmpeg and cached."""

from __future__ import annotations

import atexit
import shutil
import subprocess
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from threading import Lock

import imageio_ffmpeg

_FOLDER = Path(mkdtemp(prefix="reelay-films-"))
_FILMING = Lock()
atexit.register(shutil.rmtree, _FOLDER, ignore_errors=True)


def ffmpeg(*arguments: str) -> None:
    """Run the wheel's ffmpeg; fails loudly."""
    program = imageio_ffmpeg.get_ffmpeg_exe()
    subprocess.run([program, "-v", "error", "-y", *arguments], check=True, stdin=subprocess.DEVNULL)


def sample_video(seconds: int, size: str, picture: bytes | None = None) -> bytes:
    """A playable MP4 with sound of this length and size; with a picture, all of it shows that."""
    # One at a time: two that make the same film would write the same file.
    with _FILMING:
        return _film(seconds, size, picture)


@cache
def _film(seconds: int, size: str, picture: bytes | None) -> bytes:
    target = _FOLDER / f"{seconds}-{size}-{hash(picture)}.mp4"
    show = ["-f", "lavfi", "-i", f"testsrc2=s={size}:r=12"]
    if picture is not None:
        still = _FOLDER / f"{hash(picture)}.img"
        still.write_bytes(picture)
        show = ["-loop", "1", "-framerate", "12", "-i", str(still)]
    sound = ["-f", "lavfi", "-i", "sine=440:r=22050"]
    how = [
        "-c:v",
        "libx264",
        "-preset",
        "ultrafast",
        "-crf",
        "20",
        "-pix_fmt",
        "yuv420p",
        "-c:a",
        "aac",
        "-b:a",
        "32k",
    ]
    ffmpeg(*show, *sound, "-t", str(seconds), *how, "-movflags", "+faststart", str(target))
    return target.read_bytes()
