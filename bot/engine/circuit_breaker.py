"""Circuit breaker per provider: decide from the responses to creates whether to send more tasks.

    closed     Accepts tasks. A 429 pauses the provider for as long as the response says, a failed
               connection pauses it briefly.
    open       Accepts no tasks. Opens after `_FAILURE_THRESHOLD` failed creates in a row (more are
               needed while many creates are in flight, because those fail together), or at once
               when the gateway rejects the key or the account has no funds. After the pause, a free
               request (`Provider.check`) probes the provider; each failed probe doubles the
               pause.
    half-open  Accepts one task. Its create closes the breaker or opens it for longer.

The state is in the database, so that all workers share it. Admins are alerted when a breaker opens
and when it closes. A rejected prompt counts as a success: the provider has responded.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace

import structlog

from bot.domain.provider_health import BreakerState, ProviderHealth
from bot.engine import admin_alerts
from bot.engine.context import EngineContext
from bot.store import disabled_models, provider_health, task_queue, tasks
from bot.store.database import Tx
from providers import errors

_log = structlog.get_logger(__name__)
_FAILURE_THRESHOLD = 3
_SUBMITTING_PER_EXTRA_FAILURE = 5
"""For each of this number of creates in flight, one more failure in a row is tolerated."""
_BASE_PAUSE_S = 30.0
"""Doubles with each failure above the threshold."""
_MAX_PAUSE_S = 900.0
_PROBE_TIMEOUT_S = 20.0
"""For one probe."""
MODEL_DISABLED_S = 6 * 3600.0
"""A model that the gateway does not serve is tried again after this time."""


def health_after_success(health: ProviderHealth) -> ProviderHealth:
    """Health after a create was accepted, or rejected for a reason in the request itself."""
    if health.breaker is BreakerState.OPEN:
        # The create was sent before the breaker opened: it says nothing newer.
        return health
    if health.reason == "throttled":
        # The pause asked for by a 429 stays valid although an earlier create succeeded.
        return replace(health, breaker=BreakerState.CLOSED, consecutive_failures=0)
    return ProviderHealth(health.name, health.mode)


def health_after_error(
    health: ProviderHealth,
    error: errors.ProviderError,
    now: float,
    retry_delay: float,
    submitting_count: int = 0,
) -> ProviderHealth:
    """Health after a failed create or poll. `retry_delay`: seconds before the next attempt."""
    if health.breaker is BreakerState.OPEN or isinstance(error, errors.Unsupported):
        # Sent before the breaker opened, or rejected by our own checks: nothing new.
        return health
    updated = replace(health, provider_message=str(error))
    if isinstance(error, errors.Throttled):
        return replace(
            updated, reason="throttled", paused_until=_later_pause_end(health, now + retry_delay)
        )
    if isinstance(error, errors.Misconfigured):
        return _open(updated, "misconfigured", now)
    if not (error.maybe_accepted or isinstance(error, errors.Unreachable)):
        return health_after_success(health)
    threshold = _FAILURE_THRESHOLD + submitting_count // _SUBMITTING_PER_EXTRA_FAILURE
    if health.breaker is not BreakerState.CLOSED or health.consecutive_failures + 1 >= threshold:
        return _open(updated, "unreachable", now)
    updated = replace(
        updated, consecutive_failures=health.consecutive_failures + 1, reason="unreachable"
    )
    if error.maybe_accepted:
        return updated
    return replace(updated, paused_until=_later_pause_end(health, now + retry_delay))


def _open(health: ProviderHealth, reason: str, now: float) -> ProviderHealth:
    failures = health.consecutive_failures + 1
    pause = min(_BASE_PAUSE_S * 2.0 ** min(max(failures - _FAILURE_THRESHOLD, 0), 10), _MAX_PAUSE_S)
    return replace(
        health,
        breaker=BreakerState.OPEN,
        consecutive_failures=failures,
        reason=reason,
        paused_until=_later_pause_end(health, now + pause),
    )


def _later_pause_end(health: ProviderHealth, until: float) -> float:
    return max(health.paused_until or 0.0, until)


# --- storing it --------------------------------------------------------------------------


def record_success(tx: Tx, engine: EngineContext, provider_name: str, remote_model: str) -> None:
    """Record that a create was accepted."""
    health = provider_health.lock_one(tx, provider_name)
    if health is not None:
        _save_transition(tx, engine, health, health_after_success(health))
    disabled_models.enable(tx, provider_name, remote_model)


def record_failure(
    tx: Tx,
    engine: EngineContext,
    provider_name: str,
    error: errors.ProviderError,
    now: float,
    retry_delay: float = 0.0,
) -> None:
    """Record that a create failed, or that its outcome is unknown."""
    health = provider_health.lock_one(tx, provider_name)
    if health is not None:
        _, submitting_count = tasks.jobs_by_provider(tx).get(provider_name, (0, 0))
        _save_transition(
            tx,
            engine,
            health,
            health_after_error(health, error, now, retry_delay, submitting_count),
        )


def disable_model(
    tx: Tx,
    engine: EngineContext,
    provider_name: str,
    remote_model: str,
    provider_message: str,
    now: float,
) -> None:
    """Send no task for this model to the provider for a while: the gateway does not serve it."""
    is_new = disabled_models.disable(
        tx, provider_name, remote_model, now + MODEL_DISABLED_S, provider_message
    )
    # A model name that a user typed and the catalogue passed through needs no alert.
    if is_new and engine.catalog.has_offer(provider_name, remote_model):
        hours = round(MODEL_DISABLED_S / 3600)
        params: dict[str, str | int] = {"provider": provider_name, "model": remote_model}
        params |= {"raw": provider_message, "hours": hours}
        admin_alerts.enqueue(tx, engine, "alert-model-off", params)


def _save_transition(
    tx: Tx, engine: EngineContext, before: ProviderHealth, after: ProviderHealth
) -> None:
    if after == before:
        return
    provider_health.save(tx, after)
    if after.breaker is before.breaker:
        return
    params: dict[str, str | int] = {"provider": after.name, "raw": after.provider_message or ""}
    if before.breaker is BreakerState.CLOSED:
        admin_alerts.enqueue(tx, engine, f"alert-{after.reason}", params)
    elif after.breaker is BreakerState.CLOSED:
        admin_alerts.enqueue(tx, engine, "alert-closed", params)


# --- probing -----------------------------------------------------------------------------


async def probe_open_providers(engine: EngineContext) -> None:
    """Probe each open provider whose pause is over with a request that costs nothing."""
    now = engine.clock.now()
    health_by_provider = await engine.database.read(provider_health.get_all)
    due = [
        name
        for name, health in health_by_provider.items()
        if name in engine.providers
        and health.breaker is BreakerState.OPEN
        and (health.paused_until or 0.0) <= now
    ]
    await asyncio.gather(*(_probe_provider(engine, name) for name in due))


async def _probe_provider(engine: EngineContext, provider_name: str) -> None:
    now = engine.clock.now()
    is_claimed = await engine.database.transact(
        lambda tx: provider_health.claim_probe(tx, provider_name, now, now + 2 * _PROBE_TIMEOUT_S)
    )
    if not is_claimed:
        return
    try:
        async with asyncio.timeout(_PROBE_TIMEOUT_S):
            await engine.providers[provider_name].check()
    except (errors.ProviderError, TimeoutError) as error:
        failure = (
            error if isinstance(error, errors.ProviderError) else errors.Unanswered("no answer")
        )
        await engine.database.transact(lambda tx: _record_probe(tx, engine, provider_name, failure))
        _log.info("provider_probe_failed", provider=provider_name, error=str(failure))
        return
    await engine.database.transact(lambda tx: _record_probe(tx, engine, provider_name, None))


def _record_probe(
    tx: Tx, engine: EngineContext, provider_name: str, error: errors.ProviderError | None
) -> None:
    health, now = provider_health.lock_one(tx, provider_name), engine.clock.now()
    if health is None or health.breaker is not BreakerState.OPEN:
        return
    health = replace(health, paused_until=None)
    if error is None:
        _save_transition(tx, engine, health, replace(health, breaker=BreakerState.HALF_OPEN))
        task_queue.expedite_queue(tx, now)
    else:
        reason = "misconfigured" if isinstance(error, errors.Misconfigured) else "unreachable"
        provider_health.save(tx, _open(replace(health, provider_message=str(error)), reason, now))
