"""Zenlayer: where its documentation differs from the OpenAI format."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import given
from PIL import Image
from pydantic import SecretStr

from providers import errors
from providers.http import HttpClient
from providers.types import Finished, ReferenceImage, VideoRequest
from providers.zenlayer import Zenlayer, ZenlayerOptions
from tests.contract.gateways.benches import poll_until_finished
from tests.fakes.gateways.openai import KEY, FakeOpenAIGateway
from tests.support.response_strategies import (
    any_speed,
    check_create_parsing,
    check_poll_parsing,
    mutations_of,
)

_REQUEST = VideoRequest("task1", "sora-2", "a red kite", 4, size="1280x720")
_ANSWER = {
    "id": "video_1",
    "object": "video",
    "created_at": 1790000000,
    "status": "completed",
    "completed_at": 1790000064,
    "error": None,
    "expires_at": 1790086400,
    "model": "sora-2",
    "progress": 100,
    "remixed_from_video_id": None,
    "seconds": "4",
    "size": "720x1280",
}


@pytest.fixture
async def gateway() -> AsyncIterator[FakeOpenAIGateway]:
    """A fake that rejects everything that is not documented."""
    async with FakeOpenAIGateway(render_seconds=0.05, cheap=True, dialect="zenlayer") as it:
        yield it
        assert it.violations == []


@pytest.fixture
def provider(http: HttpClient, gateway: FakeOpenAIGateway, tmp_path: Path) -> Zenlayer:
    """A provider at the fake."""
    options = ZenlayerOptions(kind="zenlayer", api_key=SecretStr(KEY), base_url=gateway.url)
    return Zenlayer(options, http, tmp_path)


async def test_result_expires_after_a_day(gateway: FakeOpenAIGateway, provider: Zenlayer) -> None:
    """A video is available for a day after its create, and only from the content route."""
    job = await provider.submit(_REQUEST)
    done = await poll_until_finished(provider, job.remote_id)
    assert done == Finished(expires_at=int(gateway.jobs[job.remote_id].created) + 86400)
    async with provider.download(job.remote_id, done) as download:
        assert download.media_type == "video/mp4"


async def test_create_is_multipart_and_remix_is_json(
    gateway: FakeOpenAIGateway, provider: Zenlayer, tmp_path: Path
) -> None:
    """The fake accepts no other encoding."""
    path = tmp_path / "picture.png"
    Image.new("RGB", (1280, 720), "teal").save(path)
    picture = ReferenceImage(path, "image/png", 1280, 720)
    job = await provider.submit(VideoRequest("t", "sora-2", "a", 8, size="1280x720", image=picture))
    assert gateway.jobs[job.remote_id].picture == path.read_bytes()
    await poll_until_finished(provider, job.remote_id)
    change = await provider.submit(
        VideoRequest("t2", "sora-2", "now blue", 8, remix_of=job.remote_id)
    )
    assert gateway.jobs[change.remote_id].remix_of == job.remote_id


async def test_undocumented_operations_are_unsupported(
    gateway: FakeOpenAIGateway, provider: Zenlayer
) -> None:
    """List, DELETE, thumbnail and webhooks, until they have been tested."""
    with pytest.raises(errors.Unsupported):
        await provider.poll_many(["video_1"], 0)
    with pytest.raises(errors.Unsupported):
        await provider.find_job(_REQUEST, 0)
    with pytest.raises(errors.Unsupported):
        await provider.cancel("video_1")
    with pytest.raises(errors.Unsupported):
        provider.thumbnail("video_1", Finished())
    with pytest.raises(errors.Unsupported):
        provider.parse_webhook({}, b"")
    assert not gateway.requests
    assert Zenlayer.default_url == "https://gateway.theturbo.ai/v1"


@any_speed
@given(mutations_of(_ANSWER))
def test_any_response_is_parsed_safely(body: object) -> None:
    """The documented example with missing, null, wrong, huge and additional values."""
    check_poll_parsing(body)
    check_create_parsing(body)
