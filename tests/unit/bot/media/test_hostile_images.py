"""Unusual, polyglot and malicious images: they are cleaned or refused."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pillow_heif
import pytest
from PIL import Image

from bot.domain.errors import Refusal
from bot.domain.tasks import Fit
from bot.media import images
from bot.media.images import count_jpeg_scans
from tests.support import sample_images
from tests.support.image_segments import jpeg_segments, png_chunks
from tests.support.sample_images import HEIGHT, UPRIGHT, WIDTH

PAYLOAD = b"<script>alert('SECRET')</script><?php system('SECRET'); ?>"
_JPEG_PARTS = {"APP0", "DQT", "SOF0", "DHT", "SOS", "EOI", "after"}
_PNG_PARTS = {"IHDR", "IDAT", "IEND", "after"}


def _bare(path: Path) -> None:
    """Check that the file contains only the segments of the image itself."""
    content = path.read_bytes()
    if path.suffix == ".png":
        parts, allowed = png_chunks(content), _PNG_PARTS
    else:
        parts, allowed = jpeg_segments(content), _JPEG_PARTS
    assert {name for name, _ in parts} <= allowed
    assert dict(parts)["after"] == b""
    assert [len(body) for name, body in parts if name == "APP0"] in ([], [14])
    assert b"SECRET" not in content


@pytest.mark.parametrize("fit", ["crop", "pad"])
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "HEIF", "AVIF", "GIF"])
def test_no_metadata_survives_in_any_format(kind: str, fit: Fit, tmp_path: Path) -> None:
    """Every segment of the file belongs to the image itself."""
    source = sample_images.image_with_metadata(tmp_path / "photo", kind)
    _bare(images.prepare_image(source, tmp_path / "k3xw", 72, 128, fit).path)
    _bare(images.prepare_image(source, tmp_path / "whole", None, None, fit).path)


# --- polyglot files ----------------------------------------------------------------------


def _jpeg() -> bytes:
    return sample_images.encode_image(sample_images.color_card(), "JPEG", quality=95)


def _png() -> bytes:
    return sample_images.encode_image(sample_images.color_card(), "PNG")


def _archive() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("SECRET.html", PAYLOAD)
    return stream.getvalue()


def _commented(jpeg: bytes, comment: bytes) -> bytes:
    return jpeg[:2] + b"\xff\xfe" + struct.pack(">H", len(comment) + 2) + comment + jpeg[2:]


def _with_chunk(png: bytes, name: bytes, body: bytes) -> bytes:
    chunk = struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
    return png[:33] + chunk + png[33:]


POLYGLOTS: dict[str, Callable[[], bytes]] = {
    "a picture and an archive": lambda: _jpeg() + _archive(),
    "a picture and a page": lambda: _jpeg() + PAYLOAD,
    "a page in a comment": lambda: _commented(_jpeg(), PAYLOAD),
    "a pdf in a comment": lambda: _commented(_jpeg(), b"%PDF-1.4 SECRET"),
    "a motion photo": lambda: _jpeg() + b"\x00\x00\x00\x18ftypmp42SECRET" + bytes(5000),
    "a png and an archive": lambda: _png() + _archive(),
    "a page in a chunk of ours": lambda: _with_chunk(_png(), b"prVt", PAYLOAD),
    "two pngs": lambda: _png() + _png(),
    "a gif and a page": lambda: (
        sample_images.encode_image(sample_images.color_card(), "GIF") + PAYLOAD
    ),
    "a webp and a page": lambda: (
        sample_images.encode_image(sample_images.color_card(), "WEBP", lossless=True) + PAYLOAD
    ),
    "a heic and a page": lambda: (
        sample_images.encode_image(sample_images.color_card(), "HEIF", quality=95) + PAYLOAD
    ),
}


@pytest.mark.parametrize("what", POLYGLOTS)
def test_polyglot_file_keeps_only_the_image(what: str, tmp_path: Path) -> None:
    """The output contains the visible image and nothing else."""
    source = tmp_path / "photo.jpg"
    source.write_bytes(POLYGLOTS[what]())
    done = images.prepare_image(source, tmp_path / "k3xw", None, None)
    assert (done.width, done.height) == (WIDTH, HEIGHT)
    assert sample_images.corner_colours(done.path) == UPRIGHT
    _bare(done.path)


@pytest.mark.parametrize(
    ("head", "seems"),
    [
        (b"%PDF-1.7\n", "pdf"),
        (b"PK\x03\x04", "archive"),
        (b"<html><!--", "web-page"),
        (b"\x7fELF\x02\x01\x01", "program"),
        (b"\x00" * 16, "data"),
    ],
)
def test_other_file_with_an_embedded_image_is_refused(
    head: bytes, seems: str, tmp_path: Path
) -> None:
    """The first bytes determine the type of a file."""
    source = tmp_path / "photo.jpg"
    source.write_bytes(head + _jpeg())
    with pytest.raises(Refusal) as refused:
        images.prepare_image(source, tmp_path / "never", 72, 128)
    assert refused.value.text_key == "image-not-one"
    if b"\x00" not in head:
        assert refused.value.params["seems"] in {seems, "data"}


# --- unusual images ----------------------------------------------------------------------


def _rgba_of_16_bits(path: Path) -> Path:
    rows = bytearray()
    pixels = sample_images.color_card().convert("RGBA").tobytes()
    for y in range(HEIGHT):
        row = pixels[y * WIDTH * 4 : (y + 1) * WIDTH * 4]
        rows += b"\x00" + b"".join(bytes((level, level)) for level in row)
    return sample_images.png(path, WIDTH, HEIGHT, depth=16, colour=6, data=bytes(rows))


def _heic_of_10_bits(path: Path) -> Path:
    deep = b"".join(
        struct.pack("<H", level * 257) for level in sample_images.color_card().tobytes()
    )
    pillow_heif.encode("RGB;16", (WIDTH, HEIGHT), deep, str(path), quality=95)
    return path


def _cmyk_with_a_profile_of_rgb(path: Path) -> Path:
    sample_images.color_card().convert("CMYK").save(
        path, "JPEG", quality=95, icc_profile=sample_images.srgb_profile()
    )
    return path


def _black_and_white_then_colours(path: Path) -> Path:
    """Write a GIF whose later frames have more colours than the first."""
    grey = Image.new("1", (WIDTH, HEIGHT), 1)
    grey.save(
        path, "GIF", save_all=True, append_images=[sample_images.color_card()] * 3, duration=50
    )
    return path


ODD: dict[str, Callable[[Path], Path]] = {
    "png of 16 bits with alpha": _rgba_of_16_bits,
    "heic of 10 bits": _heic_of_10_bits,
    "cmyk with a wrong profile": _cmyk_with_a_profile_of_rgb,
}


@pytest.mark.parametrize("make", ODD.values(), ids=ODD.keys())
def test_unusual_colours_are_converted(make: Callable[[Path], Path], tmp_path: Path) -> None:
    """High bit depth, CMYK, or a wrong profile: the image looks as it should."""
    done = images.prepare_image(make(tmp_path / "odd"), tmp_path / "k3xw", None, None)
    assert sample_images.corner_colours(done.path) == UPRIGHT
    _bare(done.path)


def test_first_frame_is_used(tmp_path: Path) -> None:
    """Also if later frames of the animation have more colours."""
    source = _black_and_white_then_colours(tmp_path / "moving.gif")
    done = images.prepare_image(source, tmp_path / "k3xw", None, None)
    assert set(sample_images.corner_colours(done.path)) == {"white"}


# --- bombs -------------------------------------------------------------------------------


def _refused(path: Path) -> Refusal:
    with pytest.raises(Refusal) as refused:
        images.prepare_image(path, path.with_name("never"), 72, 128)
    assert not list(path.parent.glob("never*"))
    return refused.value


def test_huge_animated_webp_is_refused(tmp_path: Path) -> None:
    """Its frames are tiny, but its canvas would have to be held in memory."""
    path = sample_images.animated_image(tmp_path / "moving.webp", "WEBP")
    content = bytearray(path.read_bytes())
    at = content.index(b"VP8X") + 12
    for side in (60_000, 16_000, 9_000):
        content[at : at + 6] = 2 * (side - 1).to_bytes(3, "little")
        path.write_bytes(content)
        refusal = _refused(path)
        assert refusal.text_key == "image-too-many-pixels"
        assert refusal.params == {"width": side, "height": side, "limit": 40}


@pytest.mark.parametrize(("width", "height"), [(8000, 5001), (60000, 667), (1, 40_000_001)])
def test_image_above_the_pixel_limit_is_refused(width: int, height: int, tmp_path: Path) -> None:
    """40 megapixels are the limit, in any shape."""
    path = sample_images.png(
        tmp_path / "large.png", width, height, depth=8, colour=2, data=bytes(1000)
    )
    refusal = _refused(path)
    assert refusal.text_key == "image-too-many-pixels"
    assert refusal.params == {"width": width, "height": height, "limit": 40}


def _again(jpeg: bytes, times: int) -> bytes:
    """Return a progressive JPEG that repeats its last scan."""
    last = jpeg.rindex(b"\xff\xda")
    return jpeg[:-2] + jpeg[last:-2] * times + jpeg[-2:]


def test_jpeg_with_a_thousand_scans_is_refused(tmp_path: Path) -> None:
    """Each scan costs a pass over all pixels, but only a few bytes."""
    plain = sample_images.encode_image(sample_images.color_card(), "JPEG", progressive=True)
    assert 1 < count_jpeg_scans(plain) < 20
    path = tmp_path / "photo.jpg"
    path.write_bytes(_again(plain, 1000))
    assert count_jpeg_scans(path.read_bytes()) > 1000
    assert _refused(path).text_key == "image-broken"
    path.write_bytes(_again(plain, 10))
    assert images.prepare_image(path, tmp_path / "k3xw", 72, 128).height == 128


def test_video_after_a_photo_is_not_counted_as_scans(tmp_path: Path) -> None:
    """Phones append a short video to a photo; its bytes may look like markers."""
    path = tmp_path / "photo.jpg"
    path.write_bytes(_jpeg() + b"\xff\xda\x00\x08" * 5000)
    assert count_jpeg_scans(path.read_bytes()) == 1
    assert images.prepare_image(path, tmp_path / "k3xw", 72, 128).height == 128


def test_compressed_text_bomb_is_not_expanded(tmp_path: Path) -> None:
    """A text chunk of a PNG can be compressed by a factor of a thousand."""
    packed = b"Comment\x00\x00" + zlib.compress(bytes(200 << 20), 9)
    path = tmp_path / "photo.png"
    path.write_bytes(_with_chunk(_png(), b"zTXt", packed))
    assert _refused(path).text_key == "image-broken"


def test_compressed_colour_profile_bomb_is_not_expanded(tmp_path: Path) -> None:
    """The image is used without its profile, or refused."""
    packed = b"icc\x00\x00" + zlib.compress(bytes(50 << 20), 9)
    path = tmp_path / "photo.png"
    path.write_bytes(_with_chunk(_png(), b"iCCP", packed))
    try:
        done = images.prepare_image(path, tmp_path / "k3xw", None, None)
    except Refusal as refused:
        assert refused.text_key == "image-broken"  # noqa: PT017 - both outcomes are valid
    else:
        assert sample_images.corner_colours(done.path) == UPRIGHT
