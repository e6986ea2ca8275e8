"""What admins see and do of providers and the catalogue, and what people hear meanwhile."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from bot.app import account_of
from bot.catalog.catalog import Catalog
from bot.commands.parser import parse
from bot.config import load_settings
from bot.domain.commands import Reply, Request
from bot.domain.errors import Refusal
from bot.domain.tasks import Place, State, Task
from bot.domain.users import Person
from bot.services.context import Desk
from bot.services.dispatcher import handle
from bot.store.database import Database
from providers import errors
from providers.base import Provider
from providers.types import Capabilities, Finished, Pending, PictureWay
from tests.fakes.engine.harness import Stage
from tests.fakes.engine.scripted import ScriptedProvider
from tests.support.credit_limits import RULES
from tests.support.fake_clock import FakeClock

ME = Person("console:me")
ADMIN = Person("console:local", admin=True)
CATALOG = """
[[models]]
name = "{name}"
durations = [4]
sizes = [{{ name = "1280x720", price = 1 }}]
remix = true
private = true
offers = [{{ kind = "sandbox", model = "m" }}]
"""


class Town:
    """A stage with a desk, as it is after the last change of its providers."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage

    @property
    def desk(self) -> Desk:
        world = self.stage.world
        return Desk(
            database=world.database,
            catalog=world.catalog,
            spool=world.spool,
            clock=world.clock,
            durations=world.durations,
            settings=load_settings(Path("/dev/null"), {"DATA_DIR": str(self.stage.folder)}),
            rules=RULES,
            providers={name: account_of(one) for name, one in world.providers.items()},
            wake=lambda: None,
            publisher=world.publisher,
        )

    async def ask(self, line: str, person: Person = ME) -> Reply:
        """The answer to a line."""
        await self.stage.register()
        request = Request(person, Place("console"), parse(line, files=True), None)
        return await handle(request, self.desk)

    async def said(self, line: str) -> str:
        """What an admin reads."""
        reply = await self.ask(line, ADMIN)
        assert reply.ok, reply.text
        return reply.text

    async def order(self, line: str = "/video a red kite") -> Task:
        """The task that a line makes."""
        reply = await self.ask(line)
        assert reply.ok, reply.text
        assert reply.task is not None
        return reply.task


@pytest.fixture
def town(database: Database, clock: FakeClock, tmp_path: Path) -> Town:
    return Town(Stage(database, tmp_path / "data", clock))


async def test_an_admin_is_told_less_than_there_is(town: Town) -> None:
    """`providers`: mode, breaker, jobs of places; trouble with the gateway's own words."""
    town.stage.provider.polls = [Pending(running=True)]
    await town.order()
    await town.stage.run(5)
    assert await town.said("/admin providers") == "p (sandbox): on, breaker closed, 1 of 10 jobs"
    town.stage.provider.submits = [errors.Misconfigured("HTTP 401 wrong key")]
    await town.order()
    await town.stage.run(1)
    told = await town.said("/admin providers")
    assert "breaker open" in told
    assert "misconfigured" in told
    assert "HTTP 401 wrong key" in told
    town.stage.provider.submits = [errors.ModelUnavailable("model_not_found")]
    await town.said("/admin provider p on")
    await town.order()
    await town.stage.run(1)
    assert "sandbox is no longer served, retry in 6.0 h" in await town.said("/admin providers")


async def test_a_word_steers_nothing(town: Town) -> None:
    """Drained, a provider finishes what it has; off, it hears nothing; on, all is forgotten."""
    town.stage.provider.polls = [Pending(running=True)]
    task = await town.order()
    await town.stage.run(5)
    assert "1 of its jobs are running and will be finished" in await town.said(
        "/admin provider P DRAIN"
    )
    refused = await town.ask("/video another kite")
    assert refused.text.startswith("No model can be asked for right now")
    assert (await town.ask("/models")).text.startswith("No model can be asked for right now")
    town.stage.provider.polls = [Finished()]
    await town.stage.run(60)
    assert (await town.stage.task(task)).state is State.DONE
    await town.said("/admin provider p off")
    await town.said("/admin provider p on")
    assert (await town.ask("/video another kite")).ok
    trail = await town.said("/admin audit")
    assert trail.index("on") < trail.index("off") < trail.index("drain")


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("/admin provider", "provider-missing"),
        ("/admin provider p", "mode-unknown"),
        ("/admin provider p away", "mode-unknown"),
        ("/admin provider p on now", "too-much"),
        ("/admin providers all", "too-much"),
        ("/admin reload now", "too-much"),
    ],
)
def test_a_slip_steers_a_provider(line: str, sentence: str) -> None:
    """What is not a word of ours is told with what there is."""
    with pytest.raises(Refusal) as raised:
        parse(line)
    assert raised.value.sentence == sentence


