"""Deliver a result to its chat: fit it, post it once, look it up if a send is in doubt."""

from __future__ import annotations

import structlog

from bot.domain.tasks import Delivery, State, Task
from bot.engine.context import World
from bot.engine.outcome import Advance, Outcome, Snooze
from bot.engine.poll_schedule import GIVE_UP
from bot.media.links import PublishError
from bot.media.storage import DiskFull
from bot.ports import DeliveryError, DeliveryUnclear, Messenger
from bot.presentation.task_messages import DISK_FULL, delivery_text
from bot.services.packaging import Parcel, packed
from bot.store import deliveries, tasks
from bot.store.database import Tx

_log = structlog.get_logger(__name__)
_NO_ROOM = 60.0
"""Until the next attempt when there was no disk space to re-encode a video."""
_BY_LINK = "link"
"""The receipt of a result that was posted as a link only."""


async def deliver(task: Task, world: World) -> Outcome:
    """Post the result. If an earlier send may have succeeded, look for it; else repeat it once."""
    delivery = await world.database.read(lambda tx: deliveries.get(tx, task.id))
    messenger = world.messengers.get(delivery.place.front_end)
    if messenger is None:
        return Snooze(world.clock.now() + 60.0)
    unclear = delivery.state == "sending"
    if unclear:
        receipt = await messenger.posted(task, delivery)
        if receipt is not None:
            return _delivered(task, world, receipt)
        if delivery.repeated:
            return _undelivered(task, "send-unclear")
    try:
        limit = messenger.largest(delivery.place)
        parcel = await packed(world, task, limit, world.limits.result_retention)
    except FileNotFoundError:
        return Advance(State.UNDELIVERED, reason="file-lost")
    except DiskFull as error:
        changes = {"reason": DISK_FULL, "raw": str(error)}
        return Snooze(world.clock.now() + _NO_ROOM, changes=changes)
    except PublishError as error:
        return _not_delivered(task, world, DeliveryError("too-large", str(error)))
    if parcel.video is None and not parcel.note:
        return _undelivered(task, "too-large")
    repeated = unclear or delivery.repeated
    begun = await world.database.transact(lambda tx: _begin(tx, task, world, repeated=repeated))
    if begun is None:
        # Another worker holds the lease now and delivers the result.
        return Snooze(world.clock.now())
    return await _posted(task, world, messenger, begun, parcel)


async def _posted(
    task: Task, world: World, messenger: Messenger, delivery: Delivery, parcel: Parcel
) -> Outcome:
    try:
        if parcel.video is None:
            text = delivery_text(task, repeated=delivery.repeated)
            await messenger.tell(task, f"{text}\n{parcel.note}")
            receipt = _BY_LINK
        else:
            receipt = await messenger.deliver(task, delivery, parcel.video, parcel.note)
    except DeliveryUnclear as error:
        return Snooze(world.clock.now() + 2.0, failed=True, raw=str(error))
    except DeliveryError as error:
        return _not_delivered(task, world, error)
    return _delivered(task, world, receipt)


# --- storing it --------------------------------------------------------------------------


def _begin(tx: Tx, task: Task, world: World, *, repeated: bool) -> Delivery | None:
    """Record the start of a send. None: the lease is lost, or the result was sent already."""
    until = world.clock.now() + world.limits.lease
    if not tasks.change(tx, task, due_at=until):
        return None
    if not deliveries.begin(tx, task.id, repeated=repeated):
        return None
    return deliveries.get(tx, task.id)


def _delivered(task: Task, world: World, receipt: str) -> Outcome:
    now = world.clock.now()
    return Advance(State.DONE, also=lambda tx: deliveries.sent(tx, task.id, receipt, now))


def _undelivered(task: Task, reason: str, raw: str = "") -> Outcome:
    def also(tx: Tx) -> None:
        if reason != "send-unclear":
            deliveries.unsent(tx, task.id)

    return Advance(State.UNDELIVERED, reason=reason, raw=raw or None, also=also)


def _not_delivered(task: Task, world: World, error: DeliveryError) -> Outcome:
    now = world.clock.now()
    if error.permanent or now - task.moved_at > GIVE_UP:
        return _undelivered(task, error.reason, str(error))
    # A rate limit with a retry time is not a failure and must not increase the back-off.
    failed = error.retry_after is None
    wait = world.backoff(task.attempts if failed else 0, error.retry_after)
    return Snooze(
        now + wait, failed=failed, raw=str(error), also=lambda tx: deliveries.unsent(tx, task.id)
    )
