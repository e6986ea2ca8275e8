"""Reference pictures: guarded before they are decoded, then upright, bare and fitted."""

from __future__ import annotations

import asyncio
import warnings
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import pillow_heif
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

from bot.catalog import orientation_of
from bot.model import Refusal
from providers.base import Orientation

LARGEST_BYTES = 20 << 20
MOST_PIXELS = 40_000_000
LEAST_SIDE = 8
FORMATS = ("JPEG", "PNG", "WEBP", "HEIF", "GIF")
"""By content, never by name; of moving ones the first frame."""

pillow_heif.register_heif_opener()
# Ours is the cap that people are told of; Pillow's own warning would only come on top.
Image.MAX_IMAGE_PIXELS = None


@dataclass(frozen=True, slots=True)
class Picture:
    """What a picture is, told without decoding it; as it stands upright."""

    format: str
    width: int
    height: int

    @property
    def orientation(self) -> Orientation:
        """Which way it stands."""
        return orientation_of(self.width, self.height)


async def look(path: Path) -> Picture:
    """`inspect`, off the event loop."""
    return await asyncio.to_thread(inspect, path)


def inspect(path: Path) -> Picture:
    """What the picture is. Raises `Refusal` for what is none or is too much."""
    _check_file(path)
    with _opened(path) as image:
        turned = image.getexif().get(0x0112, 1) in {5, 6, 7, 8}
        width, height = reversed(image.size) if turned else image.size
        return Picture(str(image.format), width, height)


def _check_file(path: Path) -> None:
    try:
        if not path.is_file():
            raise Refusal("image-missing", path=str(path))
        size = path.stat().st_size
    except OSError:
        raise Refusal("image-missing", path=str(path)) from None
    if size == 0:
        raise Refusal("image-empty")
    if size > LARGEST_BYTES:
        raise Refusal(
            "image-too-large-bytes",
            size=f"{size / (1 << 20):.1f}",
            limit=LARGEST_BYTES >> 20,
        )


def _opened(path: Path) -> Image.Image:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            image = Image.open(path)
    except UnidentifiedImageError:
        raise Refusal("image-not-one", name=path.name, seems=_seems(path)) from None
    except PermissionError:
        raise Refusal("image-missing", path=str(path)) from None
    except Exception:  # noqa: BLE001 - a decoder may raise anything at a hostile file
        raise Refusal("image-broken") from None
    if image.format not in FORMATS:
        found = str(image.format)
        image.close()
        raise Refusal("image-format", format=found, allowed=", ".join(FORMATS))
    width, height = image.size
    if width * height > MOST_PIXELS:
        image.close()
        limit = MOST_PIXELS // 1_000_000
        raise Refusal("image-too-many-pixels", width=width, height=height, limit=limit)
    if min(width, height) < LEAST_SIDE:
        image.close()
        raise Refusal("image-too-small", width=width, height=height, limit=LEAST_SIDE)
    return image


def _seems(path: Path) -> str:
    """A word for what lies there instead."""
    with path.open("rb") as file:
        head = file.read(512)
    known = {b"%PDF": "a PDF", b"PK\x03\x04": "an archive", b"\x1f\x8b": "an archive"}
    for start, word in known.items():
        if head.startswith(start):
            return word
    if head[4:8] == b"ftyp":
        return "a video"
    if head.lstrip()[:1] == b"<":
        return "a web page or SVG"
    try:
        head.decode("utf-8")
    except UnicodeDecodeError:
        return "unknown data"
    return "text"


def prepare(source: Path, target: Path, width: int | None, height: int | None) -> str:
    """Write the picture as every gateway takes it, beside `target`; the name of the file.

    Upright, sRGB, without transparency or metadata, cropped to fill exactly `width` x `height`
    where given. JPEG. Raises `Refusal`.
    """
    inspect(source)
    try:
        with _opened(source) as image:
            bare = _bare(image)
    except Refusal:
        raise
    except Exception:  # noqa: BLE001 - a decoder may raise anything at a hostile file
        raise Refusal("image-broken") from None
    if width and height:
        bare = ImageOps.fit(bare, (width, height), Image.Resampling.LANCZOS)
    final = target.with_name(f"{target.name}.jpg")
    part = target.with_name(f"{target.name}.jpg.part")
    bare.save(part, "JPEG", quality=92, optimize=True)
    part.chmod(0o600)
    part.replace(final)
    return final.name


def _bare(image: Image.Image) -> Image.Image:
    """The first frame as plain sRGB pixels, as a person would see it."""
    profile = image.info.get("icc_profile")
    image.seek(0)
    upright = ImageOps.exif_transpose(image)
    if upright.mode in {"I;16", "I;16B", "I;16L", "I", "F"}:
        upright = _eight_bit(upright)
    if upright.has_transparency_data:
        rgba = upright.convert("RGBA")
        upright = Image.new("RGB", rgba.size, "white")
        upright.paste(rgba, mask=rgba.getchannel("A"))
    elif profile:
        upright = _to_srgb(upright, profile)
    bare = Image.new("RGB", upright.size)
    bare.paste(upright.convert("RGB"))
    return bare


def _eight_bit(image: Image.Image) -> Image.Image:
    """16-bit grey to 8: Pillow itself would clip instead of scale."""
    return image.convert("I").point(lambda value: value * (1 / 256)).convert("L")


def _to_srgb(image: Image.Image, profile: bytes) -> Image.Image:
    try:
        found = ImageCms.profileToProfile(
            image,
            ImageCms.ImageCmsProfile(BytesIO(profile)),
            ImageCms.createProfile("sRGB"),
            outputMode="RGB",
        )
    except (ImageCms.PyCMSError, ValueError):
        # A profile that cannot be read changes nothing that could be seen.
        return image
    return found if found is not None else image
