"""What users and admins are told, and that no user reaches another's tasks."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from bot.commands.admin_parser import ADMIN_COMMANDS
from bot.credits import ledger
from bot.domain.tasks import State
from bot.domain.users import User
from bot.services.account import set_handle
from bot.services.admin import ADMIN_HANDLERS
from bot.services.queries import outstanding_tasks, user_id_by_handle
from bot.store import tasks
from providers import errors
from providers.types import Pending
from tests.fakes.engine.scripted import ScriptedProvider
from tests.support.commands import ADMIN, ME, OTHER, Commands


async def test_repeated_update_makes_one_task_and_one_hold(commands: Commands) -> None:
    """The same update again gives the same answer; its second picture is removed."""
    first = await commands.send("/video a kite", update="u1")
    again = await commands.send("/video a kite", update="u1")
    assert first.task is not None
    assert again.task is not None
    assert first.task.id == again.task.id
    assert await commands.harness.held(ME.id) == 4


def _pictures(commands: Commands) -> list[Path]:
    return list((commands.harness.folder / "spool").glob("*"))


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


async def test_task_of_another_user_does_not_exist(commands: Commands) -> None:
    """The text is the one for an id that was never given."""
    task = await commands.accept_task()
    for line in ("/cancel {}", "/retry {}", "/fetch {}", "/remix {} now blue"):
        theirs = await commands.send(line.format(task.id), OTHER)
        nobodys = await commands.send(line.format("zzzzzzzz"), OTHER)
        assert not theirs.ok
        assert theirs.text == nobodys.text.replace("zzzzzzzz", task.id)
    assert (await commands.harness.task(task)).state is State.QUEUED
    assert task.id not in (await commands.send("/tasks", OTHER)).text


@pytest.mark.parametrize("word", [word.name for word in ADMIN_COMMANDS] + ["help"])
async def test_admin_commands_are_refused_to_users(commands: Commands, word: str) -> None:
    """Nothing is changed."""
    arguments = {"grant": "console:me 5", "limit": "console:me 5", "resolve": "abcd2345 refund"}
    arguments |= {"provider": "p drain", "group": "discord:1 5"}
    line = f"/admin {word} {arguments.get(word, '')}"
    if word in {"ban", "unban", "user"}:
        line = f"/admin {word} console:other"
    if word in {"task", "requeue"}:
        line = f"/admin {word} abcd2345"
    reply = await commands.send(line if word != "help" else "/admin")
    assert not reply.ok
    assert reply.text == "This command is for admins."
    assert word == "help" or word in ADMIN_HANDLERS


async def test_queued_task_is_cancelled_at_once_without_charge(commands: Commands) -> None:
    """The answer tells what happened to the credits."""
    task = await commands.accept_task()
    reply = await commands.send(f"/cancel {task.id}")
    assert reply.ok
    assert "4 credits" in reply.text
    assert (await commands.harness.task(task)).state is State.CANCELLED
    assert (await commands.harness.held(ME.id), await commands.harness.spent(ME.id)) == (0, 0)
    assert not (await commands.send(f"/cancel {task.id}")).ok
    await commands.harness.run_for(10)
    assert commands.harness.provider.received == []


async def test_cancel_is_refused_where_the_gateway_cannot(commands: Commands) -> None:
    """The user is told that it costs, and gets the video."""
    commands.harness.use_provider(ScriptedProvider(commands.harness.folder))
    commands.harness.provider.polls = [Pending(running=True)]
    task = await commands.accept_task()
    await commands.harness.run_for(5)
    reply = await commands.send(f"/cancel {task.id}")
    assert not reply.ok
    assert "cannot stop" in reply.text
    assert "4 credits" in reply.text
    assert (await commands.harness.task(task)).state is State.RUNNING


async def test_running_job_is_cancelled_at_the_next_poll(commands: Commands) -> None:
    """Where the gateway can cancel, the user is notified of the outcome."""
    commands.harness.provider.polls = [Pending(running=True)]
    task = await commands.accept_task()
    await commands.harness.run_for(5)
    assert (await commands.send(f"/cancel {task.id}")).ok
    await commands.harness.run_for(5)
    assert (await commands.harness.task(task)).state is State.CANCELLED
    assert await commands.harness.spent(ME.id) == 0
    assert await outstanding_tasks(commands.app, ME.id) == []


async def test_delivered_video_is_sent_again_while_kept(commands: Commands) -> None:
    """A video that was removed is refused."""
    task = await commands.accept_task()
    assert not (await commands.send(f"/fetch {task.id}")).ok
    await commands.harness.run_for(60)
    again = await commands.send(f"/fetch #{task.id.upper()}")
    assert again.ok
    assert again.video is not None
    assert again.video.path.is_file()
    again.video.path.unlink()
    assert not (await commands.send(f"/fetch {task.id}")).ok


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
    commands.harness.use_provider(
        ScriptedProvider(commands.harness.folder, remix=True, key="another account")
    )
    third = await commands.accept_task(f"/remix {first.id} now red")
    await commands.harness.run_for(60)
    assert (await commands.harness.task(third)).state is State.FAILED
    assert commands.harness.provider.count("submit") == 0


async def test_forgetme_removes_user_data_and_keeps_the_ledger(
    commands: Commands, tmp_path: Path
) -> None:
    """No prompt, image, video or setting is left; the ledger is unchanged."""
    photo = tmp_path / "photo.png"
    Image.new("RGB", (300, 500), "teal").save(photo)
    task = await commands.accept_task(f"/video --image {photo} a secret wish")
    await commands.harness.run_for(60)
    await commands.send("/settings duration 8")
    running = await commands.accept_task("/video another secret")
    asked = await commands.send("/forgetme")
    assert "/forgetme yes" in asked.text
    assert (await commands.harness.task(task)).order.prompt == "a secret wish"
    spent = await commands.harness.spent(ME.id)
    done = await commands.send("/forgetme yes")
    assert "still under way" in done.text
    found = await commands.harness.task(task)
    assert (found.order.prompt, found.order.image, found.file) == ("", "", None)
    left = {path.name for path in commands.harness.folder.rglob("*") if path.is_file()}
    assert not {task.order.image, f"{task.id}.mp4"} & left
    assert await commands.harness.spent(ME.id) == spent
    assert "not set" in (await commands.send("/settings")).text
    assert (await commands.harness.task(running)).order.prompt == "another secret"
    assert not (await commands.send(f"/retry {task.id}")).ok


async def test_forgetme_removes_the_user_name_as_well(commands: Commands) -> None:
    """Nobody is found by the user name any more, only by the id."""
    await set_handle(commands.app, ME.id, "Wren")
    front_end = ME.id.partition(":")[0]
    assert await user_id_by_handle(commands.app, front_end, "wren") == ME.id
    await commands.send("/forgetme yes")
    assert await user_id_by_handle(commands.app, front_end, "wren") is None


async def test_default_applies_unless_an_option_is_given(commands: Commands) -> None:
    """A user's default counts where no option is given."""
    await commands.send("/settings duration 8")
    await commands.send("/settings orientation portrait")
    assert not (await commands.send("/settings model nonsense")).ok
    plain = await commands.accept_task()
    assert (plain.order.seconds, plain.order.orientation) == (8, "portrait")
    said = await commands.accept_task("/video --landscape --duration 2 a kite")
    assert (said.order.seconds, said.order.orientation) == (2, "landscape")


