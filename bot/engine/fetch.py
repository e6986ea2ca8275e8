"""Download a finished video to the local disk, resuming partial downloads."""

from __future__ import annotations

import asyncio

from bot.domain.tasks import State, Task
from bot.engine.context import EngineContext
from bot.engine.outcome import Advance, Outcome, Snooze, fail
from bot.engine.poll_schedule import DISABLED_PROVIDER_RECHECK_S, GIVE_UP_AFTER_S
from bot.media import storage
from providers import errors
from providers.base import Provider
from providers.types import Finished

_MAX_FETCHES = 6
_FETCH_TIMEOUT_S = 3600.0
"""For one download, so that a very slow one does not occupy a slot for ever."""


# --- fetching ----------------------------------------------------------------------------


async def fetch(task: Task, engine: EngineContext) -> Outcome:
    """Download the video to the local disk, resuming a partial download."""
    provider = engine.provider_of(task)
    if provider is None:
        return _postpone_fetch(task, engine, "the provider that made this job is not configured")
    if engine.is_disabled(task):
        return Snooze(engine.clock.now() + DISABLED_PROVIDER_RECHECK_S)
    file_name = f"{task.id}.mp4"
    outcome = await _download(task, engine, provider, file_name)
    if isinstance(outcome, Advance) and outcome.to_state is State.FAILED:
        await engine.storage.discard_partial(file_name)
    return outcome


async def _download(
    task: Task, engine: EngineContext, provider: Provider, file_name: str
) -> Outcome:
    finished = Finished(task.result_url, task.result_expires_at)
    try:
        stored = await engine.storage.find_fetched(file_name)
        if stored is None:
            offset = engine.storage.resumable_bytes(file_name)
            async with (
                asyncio.timeout(_FETCH_TIMEOUT_S),
                provider.download(task.remote_id or "", finished, offset) as download,
            ):
                stored = await engine.storage.store_video(download, file_name)
    except storage.DiskFull as error:
        return Snooze(engine.clock.now() + 60.0, changes={"reason": "disk-full", "raw": str(error)})
    except (storage.TruncatedDownload, storage.InvalidVideo, errors.MalformedResponse) as error:
        return _retry_fetch(task, engine, str(error), repoll=False)
    except errors.NoResult as error:
        # The gateway reports success without a video: a later poll may have its URL.
        return _retry_fetch(task, engine, str(error), repoll=True, reason="no-result")
    except errors.Rejected as error:
        return _retry_fetch(task, engine, str(error), repoll=True)
    except errors.Misconfigured as error:
        if _is_link_expired(task, engine):
            return _retry_fetch(task, engine, str(error), repoll=True)
        return _postpone_fetch(task, engine, str(error), error.retry_after)
    except errors.ProviderError as error:
        return _postpone_fetch(task, engine, str(error), error.retry_after)
    except TimeoutError:
        return _postpone_fetch(task, engine, f"not downloaded within {_FETCH_TIMEOUT_S:.0f} s")
    return Advance(State.DELIVERING, changes={"file": stored.file_name, "bytes": stored.size_bytes})


def _is_link_expired(task: Task, engine: EngineContext) -> bool:
    """Whether a 403 means an expired signed URL, rather than a wrong key at the gateway."""
    has_expired = (task.result_expires_at or engine.clock.now()) < engine.clock.now()
    return task.result_url is not None or has_expired


def _retry_fetch(
    task: Task,
    engine: EngineContext,
    provider_message: str,
    *,
    repoll: bool,
    reason: str = "file-lost",
) -> Outcome:
    """The download was not a video, or its URL is dead: retry a few times, then fail."""
    now = engine.clock.now()
    if task.fetches + 1 >= _MAX_FETCHES:
        return fail(reason, provider_message)
    delay = engine.backoff(task.fetches)
    changes: dict[str, object] = {"fetches": task.fetches + 1}
    if repoll:
        return Advance(
            State.RUNNING, due_at=now + delay, provider_message=provider_message, changes=changes
        )
    return Snooze(now + delay, provider_message=provider_message, changes=changes)


def _postpone_fetch(
    task: Task, engine: EngineContext, provider_message: str, retry_after: float | None = None
) -> Outcome:
    now = engine.clock.now()
    if now - (task.finished_at or task.state_since) > GIVE_UP_AFTER_S:
        return fail("file-lost", provider_message)
    delay = engine.backoff(task.attempts, retry_after)
    return Snooze(now + delay, failed=True, provider_message=provider_message)
