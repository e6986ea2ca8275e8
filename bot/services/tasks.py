"""Commands on a user's own tasks: `/tasks`, `/cancel`, `/fetch`."""

from __future__ import annotations

from bot.credits import lifecycle
from bot.domain.commands import (
    Cancel,
    Fetch,
    ListTasks,
    Reply,
)
from bot.domain.errors import Refusal
from bot.domain.tasks import ACTIVE, State, Task, Video
from bot.presentation.task_messages import task_line
from bot.services.context import Call, own_task
from bot.store import deliveries, tasks
from bot.store.database import Tx

_LISTED = 10
"""Tasks that `/tasks` shows: as many as fit on a phone screen."""


# --- tasks of the user -------------------------------------------------------------------


async def list_tasks(call: Call, _command: ListTasks) -> Reply:
    """`/tasks`: list the newest tasks, each with its queue position or ETA."""

    def look(tx: Tx) -> list[tuple[Task, int | None]]:
        own = tasks.of_person(tx, call.person, _LISTED)
        return [
            (task, tasks.place_in_line(tx, task.id) if task.state is State.QUEUED else None)
            for task in own
        ]

    listed = await call.desk.database.read(look)
    if not listed:
        return call.reply("tasks-none")
    lines = [call.say("tasks-title")]
    lines += [task_line(call.language, task, call.outlook(task, line)) for task, line in listed]
    return Reply("\n".join(lines))


async def cancel(call: Call, command: Cancel) -> Reply:
    """`/cancel`: immediate for a queued task; later only if the gateway can cancel jobs."""
    task = await own_task(call, command.task)
    if task.state is State.QUEUED:
        return await _cancel_queued(call, task)
    if task.state in {State.FETCHING, State.DELIVERING}:
        raise Refusal("cancel-too-late", task=task.id, price=task.price)
    if task.state not in ACTIVE:
        raise Refusal("cancel-at-rest", task=task.id, state=call.say(f"state-{task.state}"))
    account = call.desk.account_of(task)
    if account is None or not account[1].capabilities.cancel:
        raise Refusal("cancel-not-possible", task=task.id, price=task.price)
    asked = await call.desk.database.transact(lambda tx: tasks.ask_to_cancel(tx, task.id, call.now))
    if not asked:
        # The state has changed meanwhile: start over.
        return await cancel(call, command)
    call.desk.wake()
    return Reply(call.say("cancel-asked", task=task.id, price=task.price), task=task)


async def _cancel_queued(call: Call, task: Task) -> Reply:
    def stop(tx: Tx) -> bool:
        return lifecycle.move(
            tx, task, State.CANCELLED, call.now, by=call.person, reason="cancelled", notice=False
        )

    if not await call.desk.database.transact(stop):
        # The task has just left the queue: start over.
        return await cancel(call, Cancel(task.id))
    return Reply(call.say("cancel-done", task=task.id, price=task.price), task=task)


async def fetch(call: Call, command: Fetch) -> Reply:
    """`/fetch`: post the video in this chat, again or for the first time."""
    task = await own_task(call, command.task)
    # A video that is being posted, perhaps by this request, must not be posted twice.
    if task.state in ACTIVE:
        raise Refusal("fetch-not-ready", task=task.id, state=call.say(f"state-{task.state}"))
    if task.state not in {State.DONE, State.UNDELIVERED}:
        raise Refusal("fetch-no-video", task=task.id, state=call.say(f"state-{task.state}"))
    if task.file is None or not call.desk.spool.result(task.file).is_file():
        raise Refusal("fetch-expired", task=task.id)
    if task.state is State.UNDELIVERED:
        await call.desk.database.transact(lambda tx: _send_again(tx, call, task))
        call.desk.wake()
        return Reply(call.say("fetch-sending", task=task.id), task=task)
    return Reply(call.say("fetch-here", task=task.id), task=task, video=_video(call, task))


def _send_again(tx: Tx, call: Call, task: Task) -> None:
    if lifecycle.move(tx, task, State.DELIVERING, call.now, by=call.person):
        deliveries.renew(tx, task.id, call.request.place)


def _video(call: Call, task: Task) -> Video:
    order = task.order
    path = call.desk.spool.result(task.file or "")
    return Video(path, task.bytes or 0, order.seconds, order.width, order.height)