async def test_chosen_language_is_used_everywhere(commands: Commands) -> None:
    """It applies at once, to refusals and final notices as well."""
    assert "中文" in (await commands.send("/language zh")).text
    assert "没有" in (await commands.send("/cancel zzzzzzzz")).text
    commands.harness.provider.submits = [errors.Moderated()]
    await commands.accept_task()
    await commands.harness.run_for(10)
    assert "网关" in commands.harness.chat.final_messages[0]
    assert not (await commands.send("/language xx")).ok


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


async def test_old_videos_images_and_prompts_are_removed(commands: Commands) -> None:
    """After their retention; the task and its numbers stay."""
    from bot.engine.retention import purge_expired

    task = await commands.accept_task()
    await commands.harness.run_for(60)
    await commands.harness.clock.advance(29 * 86400)
    await purge_expired(commands.harness.engine)
    assert (await commands.harness.task(task)).file is not None
    await commands.harness.clock.advance(2 * 86400)
    await purge_expired(commands.harness.engine)
    found = await commands.harness.task(task)
    assert (found.file, found.order.prompt) == (None, "a red kite")
    assert list((commands.harness.folder / "results").glob("*")) == []
    await commands.harness.clock.advance(60 * 86400)
    await purge_expired(commands.harness.engine)
    assert (await commands.harness.task(task)).order.prompt == ""
    assert await commands.harness.database.read(lambda tx: tasks.get(tx, task.id)) is not None


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


async def test_image_is_kept_for_its_own_time(commands: Commands, tmp_path: Path) -> None:
    """The video stays for its own."""
    from bot.engine.retention import purge_expired

    photo = tmp_path / "photo.png"
    Image.new("RGB", (300, 500), "teal").save(photo)
    limits = replace(commands.harness.engine.limits, picture_retention_s=86400.0)
    commands.harness.engine = replace(commands.harness.engine, limits=limits)
    task = await commands.accept_task(f"/video --image {photo} a kite")
    await commands.harness.run_for(60)
    await commands.harness.clock.advance(2 * 86400)
    await purge_expired(commands.harness.engine)
    found = await commands.harness.task(task)
    assert found.order.image == ""
    assert commands.harness.engine.storage.result_path(found.file or "").is_file()
    assert "pictures for" in (await commands.send("/privacy")).text
