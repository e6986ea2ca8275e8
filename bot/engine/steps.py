"""One function per state: it does one thing outside and says what became of the task."""

from __future__ import annotations

import asyncio
from pathlib import Path

from bot.durations import Spread
from bot.engine import schedule
from bot.engine.outcome import Advance, Outcome, Snooze, fail
from bot.engine.world import World
from bot.lifecycle import ATTACHED
from bot.media import spool
from bot.model import Delivery, State, Task, Video
from bot.ports import DeliveryError, DeliveryUnclear
from bot.store import deliveries, providers, tasks
from bot.store import durations as duration_rows
from bot.store.database import Tx
from bot.telling import delivery_text
from providers import errors
from providers.base import (
    Capabilities,
    Failed,
    Finished,
    Pending,
    Provider,
    ReferenceImage,
    VideoRequest,
)

NO_JOB_YET = 60.0
"""Seconds after a create in which a gateway may not know its own job yet."""
GIVE_UP = 86400.0
"""Seconds for which a gateway or a chat that cannot be reached is tried again."""
_REFUSALS: dict[type[errors.ProviderError], str] = {
    errors.Moderated: "moderation",
    errors.ModelUnavailable: "model-unavailable",
    errors.Misconfigured: "misconfigured",
}
_WITHOUT_KEY_OR_FUNDS = 60.0
_FETCH_TRIES = 6
_FETCH_AT_MOST = 3600.0
"""Seconds for one download: one that only trickles must not take a place for ever."""
_LOST_TRIES = 5
_NOT_STOPPED = "not-stopped"
"""The gateway was asked to stop the job, and did not."""


# --- submitting --------------------------------------------------------------------------


async def submit(task: Task, world: World) -> Outcome:
    """Send the paid create, once. What is unclear afterwards is searched for, never sent again."""
    provider = world.provider_of(task)
    if provider is None:
        return _not_sent(task, world, "unreachable", "the provider is not configured")
    try:
        request = await _request_if_readable(task, world)
    except OSError as error:
        return fail("file-lost", f"the reference picture cannot be read: {error}")
    if not await still_ours(task, world):
        return Snooze(world.clock.now())
    try:
        job = await provider.submit(request)
    except errors.ProviderError as error:
        return _after_an_error(task, world, error)
    return accepted(task, world, job.remote_id, job.progress)


async def _request_if_readable(task: Task, world: World) -> VideoRequest:
    """The request. A picture that cannot be read is found out before anything is paid for."""
    if task.order.image:
        await asyncio.to_thread(_read_a_byte, world.spool.path(task.order.image))
    return await request_of(task, world)


def _read_a_byte(path: Path) -> None:
    with path.open("rb") as file:
        file.read(1)


async def still_ours(task: Task, world: World) -> bool:
    """Make sure, just before what cannot be undone, that nobody has taken the task over.

    A process that stood still for longer than its lease must not go on where it was.
    """
    until = world.clock.now() + world.limits.lease
    return await world.database.transact(lambda tx: tasks.change(tx, task, due_at=until))


def _after_an_error(task: Task, world: World, error: errors.ProviderError) -> Outcome:
    if error.accepted:
        return Snooze(world.clock.now() + 1.0, failed=True, raw=str(error))
    if isinstance(error, errors.Throttled | errors.Unreachable):
        return _not_sent(task, world, "unreachable", str(error), error.retry_after)
    if isinstance(error, errors.Misconfigured) and len(world.catalog.offers(task.order.model)) > 1:
        # Another account may serve it; with one alone the person hears at once.
        return _not_sent(task, world, "misconfigured", str(error), _WITHOUT_KEY_OR_FUNDS)
    return fail(_REFUSALS.get(type(error), "invalid-request"), str(error))


