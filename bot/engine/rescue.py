"""What a dead worker left in the one place where money may be on its way: a create's answer."""

from __future__ import annotations

from bot.engine.outcome import Advance, Outcome, Snooze
from bot.engine.steps import accepted, request_of
from bot.engine.world import World
from bot.model import State, Task
from bot.store import tasks
from providers import errors
from providers.base import Finding

_SEARCHES = 4
"""Looks at a list of jobs before a create counts as not to be found."""


async def search(task: Task, world: World) -> Outcome:
    """Look for the job of a create whose answer nobody heard.

    It is never sent again unless the gateway can prove that it was not accepted.
    """
    provider = world.provider_of(task)
    if provider is None:
        return _review(task, "the provider is not configured")
    finding = provider.capabilities.find
    if finding is Finding.NOTHING:
        return _review(task, "no answer to the create, and this gateway cannot list jobs")
    request = await request_of(task, world)
    try:
        job = await provider.find(request, task.submitted_at or task.moved_at)
    except errors.ProviderError as error:
        return _search_again(task, world, str(error))
    if job is not None:
        identity, remote_id = provider.identity, job.remote_id
        owner = await world.database.read(lambda tx: tasks.with_remote_id(tx, identity, remote_id))
        if owner in (None, task.id):
            return accepted(task, world, job.remote_id, job.progress)
    if finding is Finding.CERTAIN:
        return Advance(State.QUEUED, changes={"attempts": task.attempts + 1, "submitted_at": None})
    return _search_again(task, world, "the job is not in the gateway's list")


def _search_again(task: Task, world: World, raw: str) -> Outcome:
    if task.attempts + 1 >= _SEARCHES:
        return _review(task, raw)
    wait = world.backoff(task.attempts)
    return Snooze(world.clock.now() + wait, failed=True, raw=raw)


def _review(task: Task, raw: str) -> Outcome:
    return Advance(State.REVIEW, reason="create-unclear", raw=f"{task.raw or ''} {raw}".strip())
