"""Submit a task: send the paid create request once and handle its result."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import structlog

from bot.domain.tasks import State, Task
from bot.engine import circuit_breaker, poll_schedule
from bot.engine.context import World
from bot.engine.outcome import Advance, Outcome, Snooze, fail
from bot.media.links import PublishError
from bot.store import tasks
from bot.store.database import Tx
from providers import errors
from providers.base import Provider
from providers.types import Finished, Pending, PictureWay, ReferenceImage, VideoRequest

_log = structlog.get_logger(__name__)
_REFUSALS: dict[type[errors.ProviderError], str] = {
    errors.Moderated: "moderation",
    errors.Misconfigured: "misconfigured",
}
_LINK_VALID = 3600.0
"""How long after the deadline a gateway can still download a reference picture."""


async def submit(task: Task, world: World) -> Outcome:
    """Send the paid create once. If its outcome is unknown, the job is looked up, never re-sent."""
    provider = world.provider_of(task)
    if provider is None:
        return _not_sent(task, world, errors.Unreachable("the provider is not configured"))
    try:
        request = await _request_if_readable(task, world)
    except OSError as error:
        return fail("file-lost", f"the reference picture cannot be read: {error}")
    try:
        request = await _with_link(world, provider, request)
    except errors.ProviderError as error:
        return _picture_not_taken(task, world, error)
    except PublishError as error:
        return _not_published(task, world, error)
    sent_at = world.clock.now()
    if not await _still_ours(task, world, sent_at):
        return Snooze(world.clock.now())
    sent = replace(task, submitted_at=sent_at)
    try:
        job = await provider.submit(request)
    except errors.ProviderError as error:
        return _after_an_error(sent, world, error)
    return accepted(sent, world, job.remote_id, job.progress)


# --- before it is sent -------------------------------------------------------------------


async def _request_if_readable(task: Task, world: World) -> VideoRequest:
    """Build the request. Raises `OSError` if its picture is unreadable, before anything is paid."""
    if task.order.image:
        await asyncio.to_thread(_read_a_byte, world.spool.path(task.order.image))
    return await request_of(task, world)


def _read_a_byte(path: Path) -> None:
    with path.open("rb") as file:
        file.read(1)


async def _with_link(world: World, provider: Provider, request: VideoRequest) -> VideoRequest:
    """Add a URL of the picture if the gateway accepts no file. Costs nothing."""
    picture = request.image
    if picture is None:
        return request
    way = provider.allowed.picture_way(links=world.publisher is not None)
    if way is PictureWay.FILE:
        return request
    if way is PictureWay.UPLOAD:
        url = await provider.upload(picture)
    elif world.publisher is not None:
        valid_for = world.limits.deadline + _LINK_VALID
        url = await world.publisher.publish(picture.path, world.clock.now(), valid_for)
    else:
        raise errors.Unsupported("it accepts pictures as links only, and links are not configured")
    return replace(request, image=replace(picture, url=url))


async def _still_ours(task: Task, world: World, sent_at: float) -> bool:
    """Check that the lease is still valid, just before the create. False: another worker has it.

    A process that was suspended for longer than its lease must not continue. From here on the
    create counts as sent; if the process dies before this point, nothing was paid.
    """
    until = sent_at + world.limits.lease
    return await world.database.transact(
        lambda tx: tasks.change(tx, task, due_at=until, submitted_at=sent_at)
    )


async def request_of(task: Task, world: World) -> VideoRequest:
    """Build the provider request of a task."""
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
        storyboard=order.storyboard,
        remix_of=_changed(original, world) if original else None,
    )


def _changed(original: Task, world: World) -> str | None:
    """The id by which the provider knows the video that a remix changes."""
    provider = world.provider_of(original)
    by_edit_id = provider is not None and provider.capabilities.edit_id
    return original.edit_id if by_edit_id else original.remote_id


def _picture(task: Task, world: World) -> ReferenceImage | None:
    if task.order.image is None:
        return None
    path = world.spool.path(task.order.image)
    media_type = "image/png" if path.suffix == ".png" else "image/jpeg"
    return ReferenceImage(path, media_type, task.order.width or 0, task.order.height or 0)


def _picture_not_taken(task: Task, world: World, error: errors.ProviderError) -> Outcome:
    """The upload of the reference picture failed; nothing was submitted yet."""
    if isinstance(error, errors.Refused | errors.Unsupported):
        return fail(_REFUSALS.get(type(error), "invalid-request"), str(error))
    if error.accepted:
        error = errors.Unreachable(str(error), retry_after=error.retry_after)
    return _not_sent(task, world, error)


def _not_published(task: Task, world: World, error: PublishError) -> Outcome:
    """The picture could not be published. Retry later; the provider is not to blame."""
    now = world.clock.now()
    _log.warning("picture_publish_failed", task=task.id, error=str(error))
    if task.cancel_asked:
        return Advance(State.CANCELLED, reason="cancelled")
    if now - (task.trouble_at or now) > world.limits.deadline:
        return fail("no-link", str(error))
    return replace(_queued(task, now, str(error)), due_at=now + world.backoff(task.attempts))


# --- after it was sent -------------------------------------------------------------------


def accepted(task: Task, world: World, remote_id: str, progress: object) -> Advance:
    """The gateway accepted the job. A video that is ready already is found by the first poll."""
    now = world.clock.now()
    submitted_at = task.submitted_at or now
    hint = progress.check_after if isinstance(progress, Pending) else None
    known = poll_schedule.Known(now - submitted_at, hint=hint, spread=world.spread_of(task))
    wait = 0.0 if isinstance(progress, Finished) else world.until_look(known)
    name, model = task.provider or "", task.remote_model or ""
    return Advance(
        State.RUNNING,
        due_at=now + wait,
        changes={"remote_id": remote_id, "submitted_at": submitted_at, "trouble_at": None},
        also=lambda tx: circuit_breaker.succeeded(tx, world, name, model),
    )


def _after_an_error(task: Task, world: World, error: errors.ProviderError) -> Outcome:
    now, name = world.clock.now(), task.provider or ""
    if error.accepted:
        return Snooze(
            now + 1.0,
            failed=True,
            raw=str(error),
            also=lambda tx: circuit_breaker.failed(tx, world, name, error, now),
        )
    if isinstance(error, errors.Throttled | errors.Unreachable | errors.Misconfigured):
        return _not_sent(task, world, error)
    if isinstance(error, errors.ModelUnavailable):
        return _model_gone(task, world, error)
    reason = _REFUSALS.get(type(error), "invalid-request")
    return fail(reason, str(error), lambda tx: circuit_breaker.failed(tx, world, name, error, now))


def _model_gone(task: Task, world: World, error: errors.ModelUnavailable) -> Outcome:
    """Queue the task again: routing picks another provider, or fails the task if there is none."""
    now, name, model = world.clock.now(), task.provider or "", task.remote_model or ""

    def also(tx: Tx) -> None:
        circuit_breaker.model_gone(tx, world, name, model, str(error), now)

    if task.order.remix_of is not None:
        return fail("model-unavailable", str(error), also)
    return _queued(task, now, str(error), also)


def _not_sent(task: Task, world: World, error: errors.ProviderError) -> Outcome:
    """The create was certainly not accepted: retry later or elsewhere, until the deadline."""
    now, name = world.clock.now(), task.provider or ""
    wait = world.backoff(task.attempts, error.retry_after)

    def also(tx: Tx) -> None:
        circuit_breaker.failed(tx, world, name, error, now, wait)

    if task.cancel_asked:
        return Advance(State.CANCELLED, reason="cancelled", also=also)
    if now - (task.trouble_at or now) > world.limits.deadline:
        return fail("unreachable", str(error), also)
    # Due at once: this provider is paused, but another one can take the task now.
    return _queued(task, now, str(error), also)


def _queued(
    task: Task, now: float, raw: str, also: Callable[[Tx], object] | None = None
) -> Advance:
    changes: dict[str, object] = {"attempts": task.attempts + 1, "submitted_at": None}
    changes["trouble_at"] = task.trouble_at or now
    if task.order.remix_of is None:
        changes |= {"provider": None, "provider_identity": None, "remote_model": None}
    return Advance(State.QUEUED, due_at=now, raw=raw, changes=changes, also=also)
