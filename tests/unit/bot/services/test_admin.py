"""What admins see and do about providers and the catalogue, and its effect on users."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from bot.catalog.catalog import Catalog
from bot.commands.parser import parse_command
from bot.credits import ledger
from bot.domain.errors import Refusal
from bot.domain.tasks import State
from bot.domain.users import User
from bot.store.database import Database
from providers import errors
from providers.base import Provider
from providers.types import Capabilities, Finished, ImageTransport, Pending
from tests.fakes.engine.harness import EngineHarness
from tests.fakes.engine.scripted import ScriptedProvider
from tests.support.commands import ADMIN, ME, OTHER, Commands
from tests.support.fake_clock import FakeClock

CATALOG = """
[[models]]
name = "{name}"
durations = [4]
sizes = [{{ name = "1280x720", price = 1 }}]
remix = true
private = true
offers = [{{ kind = "sandbox", model = "m" }}]
"""


@pytest.fixture
def commands(database: Database, clock: FakeClock, tmp_path: Path) -> Commands:
    return Commands(EngineHarness(database, tmp_path / "data", clock))


async def test_providers_shows_mode_breaker_jobs_and_last_error(commands: Commands) -> None:
    """The last error is in the gateway's own words."""
    commands.harness.provider.polls = [Pending(running=True)]
    await commands.accept_task()
    await commands.harness.run_for(5)
    assert (
        await commands.send_as_admin("/admin providers")
        == "p (sandbox): on, breaker closed, 1 of 10 jobs"
    )
    commands.harness.provider.submits = [errors.Misconfigured("HTTP 401 wrong key")]
    await commands.accept_task()
    await commands.harness.run_for(1)
    told = await commands.send_as_admin("/admin providers")
    assert "breaker open" in told
    assert "misconfigured" in told
    assert "HTTP 401 wrong key" in told
    commands.harness.provider.submits = [errors.ModelUnavailable("model_not_found")]
    await commands.send_as_admin("/admin provider p on")
    await commands.accept_task()
    await commands.harness.run_for(1)
    assert "sandbox is no longer served, retry in 6.0 h" in await commands.send_as_admin(
        "/admin providers"
    )


async def test_drain_off_and_on_change_the_provider(commands: Commands) -> None:
    """Draining, it finishes its jobs; off, it gets no request; on, its errors are cleared."""
    commands.harness.provider.polls = [Pending(running=True)]
    task = await commands.accept_task()
    await commands.harness.run_for(5)
    assert "1 of its jobs are running and will be finished" in await commands.send_as_admin(
        "/admin provider P DRAIN"
    )
    refused = await commands.send("/video another kite")
    assert refused.text.startswith("No model can be asked for right now")
    assert (await commands.send("/models")).text.startswith("No model can be asked for right now")
    commands.harness.provider.polls = [Finished()]
    await commands.harness.run_for(60)
    assert (await commands.harness.task(task)).state is State.DONE
    await commands.send_as_admin("/admin provider p off")
    await commands.send_as_admin("/admin provider p on")
    assert (await commands.send("/video another kite")).ok
    trail = await commands.send_as_admin("/admin audit")
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
def test_unknown_subcommand_is_refused_with_the_known_ones(line: str, sentence: str) -> None:
    """The refusal lists what exists."""
    with pytest.raises(Refusal) as raised:
        parse_command(line)
    assert raised.value.text_key == sentence


async def test_unknown_provider_is_refused_with_the_known_ones(commands: Commands) -> None:
    """An unknown name is told with those there are."""
    reply = await commands.send("/admin provider q on", ADMIN)
    assert not reply.ok
    assert reply.text == 'No provider is called "q". Configured: p.'


