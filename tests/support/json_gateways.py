"""Helpers for the tests of gateways with JSON dialects."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from PIL import Image
from pydantic import SecretStr

from providers import errors
from providers.base import Provider
from providers.http import HttpClient
from providers.types import ReferenceImage, VideoRequest
from tests.contract.gateways.benches import bench_opener, fetch_video
from tests.fakes.gateways.json_gateway import FakeJsonGateway
from tests.fakes.gateways.openai import KEY

G = TypeVar("G", bound=FakeJsonGateway)
Expected = tuple[str, type[errors.ProviderError], bool]
"""(word in a prompt, error that it causes, whether the create may have been accepted)."""
REFUSALS: list[Expected] = [
    ("!refused", errors.Rejected, False),
    ("!fastapi", errors.Rejected, False),
    ("!refused-moderated", errors.Moderated, False),
    ("!no-model", errors.ModelUnavailable, False),
    ("!saturated-503", errors.Throttled, False),
    ("!throttle", errors.Throttled, False),
    ("!error-500", errors.UpstreamError, True),
    ("!html-502", errors.UpstreamError, True),
    ("!truncated", errors.MalformedResponse, True),
    ("!empty", errors.MalformedResponse, True),
    ("!half", errors.Unanswered, True),
    ("!drop-before", errors.Unanswered, True),
    ("!drop-after", errors.Unanswered, True),
]


@asynccontextmanager
async def quick_gateway(made: type[G]) -> AsyncIterator[G]:
    """Run a fast fake, and check that no request violated its documentation."""
    async with made(render_seconds=0.05, cheap=True) as it:
        yield it
        assert it.violations == []


def open_provider(
    kind: str, http: HttpClient, gateway: FakeJsonGateway, folder: Path, **options: object
) -> Provider:
    """Open a provider at the fake, with these options instead of the defaults."""
    usual = {"api_key": SecretStr(KEY), "base_url": gateway.url}
    return bench_opener(kind, http, folder, usual)(options)


def with_prompt(request: VideoRequest, words: str) -> VideoRequest:
    """Return the request with these words in its prompt."""
    return replace(request, prompt=f"a red kite {words}".strip())


def reference_image(folder: Path, url: str | None = None) -> ReferenceImage:
    """Write a reference image."""
    path = folder / "picture.png"
    Image.new("RGB", (72, 128), "teal").save(path)
    return ReferenceImage(path, "image/png", 72, 128, url)


async def download_video(provider: Provider, remote_id: str) -> bytes:
    """Download the finished video."""
    return (await fetch_video(provider, remote_id))[1]
