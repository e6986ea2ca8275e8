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
from bot.media.mime import is_image_type, sniff_type
from providers.types import Orientation

MAX_IMAGE_BYTES = 20 << 20
MAX_PIXELS = 40_000_000
MIN_SIDE_PX = 8
FORMATS = ("JPEG", "PNG", "WebP", "HEIC", "GIF", "AVIF")
"""Accepted formats, detected by content, not by file name; of animations the first frame."""
CROP_WARNING_PERCENT = 20.0
"""Tell the user if more percent of the image are cropped: a 4:3 photo in a 16:9 video loses 25."""

_DECODERS = ("JPEG", "PNG", "WEBP", "HEIF", "GIF", "AVIF")
_MAX_PNG_BYTES = 1 << 20
_MAX_JPEG_SCANS = 100
"""A normal progressive JPEG has about ten. Each scan needs only 60 bytes, but a pass over all
pixels."""
_EXIF_ORIENTATION_TAG = 0x0112
_TRANSPOSITIONS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_SIDEWAYS = frozenset({5, 6, 7, 8})

_JPEG_MARKER = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")
"""A marker; within the data of a scan, FF is followed by 00 or a restart number instead."""
_JPEG_SCAN, _JPEG_END = 0xDA, 0xD9

pillow_heif.register_heif_opener()
# Our own limit reports the numbers to the user; that of Pillow would not.
Image.MAX_IMAGE_PIXELS = None


@dataclass(frozen=True, slots=True)
class ImageInfo:
    """Type and upright size of an image, determined without decoding it."""

    media_type: str
    width: int
    height: int

    @property
    def orientation(self) -> Orientation:
        """Portrait, landscape or square."""
        return orientation_of(self.width, self.height)


@dataclass(frozen=True, slots=True)
class PreparedImage:
    """An image in a form that every gateway accepts."""

    path: Path
    media_type: str
    width: int
    height: int
    cropped_percent: float
    """Percentage of the original that was cropped."""


async def inspect_image(path: Path) -> ImageInfo:
    """Run `read_image_info` in a thread."""
    return await asyncio.to_thread(read_image_info, path)


def read_image_info(path: Path) -> ImageInfo:
    """Return type and size of an image. Raises `Refusal` if it is not an image or too large."""
    image_type = _check_type(path)
    with _open_guarded(path) as image:
        return ImageInfo(f"image/{image_type.lower()}", *_upright_size(image))


def prepare_image(
    source: Path, target: Path, width: int | None, height: int | None, fit: Fit = "crop"
) -> PreparedImage:
    """Write the image upright, in sRGB, without transparency or metadata.

    If `width` and `height` are given, it gets exactly that size: cropped, or with `pad` whole on a
    blurred copy of itself. The output is a JPEG, or a PNG if the source is one and the result is
    small; its path is `target` plus the extension. Raises `Refusal`.
    """
    image_type = _check_type(source)
    with _open_guarded(source) as image:
        if image_type == "JPEG":
            _check_scans(source)
        original_size = _upright_size(image)
        size = (width, height) if width and height else original_size
        normalized = _normalize(image, size, fit)
        content, extension = _encode(normalized, image_type)
    path = target.with_name(f"{target.name}.{extension}")
    _write_atomically(path, content)
    media_type = "image/png" if extension == "png" else "image/jpeg"
    cropped = 0.0 if fit == "pad" else crop.cropped_percent(original_size, size)
    return PreparedImage(path, media_type, *size, cropped)


# --- before decoding ---------------------------------------------------------------------


def _check_type(path: Path) -> str:
    """Return which of `FORMATS` the file has. Raises `Refusal` if it has none of them."""
    image_type = sniff_type(_read_header(path))
    if image_type in FORMATS:
        return image_type
    if is_image_type(image_type):
        raise Refusal("image-format", format=image_type, allowed=", ".join(FORMATS))
    raise Refusal("image-not-one", name=path.name, seems=image_type)


@contextmanager
def _open_guarded(path: Path) -> Iterator[Image.Image]:
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


