"""Poll a running job once, or cancel it, and decide what that means for its task."""

from __future__ import annotations

from dataclasses import replace

import structlog

from bot.credits.lifecycle import ATTACHED
from bot.domain.tasks import State, Task
from bot.engine import circuit_breaker, poll_schedule
from bot.engine.context import World
from bot.engine.outcome import Advance, Outcome, Snooze, fail
from bot.engine.poll_schedule import GIVE_UP, OFF
from bot.store import job_durations
from providers import errors
from providers.base import Provider
from providers.types import Capabilities, Failed, FailureKind, Finished, Pending, Progress

_log = structlog.get_logger(__name__)
NO_JOB_YET = 60.0
"""Time after a create in which a gateway may not find its own job yet."""
_LOST_TRIES = 5
_NOT_STOPPED = "not-stopped"
"""Reason: the gateway was asked to cancel the job and did not."""


# --- running -----------------------------------------------------------------------------


async def poll(task: Task, world: World) -> Outcome:
    """Poll the job once; or cancel it, if that was requested and the gateway supports it."""
    provider = world.provider_of(task)
    if provider is None or task.remote_id is None:
        return _cannot_ask(task, world, 60.0, "the provider that made this job is not configured")
    if world.is_off(task):
        return Snooze(world.clock.now() + OFF)
    try:
        if task.cancel_asked and provider.capabilities.cancel:
            return await _cancel(task, world, provider)
        progress = await provider.poll(task.remote_id)
    except errors.NotFound as error:
        return _not_found(task, world, str(error))
    except errors.Misconfigured as error:
        return await _key_refused(task, world, provider, error)
    except errors.ProviderError as error:
        return _cannot_ask(task, world, error.retry_after, str(error))
    return after_look(task, world, progress, provider.capabilities)


def after_look(task: Task, world: World, progress: Progress, able: Capabilities) -> Outcome:
    """Turn the result of a poll into an outcome."""
    now = world.clock.now()
    match progress:
        case Pending():
            return _pending(task, world, progress, able)
        case Finished():
            return _finished(task, now, progress)
        case Failed():
            return _failed(task, world, progress)


def _failed(task: Task, world: World, verdict: Failed) -> Outcome:
    now, raw = world.clock.now(), verdict.raw or verdict.code
    reason = verdict.kind.replace("_", "-")
    if verdict.kind is not FailureKind.MODEL_UNAVAILABLE:
        return fail(reason, raw)
    name, model = task.provider or "", task.remote_model or ""
    return fail(
        reason, raw, lambda tx: circuit_breaker.model_gone(tx, world, name, model, raw, now)
    )


def _pending(task: Task, world: World, progress: Pending, able: Capabilities) -> Outcome:
    now = world.clock.now()
    if progress.unknown and world.unheard_of(task.provider or "", progress.unknown):
        _log.warning("provider_status_unknown", provider=task.provider, status=progress.unknown)
    age = now - (task.submitted_at or task.moved_at)
    if age > world.limits.deadline:
        if able.cancel and task.reason != _NOT_STOPPED:
            return Snooze(now, changes={"cancel_asked": True, "reason": "timeout"})
        return fail("timeout", f"still pending after {age:.0f} s")
    running_at = task.running_at or (now if progress.running or progress.percent else None)
    percent = _forward(task.percent, progress.percent)
    known = poll_schedule.Known(
        age=age,
        running_for=now - running_at if running_at else None,
        percent=percent,
        hint=progress.check_after,
        spread=world.spread_of(task),
    )
    changes: dict[str, object] = {"looks": task.looks + 1}
    if running_at != task.running_at:
        changes["running_at"] = running_at
    if percent != task.percent:
        changes["percent"] = percent
    return Snooze(now + world.until_look(known), changes=changes)


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
            "edit_id": finished.edit_id or task.edit_id,
            "finished_at": task.finished_at or now,
            "looks": task.looks + 1,
        },
        also=(lambda tx: job_durations.add(tx, task, took, now)) if first else None,
    )


async def _cancel(task: Task, world: World, provider: Provider) -> Outcome:
    """Ask the gateway once to cancel the job. If it does not, polling continues."""
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
    """Retry for a day, then move the task to review: the job may still be running."""
    now = world.clock.now()
    if now - (task.submitted_at or task.moved_at) > GIVE_UP:
        return Advance(State.REVIEW, reason="unreachable", raw=raw)
    wait = world.backoff(task.attempts, hint)
    return Snooze(now + wait, failed=True, raw=raw)


async def _key_refused(
    task: Task, world: World, provider: Provider, error: errors.Misconfigured
) -> Outcome:
    """The gateway rejected the key: open the breaker if a free request is rejected as well.

    A single job may be forbidden for a reason of its own; then only the poll is retried.
    """
    now, name = world.clock.now(), world.name_of(task) or ""
    asked = _cannot_ask(task, world, 60.0, str(error))
    try:
        await provider.check()
    except errors.Misconfigured:
        pass
    except errors.ProviderError:
        return asked
    else:
        return asked
    return replace(asked, also=lambda tx: circuit_breaker.failed(tx, world, name, error, now))
