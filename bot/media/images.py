"""Reference images: check them before decoding, then rotate upright, strip metadata, and fit."""

from __future__ import annotations

import asyncio
import os
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import pillow_heif
from PIL import Image, ImageCms

from bot.domain.errors import Refusal
from bot.domain.tasks import Fit, orientation_of
from bot.media import crop
from bot.media.mime import is_picture, kind_of
from providers.types import Orientation

LARGEST_BYTES = 20 << 20
MOST_PIXELS = 40_000_000
LEAST_SIDE = 8
FORMATS = ("JPEG", "PNG", "WebP", "HEIC", "GIF", "AVIF")
"""Accepted formats, detected by content, not by file name; of animations the first frame."""
MUCH_CUT = 20.0
"""Tell the user if more percent of the image are cropped: a 4:3 photo in a 16:9 video loses 25."""

_DECODERS = ("JPEG", "PNG", "WEBP", "HEIF", "GIF", "AVIF")
_LARGEST_PNG = 1 << 20
_MOST_SCANS = 100
"""A normal progressive JPEG has about ten. Each scan needs only 60 bytes, but a pass over all
pixels."""
_EXIF_ORIENTATION = 0x0112
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_LYING = frozenset({5, 6, 7, 8})

pillow_heif.register_heif_opener()
# Our own limit reports the numbers to the user; that of Pillow would not.
Image.MAX_IMAGE_PIXELS = None


@dataclass(frozen=True, slots=True)
class Picture:
    """Type and upright size of an image, determined without decoding it."""

    media_type: str
    width: int
    height: int

    @property
    def orientation(self) -> Orientation:
        """Portrait, landscape or square."""
        return orientation_of(self.width, self.height)


@dataclass(frozen=True, slots=True)
class Prepared:
    """An image in a form that every gateway accepts."""

    path: Path
    media_type: str
    width: int
    height: int
    cropped_percent: float
    """Percentage of the original that was cropped."""


async def look(path: Path) -> Picture:
    """Run `inspect` in a thread."""
    return await asyncio.to_thread(inspect, path)


def inspect(path: Path) -> Picture:
    """Return type and size of an image. Raises `Refusal` if it is not an image or too large."""
    kind = _checked_kind(path)
    with _opened(path) as image:
        return Picture(f"image/{kind.lower()}", *_upright_size(image))


def prepare(
    source: Path, target: Path, width: int | None, height: int | None, fit: Fit = "crop"
) -> Prepared:
    """Write the image upright, in sRGB, without transparency or metadata.

    If `width` and `height` are given, it gets exactly that size: cropped, or with `pad` whole on a
    blurred copy of itself. The output is a JPEG, or a PNG if the source is one and the result is
    small; its path is `target` plus the extension. Raises `Refusal`.
    """
    kind = _checked_kind(source)
    with _opened(source) as image:
        if kind == "JPEG":
            _check_scans(source)
        before = _upright_size(image)
        size = (width, height) if width and height else before
        bare = _bare(image, size, fit)
        content, ending = _encoded(bare, kind)
    path = target.with_name(f"{target.name}.{ending}")
    _write(path, content)
    media_type = "image/png" if ending == "png" else "image/jpeg"
    cut = 0.0 if fit == "pad" else crop.cropped_percent(before, size)
    return Prepared(path, media_type, *size, cut)


# --- before decoding ---------------------------------------------------------------------


def _checked_kind(path: Path) -> str:
    """Return which of `FORMATS` the file has. Raises `Refusal` if it has none of them."""
    kind = kind_of(_checked_head(path))
    if kind in FORMATS:
        return kind
    if is_picture(kind):
        raise Refusal("image-format", format=kind, allowed=", ".join(FORMATS))
    raise Refusal("image-not-one", name=path.name, seems=kind)


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    """Open the image; any exception of its decoder while it is open becomes a `Refusal`."""
    try:
        with warnings.catch_warnings():
            # Warnings of a decoder about a user's file do not belong in our log.
            warnings.simplefilter("ignore")
            with Image.open(path, formats=_DECODERS) as image:
                _check_size(*image.size)
                yield image
    except (Refusal, MemoryError):
        raise
    except Exception as error:
        # A decoder may raise any exception for a malicious file.
        raise Refusal("image-broken") from error


