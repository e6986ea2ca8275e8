"""Periodic work beside the tasks: provider modes, breaker probes, alerts, catalogue reload."""

from __future__ import annotations

from itertools import count

import structlog

from bot.catalog.catalog_file import CatalogError
from bot.domain.provider_health import Mode
from bot.engine import admin_alerts, circuit_breaker, queue_position
from bot.engine.context import World
from bot.store import provider_health

_log = structlog.get_logger(__name__)
EVERY = 2.0
_LINE = round(queue_position.EVERY / EVERY)
"""Rounds between two updates of the queue positions."""


async def watch(world: World) -> None:
    """Run every `EVERY` seconds until cancelled."""
    for number in count():
        try:
            await once(world)
            if number % _LINE == 0:
                await queue_position.tell(world)
        except Exception:  # noqa: BLE001 - try again in the next round
            _log.exception("periodic_run_failed")
        await world.clock.sleep(EVERY)


async def once(world: World) -> None:
    """Run each periodic task once."""
    await _modes(world)
    await circuit_breaker.probe(world)
    await _catalogue(world)
    await admin_alerts.tell(world)


async def _modes(world: World) -> None:
    """Read which providers an admin has disabled, in this or another process."""
    known = await world.database.read(provider_health.health)
    world.off.clear()
    world.off.update(name for name, one in known.items() if one.mode is Mode.OFF)


async def _catalogue(world: World) -> None:
    """Reload a changed catalogue file; an invalid one changes nothing and alerts the admins."""
    if not world.catalog.changed_on_disk():
        return
    try:
        if world.catalog.reload():
            _log.info("catalog_reloaded")
    except CatalogError as error:
        facts = {"lines": "\n".join(error.lines)}
        await world.database.transact(
            lambda tx: admin_alerts.owe(tx, world, "alert-catalogue", facts)
        )
