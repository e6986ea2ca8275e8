"""What people and admins hear, and that nobody reaches into another's affairs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from bot.commands.admin_parser import ADMIN_WORDS
from bot.commands.parser import parse
from bot.credits import ledger
from bot.domain.commands import Reply, Request
from bot.domain.tasks import Place, State, Task
from bot.domain.users import Person
from bot.services.account import set_handle
from bot.services.admin import ADMIN_HANDLERS
from bot.services.dispatcher import handle
from bot.services.queries import called, outstanding
from bot.store import tasks
from bot.store.database import Database
from providers import errors
from providers.types import Pending
from tests.fakes.engine.harness import Stage
from tests.fakes.engine.scripted import ScriptedProvider
from tests.support.fake_clock import FakeClock

ME, OTHER = Person("console:me"), Person("console:other")
ADMIN = Person("console:local", admin=True)


class Town:
    """A stage with a desk in front of it."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.desk = stage.desk()

    async def ask(self, line: str, person: Person = ME, update: str | None = None) -> Reply:
        """The answer to a line."""
        request = Request(person, Place("console"), parse(line, files=True), update)
        return await handle(request, self.desk)

    async def order(self, line: str = "/video a red kite", person: Person = ME) -> Task:
        """The task that a line makes."""
        await self.stage.register()
        reply = await self.ask(line, person)
        assert reply.ok, reply.text
        assert reply.task is not None
        return reply.task


@pytest.fixture
def town(database: Database, clock: FakeClock, tmp_path: Path) -> Town:
    """A town whose gateway can stop and change videos."""
    stage = Stage(database, tmp_path / "data", clock)
    stage.use(ScriptedProvider(stage.folder, cancel=True, remix=True))
    return Town(stage)


async def test_one_update_is_charged_twice(town: Town) -> None:
    """The same update again gives the same answer, one task and one hold; its picture goes."""
    first = await town.ask("/video a kite", update="u1")
    again = await town.ask("/video a kite", update="u1")
    assert first.task is not None
    assert again.task is not None
    assert first.task.id == again.task.id
    assert await town.stage.held(ME.id) == 4


def _pictures(town: Town) -> list[Path]:
    return list((town.stage.folder / "spool").glob("*"))


async def test_a_refused_request_leaves_its_picture(town: Town, tmp_path: Path) -> None:
    """Where nothing was accepted, nothing stays behind; what was accepted keeps its picture."""
    photo = tmp_path / "photo.png"
    Image.new("RGB", (300, 500), "teal").save(photo)
    await town.ask("/admin limit console:me 0", ADMIN)
    refused = await town.ask(f"/video --image {photo} a kite")
    assert not refused.ok
    assert _pictures(town) == []
    await town.ask("/admin limit console:me 60", ADMIN)
    task = await town.order(f"/video --image {photo} a kite")
    assert task.order.orientation == "portrait"
    assert task.order.image is not None
    assert [path.name for path in _pictures(town)] == [task.order.image]


async def test_another_persons_task_is_touched_or_shown(town: Town) -> None:
    """To others a task does not exist: the words are those for an id that was never given."""
    task = await town.order()
    for line in ("/cancel {}", "/retry {}", "/fetch {}", "/remix {} now blue"):
        theirs = await town.ask(line.format(task.id), OTHER)
        nobodys = await town.ask(line.format("zzzzzzzz"), OTHER)
        assert not theirs.ok
        assert theirs.text == nobodys.text.replace("zzzzzzzz", task.id)
    assert (await town.stage.task(task)).state is State.QUEUED
    assert task.id not in (await town.ask("/tasks", OTHER)).text


@pytest.mark.parametrize("word", [word.name for word in ADMIN_WORDS] + ["help"])
async def test_a_person_runs_an_admins_word(town: Town, word: str) -> None:
    """Every word of /admin is refused to whoever is no admin, and changes nothing."""
    arguments = {"grant": "console:me 5", "limit": "console:me 5", "resolve": "abcd2345 refund"}
    arguments |= {"provider": "p drain", "group": "discord:1 5"}
    line = f"/admin {word} {arguments.get(word, '')}"
    if word in {"ban", "unban", "user"}:
        line = f"/admin {word} console:other"
    if word in {"task", "requeue"}:
        line = f"/admin {word} abcd2345"
    reply = await town.ask(line if word != "help" else "/admin")
    assert not reply.ok
    assert reply.text == "This command is for admins."
    assert word == "help" or word in ADMIN_HANDLERS