async def test_changed_catalog_is_taken_over_or_refused_with_reasons(
    commands: Commands, tmp_path: Path
) -> None:
    """By command or automatically; an error names file, model and key."""
    file = tmp_path / "catalog.toml"
    file.write_text(CATALOG.format(name="first"))
    catalog = Catalog.load(file, {"p": "sandbox"})
    commands.harness.use_providers({"p": commands.harness.provider}, catalog)
    file.write_text(CATALOG.format(name="second"))
    assert "second" in await commands.send_as_admin("/admin reload")
    assert "as it was" in await commands.send_as_admin("/admin reload")
    file.write_text(CATALOG.format(name="third"))
    await commands.harness.run_due_steps()
    assert "third" in (await commands.send("/models")).text
    file.write_text(CATALOG.format(name="third").replace("price = 1", "price = -1"))
    reply = await commands.send("/admin reload", ADMIN)
    assert not reply.ok
    assert "model third: sizes.1.price: is invalid" in reply.text
    file.write_text("]")
    await commands.harness.run_due_steps()
    await commands.harness.run_due_steps()
    (alert,) = commands.harness.chat.alerts
    assert "is not TOML" in alert
    assert "third" in (await commands.send("/models")).text


async def test_missing_model_is_neither_listed_nor_accepted(commands: Commands) -> None:
    """After the gateway's answer the model is hidden, and nothing is charged."""
    commands.harness.provider.submits = [errors.ModelUnavailable("gone")]
    first = await commands.accept_task()
    await commands.harness.run_for(5)
    assert (await commands.harness.task(first)).reason == "model-unavailable"
    assert "sandbox" not in (await commands.send("/models")).text
    assert "cannot be had" in (await commands.send("/video a kite --model sandbox")).text
    assert "No model" in (await commands.send("/video a kite")).text
    await commands.harness.run_for(6 * 3600)
    assert (await commands.send("/video a kite")).ok


def _with(provider: ScriptedProvider, **able: object) -> Provider:
    provider.capabilities = replace(Capabilities(), **able)  # type: ignore[arg-type]
    return provider


async def test_image_without_a_way_to_the_gateway_is_refused(
    commands: Commands, tmp_path: Path
) -> None:
    """Where only a link would do and there is no public address, the user is told at once."""
    photo = tmp_path / "photo.png"
    Image.new("RGB", (300, 500), "teal").save(photo)
    one = _with(commands.harness.provider, image_transports=(ImageTransport.LINK,))
    commands.harness.use_providers({"p": one})
    reply = await commands.send(f"/video --image {photo} a kite")
    assert not reply.ok
    assert "PUBLIC_URL" in reply.text
    assert (await commands.send("/video a kite")).ok
    other = _with(
        ScriptedProvider(commands.harness.folder, key="2"), image_transports=(ImageTransport.FILE,)
    )
    commands.harness.use_providers({"p": one, "q": other})
    task = await commands.accept_task(f"/video --image {photo} a kite")
    await commands.harness.run_for(60)
    assert (await commands.harness.task(task)).provider == "q"


async def test_private_video_cannot_be_remixed(commands: Commands, tmp_path: Path) -> None:
    """Where a gateway cannot remix private videos, the user is told; nothing is tried."""
    file = tmp_path / "catalog.toml"
    file.write_text(CATALOG.format(name="first"))
    able = _with(commands.harness.provider, remix=True, remix_private=False)
    commands.harness.use_providers({"p": able}, Catalog.load(file, {"p": "sandbox"}))
    hidden, shown = (
        await commands.accept_task("/video --private a kite"),
        await commands.accept_task(),
    )
    await commands.harness.run_for(60)
    assert "private video" in (await commands.send(f"/remix {hidden.id} bluer")).text
    assert (await commands.send(f"/remix {shown.id} bluer")).ok


