"""A picture into a frame of another shape: cut to fill it, or whole before its own blurred copy."""

from __future__ import annotations

from PIL import Image, ImageFilter, ImageOps

_COARSE = 8
"""What is blurred anyway is made from so many times fewer pixels each way."""
_BLUR = 0.04
"""Of the longer side."""

_Size = tuple[int, int]


def cropped(image: Image.Image, size: _Size) -> Image.Image:
    """The middle of the picture, exactly so large."""
    return ImageOps.fit(image, size, Image.Resampling.LANCZOS)


def contained(image: Image.Image, size: _Size) -> Image.Image:
    """The whole picture, as large as the frame lets it be."""
    scale = min(size[0] / image.width, size[1] / image.height)
    # A panorama would shrink to less than a pixel.
    inner = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    return image.resize(inner, Image.Resampling.LANCZOS)


def padded(picture: Image.Image, size: _Size) -> Image.Image:
    """A contained picture in the middle of its frame; around it a blurred, enlarged copy of it."""
    if picture.size == size:
        return picture
    coarse = (max(1, size[0] // _COARSE), max(1, size[1] // _COARSE))
    blur = ImageFilter.GaussianBlur(_BLUR * max(coarse))
    framed = ImageOps.fit(picture, coarse).filter(blur).resize(size, Image.Resampling.BICUBIC)
    framed.paste(picture, ((size[0] - picture.width) // 2, (size[1] - picture.height) // 2))
    return framed


def cropped_percent(before: _Size, after: _Size) -> float:
    """How much of a picture is lost when it is cut to another shape."""
    shape, wanted = before[0] / before[1], after[0] / after[1]
    return round(100 * (1 - min(shape, wanted) / max(shape, wanted)), 1)