async def test_a_wrong_name_steers_a_provider(town: Town) -> None:
    """An unknown name is told with those there are."""
    reply = await town.ask("/admin provider q on", ADMIN)
    assert not reply.ok
    assert reply.text == 'No provider is called "q". Configured: p.'


async def test_a_changed_catalogue_is_not_taken_over(town: Town, tmp_path: Path) -> None:
    """By word or by itself; a wrong one is told with file, model and key, and changes nothing."""
    file = tmp_path / "catalog.toml"
    file.write_text(CATALOG.format(name="first"))
    catalog = Catalog.load(file, {"p": "sandbox"})
    town.stage.use_all({"p": town.stage.provider}, catalog)
    file.write_text(CATALOG.format(name="second"))
    assert "second" in await town.said("/admin reload")
    assert "as it was" in await town.said("/admin reload")
    file.write_text(CATALOG.format(name="third"))
    await town.stage.settle()
    assert "third" in (await town.ask("/models")).text
    file.write_text(CATALOG.format(name="third").replace("price = 1", "price = -1"))
    reply = await town.ask("/admin reload", ADMIN)
    assert not reply.ok
    assert "model third: sizes.1.price: is invalid" in reply.text
    file.write_text("]")
    await town.stage.settle()
    await town.stage.settle()
    (alert,) = town.stage.chat.alerts
    assert "is not TOML" in alert
    assert "third" in (await town.ask("/models")).text


async def test_a_model_that_is_gone_goes_on_being_offered(town: Town) -> None:
    """After its gateway's word a model is neither shown nor taken, and nothing is charged."""
    town.stage.provider.submits = [errors.ModelUnavailable("gone")]
    first = await town.order()
    await town.stage.run(5)
    assert (await town.stage.task(first)).reason == "model-unavailable"
    assert "sandbox" not in (await town.ask("/models")).text
    assert "cannot be had" in (await town.ask("/video a kite --model sandbox")).text
    assert "No model" in (await town.ask("/video a kite")).text
    await town.stage.run(6 * 3600)
    assert (await town.ask("/video a kite")).ok


def _with(provider: ScriptedProvider, **able: object) -> Provider:
    provider.capabilities = replace(Capabilities(), **able)  # type: ignore[arg-type]
    return provider


async def test_a_picture_is_paid_for_that_cannot_get_there(town: Town, tmp_path: Path) -> None:
    """Where only a link would do and there is no address, the person hears it at once."""
    photo = tmp_path / "photo.png"
    Image.new("RGB", (300, 500), "teal").save(photo)
    one = _with(town.stage.provider, pictures=(PictureWay.LINK,))
    town.stage.use_all({"p": one})
    reply = await town.ask(f"/video --image {photo} a kite")
    assert not reply.ok
    assert "PUBLIC_URL" in reply.text
    assert (await town.ask("/video a kite")).ok
    other = _with(ScriptedProvider(town.stage.folder, key="2"), pictures=(PictureWay.FILE,))
    town.stage.use_all({"p": one, "q": other})
    task = await town.order(f"/video --image {photo} a kite")
    await town.stage.run(60)
    assert (await town.stage.task(task)).provider == "q"


async def test_a_private_video_is_changed(town: Town, tmp_path: Path) -> None:
    """Where a gateway keeps private videos to itself, it cannot change them: told, not tried."""
    file = tmp_path / "catalog.toml"
    file.write_text(CATALOG.format(name="first"))
    able = _with(town.stage.provider, remix=True, remix_private=False)
    town.stage.use_all({"p": able}, Catalog.load(file, {"p": "sandbox"}))
    hidden, shown = await town.order("/video --private a kite"), await town.order()
    await town.stage.run(60)
    assert "private video" in (await town.ask(f"/remix {hidden.id} bluer")).text
    assert (await town.ask(f"/remix {shown.id} bluer")).ok


async def test_a_change_names_the_wrong_video(town: Town, tmp_path: Path) -> None:
    """Where a change names an edit id, that is kept and sent; without one there is no change."""
    file = tmp_path / "catalog.toml"
    file.write_text(CATALOG.format(name="first"))
    able = _with(town.stage.provider, remix=True, edit_id=True)
    town.stage.use_all({"p": able}, Catalog.load(file, {"p": "sandbox"}))
    town.stage.provider.polls = [Finished(), Finished(edit_id="edit-7"), Finished()]
    without = await town.order()
    await town.stage.run(60)
    kept = await town.order()
    await town.stage.run(60)
    assert "cannot be changed" in (await town.ask(f"/remix {without.id} bluer")).text
    await town.order(f"/remix {kept.id} bluer")
    await town.stage.run(60)
    asked = [about for verb, about in town.stage.provider.asked if verb == "submit"]
    assert [getattr(about, "remix_of", None) for about in asked] == [None, None, "edit-7"]
