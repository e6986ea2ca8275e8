"""Poll a running job once, or cancel it, and decide what that means for its task."""

from __future__ import annotations

from dataclasses import replace

import structlog

from bot.credits.lifecycle import JOB_ATTACHED
from bot.domain.tasks import State, Task
from bot.engine import circuit_breaker, poll_schedule
from bot.engine.context import EngineContext
from bot.engine.outcome import Advance, Outcome, Snooze, fail
from bot.engine.poll_schedule import DISABLED_PROVIDER_RECHECK_S, GIVE_UP_AFTER_S
from bot.store import job_durations
from providers import errors
from providers.base import Provider
from providers.types import Capabilities, Failed, FailureKind, Finished, Pending, Progress

_log = structlog.get_logger(__name__)
JOB_VISIBILITY_GRACE_S = 60.0
"""Time after a create in which a gateway may not find its own job yet."""
_MAX_NOT_FOUND_POLLS = 5
_NOT_CANCELLED = "not-stopped"
"""Reason: the gateway was asked to cancel the job and did not."""


# --- running -----------------------------------------------------------------------------


async def poll(task: Task, engine: EngineContext) -> Outcome:
    """Poll the job once; or cancel it, if that was requested and the gateway supports it."""
    provider = engine.provider_of(task)
    if provider is None or task.remote_id is None:
        return _poll_failed(task, engine, 60.0, "the provider that made this job is not configured")
    if engine.is_disabled(task):
        return Snooze(engine.clock.now() + DISABLED_PROVIDER_RECHECK_S)
    try:
        if task.cancel_requested and provider.capabilities.cancel:
            return await _cancel_job(task, engine, provider)
        progress = await provider.poll(task.remote_id)
    except errors.NotFound as error:
        return _not_found(task, engine, str(error))
    except errors.Misconfigured as error:
        return await _credentials_rejected(task, engine, provider, error)
    except errors.ProviderError as error:
        return _poll_failed(task, engine, error.retry_after, str(error))
    return apply_progress(task, engine, progress, provider.capabilities)


def apply_progress(
    task: Task, engine: EngineContext, progress: Progress, capabilities: Capabilities
) -> Outcome:
    """Turn the result of a poll into an outcome."""
    now = engine.clock.now()
    match progress:
        case Pending():
            return _job_pending(task, engine, progress, capabilities)
        case Finished():
            return _job_finished(task, now, progress)
        case Failed():
            return _job_failed(task, engine, progress)


def _job_failed(task: Task, engine: EngineContext, failure: Failed) -> Outcome:
    now, provider_message = engine.clock.now(), failure.provider_message or failure.code
    reason = failure.kind.replace("_", "-")
    if failure.kind is not FailureKind.MODEL_UNAVAILABLE:
        return fail(reason, provider_message)
    provider_name, remote_model = task.provider or "", task.remote_model or ""
    return fail(
        reason,
        provider_message,
        lambda tx: circuit_breaker.disable_model(
            tx, engine, provider_name, remote_model, provider_message, now
        ),
    )


def _job_pending(
    task: Task, engine: EngineContext, progress: Pending, capabilities: Capabilities
) -> Outcome:
    now = engine.clock.now()
    if progress.unknown_status and engine.is_new_status(
        task.provider or "", progress.unknown_status
    ):
        _log.warning(
            "provider_status_unknown", provider=task.provider, status=progress.unknown_status
        )
    age = now - (task.submitted_at or task.state_since)
    if age > engine.limits.deadline_s:
        if capabilities.cancel and task.reason != _NOT_CANCELLED:
            return Snooze(now, changes={"cancel_asked": True, "reason": "timeout"})
        return fail("timeout", f"still pending after {age:.0f} s")
    running_at = task.running_at or (now if progress.running or progress.percent else None)
    percent = _monotonic_percent(task.percent, progress.percent)
    snapshot = poll_schedule.JobSnapshot(
        age=age,
        running_for=now - running_at if running_at else None,
        percent=percent,
        hint=progress.poll_after_s,
        samples=engine.duration_samples(task),
    )
    changes: dict[str, object] = {"looks": task.poll_count + 1}
    if running_at != task.running_at:
        changes["running_at"] = running_at
    if percent != task.percent:
        changes["percent"] = percent
    return Snooze(now + engine.next_poll_delay(snapshot), changes=changes)


def _monotonic_percent(previous: float | None, reported: float | None) -> float | None:
    if previous is None or reported is None:
        return previous if reported is None else reported
    return max(previous, reported)


def _job_finished(task: Task, now: float, finished: Finished) -> Outcome:
    elapsed = now - (task.submitted_at or task.state_since)
    is_measured = task.finished_at is None and task.reason != JOB_ATTACHED
    return Advance(
        State.FETCHING,
        changes={
            "result_url": finished.url,
            "result_expires_at": finished.expires_at,
            "edit_id": finished.edit_id or task.edit_id,
            "finished_at": task.finished_at or now,
            "looks": task.poll_count + 1,
        },
        in_transaction=(lambda tx: job_durations.add(tx, task, elapsed, now))
        if is_measured
        else None,
    )


async def _cancel_job(task: Task, engine: EngineContext, provider: Provider) -> Outcome:
    """Ask the gateway once to cancel the job. If it does not, polling continues."""
    try:
        is_cancelled = await provider.cancel(task.remote_id or "")
    except errors.ProviderError:
        is_cancelled = False
    if not is_cancelled:
        delay = engine.limits.min_poll_interval_s
        changes = {"cancel_asked": False, "reason": _NOT_CANCELLED}
        return Snooze(engine.clock.now() + delay, changes=changes)
    if task.reason == "timeout":
        return fail("timeout", "stopped at its deadline")
    return Advance(State.CANCELLED, reason="cancelled")


def _not_found(task: Task, engine: EngineContext, provider_message: str) -> Outcome:
    now = engine.clock.now()
    age = now - (task.submitted_at or task.state_since)
    if age < JOB_VISIBILITY_GRACE_S or task.attempts + 1 < _MAX_NOT_FOUND_POLLS:
        delay = max(engine.limits.min_poll_interval_s, min(age, 10.0))
        return Snooze(now + delay, failed=True, provider_message=provider_message)
    return fail("not-found", provider_message)


def _poll_failed(
    task: Task, engine: EngineContext, retry_after: float | None, provider_message: str
) -> Outcome:
    """Retry for a day, then move the task to review: the job may still be running."""
    now = engine.clock.now()
    if now - (task.submitted_at or task.state_since) > GIVE_UP_AFTER_S:
        return Advance(State.REVIEW, reason="unreachable", provider_message=provider_message)
    delay = engine.backoff(task.attempts, retry_after)
    return Snooze(now + delay, failed=True, provider_message=provider_message)


async def _credentials_rejected(
    task: Task, engine: EngineContext, provider: Provider, error: errors.Misconfigured
) -> Outcome:
    """The gateway rejected the key: open the breaker if a free request is rejected as well.

    A single job may be forbidden for a reason of its own; then only the poll is retried.
    """
    now, provider_name = engine.clock.now(), engine.provider_name_of(task) or ""
    outcome = _poll_failed(task, engine, 60.0, str(error))
    try:
        await provider.check()
    except errors.Misconfigured:
        pass
    except errors.ProviderError:
        return outcome
    else:
        return outcome
    return replace(
        outcome,
        in_transaction=lambda tx: circuit_breaker.record_failure(
            tx, engine, provider_name, error, now
        ),
    )