def _read_header(path: Path) -> bytes:
    try:
        if not path.is_file():
            raise Refusal("image-missing", path=str(path))
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            header = file.read(512)
    except OSError:
        raise Refusal("image-missing", path=str(path)) from None
    if size == 0:
        raise Refusal("image-empty")
    if size > MAX_IMAGE_BYTES:
        # Rounded up: "20.0 MB; at most 20" would be confusing.
        tenths = -(-size * 10 // (1 << 20))
        raise Refusal(
            "image-too-large-bytes", size=f"{tenths / 10:.1f}", limit=MAX_IMAGE_BYTES >> 20
        )
    return header


def _check_size(width: int, height: int) -> None:
    if width * height > MAX_PIXELS:
        limit = MAX_PIXELS // 1_000_000
        raise Refusal("image-too-many-pixels", width=width, height=height, limit=limit)
    if min(width, height) < MIN_SIDE_PX:
        raise Refusal("image-too-small", width=width, height=height, limit=MIN_SIDE_PX)


def count_jpeg_scans(content: bytes) -> int:
    """Count the scans of the first image by its markers, without decoding it.

    Data after the image, such as a video, is ignored.
    """
    position, count = 2, 0
    while match := _JPEG_MARKER.search(content, position):
        kind = match[0][1]
        if kind == _JPEG_END:
            break
        count += kind == _JPEG_SCAN
        position = match.end() + int.from_bytes(content[match.end() : match.end() + 2], "big")
    return count


def _check_scans(path: Path) -> None:
    """Raise `Refusal` for a JPEG that would take hours to decode."""
    if count_jpeg_scans(path.read_bytes()) > _MAX_JPEG_SCANS:
        raise Refusal("image-broken")


def _exif_orientation(image: Image.Image) -> int:
    """Return the EXIF orientation, 1 (upright) if there is none or EXIF is damaged."""
    try:
        return int(image.getexif().get(_EXIF_ORIENTATION_TAG, 1))
    except Exception:  # noqa: BLE001 - the image itself may be intact
        return 1


def _upright_size(image: Image.Image) -> tuple[int, int]:
    width, height = image.size
    return (height, width) if _exif_orientation(image) in _SIDEWAYS else (width, height)


# --- decoding ----------------------------------------------------------------------------


def _normalize(image: Image.Image, size: tuple[int, int], fit: Fit) -> Image.Image:
    """Return the first frame, upright and fitted, as plain sRGB pixels.

    It is resized first and rotated last, so that all other steps process few pixels.
    """
    orientation = _exif_orientation(image)
    decoded_size = size[::-1] if orientation in _SIDEWAYS else size
    # A large JPEG is decoded at 1/2, 1/4 or 1/8 of its size, but at least at twice the target.
    image.draft(None, (2 * decoded_size[0], 2 * decoded_size[1]))
    profile = image.info.get("icc_profile")
    resize = crop.scale_to_fit if fit == "pad" else crop.crop_to_fill
    pixels = _to_srgb(_flatten_on_white(resize(_to_resizable_mode(image), decoded_size)), profile)
    if fit == "pad":
        pixels = crop.pad_with_blur(pixels, decoded_size)
    if orientation in _TRANSPOSITIONS:
        pixels = pixels.transpose(_TRANSPOSITIONS[orientation])
    # A new image: `info` of the decoded one contains comments and profiles.
    result = Image.new("RGB", pixels.size)
    result.paste(pixels)
    return result


def _to_resizable_mode(image: Image.Image) -> Image.Image:
    """Convert to a mode that can be resized: no palette, no 16-bit channels."""
    if image.mode.startswith("I"):
        # Pillow would clip 16-bit gray instead of scaling it.
        gray = image.convert("I").point(lambda value: value * (1 / 257))
        return gray.convert("L")
    # Not if it already has that mode: Pillow would copy all pixels.
    if image.has_transparency_data:
        return image if image.mode == "RGBA" else image.convert("RGBA")
    return image if image.mode in {"RGB", "L", "CMYK"} else image.convert("RGB")


def _flatten_on_white(image: Image.Image) -> Image.Image:
    if image.mode != "RGBA":
        return image
    white = Image.new("RGB", image.size, "white")
    white.paste(image, mask=image.getchannel("A"))
    return white


def _to_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    if profile:
        try:
            converted = ImageCms.profileToProfile(
                image,
                ImageCms.ImageCmsProfile(BytesIO(profile)),
                ImageCms.createProfile("sRGB"),
                outputMode="RGB",
            )
        except (ImageCms.PyCMSError, OSError, ValueError):
            # Viewers also ignore a profile that does not match the image.
            converted = None
        if converted is not None:
            return converted
    return image.convert("RGB")


# --- writing -----------------------------------------------------------------------------


def _encode(image: Image.Image, image_type: str) -> tuple[bytes, str]:
    if image_type == "PNG":
        png = BytesIO()
        image.save(png, "PNG")
        if png.tell() <= _MAX_PNG_BYTES:
            return png.getvalue(), "png"
    jpeg = BytesIO()
    image.save(jpeg, "JPEG", quality=92, subsampling=0)
    return jpeg.getvalue(), "jpg"


def _write_atomically(path: Path, content: bytes) -> None:
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