def accepted(task: Task, world: World, remote_id: str, progress: object) -> Advance:
    """The gateway has the job. A video that is ready at once is seen by the first look."""
    now = world.clock.now()
    submitted_at = task.submitted_at or now
    hint = progress.check_after if isinstance(progress, Pending) else None
    known = schedule.Known(now - submitted_at, hint=hint, spread=_spread(task, world))
    wait = 0.0 if isinstance(progress, Finished) else until_look(known, world)
    return Advance(
        State.RUNNING,
        due_at=now + wait,
        changes={"remote_id": remote_id, "submitted_at": submitted_at, "trouble_at": None},
    )


def until_look(known: schedule.Known, world: World) -> float:
    """Seconds until the next look."""
    return schedule.until_next_look(known, world.limits.poll_minimum)


async def request_of(task: Task, world: World) -> VideoRequest:
    """The task in the words of the provider seam."""
    order = task.order
    original = None
    if order.remix_of:
        original = await world.database.read(lambda tx: tasks.get(tx, order.remix_of or ""))
    return VideoRequest(
        key=task.id,
        model=task.remote_model or order.model,
        prompt=order.prompt,
        seconds=order.seconds,
        size=order.size,
        width=order.width,
        height=order.height,
        orientation=order.orientation,
        image=_picture(task, world),
        style=order.style,
        watermark=order.watermark,
        private=order.private,
        remix_of=original.remote_id if original else None,
    )


def _picture(task: Task, world: World) -> ReferenceImage | None:
    if task.order.image is None:
        return None
    path = world.spool.path(task.order.image)
    media_type = "image/png" if path.suffix == ".png" else "image/jpeg"
    return ReferenceImage(path, media_type, task.order.width or 0, task.order.height or 0)


def _not_sent(
    task: Task, world: World, reason: str, raw: str, hint: float | None = None
) -> Outcome:
    """The create was certainly not accepted: again later, or at another provider, for a while."""
    now = world.clock.now()
    if task.cancel_asked:
        return Advance(State.CANCELLED, reason="cancelled")
    since = task.trouble_at or now
    if now - since > world.limits.deadline:
        return fail(reason, raw)
    until = now + world.backoff(task.attempts, hint)
    name = task.provider or ""
    # Left alone for a while, it is not chosen again before another that serves the model.
    others = len(world.catalog.offers(task.order.model)) > 1 and task.order.remix_of is None
    return Advance(
        State.QUEUED,
        due_at=now if others else until,
        raw=raw,
        changes=_unassigned(task) | {"trouble_at": since},
        also=lambda tx: providers.pause(tx, name, until, reason),
    )


def _unassigned(task: Task) -> dict[str, object]:
    changes: dict[str, object] = {"attempts": task.attempts + 1, "submitted_at": None}
    if task.order.remix_of is None:
        changes |= {"provider": None, "provider_identity": None, "remote_model": None}
    return changes


# --- running -----------------------------------------------------------------------------


async def poll(task: Task, world: World) -> Outcome:
    """Look at the job once; or stop it, if that was asked for and the gateway can."""
    provider = world.provider_of(task)
    if provider is None or task.remote_id is None:
        return _cannot_ask(task, world, 60.0, "the provider that made this job is not configured")
    try:
        if task.cancel_asked and provider.capabilities.cancel:
            return await _cancel(task, world, provider)
        progress = await provider.poll(task.remote_id)
    except errors.NotFound as error:
        return _not_found(task, world, str(error))
    except errors.ProviderError as error:
        return _cannot_ask(task, world, error.retry_after, str(error))
    return after_look(task, world, progress, provider.capabilities)


def after_look(
    task: Task, world: World, progress: Pending | Finished | Failed, able: Capabilities
) -> Outcome:
    """What a look at the job means for the task."""
    now = world.clock.now()
    match progress:
        case Pending():
            return _pending(task, world, progress, able)
        case Finished():
            return _finished(task, now, progress)
        case Failed():
            return fail(progress.kind.replace("_", "-"), progress.raw or progress.code)