async def test_a_waiting_task_is_stopped_and_paid(town: Town) -> None:
    """A task in line is stopped at once, and the answer tells the truth about the credits."""
    task = await town.order()
    reply = await town.ask(f"/cancel {task.id}")
    assert reply.ok
    assert "4 credits" in reply.text
    assert (await town.stage.task(task)).state is State.CANCELLED
    assert (await town.stage.held(ME.id), await town.stage.spent(ME.id)) == (0, 0)
    assert not (await town.ask(f"/cancel {task.id}")).ok
    await town.stage.run(10)
    assert town.stage.provider.asked == []


async def test_a_stop_is_promised_that_cannot_be_kept(town: Town) -> None:
    """A gateway that cannot stop a job: the person hears that it costs, and gets the video."""
    town.stage.use(ScriptedProvider(town.stage.folder))
    town = Town(town.stage)
    town.stage.provider.polls = [Pending(running=True)]
    task = await town.order()
    await town.stage.run(5)
    reply = await town.ask(f"/cancel {task.id}")
    assert not reply.ok
    assert "cannot stop" in reply.text
    assert "4 credits" in reply.text
    assert (await town.stage.task(task)).state is State.RUNNING


async def test_a_running_job_is_not_stopped(town: Town) -> None:
    """Where the gateway can, the wish is carried out at the next look, and told."""
    town.stage.provider.polls = [Pending(running=True)]
    task = await town.order()
    await town.stage.run(5)
    assert (await town.ask(f"/cancel {task.id}")).ok
    await town.stage.run(5)
    assert (await town.stage.task(task)).state is State.CANCELLED
    assert await town.stage.spent(ME.id) == 0
    assert await outstanding(town.desk, ME.id) == []


async def test_a_video_cannot_be_had_again(town: Town) -> None:
    """A delivered video is handed out again; one that is no longer there is refused."""
    task = await town.order()
    assert not (await town.ask(f"/fetch {task.id}")).ok
    await town.stage.run(60)
    again = await town.ask(f"/fetch #{task.id.upper()}")
    assert again.ok
    assert again.video is not None
    assert again.video.path.is_file()
    again.video.path.unlink()
    assert not (await town.ask(f"/fetch {task.id}")).ok


async def test_a_task_is_repeated_otherwise_or_for_nothing(town: Town, tmp_path: Path) -> None:
    """A retry has the same wishes and its own picture, and costs what it costs today."""
    photo = tmp_path / "photo.png"
    Image.new("RGB", (300, 500), "teal").save(photo)
    town.stage.provider.submits = [errors.Refused(), None]
    task = await town.order(f"/video --image {photo} --duration 6 a kite")
    assert not (await town.ask(f"/retry {task.id}")).ok
    await town.stage.run(60)
    assert (await town.stage.task(task)).state is State.FAILED
    reply = await town.ask(f"/retry {task.id}")
    assert reply.task is not None
    assert reply.task.order.prompt == "a kite"
    assert reply.task.order.seconds == 6
    assert reply.task.order.image not in (None, task.order.image)
    assert await town.stage.held(ME.id) == 6


async def test_a_change_goes_to_another_gateway(town: Town) -> None:
    """A remix is made by the account that made the original, from the original's job."""
    first = await town.order()
    assert not (await town.ask(f"/remix {first.id} now blue")).ok
    await town.stage.run(60)
    second = await town.order(f"/remix {first.id} now blue")
    await town.stage.run(60)
    assert (await town.stage.task(second)).state is State.DONE
    request = [about for verb, about in town.stage.provider.asked if verb == "submit"][-1]
    assert getattr(request, "remix_of", None) == f"job-{first.id}"
    town.stage.use(ScriptedProvider(town.stage.folder, remix=True, key="another account"))
    third = await town.order(f"/remix {first.id} now red")
    await town.stage.run(60)
    assert (await town.stage.task(third)).state is State.FAILED
    assert town.stage.provider.count("submit") == 0


