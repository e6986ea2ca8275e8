"""Commands on a user's own tasks: `/tasks`, `/cancel`, `/fetch`."""

from __future__ import annotations

from bot.domain.tasks import State
from bot.services.queries import outstanding_tasks
from providers.types import Pending
from tests.fakes.engine.scripted import ScriptedProvider
from tests.support.commands import ME, OTHER, Commands


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
