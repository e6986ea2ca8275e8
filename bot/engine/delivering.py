"""The result on its way into the chat: made to fit, posted once, looked for when in doubt."""

from __future__ import annotations

import structlog

from bot.engine.outcome import Advance, Outcome, Snooze
from bot.engine.steps import GIVE_UP
from bot.engine.world import World
from bot.media.publish import PublishError
from bot.media.spool import DiskFull
from bot.model import Delivery, State, Task
from bot.parcels import Parcel, packed
from bot.ports import DeliveryError, DeliveryUnclear, Messenger
from bot.store import deliveries, tasks
from bot.store.database import Tx
from bot.telling import DISK_FULL, delivery_text

_log = structlog.get_logger(__name__)
_NO_ROOM = 60.0
"""Seconds until a video that there was no room to make smaller is thought of again."""
_BY_LINK = "link"
"""The receipt of a result of which only a link stands in the chat."""


async def deliver(task: Task, world: World) -> Outcome:
    """Post the result. A send that may have worked is looked for, and repeated once, marked."""
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
        # Somebody has taken the task over: it is theirs to post.
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


# --- writing it down ---------------------------------------------------------------------


def _begin(tx: Tx, task: Task, world: World, *, repeated: bool) -> Delivery | None:
    """Write down that the result is being posted, if the task is still ours."""
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
    # A full chat that says when it has room is no failure: nobody waits longer for it each time.
    failed = error.retry_after is None
    wait = world.backoff(task.attempts if failed else 0, error.retry_after)
    return Snooze(
        now + wait, failed=failed, raw=str(error), also=lambda tx: deliveries.unsent(tx, task.id)
    )
