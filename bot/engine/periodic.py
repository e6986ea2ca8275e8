"""Periodic work beside the tasks: provider modes, breaker probes, alerts, catalogue reload."""

from __future__ import annotations

from itertools import count

import structlog

from bot.catalog.catalog_file import CatalogError
from bot.domain.provider_health import ProviderMode
from bot.engine import admin_alerts, circuit_breaker, queue_position
from bot.engine.context import EngineContext
from bot.store import provider_health

_log = structlog.get_logger(__name__)
INTERVAL_S = 2.0
_ROUNDS_PER_QUEUE_UPDATE = round(queue_position.INTERVAL_S / INTERVAL_S)
"""Rounds between two updates of the queue positions."""


async def run_periodic_tasks(engine: EngineContext) -> None:
    """Run every `INTERVAL_S` seconds until cancelled."""
    for round_number in count():
        try:
            await run_once(engine)
            if round_number % _ROUNDS_PER_QUEUE_UPDATE == 0:
                await queue_position.update_queue_positions(engine)
        except Exception:  # noqa: BLE001 - try again in the next round
            _log.exception("periodic_run_failed")
        await engine.clock.sleep(INTERVAL_S)


async def run_once(engine: EngineContext) -> None:
    """Run each periodic task once."""
    await _refresh_disabled_providers(engine)
    await circuit_breaker.probe_open_providers(engine)
    await _reload_catalog(engine)
    await admin_alerts.dispatch(engine)


async def _refresh_disabled_providers(engine: EngineContext) -> None:
    """Read which providers an admin has disabled, in this or another process."""
    health_by_provider = await engine.database.read(provider_health.get_all)
    engine.disabled_providers.clear()
    engine.disabled_providers.update(
        name for name, health in health_by_provider.items() if health.mode is ProviderMode.OFF
    )


async def _reload_catalog(engine: EngineContext) -> None:
    """Reload a changed catalogue file; an invalid one changes nothing and alerts the admins."""
    if not engine.catalog.has_changed_on_disk():
        return
    try:
        if engine.catalog.reload():
            _log.info("catalog_reloaded")
    except CatalogError as error:
        params = {"lines": "\n".join(error.lines)}
        await engine.database.transact(
            lambda tx: admin_alerts.enqueue(tx, engine, "alert-catalogue", params)
        )
