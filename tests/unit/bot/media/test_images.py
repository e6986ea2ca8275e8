"""Reference images: everything that users and cameras produce, and what is refused."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from contextlib import suppress
from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from bot.domain.errors import Refusal
from bot.media import images
from tests.support import sample_images
from tests.support.sample_images import HEIGHT, UPRIGHT, WIDTH

Maker = Callable[[Path], Path]


def _saved(kind: str, mode: str = "RGB", **options: object) -> Maker:
    def make(path: Path) -> Path:
        sample_images.color_card().convert(mode).save(path, kind, **options)
        return path

    return make


def _refused(path: Path) -> Refusal:
    """Return the refusal, which must be the same for inspecting and for preparing."""
    with pytest.raises(Refusal) as looked:
        images.read_image_info(path)
    with pytest.raises(Refusal) as prepared:
        images.prepare_image(path, path.with_name("never"), 72, 128)
    assert (looked.value.text_key, looked.value.params) == (
        prepared.value.text_key,
        prepared.value.params,
    )
    assert not list(path.parent.glob("never*"))
    return looked.value


# --- accepted images ---------------------------------------------------------------------

GOOD: dict[str, Maker] = {
    "jpeg": _saved("JPEG", quality=95),
    "progressive jpeg": _saved("JPEG", quality=95, progressive=True),
    "cmyk jpeg": _saved("JPEG", "CMYK", quality=95),
    "png": _saved("PNG"),
    "palette png": _saved("PNG", "P"),
    "interlaced png": sample_images.interlaced_png,
    "png of 16 bits": sample_images.png_16_bit,
    "png with opaque alpha": _saved("PNG", "RGBA"),
    "webp": _saved("WEBP", lossless=True),
    "gif": _saved("GIF"),
    "heic": _saved("HEIF", quality=95),
    "avif": _saved("AVIF", quality=95),
    "moving gif": lambda path: sample_images.animated_image(path, "GIF"),
    "moving webp": lambda path: sample_images.animated_image(path, "WEBP"),
    "moving png": lambda path: sample_images.animated_image(path, "PNG"),
    "two pictures in one jpeg": lambda path: sample_images.animated_image(path, "MPO"),
}


@pytest.mark.parametrize("make", GOOD.values(), ids=GOOD.keys())
def test_every_format_keeps_size_and_colours(make: Maker, tmp_path: Path) -> None:
    """Any image becomes a plain one that looks the same; its file name is ignored."""
    source = make(tmp_path / "holiday.txt")
    seen = images.read_image_info(source)
    assert (seen.width, seen.height, seen.orientation) == (WIDTH, HEIGHT, "landscape")
    done = images.prepare_image(source, tmp_path / "k3xw", None, None)
    assert (done.width, done.height, done.cropped_percent) == (WIDTH, HEIGHT, 0)
    with Image.open(done.path) as image:
        assert image.size == (WIDTH, HEIGHT)
        assert image.mode == "RGB"
        assert image.get_format_mimetype() == done.media_type
        assert getattr(image, "n_frames", 1) == 1
    assert sample_images.corner_colours(done.path) == UPRIGHT


@pytest.mark.parametrize("size", [None, (72, 128), (128, 72)], ids=["kept", "portrait", "wide"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_image_is_upright_for_every_exif_orientation(
    orientation: int, size: tuple[int, int] | None, tmp_path: Path
) -> None:
    """All eight values give the same result, also when the image is only inspected."""
    source = sample_images.rotated_photo(tmp_path / "photo.jpg", orientation)
    seen = images.read_image_info(source)
    assert (seen.width, seen.height) == (WIDTH, HEIGHT)
    done = images.prepare_image(source, tmp_path / "k3xw", *(size or (None, None)))
    assert (done.width, done.height) == (size or (WIDTH, HEIGHT))
    assert sample_images.corner_colours(done.path) == UPRIGHT


@pytest.mark.parametrize("orientation", [3, 6, 8])
def test_rotated_heic_is_rotated_once(orientation: int, tmp_path: Path) -> None:
    """The HEIF library already rotates the image; rotating again would be wrong."""
    turned = sample_images.rotated_photo(tmp_path / "photo.jpg", orientation)
    source = tmp_path / "photo.heic"
    with Image.open(turned) as image:
        image.save(source, "HEIF", quality=95, exif=image.getexif().tobytes())
    assert images.read_image_info(source).orientation == "landscape"
    done = images.prepare_image(source, tmp_path / "k3xw", None, None)
    assert sample_images.corner_colours(done.path) == UPRIGHT


def test_sixteen_bit_gray_is_scaled_not_clipped(tmp_path: Path) -> None:
    """Scans and medical images have 16 bits; Pillow alone would make them white."""
    source = sample_images.grey_16_bit(tmp_path / "scan.png")
    done = images.prepare_image(source, tmp_path / "k3xw", None, None)
    with Image.open(done.path) as image:
        shades = [image.getpixel((x, 40)) for x in (10, 45, 75, 110)]
    assert shades == [(level, level, level) for level in (0, 85, 170, 255)]


def test_transparent_areas_become_white(tmp_path: Path) -> None:
    """The background of a sticker becomes white, not the invisible black below."""
    sticker = sample_images.color_card().convert("RGBA")
    sticker.paste((0, 0, 0, 0), (0, 0, WIDTH // 2, HEIGHT))
    palette, grey = sticker.quantize(16), Image.new("L", (WIDTH, HEIGHT), 7)
    grey.paste(255, (WIDTH // 2, 0, WIDTH, HEIGHT))
    for number, image in enumerate((sticker, palette)):
        image.save(tmp_path / "sticker.png")
        done = images.prepare_image(tmp_path / "sticker.png", tmp_path / f"s{number}", 72, 128)
        assert sample_images.corner_colours(done.path) == ("white", "green", "white", "yellow")
    grey.save(tmp_path / "grey.png", transparency=7)
    done = images.prepare_image(tmp_path / "grey.png", tmp_path / "g", None, None)
    assert set(sample_images.corner_colours(done.path)) == {"white"}


def test_colour_profile_is_applied(tmp_path: Path) -> None:
    """Phones use wide colour spaces; without conversion every photo would look dull."""
    profile = sample_images.swapped_profile()
    source = tmp_path / "photo.jpg"
    sample_images.color_card().save(source, "JPEG", quality=95, icc_profile=profile)
    done = images.prepare_image(source, tmp_path / "k3xw", None, None)
    assert sample_images.corner_colours(done.path)[:3] == ("green", "red", "blue")


def test_mismatched_profile_is_ignored(tmp_path: Path) -> None:
    """A gray image with a colour profile, and one with random bytes, are still accepted."""
    for number, profile in enumerate((sample_images.srgb_profile(), b"rubbish" * 30)):
        source = tmp_path / "grey.png"
        sample_images.color_card().convert("L").save(source, icc_profile=profile)
        assert images.prepare_image(source, tmp_path / f"g{number}", None, None).width == WIDTH


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "HEIF", "AVIF", "GIF"])
def test_no_metadata_survives(kind: str, tmp_path: Path) -> None:
    """Place, time and camera of a photo are private."""
    source = sample_images.image_with_metadata(tmp_path / "photo", kind)
    assert b"SECRET" in source.read_bytes()
    done = images.prepare_image(source, tmp_path / "k3xw", 72, 128)
    content = done.path.read_bytes()
    assert b"SECRET" not in content
    for marker in (b"Exif", b"eXIf", b"tEXt", b"iTXt", b"iCCP", b"ICC_", b"xmp", b"adobe", b"8BIM"):
        assert marker not in content
    with Image.open(done.path) as image:
        assert not image.getexif()
        assert set(image.info) <= {"jfif", "jfif_version", "jfif_unit", "jfif_density"}


@pytest.mark.parametrize(
    ("size", "cropped"), [((1280, 720), 15.6), ((720, 1280), 62.5), ((720, 720), 33.3)]
)
def test_image_is_cropped_not_distorted(
    size: tuple[int, int], cropped: float, tmp_path: Path
) -> None:
    """A circle stays a circle in the middle, and the cropped percentage is returned."""
    image = Image.new("RGB", (900, 600), "white")
    disc = Image.new("L", (200, 200))
    disc.paste(255, (0, 0, 200, 200))
    image.paste((0, 0, 0), (350, 200), disc)
    image.save(tmp_path / "disc.jpg", quality=95)
    done = images.prepare_image(tmp_path / "disc.jpg", tmp_path / "k3xw", *size)
    assert done.cropped_percent == pytest.approx(cropped, abs=0.1)
    with Image.open(done.path) as fitted:
        box = fitted.convert("L").point(lambda level: 255 if level < 128 else 0).getbbox()
    assert box is not None
    width, height = box[2] - box[0], box[3] - box[1]
    assert width == pytest.approx(height, abs=2)
    assert (box[0] + box[2]) / 2 == pytest.approx(size[0] / 2, abs=2)
    assert (box[1] + box[3]) / 2 == pytest.approx(size[1] / 2, abs=2)


def test_largest_allowed_images_are_accepted(tmp_path: Path) -> None:
    """A panorama of 20000 pixels and a photo of 40 megapixels."""
    for number, (width, height) in enumerate([(20000, 20), (8000, 5000)]):
        source = tmp_path / "large.jpg"
        sample_images.color_card(width, height).save(source, "JPEG")
        done = images.prepare_image(source, tmp_path / f"l{number}", 720, 1280)
        assert (done.width, done.height) == (720, 1280)


def test_drawing_stays_png_and_photo_becomes_jpeg(tmp_path: Path) -> None:
    """A PNG stays a PNG while that is small: JPEG would blur text in a screenshot."""
    drawing = tmp_path / "drawing.png"
    sample_images.color_card(720, 1280).save(drawing)
    assert images.prepare_image(drawing, tmp_path / "d", 720, 1280).media_type == "image/png"
    grainy = tmp_path / "grainy.png"
    Image.effect_noise((720, 1280), 90).convert("RGB").save(grainy)
    done = images.prepare_image(grainy, tmp_path / "g", 720, 1280)
    assert done.media_type == "image/jpeg"
    assert done.path.name == "g.jpg"


def test_prepared_image_is_private_and_the_only_file(tmp_path: Path) -> None:
    """Other users of the machine cannot read it."""
    source = sample_images.photo(tmp_path / "photo.jpg", 300, 400)
    folder = tmp_path / "spool"
    folder.mkdir()
    (folder / "k3xw.jpg.part").write_bytes(b"left by a process that died")
    done = images.prepare_image(source, folder / "k3xw", 72, 128)
    assert [path.name for path in folder.iterdir()] == ["k3xw.jpg"]
    assert done.path.stat().st_mode & 0o777 == 0o600


# --- refused files -----------------------------------------------------------------------


def test_path_without_a_file_is_missing(tmp_path: Path) -> None:
    """Nothing, a folder, a pipe, a name with NUL; a pipe does not block."""
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "nothing.jpg", tmp_path, tmp_path / "pipe", Path("a\0b")):
        with pytest.raises(Refusal) as refusal:
            images.read_image_info(path)
        assert refusal.value.text_key == "image-missing"
        assert refusal.value.params == {"path": str(path)}


def test_empty_image_is_reported_as_empty(tmp_path: Path) -> None:
    """As left by an interrupted upload."""
    (tmp_path / "photo.jpg").touch()
    assert _refused(tmp_path / "photo.jpg").text_key == "image-empty"


NOT_PICTURES = {
    "text": b"BMW and GIF are not pictures, whatever the name of this file says.",
    "text in chinese": "不是图片。".encode() * 200,
    "web-page": b"\n<!DOCTYPE html><html><title>404</title></html>",
    "pdf": b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n",
    "archive": b"PK\x03\x04\x14\x00\x00\x00\x08\x00",
    "video": b"\x00\x00\x00\x20ftypisom\x00\x00\x02\x00isomiso2avc1mp41" + bytes(600),
    "sound": b"RIFF\x24\x08\x00\x00WAVEfmt \x10\x00\x00\x00",
    "program": b"\x7fELF\x02\x01\x01" + bytes(9),
    "data": b"\x07\xff\x00\x13" * 100,
}


@pytest.mark.parametrize("what", NOT_PICTURES)
def test_other_file_is_reported_by_its_type(what: str, tmp_path: Path) -> None:
    """A text file named .png is recognized by its content."""
    path = tmp_path / "photo.png"
    path.write_bytes(NOT_PICTURES[what])
    refusal = _refused(path)
    assert refusal.text_key == "image-not-one"
    assert refusal.params == {"name": "photo.png", "seems": what.split(maxsplit=1)[0]}


@pytest.mark.parametrize("kind", ["BMP", "TIFF", "ICO", "JPEG2000"])
def test_other_image_format_is_reported_with_the_accepted_ones(kind: str, tmp_path: Path) -> None:
    """So the user of a TIFF knows which formats to convert to."""
    path = tmp_path / "photo.jpg"
    sample_images.color_card(64, 64).save(path, kind)
    refusal = _refused(path)
    assert refusal.text_key == "image-format"
    assert refusal.params["format"] == kind.replace("G2", "G 2")
    assert refusal.params["allowed"] == "JPEG, PNG, WebP, HEIC, GIF, AVIF"


def test_svg_is_refused_as_an_image_format(tmp_path: Path) -> None:
    """An SVG can load external resources, so it is never rendered."""
    for head in (b"<svg xmlns='x'/>", b'<?xml version="1.0"?>\n<!-- x -->\n<svg/>'):
        (tmp_path / "a.png").write_bytes(head)
        assert _refused(tmp_path / "a.png").params["format"] == "SVG"


def test_decompression_bomb_is_refused_before_decoding(tmp_path: Path) -> None:
    """60000 x 60000 pixels in a few hundred bytes would need 10 GB of memory."""
    path = sample_images.decompression_bomb(tmp_path / "photo.png", 60_000)
    refusal = _refused(path)
    assert refusal.text_key == "image-too-many-pixels"
    assert refusal.params == {"width": 60_000, "height": 60_000, "limit": 40}


def test_size_above_the_limit_is_rounded_up(tmp_path: Path) -> None:
    """One byte too many reads as 20.1 MB and not as "20.0 MB; at most 20"."""
    path = tmp_path / "photo.jpg"
    sample_images.color_card().save(path, "JPEG")
    os.truncate(path, images.MAX_IMAGE_BYTES)
    assert images.read_image_info(path).width == WIDTH
    os.truncate(path, images.MAX_IMAGE_BYTES + 1)
    refusal = _refused(path)
    assert refusal.text_key == "image-too-large-bytes"
    assert refusal.params == {"size": "20.1", "limit": 20}


def test_single_pixel_is_too_small(tmp_path: Path) -> None:
    """As for tracking pixels and files chosen by mistake."""
    Image.new("RGB", (1, 1)).save(tmp_path / "dot.png")
    refusal = _refused(tmp_path / "dot.png")
    assert refusal.text_key == "image-too-small"
    assert refusal.params == {"width": 1, "height": 1, "limit": 8}


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "HEIF", "AVIF"])
@pytest.mark.parametrize("share", [0.05, 0.5, 0.9])
def test_truncated_image_is_broken(kind: str, share: float, tmp_path: Path) -> None:
    """Wherever it is cut off, it is not used with a gray area."""
    image = sample_images.photo(tmp_path / "whole.jpg", 400, 300)
    with Image.open(image) as whole:
        content = sample_images.encode_image(whole.convert("RGB"), kind)
    path = tmp_path / "photo"
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(Refusal) as refusal:
        images.prepare_image(path, tmp_path / "never", 72, 128)
    assert refusal.value.text_key == "image-broken"
    assert not list(tmp_path.glob("never*"))


@given(data=st.data())
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_damage_to_an_image_is_a_refusal(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """Decoders raise many exceptions for malicious files; users get one text."""
    kind = data.draw(st.sampled_from(["JPEG", "PNG", "WEBP", "GIF", "HEIF", "AVIF", "TIFF"]))
    content = bytearray(sample_images.encode_image(sample_images.color_card(), kind))
    for at, value in data.draw(
        st.lists(st.tuples(st.integers(0, len(content) - 1), st.integers(0, 255)), max_size=12)
    ):
        content[at] = value
    folder = tmp_path_factory.getbasetemp()
    (folder / "photo").write_bytes(content)
    with suppress(Refusal):
        done = images.prepare_image(folder / "photo", folder / "done", 64, 64)
        with Image.open(BytesIO(done.path.read_bytes())) as image:
            assert image.size == (64, 64)


async def test_inspecting_does_not_block_the_event_loop(tmp_path: Path) -> None:
    """A slow disk or decoder must not delay other users."""
    source = sample_images.photo(tmp_path / "photo.jpg", 300, 400)
    assert threading.current_thread() is threading.main_thread()
    assert (await images.inspect_image(source)).orientation == "portrait"
