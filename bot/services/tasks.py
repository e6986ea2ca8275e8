"""Commands on a user's own tasks: `/tasks`, `/cancel`, `/fetch`."""

from __future__ import annotations

from bot.credits import lifecycle
from bot.domain.commands import Cancel, Fetch, ListTasks, Reply
from bot.domain.errors import Refusal
from bot.domain.tasks import ACTIVE, State, Task, Video
from bot.presentation.task_messages import task_line
from bot.services.context import RequestContext, get_own_task
from bot.store import deliveries, tasks
from bot.store.database import Tx

_LIST_LIMIT = 10
"""Tasks that `/tasks` shows: as many as fit on a phone screen."""


async def list_tasks(context: RequestContext, _command: ListTasks) -> Reply:
    """`/tasks`: list the newest tasks, each with its queue position or ETA."""

    def read(tx: Tx) -> list[tuple[Task, int | None]]:
        user_tasks = tasks.newest_of_user(tx, context.user_id, _LIST_LIMIT)
        return [
            (task, tasks.queue_position(tx, task.id) if task.state is State.QUEUED else None)
            for task in user_tasks
        ]

    listed = await context.app.database.read(read)
    if not listed:
        return context.reply("tasks-none")
    lines = [context.translate("tasks-title")]
    lines += [
        task_line(context.language, task, context.estimate_eta(task, tasks_ahead))
        for task, tasks_ahead in listed
    ]
    return Reply("\n".join(lines))


async def cancel_task(context: RequestContext, command: Cancel) -> Reply:
    """`/cancel`: immediate for a queued task; later only if the gateway can cancel jobs."""
    task = await get_own_task(context, command.task_id)
    if task.state is State.QUEUED:
        return await _cancel_queued(context, task)
    if task.state in {State.FETCHING, State.DELIVERING}:
        raise Refusal("cancel-too-late", task=task.id, price=task.price)
    if task.state not in ACTIVE:
        raise Refusal(
            "cancel-at-rest", task=task.id, state=context.translate(f"state-{task.state}")
        )
    provider = context.app.provider_of(task)
    if provider is None or not provider[1].capabilities.cancel:
        raise Refusal("cancel-not-possible", task=task.id, price=task.price)
    is_requested = await context.app.database.transact(
        lambda tx: tasks.request_cancel(tx, task.id, context.now)
    )
    if not is_requested:
        # The state has changed meanwhile: start over.
        return await cancel_task(context, command)
    context.app.wake_engine()
    return Reply(context.translate("cancel-asked", task=task.id, price=task.price), task=task)


async def _cancel_queued(context: RequestContext, task: Task) -> Reply:
    def stop(tx: Tx) -> bool:
        return lifecycle.transition(
            tx,
            task,
            State.CANCELLED,
            context.now,
            by=context.user_id,
            reason="cancelled",
            notify=False,
        )

    if not await context.app.database.transact(stop):
        # The task has just left the queue: start over.
        return await cancel_task(context, Cancel(task.id))
    return Reply(context.translate("cancel-done", task=task.id, price=task.price), task=task)


async def fetch_video(context: RequestContext, command: Fetch) -> Reply:
    """`/fetch`: post the video in this chat, again or for the first time."""
    task = await get_own_task(context, command.task_id)
    # A video that is being posted, perhaps by this request, must not be posted twice.
    if task.state in ACTIVE:
        raise Refusal(
            "fetch-not-ready", task=task.id, state=context.translate(f"state-{task.state}")
        )
    if task.state not in {State.DONE, State.UNDELIVERED}:
        raise Refusal(
            "fetch-no-video", task=task.id, state=context.translate(f"state-{task.state}")
        )
    if task.file is None or not context.app.storage.result_path(task.file).is_file():
        raise Refusal("fetch-expired", task=task.id)
    if task.state is State.UNDELIVERED:
        await context.app.database.transact(lambda tx: _redeliver(tx, context, task))
        context.app.wake_engine()
        return Reply(context.translate("fetch-sending", task=task.id), task=task)
    return Reply(
        context.translate("fetch-here", task=task.id), task=task, video=_result_video(context, task)
    )


def _redeliver(tx: Tx, context: RequestContext, task: Task) -> None:
    if lifecycle.transition(tx, task, State.DELIVERING, context.now, by=context.user_id):
        deliveries.restart(tx, task.id, context.request.destination)


def _result_video(context: RequestContext, task: Task) -> Video:
    order = task.order
    path = context.app.storage.result_path(task.file or "")
    return Video(path, task.bytes or 0, order.seconds, order.width, order.height)
