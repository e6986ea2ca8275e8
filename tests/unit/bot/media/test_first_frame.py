"""The user's image is the first frame of the video, in every size of the catalogue."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from PIL import Image, ImageOps

from bot.catalog.catalog import Catalog
from bot.domain.tasks import Fit
from bot.media import images
from providers import PROVIDERS
from providers.base import ProviderOptions
from providers.http import HttpClient
from providers.sandbox import Sandbox
from providers.types import ReferenceImage, VideoRequest
from tests.support import sample_images, sample_videos, video_frames
from tests.support.sandbox_driver import make_film

_NEAR = 3.0
"""Tolerance for the losses of a video codec, of 255."""


def _sizes() -> list[tuple[int, int]]:
    """Every size of the built-in catalogue that is given in pixels."""
    models = Catalog.load(None, {kind: kind for kind in PROVIDERS}).available_models(0)
    found = {(size.width, size.height) for model in models for size in model.sizes}
    return sorted((width, height) for width, height in found if width and height)


@pytest.fixture
async def sandbox(tmp_path: Path) -> AsyncIterator[Sandbox]:
    """A gateway that renders real videos."""
    http = HttpClient()
    sandbox = Sandbox(ProviderOptions(kind="sandbox"), http, tmp_path / "sandbox")
    yield sandbox
    await sandbox.close()
    await http.close()


def test_catalogue_has_portrait_and_landscape_sizes() -> None:
    """Otherwise the tests below would prove little."""
    assert {width > height for width, height in _sizes()} == {True, False}
    assert len(_sizes()) >= 6


@pytest.mark.parametrize(
    ("size", "fit"),
    [(size, "crop") for size in _sizes()] + [((480, 854), "pad"), ((854, 480), "pad")],
    ids=str,
)
async def test_video_starts_with_the_fitted_image(
    sandbox: Sandbox, size: tuple[int, int], fit: Fit, tmp_path: Path
) -> None:
    """For a photo of another orientation, the first frame is the fitted image."""
    lying = size[0] < size[1]
    photo = sample_images.photo(tmp_path / "photo.jpg", *((1200, 900) if lying else (900, 1200)))
    done = images.prepare_image(photo, tmp_path / "fitted", *size, fit)
    sent = ReferenceImage(done.path, done.media_type, *size)
    width, height = size
    request = VideoRequest("k3xw", "sandbox", "a kite", 1, width=width, height=height, image=sent)
    film = await make_film(sandbox, request, tmp_path / "film.mp4")
    with Image.open(done.path) as image:
        fitted = image.convert("RGB")
    first = video_frames.frame(film)
    assert first.size == fitted.size == size
    assert video_frames.difference(first, fitted) < _NEAR
    # Only this image is that similar, not the same one with another fit.
    assert video_frames.difference(first, ImageOps.mirror(fitted)) > 2 * _NEAR


@pytest.mark.parametrize("size", [(720, 1280), (1280, 720)])
def test_stand_in_videos_start_with_the_fitted_image(size: tuple[int, int], tmp_path: Path) -> None:
    """So the videos of the fake gateways in other tests can be compared with it too."""
    photo = sample_images.photo(tmp_path / "photo.jpg", 900, 900)
    done = images.prepare_image(photo, tmp_path / "fitted", *size)
    film = tmp_path / "film.mp4"
    film.write_bytes(sample_videos.sample_video(1, f"{size[0]}x{size[1]}", done.path.read_bytes()))
    with Image.open(done.path) as image:
        assert video_frames.difference(video_frames.frame(film), image.convert("RGB")) < _NEAR
