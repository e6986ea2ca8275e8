"""The result on its way into the chat: made to fit, posted once, looked for when in doubt."""

from __future__ import annotations

from dataclasses import dataclass

import structlog

from bot.engine.outcome import Advance, Outcome, Snooze
from bot.engine.steps import GIVE_UP
from bot.engine.world import World
from bot.media.fit import Fitted
from bot.media.plan import Way
from bot.media.publish import PublishError
from bot.media.spool import DiskFull
from bot.model import Delivery, Place, State, Task, Video
from bot.ports import DeliveryError, DeliveryUnclear, Messenger
from bot.store import deliveries, tasks
from bot.store.database import Tx
from bot.telling import DISK_FULL, delivery_text, too_large_text

_log = structlog.get_logger(__name__)
_NO_ROOM = 60.0
"""Seconds until a video that there was no room to make smaller is thought of again."""
_BY_LINK = "link"
"""The receipt of a result of which only a link stands in the chat."""


@dataclass(frozen=True, slots=True)
class _Parcel:
    """What is posted; without a video only the words."""

    video: Video | None
    note: str = ""
    """Why this is not the whole, and how to get that."""


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
        parcel = await _packed(task, world, messenger, delivery.place)
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
    task: Task, world: World, messenger: Messenger, delivery: Delivery, parcel: _Parcel
) -> Outcome:
    text = delivery_text(task, repeated=delivery.repeated)
    text = "\n".join(part for part in (text, parcel.note) if part)
    try:
        if parcel.video is None:
            await messenger.tell(task, text)
            receipt = _BY_LINK
        else:
            receipt = await messenger.deliver(task, delivery, parcel.video, text)
    except DeliveryUnclear as error:
        return Snooze(world.clock.now() + 2.0, failed=True, raw=str(error))
    except DeliveryError as error:
        return _not_delivered(task, world, error)
    return _delivered(task, world, receipt)


# --- what fits ---------------------------------------------------------------------------


async def _packed(task: Task, world: World, messenger: Messenger, place: Place) -> _Parcel:
    """The video as this place takes it. Raises `FileNotFoundError`, `DiskFull`, `PublishError`."""
    if task.file is None or not world.spool.result(task.file).is_file():
        raise FileNotFoundError(task.file)
    path, order = world.spool.result(task.file), task.order
    whole = Video(path, task.bytes or 0, order.seconds, order.width, order.height)
    limit = messenger.largest(place)
    if limit is None or world.fitter is None:
        return _Parcel(whole)
    possible = world.publisher is not None
    fitted = await world.fitter.fit(path, limit, link_possible=possible)
    video = await _video(world, whole, fitted)
    if fitted.way not in {Way.LINK, Way.KEEP}:
        return _Parcel(video)
    link = None
    if fitted.way is Way.LINK and world.publisher is not None:
        valid_for = min(world.limits.result_retention, world.publisher.longest)
        link = await world.publisher.publish(path, world.clock.now(), valid_for)
    note = too_large_text(task, whole.bytes, limit, link, world.limits.result_retention)
    return _Parcel(video, note if video is not None or link is not None else "")


async def _video(world: World, whole: Video, fitted: Fitted) -> Video | None:
    if fitted.path is None:
        return None
    still = await world.fitter.thumbnail(whole.path) if world.fitter else None
    seen = fitted.video
    if seen is None:
        return Video(fitted.path, fitted.bytes, whole.seconds, thumbnail=still)
    seconds = max(round(seen.seconds), 1)
    return Video(fitted.path, fitted.bytes, seconds, seen.width, seen.height, still)


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
    wait = world.backoff(task.attempts, error.retry_after)
    return Snooze(
        now + wait, failed=True, raw=str(error), also=lambda tx: deliveries.unsent(tx, task.id)
    )
