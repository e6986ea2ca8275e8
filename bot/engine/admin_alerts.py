"""Queue alerts for admins and send them on every front-end that has admins."""

from __future__ import annotations

from collections.abc import Mapping

import structlog

from bot.engine.context import EngineContext
from bot.ports import DeliveryError
from bot.presentation.i18n import translate
from bot.store import alerts
from bot.store.alerts import Alert
from bot.store.database import Tx

_log = structlog.get_logger(__name__)
_MAX_ATTEMPTS = 20
_RETRY_DELAY_S = 60.0


def enqueue(tx: Tx, engine: EngineContext, text_key: str, params: Mapping[str, str | int]) -> None:
    """Queue an alert, in the transaction of the event that it reports."""
    alerts.enqueue(tx, engine.alert_front_ends, text_key, params, engine.clock.now())


async def dispatch(engine: EngineContext) -> None:
    """Send the due alerts of the front-ends of this process."""
    now, front_ends = engine.clock.now(), tuple(engine.messengers)
    if not await engine.database.read(lambda tx: alerts.has_due(tx, front_ends, now)):
        return
    due_alerts = await engine.database.transact(
        lambda tx: alerts.claim(tx, front_ends, now, now + _RETRY_DELAY_S)
    )
    for alert in due_alerts:
        await _send(engine, alert)


async def _send(engine: EngineContext, alert: Alert) -> None:
    text = translate(engine.language, alert.text_key, **alert.params)
    _log.warning("admin_alert", text_key=alert.text_key, **alert.params)
    try:
        await engine.messengers[alert.front_end].alert_admins(text)
    except Exception as error:  # noqa: BLE001 - any failure counts as an attempt
        is_permanent = isinstance(error, DeliveryError) and error.is_permanent
        if not is_permanent and alert.attempts + 1 < _MAX_ATTEMPTS:
            return
        _log.warning("admin_alert_dropped", text_key=alert.text_key, error=str(error))
    now = engine.clock.now()
    await engine.database.transact(lambda tx: alerts.mark_sent(tx, alert.id, now))
