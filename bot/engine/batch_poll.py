"""Poll many jobs of one provider with a list request, where that needs fewer requests."""

from __future__ import annotations

import math

import structlog

from bot.domain.tasks import Task
from bot.engine import poll
from bot.engine.context import World
from bot.engine.outcome import Outcome, Snooze
from bot.store import task_queue
from bot.store.database import Tx
from providers import errors
from providers.types import LISTED

_log = structlog.get_logger(__name__)
_SOON = 2.5
"""In poll intervals: jobs that fall due within this time are polled along at no extra cost."""
_GAIN = 3
"""Requests that each page of a list must save at least: the list may also contain finished jobs
and jobs of other clients with the same key."""
_STRAGGLERS = 3.0
"""In median ages: jobs older than this are on later pages of the list and are polled alone."""


def claim(tx: Tx, account: str, now: float, pause: float, lease: str, until: float) -> list[Task]:
    """Claim running tasks of a provider to poll together; none if single polls are cheaper."""
    soon = now + _SOON * pause
    running, by_soon, by_now = task_queue.count_batch(tx, account, now, soon)
    pages = math.ceil(running / LISTED)
    if not by_now or by_soon <= _GAIN * pages:
        return []
    return task_queue.claim_batch(tx, account, now, soon, lease, until)


async def look(batch: list[Task], world: World) -> dict[str, Outcome]:
    """Poll tasks with one list request. Returns outcomes by task id, only for the jobs listed."""
    provider = world.provider_of(batch[0])
    if provider is None:
        return {}
    young = {task.remote_id or "": task for task in _young(batch, world.clock.now())}
    since = min(task.submitted_at or task.moved_at for task in young.values())
    try:
        seen = await provider.poll_many(list(young), since)
    except errors.ProviderError as error:
        _log.info("batch_poll_failed", provider=batch[0].provider, error=str(error))
        return {}
    return {
        young[remote_id].id: poll.after_look(
            young[remote_id], world, progress, provider.capabilities
        )
        for remote_id, progress in seen.items()
        if remote_id in young
    }


def alone(task: Task, now: float) -> Outcome:
    """Poll a job alone and at once: a job missing from a list proves nothing."""
    return Snooze(now, changes={"attempts": task.attempts})


def _young(batch: list[Task], now: float) -> list[Task]:
    ages = sorted(now - (task.submitted_at or task.moved_at) for task in batch)
    limit = max(ages[len(ages) // 2] * _STRAGGLERS, 60.0)
    return [task for task in batch if now - (task.submitted_at or task.moved_at) <= limit]
