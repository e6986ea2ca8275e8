"""Submit a task: send the paid create request once and handle its result."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import structlog

from bot.domain.tasks import State, Task
from bot.engine import circuit_breaker, poll_schedule
from bot.engine.context import EngineContext
from bot.engine.outcome import Advance, Outcome, Snooze, fail
from bot.media.links import PublishError
from bot.store import tasks
from bot.store.database import Tx
from providers import errors
from providers.base import Provider
from providers.types import Finished, ImageTransport, Pending, ReferenceImage, VideoRequest

_log = structlog.get_logger(__name__)
_REASON_BY_ERROR: dict[type[errors.ProviderError], str] = {
    errors.Moderated: "moderation",
    errors.Misconfigured: "misconfigured",
}
_EXTRA_LINK_VALIDITY_S = 3600.0
"""How long after the deadline a gateway can still download a reference picture."""


async def submit(task: Task, engine: EngineContext) -> Outcome:
    """Send the paid create once. If its outcome is unknown, the job is looked up, never re-sent."""
    provider = engine.provider_of(task)
    if provider is None:
        return _create_failed(task, engine, errors.Unreachable("the provider is not configured"))
    try:
        request = await _build_checked_request(task, engine)
    except OSError as error:
        return fail("file-lost", f"the reference picture cannot be read: {error}")
    try:
        request = await _attach_image_url(engine, provider, request)
    except errors.ProviderError as error:
        return _image_upload_failed(task, engine, error)
    except PublishError as error:
        return _publish_failed(task, engine, error)
    submitted_at = engine.clock.now()
    if not await _reconfirm_lease(task, engine, submitted_at):
        return Snooze(engine.clock.now())
    submitted_task = replace(task, submitted_at=submitted_at)
    try:
        job = await provider.submit(request)
    except errors.ProviderError as error:
        return _outcome_for_error(submitted_task, engine, error)
    return job_accepted(submitted_task, engine, job.remote_id, job.progress)


# --- before it is sent -------------------------------------------------------------------


async def _build_checked_request(task: Task, engine: EngineContext) -> VideoRequest:
    """Build the request. Raises `OSError` if its picture is unreadable, before anything is paid."""
    if task.order.image:
        await asyncio.to_thread(_check_readable, engine.storage.image_path(task.order.image))
    return await build_request(task, engine)


def _check_readable(path: Path) -> None:
    with path.open("rb") as file:
        file.read(1)


async def _attach_image_url(
    engine: EngineContext, provider: Provider, request: VideoRequest
) -> VideoRequest:
    """Add a URL of the picture if the gateway accepts no file. Costs nothing."""
    image = request.image
    if image is None:
        return request
    transport = provider.effective_capabilities.choose_image_transport(
        links_available=engine.publisher is not None
    )
    if transport is ImageTransport.FILE:
        return request
    if transport is ImageTransport.UPLOAD:
        url = await provider.upload_image(image)
    elif engine.publisher is not None:
        valid_for = engine.limits.deadline_s + _EXTRA_LINK_VALIDITY_S
        url = await engine.publisher.publish(image.path, engine.clock.now(), valid_for)
    else:
        raise errors.Unsupported("it accepts pictures as links only, and links are not configured")
    return replace(request, image=replace(image, url=url))


async def _reconfirm_lease(task: Task, engine: EngineContext, submitted_at: float) -> bool:
    """Check that the lease is still valid, just before the create. False: another worker has it.

    A process that was suspended for longer than its lease must not continue. From here on the
    create counts as sent; if the process dies before this point, nothing was paid.
    """
    lease_until = submitted_at + engine.limits.lease_s
    return await engine.database.transact(
        lambda tx: tasks.change(tx, task, due_at=lease_until, submitted_at=submitted_at)
    )


async def build_request(task: Task, engine: EngineContext) -> VideoRequest:
    """Build the provider request of a task."""
    order = task.order
    original = None
    if order.remix_of:
        original = await engine.database.read(lambda tx: tasks.get(tx, order.remix_of or ""))
    return VideoRequest(
        idempotency_key=task.id,
        model=task.remote_model or order.model,
        prompt=order.prompt,
        seconds=order.seconds,
        size=order.size,
        width=order.width,
        height=order.height,
        orientation=order.orientation,
        image=_reference_image(task, engine),
        style=order.style,
        watermark=order.watermark,
        private=order.private,
        storyboard=order.storyboard,
        remix_of=_remix_reference(original, engine) if original else None,
    )


def _remix_reference(original: Task, engine: EngineContext) -> str | None:
    """The id by which the provider knows the video that a remix changes."""
    provider = engine.provider_of(original)
    uses_edit_id = provider is not None and provider.capabilities.remix_by_edit_id
    return original.edit_id if uses_edit_id else original.remote_id


def _reference_image(task: Task, engine: EngineContext) -> ReferenceImage | None:
    if task.order.image is None:
        return None
    path = engine.storage.image_path(task.order.image)
    media_type = "image/png" if path.suffix == ".png" else "image/jpeg"
    return ReferenceImage(path, media_type, task.order.width or 0, task.order.height or 0)


def _image_upload_failed(task: Task, engine: EngineContext, error: errors.ProviderError) -> Outcome:
    """The upload of the reference picture failed; nothing was submitted yet."""
    if isinstance(error, errors.Rejected | errors.Unsupported):
        return fail(_REASON_BY_ERROR.get(type(error), "invalid-request"), str(error))
    if error.maybe_accepted:
        error = errors.Unreachable(str(error), retry_after=error.retry_after)
    return _create_failed(task, engine, error)


def _publish_failed(task: Task, engine: EngineContext, error: PublishError) -> Outcome:
    """The picture could not be published. Retry later; the provider is not to blame."""
    now = engine.clock.now()
    _log.warning("picture_publish_failed", task=task.id, error=str(error))
    if task.cancel_requested:
        return Advance(State.CANCELLED, reason="cancelled")
    if now - (task.first_failure_at or now) > engine.limits.deadline_s:
        return fail("no-link", str(error))
    return replace(_requeue(task, now, str(error)), due_at=now + engine.backoff(task.attempts))


# --- after it was sent -------------------------------------------------------------------


def job_accepted(task: Task, engine: EngineContext, remote_id: str, progress: object) -> Advance:
    """The gateway accepted the job. A video that is ready already is found by the first poll."""
    now = engine.clock.now()
    submitted_at = task.submitted_at or now
    hint = progress.poll_after_s if isinstance(progress, Pending) else None
    snapshot = poll_schedule.JobSnapshot(
        now - submitted_at, hint=hint, samples=engine.duration_samples(task)
    )
    delay = 0.0 if isinstance(progress, Finished) else engine.next_poll_delay(snapshot)
    provider_name, remote_model = task.provider or "", task.remote_model or ""
    return Advance(
        State.RUNNING,
        due_at=now + delay,
        changes={"remote_id": remote_id, "submitted_at": submitted_at, "trouble_at": None},
        in_transaction=lambda tx: circuit_breaker.record_success(
            tx, engine, provider_name, remote_model
        ),
    )


def _outcome_for_error(task: Task, engine: EngineContext, error: errors.ProviderError) -> Outcome:
    now, provider_name = engine.clock.now(), task.provider or ""
    if error.maybe_accepted:
        return Snooze(
            now + 1.0,
            failed=True,
            provider_message=str(error),
            in_transaction=lambda tx: circuit_breaker.record_failure(
                tx, engine, provider_name, error, now
            ),
        )
    if isinstance(error, errors.Throttled | errors.Unreachable | errors.Misconfigured):
        return _create_failed(task, engine, error)
    if isinstance(error, errors.ModelUnavailable):
        return _model_unavailable(task, engine, error)
    reason = _REASON_BY_ERROR.get(type(error), "invalid-request")
    return fail(
        reason,
        str(error),
        lambda tx: circuit_breaker.record_failure(tx, engine, provider_name, error, now),
    )


def _model_unavailable(
    task: Task, engine: EngineContext, error: errors.ModelUnavailable
) -> Outcome:
    """Queue the task again: routing picks another provider, or fails the task if there is none."""
    now, provider_name, remote_model = (
        engine.clock.now(),
        task.provider or "",
        task.remote_model or "",
    )

    def disable_model(tx: Tx) -> None:
        circuit_breaker.disable_model(tx, engine, provider_name, remote_model, str(error), now)

    if task.order.remix_of is not None:
        return fail("model-unavailable", str(error), disable_model)
    return _requeue(task, now, str(error), disable_model)


def _create_failed(task: Task, engine: EngineContext, error: errors.ProviderError) -> Outcome:
    """The create was certainly not accepted: retry later or elsewhere, until the deadline."""
    now, provider_name = engine.clock.now(), task.provider or ""
    retry_delay = engine.backoff(task.attempts, error.retry_after)

    def record_failure(tx: Tx) -> None:
        circuit_breaker.record_failure(tx, engine, provider_name, error, now, retry_delay)

    if task.cancel_requested:
        return Advance(State.CANCELLED, reason="cancelled", in_transaction=record_failure)
    if now - (task.first_failure_at or now) > engine.limits.deadline_s:
        return fail("unreachable", str(error), record_failure)
    # Due at once: this provider is paused, but another one can take the task now.
    return _requeue(task, now, str(error), record_failure)


def _requeue(
    task: Task,
    now: float,
    provider_message: str,
    in_transaction: Callable[[Tx], object] | None = None,
) -> Advance:
    changes: dict[str, object] = {"attempts": task.attempts + 1, "submitted_at": None}
    changes["trouble_at"] = task.first_failure_at or now
    if task.order.remix_of is None:
        changes |= {"provider": None, "provider_identity": None, "remote_model": None}
    return Advance(
        State.QUEUED,
        due_at=now,
        provider_message=provider_message,
        changes=changes,
        in_transaction=in_transaction,
    )
