"""Images that must be published first: how they reach the gateway, and what can fail."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from bot.domain.tasks import State
from bot.engine.retention import purge_expired
from bot.engine.worker import Worker
from bot.media.links import PublishError
from bot.store import tasks
from providers.types import Capabilities, ImageTransport, VideoRequest
from tests.fakes.engine.harness import EngineHarness
from tests.support import sample_images

HOUR = 3600.0


@dataclass
class Place:
    """A publisher that has trouble as long as it is told to."""

    fails: bool = False
    max_validity_s: float = 7 * 24 * HOUR
    published: list[tuple[str, float]] = field(default_factory=list)
    swept: list[float] = field(default_factory=list)
    meanwhile: Callable[[], Awaitable[None]] | None = None
    """What else happens while a file is being published."""

    async def publish(self, path: Path, now: float, valid_for_s: float) -> str:
        assert path.is_file()
        if self.meanwhile is not None:
            await self.meanwhile()
        if self.fails:
            raise PublishError("the server says 503 SlowDown")
        self.published.append((path.name, valid_for_s))
        return f"https://films.example.org/{path.name}"

    async def revoke(self, file_name: str) -> None:
        raise AssertionError(file_name)

    async def remove_expired(self, now: float) -> int:
        self.swept.append(now)
        if self.fails:
            raise PublishError("the server says 503 SlowDown")
        return 0


@pytest.fixture
def place() -> Place:
    """A place for links."""
    return Place()


@pytest.fixture
def harness(harness: EngineHarness, place: Place) -> EngineHarness:
    """A stage whose gateway takes links only."""
    harness.provider.capabilities = Capabilities(image_transports=(ImageTransport.LINK,))
    harness.engine = replace(harness.engine, publisher=place)
    harness.worker = Worker(harness.engine)
    return harness


async def _picture(stage: EngineHarness, tmp_path: Path) -> str:
    source = sample_images.rotated_photo(tmp_path / "photo.jpg", 1)
    return (await stage.engine.storage.store_image(source, "k3xw", 1280, 720)).file_name


def _sent(stage: EngineHarness) -> list[VideoRequest]:
    return [one for verb, one in stage.provider.received if verb == "submit"]  # type: ignore[misc]


async def test_image_is_published_for_link_only_gateway(
    harness: EngineHarness, place: Place, tmp_path: Path
) -> None:
    """It is published for as long as the gateway may need it, and the create has its link."""
    image = await _picture(harness, tmp_path)
    task = await harness.accept_task(image=image)
    await harness.run_for(60)
    assert (await harness.task(task)).state is State.DONE
    assert place.published == [(image, harness.engine.limits.deadline_s + HOUR)]
    (request,) = _sent(harness)
    assert request.image is not None
    assert request.image.url == f"https://films.example.org/{image}"


async def test_bucket_outage_delays_the_task_without_blaming_provider(
    harness: EngineHarness, place: Place, tmp_path: Path
) -> None:
    """The hold stays, tasks without an image continue, and the provider is not paused."""
    place.fails = True
    task = await harness.accept_task(image=await _picture(harness, tmp_path))
    await harness.run_for(60)
    waiting = await harness.task(task)
    assert waiting.state is State.QUEUED
    assert waiting.provider_message == "the server says 503 SlowDown"
    assert await harness.held() == 4
    text = await harness.accept_task("console:b")
    await harness.run_for(60)
    assert (await harness.task(text)).state is State.DONE
    place.fails = False
    await harness.run_for(600)
    assert (await harness.task(task)).state is State.DONE
    assert len(_sent(harness)) == 2


async def test_bucket_outage_past_deadline_releases_credits(
    harness: EngineHarness, place: Place, tmp_path: Path
) -> None:
    """At its deadline the task fails with its reason, and its hold is released."""
    place.fails = True
    task = await harness.accept_task(image=await _picture(harness, tmp_path))
    await harness.run_for(2 * HOUR)
    ended = await harness.task(task)
    assert (ended.state, ended.reason) == (State.FAILED, "no-link")
    assert await harness.held() == 0
    assert _sent(harness) == []
    assert any("handed to the gateway" in text for text in harness.chat.final_messages)


async def test_cancel_during_publishing_releases_credits(
    harness: EngineHarness, place: Place, tmp_path: Path
) -> None:
    """The hold is released at the next try to publish."""
    place.fails = True
    task = await harness.accept_task(image=await _picture(harness, tmp_path))

    async def give_up() -> None:
        now = harness.clock.now()
        await harness.database.transact(lambda tx: tasks.request_cancel(tx, task.id, now))

    place.meanwhile = give_up
    await harness.run_for(60)
    assert (await harness.task(task)).state is State.CANCELLED
    assert await harness.held() == 0


async def test_expired_links_are_swept_periodically(harness: EngineHarness, place: Place) -> None:
    """The sweep is part of retention; an unreachable bucket stops no other cleanup."""
    place.fails = True
    await purge_expired(harness.engine)
    assert place.swept == [harness.clock.now()]


@pytest.mark.parametrize(
    ("wanted", "publisher", "way"),
    [
        ("auto", True, ImageTransport.UPLOAD),
        ("auto", False, ImageTransport.UPLOAD),
        ("link", True, ImageTransport.LINK),
        ("link", False, None),
        ("upload", True, ImageTransport.UPLOAD),
    ],
)
def test_configured_image_transport_is_respected(
    harness: EngineHarness, place: Place, wanted: str, publisher: bool, way: ImageTransport | None
) -> None:
    """Settings override the best transport; impossible ones are detected before."""
    provider = harness.provider
    provider.capabilities = Capabilities(
        image_transports=(ImageTransport.UPLOAD, ImageTransport.LINK)
    )
    provider.options = provider.options.model_copy(update={"pictures": wanted})
    world = replace(harness.engine, publisher=place if publisher else None)
    assert provider.effective_capabilities.choose_image_transport(links_available=publisher) is way
    assert world.accepts_images("p") == (way is not None)
