"""What people hear of their tasks, from a task and what is known of its future."""

from __future__ import annotations

from dataclasses import dataclass

from bot.catalog import Catalog
from bot.durations import Durations, Spread
from bot.model import State, Task
from bot.replies import say


@dataclass(frozen=True, slots=True)
class Outlook:
    """What can honestly be expected of a task."""

    remaining: float | None = None
    """Seconds; None where nothing was measured yet."""
    line: int | None = None
    """How many tasks wait before it."""


def spread_of(task: Task, catalog: Catalog, durations: Durations) -> Spread | None:
    """The measurements that speak for a task; before it has a provider, those of the likeliest."""
    if task.provider and task.remote_model:
        return durations.spread(task.provider, task.remote_model, task.order.seconds)
    for offer in catalog.offers(task.order.model):
        spread = durations.spread(offer.provider, offer.model, task.order.seconds)
        if spread is not None:
            return spread
    return None


def remaining(task: Task, spread: Spread | None, now: float) -> float | None:
    """Seconds until the video is probably ready at the gateway."""
    if spread is None:
        return None
    age = now - task.submitted_at if task.submitted_at else 0.0
    return spread.remaining(age, 0.5)


def outlook(
    task: Task, catalog: Catalog, durations: Durations, now: float, line: int | None = None
) -> Outlook:
    """What can be expected of this task now."""
    return Outlook(remaining(task, spread_of(task, catalog, durations), now), line)
