"""Queue alerts for admins and send them on every front-end that has admins."""

from __future__ import annotations

from collections.abc import Mapping

import structlog

from bot.engine.context import World
from bot.ports import DeliveryError
from bot.presentation.i18n import say
from bot.store import alerts
from bot.store.alerts import Alert
from bot.store.database import Tx

_log = structlog.get_logger(__name__)
_TRIES = 20
_AGAIN = 60.0


def owe(tx: Tx, world: World, sentence: str, facts: Mapping[str, str | int]) -> None:
    """Queue an alert, in the transaction of the event that it reports."""
    alerts.owe(tx, world.alerted, sentence, facts, world.clock.now())


async def tell(world: World) -> None:
    """Send the due alerts of the front-ends of this process."""
    now, here = world.clock.now(), tuple(world.messengers)
    if not await world.database.read(lambda tx: alerts.any_due(tx, here, now)):
        return
    owed = await world.database.transact(lambda tx: alerts.claim(tx, here, now, now + _AGAIN))
    for alert in owed:
        await _tell(world, alert)


async def _tell(world: World, alert: Alert) -> None:
    text = say(world.language, alert.sentence, **alert.facts)
    _log.warning("admin_alert", text_key=alert.sentence, **alert.facts)
    try:
        await world.messengers[alert.front_end].alert(text)
    except Exception as error:  # noqa: BLE001 - any failure counts as an attempt
        permanent = isinstance(error, DeliveryError) and error.permanent
        if not permanent and alert.attempts + 1 < _TRIES:
            return
        _log.warning("admin_alert_dropped", text_key=alert.sentence, error=str(error))
    now = world.clock.now()
    await world.database.transact(lambda tx: alerts.told(tx, alert.id, now))
