"""Download a finished video to the local disk, resuming partial downloads."""

from __future__ import annotations

import asyncio

from bot.domain.tasks import State, Task
from bot.engine.context import World
from bot.engine.outcome import Advance, Outcome, Snooze, fail
from bot.engine.poll_schedule import GIVE_UP, OFF
from bot.media import storage
from providers import errors
from providers.base import Provider
from providers.types import Finished

_FETCH_TRIES = 6
_FETCH_AT_MOST = 3600.0
"""For one download, so that a very slow one does not occupy a slot for ever."""


# --- fetching ----------------------------------------------------------------------------


async def fetch(task: Task, world: World) -> Outcome:
    """Download the video to the local disk, resuming a partial download."""
    provider = world.provider_of(task)
    if provider is None:
        return _fetch_later(task, world, "the provider that made this job is not configured")
    if world.is_off(task):
        return Snooze(world.clock.now() + OFF)
    name = f"{task.id}.mp4"
    outcome = await _stream(task, world, provider, name)
    if isinstance(outcome, Advance) and outcome.to is State.FAILED:
        await world.spool.drop_part(name)
    return outcome


async def _stream(task: Task, world: World, provider: Provider, name: str) -> Outcome:
    finished = Finished(task.result_url, task.result_expires_at)
    try:
        stored = await world.spool.fetched(name)
        if stored is None:
            offset = world.spool.part_size(name)
            async with (
                asyncio.timeout(_FETCH_AT_MOST),
                provider.download(task.remote_id or "", finished, offset) as download,
            ):
                stored = await world.spool.receive(download, name)
    except storage.DiskFull as error:
        return Snooze(world.clock.now() + 60.0, changes={"reason": "disk-full", "raw": str(error)})
    except (storage.Truncated, storage.NotAVideo, errors.Malformed) as error:
        return _fetch_again(task, world, str(error), relook=False)
    except errors.NoResult as error:
        # The gateway reports success without a video: a later poll may have its URL.
        return _fetch_again(task, world, str(error), relook=True, lost="no-result")
    except errors.Refused as error:
        return _fetch_again(task, world, str(error), relook=True)
    except errors.Misconfigured as error:
        if _is_dead_link(task, world):
            return _fetch_again(task, world, str(error), relook=True)
        return _fetch_later(task, world, str(error), error.retry_after)
    except errors.ProviderError as error:
        return _fetch_later(task, world, str(error), error.retry_after)
    except TimeoutError:
        return _fetch_later(task, world, f"not downloaded within {_FETCH_AT_MOST:.0f} s")
    return Advance(State.DELIVERING, changes={"file": stored.file, "bytes": stored.bytes})


def _is_dead_link(task: Task, world: World) -> bool:
    """Whether a 403 means an expired signed URL, rather than a wrong key at the gateway."""
    expired = (task.result_expires_at or world.clock.now()) < world.clock.now()
    return task.result_url is not None or expired


def _fetch_again(
    task: Task, world: World, raw: str, *, relook: bool, lost: str = "file-lost"
) -> Outcome:
    """The download was not a video, or its URL is dead: retry a few times, then fail."""
    now = world.clock.now()
    if task.fetches + 1 >= _FETCH_TRIES:
        return fail(lost, raw)
    wait = world.backoff(task.fetches)
    counted: dict[str, object] = {"fetches": task.fetches + 1}
    if relook:
        return Advance(State.RUNNING, due_at=now + wait, raw=raw, changes=counted)
    return Snooze(now + wait, raw=raw, changes=counted)


def _fetch_later(task: Task, world: World, raw: str, hint: float | None = None) -> Outcome:
    now = world.clock.now()
    if now - (task.finished_at or task.moved_at) > GIVE_UP:
        return fail("file-lost", raw)
    wait = world.backoff(task.attempts, hint)
    return Snooze(now + wait, failed=True, raw=raw)