def _pending(task: Task, world: World, progress: Pending, able: Capabilities) -> Outcome:
    now = world.clock.now()
    age = now - (task.submitted_at or task.moved_at)
    if age > world.limits.deadline:
        if able.cancel and task.reason != _NOT_STOPPED:
            return Snooze(now, changes={"cancel_asked": True, "reason": "timeout"})
        return fail("timeout", f"still pending after {age:.0f} s")
    running_at = task.running_at or (now if progress.running or progress.percent else None)
    percent = _forward(task.percent, progress.percent)
    known = schedule.Known(
        age=age,
        running_for=now - running_at if running_at else None,
        percent=percent,
        hint=progress.check_after,
        spread=_spread(task, world),
    )
    changes: dict[str, object] = {"looks": task.looks + 1}
    if running_at != task.running_at:
        changes["running_at"] = running_at
    if percent != task.percent:
        changes["percent"] = percent
    return Snooze(now + until_look(known, world), changes=changes)


def _forward(before: float | None, seen: float | None) -> float | None:
    if before is None or seen is None:
        return before if seen is None else seen
    return max(before, seen)


def _finished(task: Task, now: float, finished: Finished) -> Outcome:
    took = now - (task.submitted_at or task.moved_at)
    first = task.finished_at is None and task.reason != ATTACHED
    return Advance(
        State.FETCHING,
        changes={
            "result_url": finished.url,
            "result_expires_at": finished.expires_at,
            "finished_at": task.finished_at or now,
            "looks": task.looks + 1,
        },
        also=(lambda tx: duration_rows.add(tx, task, took, now)) if first else None,
    )


async def _cancel(task: Task, world: World, provider: Provider) -> Outcome:
    """Ask the gateway once to stop the job; whatever it answers, the looks go on after that."""
    try:
        stopped = await provider.cancel(task.remote_id or "")
    except errors.ProviderError:
        stopped = False
    if not stopped:
        wait = world.limits.poll_minimum
        changes = {"cancel_asked": False, "reason": _NOT_STOPPED}
        return Snooze(world.clock.now() + wait, changes=changes)
    if task.reason == "timeout":
        return fail("timeout", "stopped at its deadline")
    return Advance(State.CANCELLED, reason="cancelled")


def _not_found(task: Task, world: World, raw: str) -> Outcome:
    now = world.clock.now()
    age = now - (task.submitted_at or task.moved_at)
    if age < NO_JOB_YET or task.attempts + 1 < _LOST_TRIES:
        wait = max(world.limits.poll_minimum, min(age, 10.0))
        return Snooze(now + wait, failed=True, raw=raw)
    return fail("not-found", raw)


def _cannot_ask(task: Task, world: World, hint: float | None, raw: str) -> Outcome:
    """The job may be going well: that we cannot look is no reason to give it up."""
    now = world.clock.now()
    if now - (task.submitted_at or task.moved_at) > GIVE_UP:
        return Advance(State.REVIEW, reason="unreachable", raw=raw)
    wait = world.backoff(task.attempts, hint)
    return Snooze(now + wait, failed=True, raw=raw)


def _spread(task: Task, world: World) -> Spread | None:
    return world.durations.spread(task.provider or "", task.remote_model or "", task.order.seconds)


# --- fetching ----------------------------------------------------------------------------


async def fetch(task: Task, world: World) -> Outcome:
    """Stream the video to our disk, going on where a broken try has stopped."""
    provider = world.provider_of(task)
    if provider is None:
        return _fetch_later(task, world, "the provider that made this job is not configured")
    name = f"{task.id}.mp4"
    outcome = await _stream(task, world, provider, name)
    if isinstance(outcome, Advance) and outcome.to is State.FAILED:
        await world.spool.drop_part(name)
    return outcome


