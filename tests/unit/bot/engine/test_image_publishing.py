"""A picture that must be published first: how it gets to the gateway, and what goes wrong there."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from bot.domain.tasks import State
from bot.engine.retention import tidy
from bot.engine.worker import Worker
from bot.media.links import PublishError
from bot.store import tasks
from providers.types import Capabilities, PictureWay, VideoRequest
from tests.fakes.engine.harness import Stage
from tests.support import sample_images

HOUR = 3600.0


@dataclass
class Place:
    """A publisher that has trouble as long as it is told to."""

    fails: bool = False
    longest: float = 7 * 24 * HOUR
    published: list[tuple[str, float]] = field(default_factory=list)
    swept: list[float] = field(default_factory=list)
    meanwhile: Callable[[], Awaitable[None]] | None = None
    """What else happens while a file is being published."""

    async def publish(self, path: Path, now: float, valid_for: float) -> str:
        assert path.is_file()
        if self.meanwhile is not None:
            await self.meanwhile()
        if self.fails:
            raise PublishError("the server says 503 SlowDown")
        self.published.append((path.name, valid_for))
        return f"https://films.example.org/{path.name}"

    async def withdraw(self, file_name: str) -> None:
        raise AssertionError(file_name)

    async def sweep(self, now: float) -> int:
        self.swept.append(now)
        if self.fails:
            raise PublishError("the server says 503 SlowDown")
        return 0


@pytest.fixture
def place() -> Place:
    """A place for links."""
    return Place()


@pytest.fixture
def stage(stage: Stage, place: Place) -> Stage:
    """A stage whose gateway takes links only."""
    stage.provider.capabilities = Capabilities(pictures=(PictureWay.LINK,))
    stage.world = replace(stage.world, publisher=place)
    stage.worker = Worker(stage.world)
    return stage


async def _picture(stage: Stage, tmp_path: Path) -> str:
    source = sample_images.turned(tmp_path / "photo.jpg", 1)
    return (await stage.world.spool.keep_picture(source, "k3xw", 1280, 720)).file


def _sent(stage: Stage) -> list[VideoRequest]:
    return [one for verb, one in stage.provider.asked if verb == "submit"]  # type: ignore[misc]


async def test_a_picture_gets_there_without_a_link(
    stage: Stage, place: Place, tmp_path: Path
) -> None:
    """It is published for as long as the gateway may want it, and the create names where."""
    image = await _picture(stage, tmp_path)
    task = await stage.order(image=image)
    await stage.run(60)
    assert (await stage.task(task)).state is State.DONE
    assert place.published == [(image, stage.world.limits.deadline + HOUR)]
    (request,) = _sent(stage)
    assert request.image is not None
    assert request.image.url == f"https://films.example.org/{image}"


async def test_trouble_with_the_bucket_is_blamed_on_the_gateway(
    stage: Stage, place: Place, tmp_path: Path
) -> None:
    """The task waits with its credits held, text goes on, and the gateway is not left alone."""
    place.fails = True
    task = await stage.order(image=await _picture(stage, tmp_path))
    await stage.run(60)
    waiting = await stage.task(task)
    assert waiting.state is State.QUEUED
    assert waiting.raw == "the server says 503 SlowDown"
    assert await stage.held() == 4
    text = await stage.order("console:b")
    await stage.run(60)
    assert (await stage.task(text)).state is State.DONE
    place.fails = False
    await stage.run(600)
    assert (await stage.task(task)).state is State.DONE
    assert len(_sent(stage)) == 2


async def test_a_bucket_that_stays_away_is_waited_for_for_ever(
    stage: Stage, place: Place, tmp_path: Path
) -> None:
    """After its deadline the task fails with its reason, and the credits come back."""
    place.fails = True
    task = await stage.order(image=await _picture(stage, tmp_path))
    await stage.run(2 * HOUR)
    ended = await stage.task(task)
    assert (ended.state, ended.reason) == (State.FAILED, "no-link")
    assert await stage.held() == 0
    assert _sent(stage) == []
    assert any("handed to the gateway" in text for text in stage.chat.told_texts)


async def test_a_cancel_waits_for_the_bucket(stage: Stage, place: Place, tmp_path: Path) -> None:
    """Who gives up while the picture is on its way has the credits back at the next try."""
    place.fails = True
    task = await stage.order(image=await _picture(stage, tmp_path))

    async def give_up() -> None:
        now = stage.clock.now()
        await stage.database.transact(lambda tx: tasks.ask_to_cancel(tx, task.id, now))

    place.meanwhile = give_up
    await stage.run(60)
    assert (await stage.task(task)).state is State.CANCELLED
    assert await stage.held() == 0


async def test_links_are_swept_only_at_the_start(stage: Stage, place: Place) -> None:
    """With the other tidying; a bucket that is away keeps nothing else from being tidied."""
    place.fails = True
    await tidy(stage.world)
    assert place.swept == [stage.clock.now()]


@pytest.mark.parametrize(
    ("wanted", "publisher", "way"),
    [
        ("auto", True, PictureWay.UPLOAD),
        ("auto", False, PictureWay.UPLOAD),
        ("link", True, PictureWay.LINK),
        ("link", False, None),
        ("upload", True, PictureWay.UPLOAD),
    ],
)
def test_a_setting_is_not_obeyed(
    stage: Stage, place: Place, wanted: str, publisher: bool, way: PictureWay | None
) -> None:
    """What the settings say goes before what would be best; the impossible is known before."""
    provider = stage.provider
    provider.capabilities = Capabilities(pictures=(PictureWay.UPLOAD, PictureWay.LINK))
    provider.options = provider.options.model_copy(update={"pictures": wanted})
    world = replace(stage.world, publisher=place if publisher else None)
    assert provider.allowed.picture_way(links=publisher) is way
    assert world.takes_pictures("p") == (way is not None)