async def test_remix_by_edit_id_needs_and_keeps_the_id(commands: Commands, tmp_path: Path) -> None:
    """Without the id there is no remix."""
    file = tmp_path / "catalog.toml"
    file.write_text(CATALOG.format(name="first"))
    able = _with(commands.harness.provider, remix=True, remix_by_edit_id=True)
    commands.harness.use_providers({"p": able}, Catalog.load(file, {"p": "sandbox"}))
    commands.harness.provider.polls = [Finished(), Finished(edit_id="edit-7"), Finished()]
    without = await commands.accept_task()
    await commands.harness.run_for(60)
    kept = await commands.accept_task()
    await commands.harness.run_for(60)
    assert "cannot be changed" in (await commands.send(f"/remix {without.id} bluer")).text
    await commands.accept_task(f"/remix {kept.id} bluer")
    await commands.harness.run_for(60)
    asked = [about for verb, about in commands.harness.provider.received if verb == "submit"]
    assert [getattr(about, "remix_of", None) for about in asked] == [None, None, "edit-7"]


@pytest.mark.parametrize(
    ("verdict", "state", "spent"),
    [
        ("charge", State.FAILED, 4),
        ("refund", State.FAILED, 0),
        ("attach job-77", State.DONE, 4),
    ],
)
async def test_review_is_charged_refunded_or_attached_by_an_admin(
    commands: Commands, verdict: str, state: State, spent: int
) -> None:
    """The user is told what happened to the credits."""
    task = await commands.task_in_review()
    assert "the raw words" in (await commands.send(f"/admin task {task.id}", ADMIN)).text
    assert task.id in (await commands.send("/admin tasks review", ADMIN)).text
    assert (await commands.send(f"/admin resolve {task.id} {verdict}", ADMIN)).ok
    assert not (await commands.send(f"/admin resolve {task.id} {verdict}", ADMIN)).ok
    await commands.harness.run_for(60)
    assert (await commands.harness.task(task)).state is state
    assert (await commands.harness.held(ME.id), await commands.harness.spent(ME.id)) == (0, spent)
    assert commands.harness.provider.count("submit") == 1
    assert f"resolve {task.id}" in (await commands.send("/admin audit", ADMIN)).text


async def test_job_is_attached_to_one_task_only(commands: Commands) -> None:
    """A job that another task of the account has cannot be attached."""
    task = await commands.task_in_review()
    other = await commands.accept_task("/video another", OTHER)
    await commands.harness.run_for(60)
    job = (await commands.harness.task(other)).remote_id
    reply = await commands.send(f"/admin resolve {task.id} attach {job}", ADMIN)
    assert not reply.ok
    assert other.id in reply.text
    assert (await commands.harness.task(task)).state is State.REVIEW


async def test_admin_grant_limit_and_ban_take_effect_at_once(commands: Commands) -> None:
    """Also for a user who has never written."""
    assert (await commands.send("/admin grant telegram:5 7", ADMIN)).ok
    stranger = User("telegram:5")
    assert "7" in (await commands.send("/quota", stranger)).text
    assert (await commands.send("/admin ban telegram:5 too loud", ADMIN)).ok
    refused = await commands.send("/video a kite", stranger)
    assert "too loud" in refused.text
    assert "too loud" in (await commands.send("/admin user telegram:5", ADMIN)).text
    assert (await commands.send("/admin unban telegram:5", ADMIN)).ok
    assert (await commands.send("/video a kite", stranger)).ok
    assert not (await commands.send("/admin user telegram:6", ADMIN)).ok
    assert await commands.harness.database.read(ledger.verify) == []


async def test_admin_requeue_posts_an_undelivered_video(commands: Commands) -> None:
    """Requeue also expedites a waiting task; other tasks are refused."""
    from bot.ports import DeliveryError

    commands.harness.chat.delivery_results = [DeliveryError("blocked", is_permanent=True), None]
    task = await commands.accept_task()
    await commands.harness.run_for(60)
    assert (await commands.harness.task(task)).state is State.UNDELIVERED
    assert (await commands.send(f"/admin requeue {task.id}", ADMIN)).ok
    await commands.harness.run_for(60)
    assert (await commands.harness.task(task)).state is State.DONE
    assert len(commands.harness.chat.posted_texts) == 1
    assert not (await commands.send(f"/admin requeue {task.id}", ADMIN)).ok
    review = await commands.task_in_review()
    assert not (await commands.send(f"/admin requeue {review.id}", ADMIN)).ok
