"""Fit an image into a frame: crop it to fill, or pad it with a blurred copy of itself."""

from __future__ import annotations

from PIL import Image, ImageFilter, ImageOps

_BLUR_DOWNSCALE = 8
"""The blurred background is computed at a size smaller by this factor per side."""
_BLUR_FRACTION = 0.04
"""Blur radius as a fraction of the longer side."""

_Size = tuple[int, int]


def crop_to_fill(image: Image.Image, size: _Size) -> Image.Image:
    """Scale and crop the image to exactly this size, keeping its middle."""
    return ImageOps.fit(image, size, Image.Resampling.LANCZOS)


def scale_to_fit(image: Image.Image, size: _Size) -> Image.Image:
    """Scale the whole image to the largest size that fits into the frame."""
    scale = min(size[0] / image.width, size[1] / image.height)
    # A panorama could otherwise shrink to less than a pixel.
    inner = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    return image.resize(inner, Image.Resampling.LANCZOS)


def pad_with_blur(image: Image.Image, size: _Size) -> Image.Image:
    """Center a contained image in its frame, on a blurred, enlarged copy of itself."""
    if image.size == size:
        return image
    small_size = (max(1, size[0] // _BLUR_DOWNSCALE), max(1, size[1] // _BLUR_DOWNSCALE))
    blur = ImageFilter.GaussianBlur(_BLUR_FRACTION * max(small_size))
    frame = ImageOps.fit(image, small_size).filter(blur).resize(size, Image.Resampling.BICUBIC)
    frame.paste(image, ((size[0] - image.width) // 2, (size[1] - image.height) // 2))
    return frame


def cropped_percent(before: _Size, after: _Size) -> float:
    """Percentage of the image area that is lost when it is cropped to another aspect ratio."""
    ratio, target_ratio = before[0] / before[1], after[0] / after[1]
    return round(100 * (1 - min(ratio, target_ratio) / max(ratio, target_ratio)), 1)