def _checked_head(path: Path) -> bytes:
    try:
        if not path.is_file():
            raise Refusal("image-missing", path=str(path))
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            head = file.read(512)
    except OSError:
        raise Refusal("image-missing", path=str(path)) from None
    if size == 0:
        raise Refusal("image-empty")
    if size > LARGEST_BYTES:
        # Rounded up: "20.0 MB; at most 20" would be confusing.
        tenths = -(-size * 10 // (1 << 20))
        raise Refusal("image-too-large-bytes", size=f"{tenths / 10:.1f}", limit=LARGEST_BYTES >> 20)
    return head


def _check_size(width: int, height: int) -> None:
    if width * height > MOST_PIXELS:
        limit = MOST_PIXELS // 1_000_000
        raise Refusal("image-too-many-pixels", width=width, height=height, limit=limit)
    if min(width, height) < LEAST_SIDE:
        raise Refusal("image-too-small", width=width, height=height, limit=LEAST_SIDE)


def _check_scans(path: Path) -> None:
    """Raise `Refusal` for a JPEG that would take hours to decode."""
    if scans(path.read_bytes()) > _MOST_SCANS:
        raise Refusal("image-broken")


def _turn(image: Image.Image) -> int:
    """Return the EXIF orientation, 1 (upright) if there is none or EXIF is damaged."""
    try:
        return int(image.getexif().get(_EXIF_ORIENTATION, 1))
    except Exception:  # noqa: BLE001 - the image itself may be intact
        return 1


def _upright_size(image: Image.Image) -> tuple[int, int]:
    width, height = image.size
    return (height, width) if _turn(image) in _LYING else (width, height)


# --- decoding ----------------------------------------------------------------------------


def _bare(image: Image.Image, size: tuple[int, int], fit: Fit) -> Image.Image:
    """Return the first frame, upright and fitted, as plain sRGB pixels.

    It is resized first and rotated last, so that all other steps process few pixels.
    """
    turn = _turn(image)
    lying = size[::-1] if turn in _LYING else size
    # A large JPEG is decoded at 1/2, 1/4 or 1/8 of its size, but at least at twice the target.
    image.draft(None, (2 * lying[0], 2 * lying[1]))
    profile = image.info.get("icc_profile")
    resized = crop.contained if fit == "pad" else crop.cropped
    plain = _in_srgb(_on_white(resized(_resizable(image), lying)), profile)
    if fit == "pad":
        plain = crop.padded(plain, lying)
    if turn in _TURNS:
        plain = plain.transpose(_TURNS[turn])
    # A new image: `info` of the decoded one contains comments and profiles.
    bare = Image.new("RGB", plain.size)
    bare.paste(plain)
    return bare


def _resizable(image: Image.Image) -> Image.Image:
    """Convert to a mode that can be resized: no palette, no 16-bit channels."""
    if image.mode.startswith("I"):
        # Pillow would clip 16-bit gray instead of scaling it.
        grey = image.convert("I").point(lambda value: value * (1 / 257))
        return grey.convert("L")
    # Not if it already has that mode: Pillow would copy all pixels.
    if image.has_transparency_data:
        return image if image.mode == "RGBA" else image.convert("RGBA")
    return image if image.mode in {"RGB", "L", "CMYK"} else image.convert("RGB")


def _on_white(image: Image.Image) -> Image.Image:
    if image.mode != "RGBA":
        return image
    white = Image.new("RGB", image.size, "white")
    white.paste(image, mask=image.getchannel("A"))
    return white


def _in_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    if profile:
        try:
            found = ImageCms.profileToProfile(
                image,
                ImageCms.ImageCmsProfile(BytesIO(profile)),
                ImageCms.createProfile("sRGB"),
                outputMode="RGB",
            )
        except (ImageCms.PyCMSError, OSError, ValueError):
            # Viewers also ignore a profile that does not match the image.
            found = None
        if found is not None:
            return found
    return image.convert("RGB")


# --- writing -----------------------------------------------------------------------------


def _encoded(image: Image.Image, kind: str) -> tuple[bytes, str]:
    if kind == "PNG":
        png = BytesIO()
        image.save(png, "PNG")
        if png.tell() <= _LARGEST_PNG:
            return png.getvalue(), "png"
    jpeg = BytesIO()
    image.save(jpeg, "JPEG", quality=92, subsampling=0)
    return jpeg.getvalue(), "jpg"


def _write(path: Path, content: bytes) -> None:
    """Write the file atomically: it appears complete or not at all."""
    part = path.with_name(f"{path.name}.part")
    part.unlink(missing_ok=True)
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


_MARKER = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")
"""A marker; within the data of a scan, FF is followed by 00 or a restart number instead."""
_SCAN, _END = 0xDA, 0xD9


def scans(content: bytes) -> int:
    """Count the scans of the first image; data after it, such as a video, is ignored."""
    at, count = 2, 0
    while found := _MARKER.search(content, at):
        kind = found[0][1]
        if kind == _END:
            break
        count += kind == _SCAN
        at = found.end() + int.from_bytes(content[found.end() : found.end() + 2], "big")
    return count
