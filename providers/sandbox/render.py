"""Render a short video offline: a moving gradient or image, a text, and a soft sound."""

from __future__ import annotations

import asyncio
import os
import re
from asyncio import StreamReader
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import TypeVar, cast

from imageio_ffmpeg import get_ffmpeg_exe
from PIL import Image, ImageDraw, ImageFilter, ImageOps

from providers.sandbox.text_overlay import draw_text

_Row = TypeVar("_Row")

FRAME_RATE = 24
_PALETTES = (
    ("0x1a2a6c", "0x6a3093", "0xf08a5d"),
    ("0x0f2027", "0x2c7744", "0x86b97b"),
    ("0x16222a", "0x3a6073", "0xd9a66b"),
    ("0x2b1055", "0x7597de", "0xb06ab3"),
    ("0x42275a", "0x734b6d", "0xee9ca7"),
    ("0x0b486b", "0x3b8d99", "0xf56217"),
    ("0x1d2b64", "0x2a6f97", "0x89c2d9"),
    ("0x3a1c71", "0xd76d77", "0xffaf7b"),
)
_CHORDS = ((220.0, 329.6), (196.0, 293.7), (246.9, 370.0), (174.6, 261.6))
_ZOOM_FRACTION = 0.045
"""Fraction of each side that is outside the frame at the end of the zoom."""
_DOWNSCALE = 4
"""Blurred layers are drawn smaller by this factor: invisible, and ten times faster."""
_NICENESS = 10


class RenderError(Exception):
    """ffmpeg could not render the video; the message contains its error output."""


@dataclass(frozen=True, slots=True)
class Scene:
    """Content of a video: text, size, duration, look and sound."""

    text: str
    caption: str
    seconds: int
    width: int
    height: int
    seed: str
    """Seed of colours and sound: the same value always gives the same ones."""
    image: Path | None = None
    """Image for the first frame."""


async def render(scene: Scene, folder: Path, on_progress: Callable[[float], None]) -> Path:
    """Render the video in `folder`, reporting progress in percent. Cancelling kills ffmpeg."""
    drawing = asyncio.create_task(asyncio.to_thread(_draw_layers, scene, folder))
    try:
        await asyncio.shield(drawing)
    except asyncio.CancelledError:
        # The thread cannot be stopped: wait for it, since the caller will remove the folder.
        await drawing
        raise
    video = folder / "film.mp4"

    def on_output_time(seconds: float) -> None:
        on_progress(min(99.0, 100 * seconds / scene.seconds))

    try:
        async with asyncio.timeout(60 + 10 * scene.seconds):
            await _run_ffmpeg(_ffmpeg_arguments(scene, folder, video), on_output_time)
    except TimeoutError:
        raise RenderError("ffmpeg took too long") from None
    return video


async def ffmpeg_version() -> str:
    """Return the version of the ffmpeg in use."""
    process = await asyncio.create_subprocess_exec(
        get_ffmpeg_exe(), "-version", stdin=DEVNULL, stdout=PIPE, stderr=DEVNULL
    )
    output, _ = await process.communicate()
    match = re.match(r"ffmpeg version n?(\S+?)(-|\s)", output.decode(errors="replace"))
    if process.returncode or match is None:
        raise RenderError(f"`ffmpeg -version` failed with status {process.returncode}")
    return match[1]


# --- layers drawn with Pillow ------------------------------------------------------------


def _draw_layers(scene: Scene, folder: Path) -> None:
    size = (scene.width, scene.height)
    draw_text(size, scene.text, scene.caption, at_bottom=scene.image is not None).save(
        folder / "text.png", compress_level=1
    )
    if scene.image is None:
        _draw_lights(scene).save(folder / "back.png", compress_level=1)
        return
    try:
        with Image.open(scene.image) as image:
            fitted = ImageOps.fit(image.convert("RGB"), size, Image.Resampling.LANCZOS)
    except (OSError, ValueError) as error:
        raise RenderError(f"the image cannot be read: {error}") from error
    fitted.save(folder / "back.png", compress_level=1)


def _draw_lights(scene: Scene) -> Image.Image:
    """Draw blurred discs of light on a layer twice as high as the video, which scrolls over it."""
    rng = Random(scene.seed)  # noqa: S311 - for decoration, not for secrets
    width, height = _downscaled_size(scene)
    sheet = Image.new("RGBA", (width, 2 * height), (255, 255, 255, 0))
    for _ in range(16):
        disc = Image.new("L", sheet.size)
        radius = min(width, height) * rng.uniform(0.05, 0.22)
        x, y = rng.uniform(0, width), rng.uniform(0, 2 * height)
        ImageDraw.Draw(disc).ellipse(
            (x - radius, y - radius, x + radius, y + radius), fill=rng.randint(14, 44)
        )
        glow = Image.new("RGBA", sheet.size, (255, 255, 255, 0))
        glow.putalpha(disc.filter(ImageFilter.GaussianBlur(radius * rng.uniform(0.05, 0.3))))
        sheet.alpha_composite(glow)
    return sheet


