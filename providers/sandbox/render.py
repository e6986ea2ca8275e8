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

from providers.sandbox.text_overlay import write_text

_Row = TypeVar("_Row")

RATE = 24
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
_ZOOM = 0.045
"""Fraction of each side that is outside the frame at the end of the zoom."""
_COARSE = 4
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
    mood: str
    """Seed of colours and sound: the same value always gives the same ones."""
    picture: Path | None = None
    """Image for the first frame."""


async def render(scene: Scene, folder: Path, tell: Callable[[float], None]) -> Path:
    """Render the video in `folder`, reporting progress in percent. Cancelling kills ffmpeg."""
    drawing = asyncio.create_task(asyncio.to_thread(_draw, scene, folder))
    try:
        await asyncio.shield(drawing)
    except asyncio.CancelledError:
        # The thread cannot be stopped: wait for it, since the caller will remove the folder.
        await drawing
        raise
    film = folder / "film.mp4"

    def heard(seconds: float) -> None:
        tell(min(99.0, 100 * seconds / scene.seconds))

    try:
        async with asyncio.timeout(60 + 10 * scene.seconds):
            await _run(_command(scene, folder, film), heard)
    except TimeoutError:
        raise RenderError("ffmpeg took too long") from None
    return film


async def version() -> str:
    """Return the version of the ffmpeg in use."""
    process = await asyncio.create_subprocess_exec(
        get_ffmpeg_exe(), "-version", stdin=DEVNULL, stdout=PIPE, stderr=DEVNULL
    )
    output, _ = await process.communicate()
    number = re.match(r"ffmpeg version n?(\S+?)(-|\s)", output.decode(errors="replace"))
    if process.returncode or number is None:
        raise RenderError(f"`ffmpeg -version` failed with status {process.returncode}")
    return number[1]


# --- layers drawn with Pillow ------------------------------------------------------------


def _draw(scene: Scene, folder: Path) -> None:
    size = (scene.width, scene.height)
    write_text(size, scene.text, scene.caption, low=scene.picture is not None).save(
        folder / "text.png", compress_level=1
    )
    if scene.picture is None:
        _lights(scene).save(folder / "back.png", compress_level=1)
        return
    try:
        with Image.open(scene.picture) as picture:
            fitted = ImageOps.fit(picture.convert("RGB"), size, Image.Resampling.LANCZOS)
    except (OSError, ValueError) as error:
        raise RenderError(f"the image cannot be read: {error}") from error
    fitted.save(folder / "back.png", compress_level=1)


def _lights(scene: Scene) -> Image.Image:
    """Draw blurred discs of light on a layer twice as high as the video, which scrolls over it."""
    chance = Random(scene.mood)  # noqa: S311 - for decoration, not for secrets
    width, height = _coarse(scene)
    sheet = Image.new("RGBA", (width, 2 * height), (255, 255, 255, 0))
    for _ in range(16):
        disc = Image.new("L", sheet.size)
        radius = min(width, height) * chance.uniform(0.05, 0.22)
        x, y = chance.uniform(0, width), chance.uniform(0, 2 * height)
        ImageDraw.Draw(disc).ellipse(
            (x - radius, y - radius, x + radius, y + radius), fill=chance.randint(14, 44)
        )
        glow = Image.new("RGBA", sheet.size, (255, 255, 255, 0))
        glow.putalpha(disc.filter(ImageFilter.GaussianBlur(radius * chance.uniform(0.05, 0.3))))
        sheet.alpha_composite(glow)
    return sheet


def _coarse(scene: Scene) -> tuple[int, int]:
    return max(16, scene.width // _COARSE), max(16, scene.height // _COARSE)


# --- ffmpeg ------------------------------------------------------------------------------


def _command(scene: Scene, folder: Path, film: Path) -> Sequence[str]:
    back = _moving_picture(scene) if scene.picture else _moving_colours(scene)
    fade = "loop=-1:1,fade=in:st=0.5:d=0.5:alpha=1," if scene.picture else ""
    graph = (
        f"{back}[back];[1]format=yuva420p,{fade}null[text];"
        f"[back][text]overlay,trim=duration={scene.seconds},format=yuv420p[film];"
        f"{_sound(scene)}[sound]"
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
        *("-c:a", "aac", "-b:a", "96k", "-movflags", "+faststart", "-f", "mp4", str(film)),
    )


def _moving_picture(scene: Scene) -> str:
    """Filter for a slow zoom into the image."""
    # `perspective` works with subpixel precision; `zoompan` and `crop` would jitter.
    still = f"[0]{_TO_YUV},loop=-1:1,fps={RATE},trim=duration={scene.seconds},setpts=N/{RATE}/TB"
    step = f"{_ZOOM}*(on-1)/{scene.seconds * RATE}"
    near, far = step, f"(1-{step})"
    corners = ((near, near), (far, near), (near, far), (far, far))
    places = ":".join(f"x{i}='W*{x}':y{i}='H*{y}'" for i, (x, y) in enumerate(corners))
    return f"{still},perspective={places}:eval=frame"


def _moving_colours(scene: Scene) -> str:
    width, height = _coarse(scene)
    first, second, third = _choice(scene, "colours", _PALETTES)
    rise = f"-h/2*t/{scene.seconds}"
    return (
        f"gradients=s={width}x{height}:r={RATE}:d={scene.seconds}:n=3:speed=0.008:seed=1"
        f":c0={first}:c1={second}:c2={third}:x0=0:y0=0:x1={width}:y1={height}[colours];"
        f"[colours][0]overlay=y='{rise}':format=rgb,"
        f"scale={scene.width}:{scene.height}:flags=bicubic,{_TO_YUV}"
    )


_TO_YUV = "scale=out_color_matrix=bt709:out_range=tv,format=yuv420p,setsar=1"


def _sound(scene: Scene) -> str:
    low, high = _choice(scene, "sound", _CHORDS)
    swell = "(1+0.4*sin(PI*t))"
    left, right = (f"0.04*{swell}*sin(2*PI*{tone}*t)" for tone in (low, high))
    end = f"afade=out:st={scene.seconds - 0.6}:d=0.6"
    return (
        f"aevalsrc={left}+0.3*{right}|{right}+0.3*{left}:s=44100:d={scene.seconds},"
        f"afade=in:d=0.3,{end}"
    )


def _choice(scene: Scene, what: str, table: Sequence[_Row]) -> _Row:
    return table[sha256(f"{what} {scene.mood}".encode()).digest()[0] % len(table)]


async def _run(command: Sequence[str], heard: Callable[[float], None]) -> None:
    # In a new session: Ctrl-C in the terminal must not reach ffmpeg.
    process = await asyncio.create_subprocess_exec(
        *command, stdin=DEVNULL, stdout=PIPE, stderr=PIPE, start_new_session=True
    )
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, process.pid, _NICENESS)
    try:
        _, errors = await asyncio.gather(
            _follow(cast("StreamReader", process.stdout), heard),
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
        words = errors.decode(errors="replace").strip()[-500:]
        raise RenderError(f"ffmpeg failed with status {status}: {words}")


async def _follow(output: StreamReader, heard: Callable[[float], None]) -> None:
    async for line in output:
        name, _, value = line.decode(errors="replace").strip().partition("=")
        if name == "out_time_us" and value.isdecimal():
            heard(int(value) / 1e6)
