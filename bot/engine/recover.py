"""Recover a create whose response was lost: its job may exist and be paid for."""

from __future__ import annotations

from bot.domain.tasks import State, Task
from bot.engine.context import World
from bot.engine.outcome import Advance, Outcome, Snooze
from bot.engine.poll_schedule import GIVE_UP, OFF
from bot.engine.submit import accepted, request_of
from bot.store import tasks
from providers import errors
from providers.types import Finding

_SEARCHES = 6
"""Lookups, over about a minute, before the job counts as not found."""
_STEADY = 4
"""Doublings of the delay after a failed lookup: half a minute at the default poll interval."""
_ON_ITS_WAY = 120.0
"""How long the create of a worker that lost its lease may still be in flight."""


async def search(task: Task, world: World) -> Outcome:
    """Look up the job of a create whose response was lost.

    The create is repeated only if the gateway can prove that it was not accepted.
    """
    if task.submitted_at is None:
        # Its worker died or was stopped before it sent the create.
        return _queued(task)
    provider = world.provider_of(task)
    if provider is None:
        return _review(task, "the provider is not configured")
    if world.is_off(task):
        return Snooze(world.clock.now() + OFF)
    finding = provider.capabilities.find
    if finding is Finding.NOTHING:
        return _review(task, "no response to the create, and this gateway cannot list jobs")
    taken, twin = await world.database.read(lambda tx: tasks.twins(tx, task))
    request = await request_of(task, world)
    try:
        job = await provider.find(request, task.submitted_at or task.moved_at, taken)
    except errors.ProviderError as error:
        return _could_not_look(task, world, error)
    if job is not None and (finding is Finding.CERTAIN or not twin):
        return accepted(task, world, job.remote_id, job.progress)
    if job is None and finding is Finding.CERTAIN:
        return _again(task, world)
    return _not_seen(task, world, "the job is not in the gateway's list")


def _again(task: Task, world: World) -> Outcome:
    """Queue the task again: the create was not accepted.

    With several processes, wait until the first sender cannot be about to send it any more.
    """
    now = world.clock.now()
    arrived_by = (task.submitted_at or task.moved_at) + _ON_ITS_WAY
    if not world.database.single_process and now < arrived_by:
        return Snooze(arrived_by)
    return _queued(task)


def _queued(task: Task) -> Outcome:
    if task.cancel_asked:
        return Advance(State.CANCELLED, reason="cancelled")
    return Advance(State.QUEUED, changes={"attempts": task.attempts + 1, "submitted_at": None})


def _could_not_look(task: Task, world: World, error: errors.ProviderError) -> Outcome:
    """Retry a failed lookup for as long as a poll is retried: it proves nothing about the job."""
    now = world.clock.now()
    if isinstance(error, errors.Refused | errors.Unsupported):
        # The gateway does not permit or support the lookup: retrying cannot help.
        return _not_seen(task, world, str(error))
    if now - (task.submitted_at or task.moved_at) > GIVE_UP:
        return _review(task, str(error))
    # A list of many pages fails easily, so the back-off is capped.
    wait = world.backoff(min(task.looks, _STEADY), error.retry_after)
    counted = {"looks": task.looks + 1, "attempts": task.attempts}
    return Snooze(now + wait, raw=str(error), changes=counted)


def _not_seen(task: Task, world: World, raw: str) -> Outcome:
    if task.attempts + 1 >= _SEARCHES:
        return _review(task, raw)
    return Snooze(world.clock.now() + world.backoff(task.attempts), failed=True, raw=raw)


def _review(task: Task, raw: str) -> Outcome:
    words = raw if task.raw in (None, raw) else f"{task.raw}; {raw}"
    return Advance(State.REVIEW, reason="create-unclear", raw=words)
