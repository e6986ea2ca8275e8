"""The relay: where its documentation differs from the OpenAI format."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from pydantic import SecretStr

from providers import errors
from providers.http import HttpClient
from providers.relay147 import Relay147, Relay147Options
from providers.types import Capabilities, Finished, Pending, VideoRequest
from tests.contract.gateways.benches import poll_until_finished
from tests.fakes.gateways.openai import KEY, FakeOpenAIGateway
from tests.support.response_strategies import (
    any_speed,
    check_create_parsing,
    check_poll_parsing,
    mutations_of,
)

_REQUEST = VideoRequest("task1", "sora-2-pro", "a red kite", 12, size="1792x1024")
_ANSWER = {
    "id": "video_1",
    "object": "video",
    "model": "sora2_video_generation",
    "status": "completed",
    "progress": 100,
    "created_at": 1790000000,
    "completed_at": 1790000134,
    "size": "720x1280",
    "seconds": "4",
    "quality": "standard",
}


@pytest.fixture
async def gateway() -> AsyncIterator[FakeOpenAIGateway]:
    """A fake that rejects everything that is not documented."""
    async with FakeOpenAIGateway(looks_to_finish=2, cheap=True, dialect="relay147") as it:
        yield it


@pytest.fixture
def provider(http: HttpClient, gateway: FakeOpenAIGateway, tmp_path: Path) -> Relay147:
    """A provider at the fake."""
    options = Relay147Options(kind="relay147", api_key=SecretStr(KEY), base_url=gateway.url)
    return Relay147(options, http, tmp_path)


async def test_response_with_another_model_name_is_accepted(
    gateway: FakeOpenAIGateway, provider: Relay147
) -> None:
    """The relay names the model differently and omits null fields."""
    job = await provider.submit(_REQUEST)
    assert gateway.jobs[job.remote_id].body == {
        "prompt": "a red kite",
        "model": "sora-2-pro",
        "seconds": "12",
        "size": "1792x1024",
    }
    assert await poll_until_finished(provider, job.remote_id) == Finished()
    assert gateway.violations == []


async def test_content_before_the_end_is_an_error(provider: Relay147) -> None:
    """Neither a video, nor an unknown job."""
    job = await provider.submit(_REQUEST)
    assert isinstance(await provider.poll(job.remote_id), Pending)
    with pytest.raises(errors.Rejected, match="not completed yet") as raised:
        async with provider.download(job.remote_id, Finished()):
            pass
    assert type(raised.value) is errors.Rejected


async def test_unsupported_size_is_a_definite_rejection(
    gateway: FakeOpenAIGateway, provider: Relay147
) -> None:
    """The relay rejects it, so it is certainly not accepted."""
    wrong = VideoRequest("t", "sora-2", "a", 4, size="1792x1024")
    with pytest.raises(errors.Rejected) as raised:
        await provider.submit(wrong)
    assert not raised.value.maybe_accepted
    assert not gateway.creates
    assert gateway.violations == ["POST /videos: 1792x1024 is no size of sora-2"]


async def test_undocumented_operations_are_unsupported(
    gateway: FakeOpenAIGateway, provider: Relay147
) -> None:
    """Remix, list, DELETE, thumbnail and webhooks, until they have been tested."""
    assert provider.capabilities == Capabilities()
    with pytest.raises(errors.Unsupported):
        await provider.submit(replace(_REQUEST, remix_of="video_1"))
    with pytest.raises(errors.Unsupported):
        await provider.poll_many(["video_1"], 0)
    with pytest.raises(errors.Unsupported):
        await provider.find_job(_REQUEST, 0)
    assert not gateway.requests
    assert Relay147.default_url == "https://147ai.com/v1"


@any_speed
@given(mutations_of(_ANSWER))
def test_any_response_is_parsed_safely(body: object) -> None:
    """The documented example with missing, null, wrong, huge and additional values."""
    check_poll_parsing(body)
    check_create_parsing(body)