async def _stream(task: Task, world: World, provider: Provider, name: str) -> Outcome:
    finished = Finished(task.result_url, task.result_expires_at)
    try:
        stored = await world.spool.fetched(name)
        if stored is None:
            offset = world.spool.part_size(name)
            async with (
                asyncio.timeout(_FETCH_AT_MOST),
                provider.download(task.remote_id or "", finished, offset) as download,
            ):
                stored = await world.spool.receive(download, name)
    except spool.DiskFull as error:
        return Snooze(world.clock.now() + 60.0, changes={"reason": "disk-full", "raw": str(error)})
    except (spool.Truncated, spool.NotAVideo, errors.Malformed) as error:
        return _fetch_again(task, world, str(error), relook=False)
    except errors.Refused as error:
        return _fetch_again(task, world, str(error), relook=True)
    except errors.Misconfigured as error:
        if _is_dead_link(task, world):
            return _fetch_again(task, world, str(error), relook=True)
        return _fetch_later(task, world, str(error), error.retry_after)
    except errors.ProviderError as error:
        return _fetch_later(task, world, str(error), error.retry_after)
    except TimeoutError:
        return _fetch_later(task, world, f"not downloaded within {_FETCH_AT_MOST:.0f} s")
    return Advance(State.DELIVERING, changes={"file": stored.file, "bytes": stored.bytes})


def _is_dead_link(task: Task, world: World) -> bool:
    """A signed link that has expired answers 403, as a wrong key does at the gateway itself."""
    expired = (task.result_expires_at or world.clock.now()) < world.clock.now()
    return task.result_url is not None or expired


def _fetch_again(task: Task, world: World, raw: str, *, relook: bool) -> Outcome:
    """What came was not the video, or its link is dead: a few tries, then it is lost."""
    now = world.clock.now()
    if task.fetches + 1 >= _FETCH_TRIES:
        return fail("file-lost", raw)
    wait = world.backoff(task.fetches)
    counted: dict[str, object] = {"fetches": task.fetches + 1}
    if relook:
        return Advance(State.RUNNING, due_at=now + wait, raw=raw, changes=counted)
    return Snooze(now + wait, raw=raw, changes=counted)


def _fetch_later(task: Task, world: World, raw: str, hint: float | None = None) -> Outcome:
    now = world.clock.now()
    if now - (task.finished_at or task.moved_at) > GIVE_UP:
        return fail("file-lost", raw)
    wait = world.backoff(task.attempts, hint)
    return Snooze(now + wait, failed=True, raw=raw)


# --- delivering --------------------------------------------------------------------------


async def deliver(task: Task, world: World) -> Outcome:
    """Post the result. A send that may have worked is looked for, and repeated once, marked."""
    delivery = await world.database.read(lambda tx: deliveries.get(tx, task.id))
    messenger = world.messengers.get(delivery.place.front_end)
    if messenger is None:
        return Snooze(world.clock.now() + 60.0)
    if task.file is None or not world.spool.result(task.file).is_file():
        return Advance(State.UNDELIVERED, reason="file-lost")
    unclear = delivery.state == "sending"
    if unclear:
        receipt = await messenger.posted(task, delivery)
        if receipt is not None:
            return _delivered(task, world, receipt)
        if delivery.repeated:
            return _undelivered(task, "send-unclear")
    repeated = unclear or delivery.repeated
    begun = await world.database.transact(lambda tx: _begin(tx, task, world, repeated=repeated))
    if begun is None:
        # Somebody has taken the task over: it is theirs to post.
        return Snooze(world.clock.now())
    delivery = begun
    video = Video(
        world.spool.result(task.file),
        task.bytes or 0,
        task.order.seconds,
        task.order.width,
        task.order.height,
    )
    text = delivery_text(task, repeated=repeated)
    try:
        receipt = await messenger.deliver(task, delivery, video, text)
    except DeliveryUnclear as error:
        return Snooze(world.clock.now() + 2.0, failed=True, raw=str(error))
    except DeliveryError as error:
        return _not_delivered(task, world, error)
    return _delivered(task, world, receipt)


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
