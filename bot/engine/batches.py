"""Looks at many jobs of one account at once, where its gateway lists jobs and that is cheaper."""

from __future__ import annotations

import math

import structlog

from bot.engine import steps
from bot.engine.outcome import Outcome, Snooze
from bot.engine.world import World
from bot.model import Task
from bot.store import claims
from bot.store.database import Tx
from providers import errors
from providers.base import LISTED

_log = structlog.get_logger(__name__)
_SOON = 2.5
"""Times the least pause between looks: what falls due until then comes along for nothing."""
_GAIN = 3
"""A list has to spare at least so many requests for each of its pages: others may use the account,
and finished jobs stand in it too."""
_STRAGGLERS = 3.0
"""Times the middle age: jobs older than this stand on pages of their own, far back."""


def claim(tx: Tx, account: str, now: float, pause: float, lease: str, until: float) -> list[Task]:
    """The account's running tasks that are to be looked at together now; none if that is dearer."""
    soon = now + _SOON * pause
    running, by_soon, by_now = claims.count_batch(tx, account, now, soon)
    pages = math.ceil(running / LISTED)
    if not by_now or by_soon <= _GAIN * pages:
        return []
    return claims.claim_batch(tx, account, now, soon, lease, until)


async def look(batch: list[Task], world: World) -> dict[str, Outcome]:
    """What a list says of these tasks, by their ids; those missing are to be asked for alone."""
    provider = world.provider_of(batch[0])
    if provider is None:
        return {}
    young = {task.remote_id or "": task for task in _young(batch, world.clock.now())}
    since = min(task.submitted_at or task.moved_at for task in young.values())
    try:
        seen = await provider.poll_many(list(young), since)
    except errors.ProviderError as error:
        _log.info("list_failed", provider=batch[0].provider, why=str(error))
        return {}
    return {
        young[remote_id].id: steps.after_look(
            young[remote_id], world, progress, provider.capabilities
        )
        for remote_id, progress in seen.items()
        if remote_id in young
    }


def alone(task: Task, now: float) -> Outcome:
    """A list has not shown it, which proves nothing: it is looked at by itself."""
    return Snooze(now, changes={"attempts": task.attempts})


def _young(batch: list[Task], now: float) -> list[Task]:
    ages = sorted(now - (task.submitted_at or task.moved_at) for task in batch)
    limit = max(ages[len(ages) // 2] * _STRAGGLERS, 60.0)
    return [task for task in batch if now - (task.submitted_at or task.moved_at) <= limit]
