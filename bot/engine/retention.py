"""Delete results, reference pictures, prompts and old rows after their retention time."""

from __future__ import annotations

import structlog

from bot.domain.tasks import Task
from bot.engine.context import World
from bot.media.links import PublishError, remove_files
from bot.store import alerts, disabled_models, interactive_messages, retention, seen_events, updates
from bot.store.database import Tx
from bot.store.retention import Kept

_log = structlog.get_logger(__name__)
_BATCH = 100
EVERY = 3600.0
_HEARD = 7 * 86400.0
"""Gateways repeat an event for up to three days."""
_ALERTED = 30 * 86400.0
_UPDATED = 3 * 86400.0
"""Telegram repeats an unconfirmed update for one day."""


async def keep_house(world: World) -> None:
    """Run now and then once an hour until cancelled."""
    while True:
        try:
            await tidy(world)
        except Exception:  # noqa: BLE001 - try again in the next hour
            _log.exception("retention_run_failed")
        await world.clock.sleep(EVERY)


async def tidy(world: World) -> None:
    """Delete files, prompts and rows whose retention time is over."""
    now, limits = world.clock.now(), world.limits
    kept = Kept(now - limits.result_retention, now - limits.picture_retention)
    while batch := await world.database.read(lambda tx: retention.expired_files(tx, kept, _BATCH)):
        for task in batch:
            await _drop_files(world, task, kept)
    await _sweep_links(world, now)
    await world.database.transact(lambda tx: _forget_what_is_over(tx, now))
    blank_before = now - world.limits.prompt_retention
    await world.database.transact(lambda tx: retention.blank_prompts(tx, blank_before))
    await world.database.transact(lambda tx: interactive_messages.prune(tx, blank_before))


async def _sweep_links(world: World, now: float) -> None:
    if world.publisher is None:
        return
    try:
        await world.publisher.sweep(now)
    except PublishError as error:
        # The links have expired already, so that nothing is exposed until the next run.
        _log.warning("retention_links_failed", error=str(error))


def _forget_what_is_over(tx: Tx, now: float) -> None:
    seen_events.forget_events(tx, now - _HEARD)
    disabled_models.forget_models(tx, now - _HEARD)
    alerts.forget(tx, now - _ALERTED)
    updates.prune(tx, now - _UPDATED)


async def _drop_files(world: World, task: Task, kept: Kept) -> None:
    # First the row, then the file: a crash in between leaves an orphaned file, which the next
    # start removes, and never a row that names a missing file.
    dropped = await world.database.transact(lambda tx: retention.drop_files(tx, task, kept))
    if dropped is not None:
        await remove_files(dropped, world.spool, world.fitter, world.publisher)
