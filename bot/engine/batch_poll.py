"""Poll many jobs of one provider with a list request, where that needs fewer requests."""

from __future__ import annotations

import math

import structlog

from bot.domain.tasks import Task
from bot.engine import poll
from bot.engine.context import EngineContext
from bot.engine.outcome import Outcome, Snooze
from bot.store import task_queue
from bot.store.database import Tx
from providers import errors
from providers.types import MAX_LISTED_JOBS

_log = structlog.get_logger(__name__)
_LOOKAHEAD_INTERVALS = 2.5
"""In poll intervals: jobs that fall due within this time are polled along at no extra cost."""
_MIN_REQUESTS_SAVED_PER_PAGE = 3
"""Requests that each page of a list must save at least: the list may also contain finished jobs
and jobs of other clients with the same key."""
_MAX_AGE_TO_MEDIAN = 3.0
"""In median ages: jobs older than this are on later pages of the list and are polled alone."""


def claim(
    tx: Tx, identity: str, now: float, poll_interval: float, lease: str, lease_until: float
) -> list[Task]:
    """Claim running tasks of a provider to poll together; none if single polls are cheaper."""
    lookahead_until = now + _LOOKAHEAD_INTERVALS * poll_interval
    running_count, due_soon_count, due_now_count = task_queue.count_batch(
        tx, identity, now, lookahead_until
    )
    page_count = math.ceil(running_count / MAX_LISTED_JOBS)
    if not due_now_count or due_soon_count <= _MIN_REQUESTS_SAVED_PER_PAGE * page_count:
        return []
    return task_queue.claim_batch(tx, identity, now, lookahead_until, lease, lease_until)


async def poll_batch(batch: list[Task], engine: EngineContext) -> dict[str, Outcome]:
    """Poll tasks with one list request. Returns outcomes by task id, only for the jobs listed."""
    provider = engine.provider_of(batch[0])
    if provider is None:
        return {}
    task_by_remote_id = {
        task.remote_id or "": task for task in _recent_jobs(batch, engine.clock.now())
    }
    oldest_submitted_at = min(
        task.submitted_at or task.state_since for task in task_by_remote_id.values()
    )
    try:
        progress_by_remote_id = await provider.poll_many(
            list(task_by_remote_id), oldest_submitted_at
        )
    except errors.ProviderError as error:
        _log.info("batch_poll_failed", provider=batch[0].provider, error=str(error))
        return {}
    return {
        task_by_remote_id[remote_id].id: poll.apply_progress(
            task_by_remote_id[remote_id], engine, progress, provider.capabilities
        )
        for remote_id, progress in progress_by_remote_id.items()
        if remote_id in task_by_remote_id
    }


def poll_individually(task: Task, now: float) -> Outcome:
    """Poll a job alone and at once: a job missing from a list proves nothing."""
    return Snooze(now, changes={"attempts": task.attempts})


def _recent_jobs(batch: list[Task], now: float) -> list[Task]:
    ages = sorted(now - (task.submitted_at or task.state_since) for task in batch)
    max_age = max(ages[len(ages) // 2] * _MAX_AGE_TO_MEDIAN, 60.0)
    return [task for task in batch if now - (task.submitted_at or task.state_since) <= max_age]
