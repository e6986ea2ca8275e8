"""The relay: what its documents say beyond, or other than, the official format."""

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
    """Its stand-in, which refuses what its documents do not have."""
    async with FakeOpenAIGateway(looks_to_finish=2, cheap=True, dialect="relay147") as it:
        yield it


@pytest.fixture
def provider(http: HttpClient, gateway: FakeOpenAIGateway, tmp_path: Path) -> Relay147:
    """An account there."""
    options = Relay147Options(kind="relay147", api_key=SecretStr(KEY), base_url=gateway.url)
    return Relay147(options, http, tmp_path)


async def test_another_models_name_in_the_answer_is_another_job(
    gateway: FakeOpenAIGateway, provider: Relay147
) -> None:
    """It names the model otherwise and leaves out what is not so; the job is ours all the same."""
    job = await provider.submit(_REQUEST)
    assert gateway.jobs[job.remote_id].body == {
        "prompt": "a red kite",
        "model": "sora-2-pro",
        "seconds": "12",
        "size": "1792x1024",
    }
    assert await poll_until_finished(provider, job.remote_id) == Finished()
    assert gateway.violations == []


async def test_a_video_is_fetched_before_its_end(provider: Relay147) -> None:
    """What it says then is no video, nor that there is no such job."""
    job = await provider.submit(_REQUEST)
    assert isinstance(await provider.poll(job.remote_id), Pending)
    with pytest.raises(errors.Rejected, match="not completed yet") as raised:
        async with provider.download(job.remote_id, Finished()):
            pass
    assert type(raised.value) is errors.Rejected


async def test_a_size_of_the_dearer_model_is_charged(
    gateway: FakeOpenAIGateway, provider: Relay147
) -> None:
    """The relay's no to it is a certain no."""
    wrong = VideoRequest("t", "sora-2", "a", 4, size="1792x1024")
    with pytest.raises(errors.Rejected) as raised:
        await provider.submit(wrong)
    assert not raised.value.maybe_accepted
    assert not gateway.creates
    assert gateway.violations == ["POST /videos: 1792x1024 is no size of sora-2"]


async def test_what_its_documents_lack_is_asked_for(
    gateway: FakeOpenAIGateway, provider: Relay147
) -> None:
    """No change, list, DELETE, thumbnail or call, until somebody has tried and said so."""
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
def test_an_answer_of_its_shape_makes_a_traceback_or_a_false_success(body: object) -> None:
    """Its own example with parts missing, null, of other types, huge, and more than belongs."""
    check_poll_parsing(body)
    check_create_parsing(body)
