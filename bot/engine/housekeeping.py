"""What must not be kept for ever: results, reference pictures and prompts."""

from __future__ import annotations

import structlog

from bot.engine.world import World
from bot.media.publish import PublishError
from bot.media.removing import remove_files
from bot.model import Task
from bot.store import alerts, cards, keeping, providers, updates
from bot.store.database import Tx
from bot.store.keeping import Kept

_log = structlog.get_logger(__name__)
_BATCH = 100
EVERY = 3600.0
_HEARD = 7 * 86400.0
"""Gateways repeat an event for three days."""
_ALERTED = 30 * 86400.0
_UPDATED = 3 * 86400.0
"""Telegram keeps an update that is not confirmed for a day."""


async def keep_house(world: World) -> None:
    """Once now and then every hour, for as long as the process lives."""
    while True:
        try:
            await tidy(world)
        except Exception:  # noqa: BLE001 - the next hour may go better
            _log.exception("housekeeping_failed")
        await world.clock.sleep(EVERY)


async def tidy(world: World) -> None:
    """Remove the results and pictures, and blank the prompts, whose time is over."""
    now, limits = world.clock.now(), world.limits
    kept = Kept(now - limits.result_retention, now - limits.picture_retention)
    while batch := await world.database.read(lambda tx: keeping.expired_files(tx, kept, _BATCH)):
        for task in batch:
            await _drop_files(world, task, kept)
    await _sweep_links(world, now)
    await world.database.transact(lambda tx: _forget_what_is_over(tx, now))
    blank_before = now - world.limits.prompt_retention
    await world.database.transact(lambda tx: keeping.blank_prompts(tx, blank_before))
    await world.database.transact(lambda tx: cards.prune(tx, blank_before))


async def _sweep_links(world: World, now: float) -> None:
    if world.publisher is None:
        return
    try:
        await world.publisher.sweep(now)
    except PublishError as error:
        # Their links have expired, so that nobody can get them meanwhile.
        _log.warning("links_not_swept", why=str(error))


def _forget_what_is_over(tx: Tx, now: float) -> None:
    providers.forget_events(tx, now - _HEARD)
    providers.forget_models(tx, now - _HEARD)
    alerts.forget(tx, now - _ALERTED)
    updates.prune(tx, now - _UPDATED)


async def _drop_files(world: World, task: Task, kept: Kept) -> None:
    # First the row, then the file: a crash between leaves an orphan, which the next start sweeps,
    # and never a promise of a file that is gone.
    dropped = await world.database.transact(lambda tx: keeping.drop_files(tx, task, kept))
    if dropped is not None:
        await remove_files(dropped, world.spool, world.fitter, world.publisher)
