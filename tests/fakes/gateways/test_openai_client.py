"""The fake behaves like the real API: the official OpenAI client works with it."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import AsyncIterator
from io import BytesIO

import openai
import pytest
from PIL import Image

from tests.fakes.gateways.openai import KEY, FakeOpenAIGateway
from tests.fakes.gateways.webhooks import WEBHOOK_SECRET, signed_event


@pytest.fixture
async def gateway() -> AsyncIterator[FakeOpenAIGateway]:
    async with FakeOpenAIGateway(render_seconds=0.1, cheap=True) as it:
        yield it


@pytest.fixture
async def client(gateway: FakeOpenAIGateway) -> AsyncIterator[openai.AsyncOpenAI]:
    """The official client; its video methods emit deprecation warnings."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        async with openai.AsyncOpenAI(
            api_key=KEY, base_url=f"{gateway.url}/v1", max_retries=0, webhook_secret=WEBHOOK_SECRET
        ) as it:
            yield it


async def ended(client: openai.AsyncOpenAI, video_id: str) -> openai.types.Video:
    """Poll until the job has ended."""
    async with asyncio.timeout(20):
        while True:
            video = await client.videos.retrieve(video_id)
            if video.status in {"completed", "failed"}:
                return video
            await asyncio.sleep(0.02)


async def test_official_client_works_against_the_stand_in(
    client: openai.AsyncOpenAI, gateway: FakeOpenAIGateway
) -> None:
    """Create, poll, download, thumbnail, remix, list, delete: as against the real API."""
    picture = BytesIO()
    Image.new("RGB", (720, 1280), "teal").save(picture, "PNG")
    made = await client.videos.create(
        prompt="a red kite",
        model="sora-2",
        seconds="4",
        size="720x1280",
        input_reference=("a.png", picture.getvalue(), "image/png"),
    )
    assert (made.object, made.status) == ("video", "queued")
    done = await ended(client, made.id)
    assert (done.progress, done.seconds, done.size) == (100, "4", "720x1280")
    film = (await client.videos.download_content(made.id)).content
    assert film[4:8] == b"ftyp"
    still = (await client.videos.download_content(made.id, variant="thumbnail")).content
    assert still[:4] == b"RIFF"
    change = await client.videos.remix(made.id, prompt="now it is blue")
    assert (change.remixed_from_video_id, change.id != made.id) == (made.id, True)
    assert (await ended(client, change.id)).status == "completed"
    assert [one.id async for one in client.videos.list(limit=1)] == [change.id, made.id]
    assert (await client.videos.delete(made.id)).deleted
    assert "sora-2" in [one.id async for one in client.models.list()]
    assert gateway.violations == []


async def test_official_client_parses_errors_of_the_stand_in(client: openai.AsyncOpenAI) -> None:
    """Rejections and failures have the format that the client expects."""
    job = await client.videos.create(prompt="a kite !moderated", model="sora-2")
    failed = await ended(client, job.id)
    assert failed.error is not None
    assert failed.error.code == "moderation_blocked"
    with pytest.raises(openai.NotFoundError):
        await client.videos.retrieve("video_none")
    with pytest.raises(openai.RateLimitError):
        await client.videos.create(prompt="a kite !throttle", model="sora-2")
    with pytest.raises(openai.AuthenticationError):
        await client.with_options(api_key="sk-wrong").videos.retrieve(job.id)


async def test_official_client_accepts_signed_events(
    client: openai.AsyncOpenAI,
) -> None:
    """It accepts events that the fake signs, and rejects old ones."""
    body, headers = signed_event("video.completed", "video_1")
    client.webhooks.verify_signature(body.decode(), headers)
    body, headers = signed_event("video.completed", "video_1", age=3600)
    with pytest.raises(openai.InvalidWebhookSignatureError):
        client.webhooks.verify_signature(body.decode(), headers)
