"""Recover a create whose response was lost: its job may exist and be paid for."""

from __future__ import annotations

from bot.domain.tasks import State, Task
from bot.engine.context import EngineContext
from bot.engine.outcome import Advance, Outcome, Snooze
from bot.engine.poll_schedule import DISABLED_PROVIDER_RECHECK_S, GIVE_UP_AFTER_S
from bot.engine.submit import build_request, job_accepted
from bot.store import tasks
from providers import errors
from providers.types import JobLookup

_MAX_LOOKUPS = 6
"""Lookups, over about a minute, before the job counts as not found."""
_MAX_BACKOFF_DOUBLINGS = 4
"""Doublings of the delay after a failed lookup: half a minute at the default poll interval."""
_CREATE_IN_FLIGHT_S = 120.0
"""How long the create of a worker that lost its lease may still be in flight."""


async def recover_lost_create(task: Task, engine: EngineContext) -> Outcome:
    """Look up the job of a create whose response was lost.

    The create is repeated only if the gateway can prove that it was not accepted.
    """
    if task.submitted_at is None:
        # Its worker died or was stopped before it sent the create.
        return _requeue(task)
    provider = engine.provider_of(task)
    if provider is None:
        return _needs_review(task, "the provider is not configured")
    if engine.is_disabled(task):
        return Snooze(engine.clock.now() + DISABLED_PROVIDER_RECHECK_S)
    lookup = provider.capabilities.job_lookup
    if lookup is JobLookup.UNSUPPORTED:
        return _needs_review(task, "no response to the create, and this gateway cannot list jobs")
    taken_job_ids, has_unidentified_twin = await engine.database.read(
        lambda tx: tasks.same_prompt_tasks(tx, task)
    )
    request = await build_request(task, engine)
    try:
        job = await provider.find_job(request, task.submitted_at or task.state_since, taken_job_ids)
    except errors.ProviderError as error:
        return _lookup_failed(task, engine, error)
    if job is not None and (lookup is JobLookup.AUTHORITATIVE or not has_unidentified_twin):
        return job_accepted(task, engine, job.remote_id, job.progress)
    if job is None and lookup is JobLookup.AUTHORITATIVE:
        return _requeue_when_safe(task, engine)
    return _job_not_found(task, engine, "the job is not in the gateway's list")


def _requeue_when_safe(task: Task, engine: EngineContext) -> Outcome:
    """Queue the task again: the create was not accepted.

    With several processes, wait until the first sender cannot be about to send it any more.
    """
    now = engine.clock.now()
    safe_at = (task.submitted_at or task.state_since) + _CREATE_IN_FLIGHT_S
    if not engine.database.single_process and now < safe_at:
        return Snooze(safe_at)
    return _requeue(task)


def _requeue(task: Task) -> Outcome:
    if task.cancel_requested:
        return Advance(State.CANCELLED, reason="cancelled")
    return Advance(State.QUEUED, changes={"attempts": task.attempts + 1, "submitted_at": None})


def _lookup_failed(task: Task, engine: EngineContext, error: errors.ProviderError) -> Outcome:
    """Retry a failed lookup for as long as a poll is retried: it proves nothing about the job."""
    now = engine.clock.now()
    if isinstance(error, errors.Rejected | errors.Unsupported):
        # The gateway does not permit or support the lookup: retrying cannot help.
        return _job_not_found(task, engine, str(error))
    if now - (task.submitted_at or task.state_since) > GIVE_UP_AFTER_S:
        return _needs_review(task, str(error))
    # A list of many pages fails easily, so the back-off is capped.
    delay = engine.backoff(min(task.poll_count, _MAX_BACKOFF_DOUBLINGS), error.retry_after)
    changes = {"looks": task.poll_count + 1, "attempts": task.attempts}
    return Snooze(now + delay, provider_message=str(error), changes=changes)


def _job_not_found(task: Task, engine: EngineContext, provider_message: str) -> Outcome:
    if task.attempts + 1 >= _MAX_LOOKUPS:
        return _needs_review(task, provider_message)
    return Snooze(
        engine.clock.now() + engine.backoff(task.attempts),
        failed=True,
        provider_message=provider_message,
    )


def _needs_review(task: Task, provider_message: str) -> Outcome:
    combined = (
        provider_message
        if task.provider_message in (None, provider_message)
        else f"{task.provider_message}; {provider_message}"
    )
    return Advance(State.REVIEW, reason="create-unclear", provider_message=combined)