async def test_a_person_cannot_be_forgotten(town: Town, tmp_path: Path) -> None:
    """After /forgetme yes no prompt, picture, video or setting is left; the ledger is as it was."""
    photo = tmp_path / "photo.png"
    Image.new("RGB", (300, 500), "teal").save(photo)
    task = await town.order(f"/video --image {photo} a secret wish")
    await town.stage.run(60)
    await town.ask("/settings duration 8")
    running = await town.order("/video another secret")
    asked = await town.ask("/forgetme")
    assert "/forgetme yes" in asked.text
    assert (await town.stage.task(task)).order.prompt == "a secret wish"
    spent = await town.stage.spent(ME.id)
    done = await town.ask("/forgetme yes")
    assert "still under way" in done.text
    found = await town.stage.task(task)
    assert (found.order.prompt, found.order.image, found.file) == ("", "", None)
    left = {path.name for path in town.stage.folder.rglob("*") if path.is_file()}
    assert not {task.order.image, f"{task.id}.mp4"} & left
    assert await town.stage.spent(ME.id) == spent
    assert "not set" in (await town.ask("/settings")).text
    assert (await town.stage.task(running)).order.prompt == "another secret"
    assert not (await town.ask(f"/retry {task.id}")).ok


async def test_forgetme_forgets_the_user_name_as_well(town: Town) -> None:
    """After /forgetme yes nobody is found by the user name any more, only by the id."""
    await set_handle(town.desk, ME.id, "Wren")
    front_end = ME.id.partition(":")[0]
    assert await called(town.desk, front_end, "wren") == ME.id
    await town.ask("/forgetme yes")
    assert await called(town.desk, front_end, "wren") is None


async def test_a_default_is_not_used_or_stronger_than_a_wish(town: Town) -> None:
    """What a person has set counts where they say nothing; a wish goes before it."""
    await town.ask("/settings duration 8")
    await town.ask("/settings orientation portrait")
    assert not (await town.ask("/settings model nonsense")).ok
    plain = await town.order()
    assert (plain.order.seconds, plain.order.orientation) == (8, "portrait")
    said = await town.order("/video --landscape --duration 2 a kite")
    assert (said.order.seconds, said.order.orientation) == (2, "landscape")


async def test_a_language_is_not_kept(town: Town) -> None:
    """The chosen language answers at once, for refusals and last words as well."""
    assert "中文" in (await town.ask("/language zh")).text
    assert "没有" in (await town.ask("/cancel zzzzzzzz")).text
    town.stage.provider.submits = [errors.Moderated()]
    await town.order()
    await town.stage.run(10)
    assert "网关" in town.stage.chat.told_texts[0]
    assert not (await town.ask("/language xx")).ok


# --- admins ------------------------------------------------------------------------------


async def _in_review(town: Town) -> Task:
    town.stage.use(ScriptedProvider(town.stage.folder))
    town.stage.provider.submits = [errors.Unanswered("the raw words"), None]
    task = await town.order()
    await town.stage.run(60)
    found = await town.stage.task(task)
    assert found.state is State.REVIEW
    return found


@pytest.mark.parametrize(
    ("verdict", "state", "spent"),
    [
        ("charge", State.FAILED, 4),
        ("refund", State.FAILED, 0),
        ("attach job-77", State.DONE, 4),
    ],
)
async def test_a_review_ends_in_the_wrong_way(
    town: Town, verdict: str, state: State, spent: int
) -> None:
    """An admin charges, refunds or attaches; the person hears the truth about the credits."""
    task = await _in_review(town)
    assert "the raw words" in (await town.ask(f"/admin task {task.id}", ADMIN)).text
    assert task.id in (await town.ask("/admin tasks review", ADMIN)).text
    assert (await town.ask(f"/admin resolve {task.id} {verdict}", ADMIN)).ok
    assert not (await town.ask(f"/admin resolve {task.id} {verdict}", ADMIN)).ok
    await town.stage.run(60)
    assert (await town.stage.task(task)).state is state
    assert (await town.stage.held(ME.id), await town.stage.spent(ME.id)) == (0, spent)
    assert town.stage.provider.count("submit") == 1
    assert f"resolve {task.id}" in (await town.ask("/admin audit", ADMIN)).text


async def test_one_job_is_attached_to_two_tasks(town: Town) -> None:
    """A job that another task of the account has cannot be attached."""
    task = await _in_review(town)
    other = await town.order("/video another", OTHER)
    await town.stage.run(60)
    job = (await town.stage.task(other)).remote_id
    reply = await town.ask(f"/admin resolve {task.id} attach {job}", ADMIN)
    assert not reply.ok
    assert other.id in reply.text
    assert (await town.stage.task(task)).state is State.REVIEW


