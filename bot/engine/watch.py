"""What is looked after every few seconds beside the tasks: providers, alerts, the catalogue."""

from __future__ import annotations

from itertools import count

import structlog

from bot.catalog_file import CatalogError
from bot.engine import alerts, breaker, waiting
from bot.engine.world import World
from bot.model import Mode
from bot.store import providers

_log = structlog.get_logger(__name__)
EVERY = 2.0
_LINE = round(waiting.EVERY / EVERY)
"""Rounds between two looks at the line."""


async def watch(world: World) -> None:
    """Look again and again, for as long as the process lives."""
    for number in count():
        try:
            await once(world)
            if number % _LINE == 0:
                await waiting.tell(world)
        except Exception:  # noqa: BLE001 - the next time may go better
            _log.exception("watch_failed")
        await world.clock.sleep(EVERY)


async def once(world: World) -> None:
    """Look after each once."""
    await _modes(world)
    await breaker.probe(world)
    await _catalogue(world)
    await alerts.tell(world)


async def _modes(world: World) -> None:
    """What admins said of the providers, here or in another process."""
    known = await world.database.read(providers.health)
    world.off.clear()
    world.off.update(name for name, one in known.items() if one.mode is Mode.OFF)


async def _catalogue(world: World) -> None:
    """A file that was changed is read again; one that is wrong changes nothing."""
    if not world.catalog.changed_on_disk():
        return
    try:
        if world.catalog.reload():
            _log.info("catalogue_reloaded")
    except CatalogError as error:
        facts = {"lines": "\n".join(error.lines)}
        await world.database.transact(lambda tx: alerts.owe(tx, world, "alert-catalogue", facts))