def _downscaled_size(scene: Scene) -> tuple[int, int]:
    return max(16, scene.width // _DOWNSCALE), max(16, scene.height // _DOWNSCALE)


# --- ffmpeg ------------------------------------------------------------------------------


def _ffmpeg_arguments(scene: Scene, folder: Path, video: Path) -> Sequence[str]:
    background = _image_filter(scene) if scene.image else _gradient_filter(scene)
    fade = "loop=-1:1,fade=in:st=0.5:d=0.5:alpha=1," if scene.image else ""
    graph = (
        f"{background}[back];[1]format=yuva420p,{fade}null[text];"
        f"[back][text]overlay,trim=duration={scene.seconds},format=yuv420p[film];"
        f"{_sound_filter(scene)}[sound]"
    )
    colours = ("-colorspace", "-color_primaries", "-color_trc")
    return (
        get_ffmpeg_exe(),
        *("-nostdin", "-hide_banner", "-loglevel", "error", "-y"),
        *("-progress", "pipe:1", "-stats_period", "0.2", "-filter_threads", "1"),
        *("-i", str(folder / "back.png"), "-i", str(folder / "text.png")),
        *("-filter_complex", graph, "-map", "[film]", "-map", "[sound]"),
        *("-t", str(scene.seconds), "-threads", "1"),
        *("-c:v", "libx264", "-preset", "superfast", "-crf", "21"),
        *(word for colour in colours for word in (colour, "bt709")),
        *("-c:a", "aac", "-b:a", "96k", "-movflags", "+faststart", "-f", "mp4", str(video)),
    )


def _image_filter(scene: Scene) -> str:
    """Filter for a slow zoom into the image."""
    # `perspective` works with subpixel precision; `zoompan` and `crop` would jitter.
    trim = f"trim=duration={scene.seconds},setpts=N/{FRAME_RATE}/TB"
    still = f"[0]{_TO_YUV},loop=-1:1,fps={FRAME_RATE},{trim}"
    step = f"{_ZOOM_FRACTION}*(on-1)/{scene.seconds * FRAME_RATE}"
    near, far = step, f"(1-{step})"
    corners = ((near, near), (far, near), (near, far), (far, far))
    corner_options = ":".join(f"x{i}='W*{x}':y{i}='H*{y}'" for i, (x, y) in enumerate(corners))
    return f"{still},perspective={corner_options}:eval=frame"


def _gradient_filter(scene: Scene) -> str:
    width, height = _downscaled_size(scene)
    first, second, third = _pick(scene, "colours", _PALETTES)
    rise = f"-h/2*t/{scene.seconds}"
    return (
        f"gradients=s={width}x{height}:r={FRAME_RATE}:d={scene.seconds}:n=3:speed=0.008:seed=1"
        f":c0={first}:c1={second}:c2={third}:x0=0:y0=0:x1={width}:y1={height}[colours];"
        f"[colours][0]overlay=y='{rise}':format=rgb,"
        f"scale={scene.width}:{scene.height}:flags=bicubic,{_TO_YUV}"
    )


_TO_YUV = "scale=out_color_matrix=bt709:out_range=tv,format=yuv420p,setsar=1"


def _sound_filter(scene: Scene) -> str:
    low, high = _pick(scene, "sound", _CHORDS)
    swell = "(1+0.4*sin(PI*t))"
    left, right = (f"0.04*{swell}*sin(2*PI*{tone}*t)" for tone in (low, high))
    end = f"afade=out:st={scene.seconds - 0.6}:d=0.6"
    return (
        f"aevalsrc={left}+0.3*{right}|{right}+0.3*{left}:s=44100:d={scene.seconds},"
        f"afade=in:d=0.3,{end}"
    )


def _pick(scene: Scene, purpose: str, table: Sequence[_Row]) -> _Row:
    return table[sha256(f"{purpose} {scene.seed}".encode()).digest()[0] % len(table)]


async def _run_ffmpeg(command: Sequence[str], on_output_time: Callable[[float], None]) -> None:
    # In a new session: Ctrl-C in the terminal must not reach ffmpeg.
    process = await asyncio.create_subprocess_exec(
        *command, stdin=DEVNULL, stdout=PIPE, stderr=PIPE, start_new_session=True
    )
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, process.pid, _NICENESS)
    try:
        _, stderr = await asyncio.gather(
            _read_progress(cast("StreamReader", process.stdout), on_output_time),
            cast("StreamReader", process.stderr).read(),
        )
        status = await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()
    if status < 0:
        raise InterruptedError(f"ffmpeg was killed by signal {-status}")
    if status:
        message = stderr.decode(errors="replace").strip()[-500:]
        raise RenderError(f"ffmpeg failed with status {status}: {message}")


async def _read_progress(output: StreamReader, on_output_time: Callable[[float], None]) -> None:
    async for line in output:
        name, _, value = line.decode(errors="replace").strip().partition("=")
        if name == "out_time_us" and value.isdecimal():
            on_output_time(int(value) / 1e6)
