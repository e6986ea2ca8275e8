"""Delete results, reference pictures, prompts and old rows after their retention time."""

from __future__ import annotations

import structlog

from bot.domain.tasks import Task
from bot.engine.context import EngineContext
from bot.media.links import PublishError, remove_task_files
from bot.store import alerts, disabled_models, interactive_messages, retention, seen_events, updates
from bot.store.database import Tx
from bot.store.retention import RetentionCutoffs

_log = structlog.get_logger(__name__)
_BATCH_SIZE = 100
INTERVAL_S = 3600.0
_EVENT_RETENTION_S = 7 * 86400.0
"""Gateways repeat an event for up to three days."""
_ALERT_RETENTION_S = 30 * 86400.0
_UPDATE_RETENTION_S = 3 * 86400.0
"""Telegram repeats an unconfirmed update for one day."""


async def run_retention_loop(engine: EngineContext) -> None:
    """Run now and then once an hour until cancelled."""
    while True:
        try:
            await purge_expired(engine)
        except Exception:  # noqa: BLE001 - try again in the next hour
            _log.exception("retention_run_failed")
        await engine.clock.sleep(INTERVAL_S)


async def purge_expired(engine: EngineContext) -> None:
    """Delete files, prompts and rows whose retention time is over."""
    now, limits = engine.clock.now(), engine.limits
    cutoffs = RetentionCutoffs(now - limits.result_retention_s, now - limits.picture_retention_s)
    while batch := await engine.database.read(
        lambda tx: retention.tasks_with_expired_files(tx, cutoffs, _BATCH_SIZE)
    ):
        for task in batch:
            await _delete_task_files(engine, task, cutoffs)
    await _delete_expired_links(engine, now)
    await engine.database.transact(lambda tx: _delete_expired_rows(tx, now))
    blank_before = now - engine.limits.prompt_retention_s
    await engine.database.transact(lambda tx: retention.blank_prompts(tx, blank_before))
    await engine.database.transact(lambda tx: interactive_messages.delete_before(tx, blank_before))


async def _delete_expired_links(engine: EngineContext, now: float) -> None:
    if engine.publisher is None:
        return
    try:
        await engine.publisher.remove_expired(now)
    except PublishError as error:
        # The links have expired already, so that nothing is exposed until the next run.
        _log.warning("retention_links_failed", error=str(error))


def _delete_expired_rows(tx: Tx, now: float) -> None:
    seen_events.delete_before(tx, now - _EVENT_RETENTION_S)
    disabled_models.delete_expired(tx, now - _EVENT_RETENTION_S)
    alerts.delete_before(tx, now - _ALERT_RETENTION_S)
    updates.delete_done_before(tx, now - _UPDATE_RETENTION_S)


async def _delete_task_files(engine: EngineContext, task: Task, cutoffs: RetentionCutoffs) -> None:
    # First the row, then the file: a crash in between leaves an orphaned file, which the next
    # start removes, and never a row that names a missing file.
    detached = await engine.database.transact(lambda tx: retention.detach_files(tx, task, cutoffs))
    if detached is not None:
        await remove_task_files(detached, engine.storage, engine.transcoder, engine.publisher)
