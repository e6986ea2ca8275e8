"""Telling admins what they must hear, on every front-end that has any: owed until it was told."""

from __future__ import annotations

from collections.abc import Mapping

import structlog

from bot.engine.world import World
from bot.ports import DeliveryError
from bot.replies import say
from bot.store import alerts
from bot.store.alerts import Alert
from bot.store.database import Tx

_log = structlog.get_logger(__name__)
_TRIES = 20
_AGAIN = 60.0


def owe(tx: Tx, world: World, sentence: str, facts: Mapping[str, str | int]) -> None:
    """The admins must hear this; in the transaction of what they are told about."""
    alerts.owe(tx, world.alerted, sentence, facts, world.clock.now())


async def tell(world: World) -> None:
    """Tell what is owed to the front-ends of this process."""
    now, here = world.clock.now(), tuple(world.messengers)
    if not await world.database.read(lambda tx: alerts.any_due(tx, here, now)):
        return
    owed = await world.database.transact(lambda tx: alerts.claim(tx, here, now, now + _AGAIN))
    for alert in owed:
        await _tell(world, alert)


async def _tell(world: World, alert: Alert) -> None:
    text = say(world.language, alert.sentence, **alert.facts)
    _log.warning(alert.sentence, **alert.facts)
    try:
        await world.messengers[alert.front_end].alert(text)
    except Exception as error:  # noqa: BLE001 - whatever it is, it must not be tried for ever
        permanent = isinstance(error, DeliveryError) and error.permanent
        if not permanent and alert.attempts + 1 < _TRIES:
            return
        _log.warning("alert_given_up", sentence=alert.sentence, why=str(error))
    now = world.clock.now()
    await world.database.transact(lambda tx: alerts.told(tx, alert.id, now))
