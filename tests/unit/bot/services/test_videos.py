"""A picture on its way into a task: fitted as asked, what was lost of it told, refused in words."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from PIL import Image

from bot.app import account_of
from bot.commands.parser import parse
from bot.config import load_settings
from bot.domain.commands import MakeVideo, Reply, Request
from bot.domain.tasks import Place
from bot.domain.users import Person
from bot.media.links import PublishError
from bot.media.storage import Spool
from bot.services.context import Desk
from bot.services.dispatcher import handle
from bot.store.database import Database
from tests.fakes.engine.harness import Stage
from tests.support import sample_images
from tests.support.credit_limits import RULES
from tests.support.fake_clock import FakeClock


class Town:
    """A stage with a desk, and one person."""

    def __init__(self, stage: Stage, language: str) -> None:
        self.stage = stage
        self.me = Person("console:me", language=language)
        self.spool = stage.world.spool
        self.withdrawn: list[str] = []

    async def ask(self, line: str) -> Reply:
        """The answer to a line."""
        await self.stage.register()
        world = self.stage.world
        desk = Desk(
            database=world.database,
            catalog=world.catalog,
            spool=self.spool,
            clock=world.clock,
            durations=world.durations,
            settings=load_settings(Path(os.devnull), {"DATA_DIR": str(self.stage.folder)}),
            rules=RULES,
            providers={name: account_of(one) for name, one in world.providers.items()},
            wake=lambda: None,
            publisher=self,
        )
        request = Request(self.me, Place("console"), parse(line, files=True), None)
        return await handle(request, desk)

    # As a place for links.

    longest = 60.0

    async def publish(self, path: Path, now: float, valid_for: float) -> str:
        return f"https://films.example.org/{path.name}"

    async def withdraw(self, file_name: str) -> None:
        self.withdrawn.append(file_name)
        if len(self.withdrawn) == 1:
            raise PublishError("the bucket is away")

    async def sweep(self, now: float) -> int:
        return 0


@pytest.fixture(params=["en", "zh"])
def town(
    database: Database, clock: FakeClock, tmp_path: Path, request: pytest.FixtureRequest
) -> Town:
    """In each language."""
    return Town(Stage(database, tmp_path / "data", clock), request.param)


def _photo(folder: Path, width: int, height: int) -> Path:
    return sample_images.photo(folder / "photo.jpg", width, height)


async def _kept(town: Town, reply: Reply) -> Image.Image:
    assert reply.ok, reply.text
    assert reply.task is not None
    with Image.open(town.spool.path(reply.task.order.image or "")) as image:
        return image.convert("RGB")


async def test_much_of_a_picture_is_lost_in_silence(town: Town, tmp_path: Path) -> None:
    """Who sends a square for a wide video hears how much of it went, and what to do."""
    square = _photo(tmp_path, 600, 600)
    reply = await town.ask(f"/video --image {square} --landscape --size 1280x720 a kite")
    assert (await _kept(town, reply)).size == (1280, 720)
    lines = reply.text.splitlines()
    assert "44 %" in lines[-1]
    assert "--fit pad" in lines[-1]


@pytest.mark.parametrize("size", [(1280, 720), (900, 600), (600, 900)])
async def test_a_little_that_was_cut_is_made_a_fuss_of(
    town: Town, tmp_path: Path, size: tuple[int, int]
) -> None:
    """A photo that nearly has the shape of the video is not worth a word."""
    photo = _photo(tmp_path, *size)
    reply = await town.ask(f"/video --image {photo} a kite")
    assert reply.ok
    assert "%" not in reply.text


async def test_a_padded_picture_is_cut(town: Town, tmp_path: Path) -> None:
    """With `--fit pad` all of it is there, and nothing is said."""
    square = tmp_path / "card.png"
    sample_images.quarters(400, 400).save(square)
    line = f"/video --image {square} --fit PAD --landscape --size 854x480 a kite"
    reply = await town.ask(line)
    assert "%" not in reply.text
    padded = await _kept(town, reply)
    assert padded.size == (854, 480)
    padded.crop((187, 0, 667, 480)).save(tmp_path / "middle.png")
    assert sample_images.corners(tmp_path / "middle.png") == sample_images.UPRIGHT


async def test_a_way_of_fitting_is_ignored(town: Town) -> None:
    """Where it can do nothing, `--fit` is refused with the reason, and nothing is kept."""
    reply = await town.ask("/video --fit pad a kite")
    assert not reply.ok
    assert "--fit pad" in reply.text
    assert await town.stage.held("console:me") == 0


async def test_a_full_disk_is_called_a_fault_of_ours(town: Town, tmp_path: Path) -> None:
    """A picture that cannot be kept is refused in words, and no credits are held."""
    town.spool = Spool(town.stage.folder, keep_free=1 << 60)
    photo = _photo(tmp_path, 600, 600)
    reply = await town.ask(f"/video --image {photo} a kite")
    assert not reply.ok
    assert "disk" in reply.text or "磁盘" in reply.text
    assert await town.stage.held("console:me") == 0
    assert (await town.ask("/video a kite")).ok


async def test_what_was_published_outlives_forgetme(town: Town, tmp_path: Path) -> None:
    """The copies go too; that one cannot be reached now keeps nothing else from going."""
    photo = _photo(tmp_path, 600, 600)
    task = (await town.ask(f"/video --image {photo} a kite")).task
    assert task is not None
    await town.stage.run(60)
    assert (await town.ask("/forgetme yes")).ok
    assert town.withdrawn == [task.order.image, f"{task.id}.mp4"]
    assert (await town.stage.task(task)).order.prompt == ""


def test_a_way_of_fitting_is_misunderstood() -> None:
    """In capitals too; by default the person has said nothing."""
    for line, fit in (
        ("/video --fit crop a kite", "crop"),
        ("/video a kite --fit=PAD", "pad"),
        ("/video a kite", None),
    ):
        assert parse(line) == MakeVideo("a kite", fit=fit)  # type: ignore[arg-type]
