"""Inspect the frames of a finished video."""

from __future__ import annotations

import subprocess
from io import BytesIO
from pathlib import Path

from imageio_ffmpeg import get_ffmpeg_exe
from PIL import Image, ImageChops, ImageStat


def frame(film: Path, seconds: float = 0) -> Image.Image:
    """The frame shown at this time; the first one is exact."""
    command = [get_ffmpeg_exe(), "-loglevel", "error", "-ss", str(seconds), "-i", str(film)]
    command += ["-frames:v", "1", "-f", "image2pipe", "-c:v", "png", "-"]
    shown = subprocess.run(command, check=True, capture_output=True).stdout
    with Image.open(BytesIO(shown)) as image:
        return image.convert("RGB")


def difference(first: Image.Image, second: Image.Image) -> float:
    """How far two pictures are apart on average, from 0 to 255."""
    return sum(ImageStat.Stat(ImageChops.difference(first, second)).mean) / 3


def player_errors(film: Path) -> str:
    """The errors of a strict player over the whole video."""
    command = [get_ffmpeg_exe(), "-v", "warning", "-xerror", "-i", str(film), "-f", "null", "-"]
    done = subprocess.run(command, check=False, capture_output=True)
    return done.stderr.decode(errors="replace")