async def test_an_admins_grant_or_ban_does_nothing(town: Town) -> None:
    """Grants, limits and bans take effect at once, also for somebody who never wrote."""
    assert (await town.ask("/admin grant telegram:5 7", ADMIN)).ok
    stranger = Person("telegram:5")
    assert "7" in (await town.ask("/quota", stranger)).text
    assert (await town.ask("/admin ban telegram:5 too loud", ADMIN)).ok
    refused = await town.ask("/video a kite", stranger)
    assert "too loud" in refused.text
    assert "too loud" in (await town.ask("/admin user telegram:5", ADMIN)).text
    assert (await town.ask("/admin unban telegram:5", ADMIN)).ok
    assert (await town.ask("/video a kite", stranger)).ok
    assert not (await town.ask("/admin user telegram:6", ADMIN)).ok
    assert await town.stage.database.read(ledger.prove) == []


async def test_an_undelivered_video_cannot_be_sent_by_an_admin(town: Town) -> None:
    """Requeue posts an undelivered video again, and hurries a waiting task; no more."""
    from bot.ports import DeliveryError

    town.stage.chat.deliveries = [DeliveryError("blocked", permanent=True), None]
    task = await town.order()
    await town.stage.run(60)
    assert (await town.stage.task(task)).state is State.UNDELIVERED
    assert (await town.ask(f"/admin requeue {task.id}", ADMIN)).ok
    await town.stage.run(60)
    assert (await town.stage.task(task)).state is State.DONE
    assert len(town.stage.chat.posted_texts) == 1
    assert not (await town.ask(f"/admin requeue {task.id}", ADMIN)).ok
    review = await _in_review(town)
    assert not (await town.ask(f"/admin requeue {review.id}", ADMIN)).ok


async def test_old_videos_and_prompts_are_kept_for_ever(town: Town) -> None:
    """After their days videos, pictures and prompts go; the task and its numbers stay."""
    from bot.engine.retention import tidy

    task = await town.order()
    await town.stage.run(60)
    await town.stage.clock.advance(29 * 86400)
    await tidy(town.stage.world)
    assert (await town.stage.task(task)).file is not None
    await town.stage.clock.advance(2 * 86400)
    await tidy(town.stage.world)
    found = await town.stage.task(task)
    assert (found.file, found.order.prompt) == (None, "a red kite")
    assert list((town.stage.folder / "results").glob("*")) == []
    await town.stage.clock.advance(60 * 86400)
    await tidy(town.stage.world)
    assert (await town.stage.task(task)).order.prompt == ""
    assert await town.stage.database.read(lambda tx: tasks.get(tx, task.id)) is not None


async def test_a_repetition_silently_lacks_its_picture(town: Town, tmp_path: Path) -> None:
    """When the picture is no longer kept, a retry is refused: it would be another video."""
    from bot.engine.retention import tidy

    photo = tmp_path / "photo.png"
    Image.new("RGB", (300, 500), "teal").save(photo)
    town.stage.provider.submits = [errors.Refused(), None]
    task = await town.order(f"/video --image {photo} a kite")
    await town.stage.run(60)
    await town.stage.clock.advance(31 * 86400)
    await tidy(town.stage.world)
    reply = await town.ask(f"/retry {task.id}")
    assert not reply.ok
    assert "picture" in reply.text


async def test_a_picture_is_kept_as_long_as_a_video(town: Town, tmp_path: Path) -> None:
    """Pictures have a time of their own; the video stays for its."""
    from bot.engine.retention import tidy

    photo = tmp_path / "photo.png"
    Image.new("RGB", (300, 500), "teal").save(photo)
    limits = replace(town.stage.world.limits, picture_retention=86400.0)
    town.stage.world = replace(town.stage.world, limits=limits)
    task = await town.order(f"/video --image {photo} a kite")
    await town.stage.run(60)
    await town.stage.clock.advance(2 * 86400)
    await tidy(town.stage.world)
    found = await town.stage.task(task)
    assert found.order.image == ""
    assert town.stage.world.spool.result(found.file or "").is_file()
    assert "pictures for" in (await town.ask("/privacy")).text
