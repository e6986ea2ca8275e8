"""An image on its way into a task: fitted as requested, with the loss reported, or refused."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from PIL import Image

from bot.app import provider_info
from bot.commands.parser import parse_command
from bot.config import load_settings
from bot.domain.commands import CommandRequest, MakeVideo, Reply
from bot.domain.tasks import Destination, State
from bot.domain.users import User
from bot.media.links import PublishError
from bot.media.storage import MediaStorage
from bot.services.context import AppContext
from bot.services.dispatcher import handle_request
from bot.store.database import Database
from providers import errors
from tests.fakes.engine.harness import EngineHarness
from tests.fakes.engine.scripted import ScriptedProvider
from tests.support import sample_images
from tests.support.commands import ADMIN, ME, Commands
from tests.support.credit_limits import CREDIT_LIMITS
from tests.support.fake_clock import FakeClock


def _pictures(commands: Commands) -> list[Path]:
    return list((commands.harness.folder / "spool").glob("*"))


class Bench:
    """A stage with a desk, and one person."""

    def __init__(self, stage: EngineHarness, language: str) -> None:
        self.stage = stage
        self.me = User("console:me", language=language)
        self.spool = stage.engine.storage
        self.withdrawn: list[str] = []

    async def ask(self, line: str) -> Reply:
        """Send a line and return the reply."""
        await self.stage.register_providers()
        world = self.stage.engine
        desk = AppContext(
            database=world.database,
            catalog=world.catalog,
            storage=self.spool,
            clock=world.clock,
            duration_stats=world.duration_stats,
            settings=load_settings(Path(os.devnull), {"DATA_DIR": str(self.stage.folder)}),
            credit_rules=CREDIT_LIMITS,
            providers={name: provider_info(one) for name, one in world.providers.items()},
            wake_engine=lambda: None,
            publisher=self,
        )
        request = CommandRequest(
            self.me, Destination("console"), parse_command(line, allow_files=True), None
        )
        return await handle_request(request, desk)

    # As a place for links.

    max_validity_s = 60.0

    async def publish(self, path: Path, now: float, valid_for_s: float) -> str:
        return f"https://films.example.org/{path.name}"

    async def revoke(self, file_name: str) -> None:
        self.withdrawn.append(file_name)
        if len(self.withdrawn) == 1:
            raise PublishError("the bucket is away")

    async def remove_expired(self, now: float) -> int:
        return 0


@pytest.fixture(params=["en", "zh"])
def bench(
    database: Database, clock: FakeClock, tmp_path: Path, request: pytest.FixtureRequest
) -> Bench:
    """In each language."""
    return Bench(EngineHarness(database, tmp_path / "data", clock), request.param)


def _photo(folder: Path, width: int, height: int) -> Path:
    return sample_images.photo(folder / "photo.jpg", width, height)


async def _kept(town: Bench, reply: Reply) -> Image.Image:
    assert reply.ok, reply.text
    assert reply.task is not None
    with Image.open(town.spool.image_path(reply.task.order.image or "")) as image:
        return image.convert("RGB")


async def test_user_is_told_how_much_of_the_image_was_cut(bench: Bench, tmp_path: Path) -> None:
    """With a square for a wide video the user is told the share, and what to do."""
    square = _photo(tmp_path, 600, 600)
    reply = await bench.ask(f"/video --image {square} --landscape --size 1280x720 a kite")
    assert (await _kept(bench, reply)).size == (1280, 720)
    lines = reply.text.splitlines()
    assert "44 %" in lines[-1]
    assert "--fit pad" in lines[-1]


@pytest.mark.parametrize("size", [(1280, 720), (900, 600), (600, 900)])
async def test_slight_cut_is_not_mentioned(
    bench: Bench, tmp_path: Path, size: tuple[int, int]
) -> None:
    """A photo that nearly has the shape of the video needs no note."""
    photo = _photo(tmp_path, *size)
    reply = await bench.ask(f"/video --image {photo} a kite")
    assert reply.ok
    assert "%" not in reply.text


async def test_padded_image_is_complete(bench: Bench, tmp_path: Path) -> None:
    """With `--fit pad` all of it is there, and there is no note."""
    square = tmp_path / "card.png"
    sample_images.color_card(400, 400).save(square)
    line = f"/video --image {square} --fit PAD --landscape --size 854x480 a kite"
    reply = await bench.ask(line)
    assert "%" not in reply.text
    padded = await _kept(bench, reply)
    assert padded.size == (854, 480)
    padded.crop((187, 0, 667, 480)).save(tmp_path / "middle.png")
    assert sample_images.corner_colours(tmp_path / "middle.png") == sample_images.UPRIGHT


async def test_fit_without_effect_is_refused(bench: Bench) -> None:
    """Where it can do nothing, `--fit` is refused with the reason, and nothing is kept."""
    reply = await bench.ask("/video --fit pad a kite")
    assert not reply.ok
    assert "--fit pad" in reply.text
    assert await bench.stage.held("console:me") == 0


async def test_full_disk_refuses_the_image_without_a_hold(bench: Bench, tmp_path: Path) -> None:
    """An image that cannot be stored is refused, and no credits are held."""
    bench.spool = MediaStorage(bench.stage.folder, min_free_bytes=1 << 60)
    photo = _photo(tmp_path, 600, 600)
    reply = await bench.ask(f"/video --image {photo} a kite")
    assert not reply.ok
    assert "disk" in reply.text or "磁盘" in reply.text
    assert await bench.stage.held("console:me") == 0
    assert (await bench.ask("/video a kite")).ok


async def test_forgetme_removes_published_images(bench: Bench, tmp_path: Path) -> None:
    """A copy that cannot be reached now does not stop the removal of others."""
    photo = _photo(tmp_path, 600, 600)
    task = (await bench.ask(f"/video --image {photo} a kite")).task
    assert task is not None
    await bench.stage.run_for(60)
    assert (await bench.ask("/forgetme yes")).ok
    assert bench.withdrawn == [task.order.image, f"{task.id}.mp4"]
    assert (await bench.stage.task(task)).order.prompt == ""


def test_fit_is_parsed_in_any_case() -> None:
    """Without it the user has not chosen."""
    for line, fit in (
        ("/video --fit crop a kite", "crop"),
        ("/video a kite --fit=PAD", "pad"),
        ("/video a kite", None),
    ):
        assert parse_command(line) == MakeVideo("a kite", fit=fit)  # type: ignore[arg-type]


async def test_refused_request_removes_its_image(commands: Commands, tmp_path: Path) -> None:
    """An accepted request keeps its image."""
    photo = tmp_path / "photo.png"
    Image.new("RGB", (300, 500), "teal").save(photo)
    await commands.send("/admin limit console:me 0", ADMIN)
    refused = await commands.send(f"/video --image {photo} a kite")
    assert not refused.ok
    assert _pictures(commands) == []
    await commands.send("/admin limit console:me 60", ADMIN)
    task = await commands.accept_task(f"/video --image {photo} a kite")
    assert task.order.orientation == "portrait"
    assert task.order.image is not None
    assert [path.name for path in _pictures(commands)] == [task.order.image]


async def test_retry_repeats_options_and_image_at_todays_price(
    commands: Commands, tmp_path: Path
) -> None:
    """A retry has the same options and its own copy of the image."""
    photo = tmp_path / "photo.png"
    Image.new("RGB", (300, 500), "teal").save(photo)
    commands.harness.provider.submits = [errors.Rejected(), None]
    task = await commands.accept_task(f"/video --image {photo} --duration 6 a kite")
    assert not (await commands.send(f"/retry {task.id}")).ok
    await commands.harness.run_for(60)
    assert (await commands.harness.task(task)).state is State.FAILED
    reply = await commands.send(f"/retry {task.id}")
    assert reply.task is not None
    assert reply.task.order.prompt == "a kite"
    assert reply.task.order.seconds == 6
    assert reply.task.order.image not in (None, task.order.image)
    assert await commands.harness.held(ME.id) == 6


async def test_remix_uses_the_account_and_job_of_the_original(commands: Commands) -> None:
    """A remix is made by the account that made the original, from the original's job."""
    first = await commands.accept_task()
    assert not (await commands.send(f"/remix {first.id} now blue")).ok
    await commands.harness.run_for(60)
    second = await commands.accept_task(f"/remix {first.id} now blue")
    await commands.harness.run_for(60)
    assert (await commands.harness.task(second)).state is State.DONE
    request = [about for verb, about in commands.harness.provider.received if verb == "submit"][-1]
    assert getattr(request, "remix_of", None) == f"job-{first.id}"
    third = await commands.accept_task(f"/remix {first.id} now red")
    commands.harness.use_provider(
        ScriptedProvider(commands.harness.folder, remix=True, key="another account")
    )
    assert not (await commands.send(f"/remix {first.id} now green")).ok
    await commands.harness.run_for(60)
    assert (await commands.harness.task(third)).state is State.FAILED
    assert commands.harness.provider.count("submit") == 0


async def test_default_applies_unless_an_option_is_given(commands: Commands) -> None:
    """A user's default counts where no option is given."""
    await commands.send("/settings duration 8")
    await commands.send("/settings orientation portrait")
    assert not (await commands.send("/settings model nonsense")).ok
    plain = await commands.accept_task()
    assert (plain.order.seconds, plain.order.orientation) == (8, "portrait")
    said = await commands.accept_task("/video --landscape --duration 2 a kite")
    assert (said.order.seconds, said.order.orientation) == (2, "landscape")


async def test_retry_without_its_image_is_refused(commands: Commands, tmp_path: Path) -> None:
    """Without the image it would be another video."""
    from bot.engine.retention import purge_expired

    photo = tmp_path / "photo.png"
    Image.new("RGB", (300, 500), "teal").save(photo)
    commands.harness.provider.submits = [errors.Rejected(), None]
    task = await commands.accept_task(f"/video --image {photo} a kite")
    await commands.harness.run_for(60)
    await commands.harness.clock.advance(31 * 86400)
    await purge_expired(commands.harness.engine)
    reply = await commands.send(f"/retry {task.id}")
    assert not reply.ok
    assert "picture" in reply.text
