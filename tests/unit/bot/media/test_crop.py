"""Fitting an image to the shape of the video: cropped or padded, and the percentage lost."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from bot.domain.tasks import Fit
from bot.media import crop, images
from tests.support import sample_images

SHAPES = [
    (720, 1280),
    (1280, 720),
    (1024, 1792),
    (1792, 1024),
    (1080, 1920),
    (480, 854),
    (600, 600),
]


def _disc(path: Path, width: int, height: int) -> Path:
    """Draw a black disc in the middle of a red image with a green border of 8 pixels."""
    image = Image.new("RGB", (width, height), sample_images.COLOURS["green"])
    image.paste(sample_images.COLOURS["red"], (8, 8, width - 8, height - 8))
    radius = min(width, height) // 4
    middle = (width // 2, height // 2)
    box = tuple(one - radius for one in middle) + tuple(one + radius for one in middle)
    ImageDraw.Draw(image).ellipse(box, fill=(0, 0, 0))
    image.save(path, quality=95)
    return path


@pytest.mark.parametrize("size", SHAPES)
@pytest.mark.parametrize("source", [(1200, 900), (900, 1200), (700, 700)])
def test_padded_image_is_complete(
    source: tuple[int, int], size: tuple[int, int], tmp_path: Path
) -> None:
    """The whole image is there, undistorted and centered; the file has exactly the target size."""
    disc = _disc(tmp_path / "disc.jpg", *source)
    done = images.prepare_image(disc, tmp_path / "k3xw", *size, "pad")
    assert (done.width, done.height, done.cropped_percent) == (*size, 0)
    scale = min(size[0] / source[0], size[1] / source[1])
    inner = (source[0] * scale, source[1] * scale)
    with Image.open(done.path) as image:
        assert image.size == size
        whole = image.convert("RGB")
    left, top = (size[0] - inner[0]) / 2, (size[1] - inner[1]) / 2
    # Just inside the four corners of the image is its border.
    for x, y in ((0, 0), (1, 0), (0, 1), (1, 1)):
        place = (
            left + x * inner[0] + (4 - 8 * x) * scale,
            top + y * inner[1] + (4 - 8 * y) * scale,
        )
        assert sample_images.colour_at(whole, place[0] / size[0], place[1] / size[1]) == "green"
    dark = whole.crop(
        (round(left), round(top), round(left + inner[0]), round(top + inner[1]))
    ).convert("L")
    box = dark.point(lambda level: 255 if level < 30 else 0).getbbox()
    assert box is not None
    assert box[2] - box[0] == pytest.approx(box[3] - box[1], abs=2)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_rotated_image_is_padded_upright(orientation: int, tmp_path: Path) -> None:
    """A landscape photo gets its padding above and below, whatever its EXIF orientation."""
    source = sample_images.rotated_photo(tmp_path / "photo.jpg", orientation)
    done = images.prepare_image(source, tmp_path / "k3xw", 120, 400, "pad")
    with Image.open(done.path) as image:
        middle = image.convert("RGB").crop((0, 160, 120, 240))
    middle.save(tmp_path / "middle.png")
    assert sample_images.corner_colours(tmp_path / "middle.png") == sample_images.UPRIGHT


def test_padding_is_blurred(tmp_path: Path) -> None:
    """It has the colours of the image, but no sharp edges."""
    source = tmp_path / "stripes.png"
    stripes = Image.new("RGB", (800, 450), "white")
    for x in range(0, 800, 40):
        stripes.paste((0, 0, 200), (x, 0, x + 20, 450))
    stripes.save(source)
    done = images.prepare_image(source, tmp_path / "k3xw", 450, 800, "pad")
    with Image.open(done.path) as image:
        row = [image.convert("RGB").getpixel((x, 100)) for x in range(450)]
    steps = [
        abs(one[0] - two[0])
        for one, two in pairwise(row)
        if isinstance(one, tuple) and isinstance(two, tuple)
    ]
    assert max(steps) < 12
    assert all(isinstance(pixel, tuple) and pixel[2] > 180 for pixel in row)


def test_transparent_image_is_padded_with_white(tmp_path: Path) -> None:
    """The padding of a sticker is white like its background."""
    sticker = Image.new("RGBA", (400, 400), (0, 0, 0, 0))
    sticker.save(tmp_path / "sticker.png")
    done = images.prepare_image(tmp_path / "sticker.png", tmp_path / "k3xw", 400, 800, "pad")
    assert set(sample_images.corner_colours(done.path)) == {"white"}


@pytest.mark.parametrize("fit", ["crop", "pad"])
def test_image_of_the_right_shape_is_unchanged(fit: Fit, tmp_path: Path) -> None:
    """Nothing has to be cropped or padded, so both modes give the same."""
    source = tmp_path / "card.png"
    sample_images.color_card(720, 1280).save(source)
    done = images.prepare_image(source, tmp_path / "k3xw", 720, 1280, fit)
    with Image.open(source) as before, Image.open(done.path) as after:
        assert before.tobytes() == after.tobytes()


@pytest.mark.parametrize("fit", ["crop", "pad"])
@pytest.mark.parametrize("size", [(20000, 20), (20, 20000), (30000, 8)])
def test_panorama_keeps_at_least_one_pixel(size: tuple[int, int], fit: Fit, tmp_path: Path) -> None:
    """However narrow it is, the file has the target size."""
    sample_images.color_card(*size).save(tmp_path / "wide.png")
    done = images.prepare_image(tmp_path / "wide.png", tmp_path / "k3xw", 720, 1280, fit)
    with Image.open(done.path) as image:
        assert image.size == (720, 1280)


_side = st.integers(8, 400)


@given(_side, _side, _side, _side, st.sampled_from(["crop", "pad"]))
@settings(max_examples=60, deadline=None)
def test_any_shape_is_fitted_exactly(
    tmp_path_factory: pytest.TempPathFactory,
    width: int,
    height: int,
    wanted_width: int,
    wanted_height: int,
    fit: Fit,
) -> None:
    """From any size to any size, and the cropped percentage is at most 100."""
    folder = tmp_path_factory.getbasetemp()
    Image.new("RGB", (width, height), "teal").save(folder / "plain.png")
    done = images.prepare_image(
        folder / "plain.png", folder / "p", wanted_width, wanted_height, fit
    )
    with Image.open(done.path) as image:
        assert image.size == (wanted_width, wanted_height)
    assert 0 <= done.cropped_percent < 100
    kept = min(width / wanted_width, height / wanted_height)
    lost = 1 - kept * kept * wanted_width * wanted_height / (width * height)
    assert done.cropped_percent == pytest.approx(0 if fit == "pad" else 100 * lost, abs=0.1)


def test_phone_photo_exceeds_the_crop_warning() -> None:
    """4:3 and square photos lose much in a 16:9 video; a 3:2 photo does not."""
    for size, much in (((4000, 3000), True), ((3000, 3000), True), ((3000, 2000), False)):
        assert (crop.cropped_percent(size, (1280, 720)) >= images.CROP_WARNING_PERCENT) == much
