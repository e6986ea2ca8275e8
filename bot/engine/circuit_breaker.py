"""Circuit breaker per provider: decide from the responses to creates whether to send more tasks.

    closed     Accepts tasks. A 429 pauses the provider for as long as the response says, a failed
               connection pauses it briefly.
    open       Accepts no tasks. Opens after `_FAILURES` failed creates in a row (more are needed
               while many creates are in flight, because those fail together), or at once when the
               gateway rejects the key or the account has no funds. After the pause, a free request
               (`Provider.check`) probes the provider; each failed probe doubles the pause.
    half-open  Accepts one task. Its create closes the breaker or opens it for longer.

The state is in the database, so that all workers share it. Admins are alerted when a breaker opens
and when it closes. A rejected prompt counts as a success: the provider has responded.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace

import structlog

from bot.domain.provider_health import Breaker, Health
from bot.engine import admin_alerts
from bot.engine.context import World
from bot.store import disabled_models, provider_health, task_queue, tasks
from bot.store.database import Tx
from providers import errors

_log = structlog.get_logger(__name__)
_FAILURES = 3
_UNDER_WAY = 5
"""For each of this number of creates in flight, one more failure in a row is tolerated."""
_PAUSE = 30.0
"""Doubles with each failure above the threshold."""
_LONGEST_PAUSE = 900.0
_PATIENCE = 20.0
"""For one probe."""
MODEL_OFF = 6 * 3600.0
"""A model that the gateway does not serve is tried again after this time."""


def after_success(known: Health) -> Health:
    """Health after a create was accepted, or rejected for a reason in the request itself."""
    if known.breaker is Breaker.OPEN:
        # The create was sent before the breaker opened: it says nothing newer.
        return known
    if known.reason == "throttled":
        # The pause asked for by a 429 stays valid although an earlier create succeeded.
        return replace(known, breaker=Breaker.CLOSED, failures=0)
    return Health(known.name, known.mode)


def after_error(
    known: Health, error: errors.ProviderError, now: float, wait: float, under_way: int = 0
) -> Health:
    """Health after a failed create or poll. `wait`: seconds before the next attempt."""
    if known.breaker is Breaker.OPEN or isinstance(error, errors.Unsupported):
        # Sent before the breaker opened, or rejected by our own checks: nothing new.
        return known
    seen = replace(known, raw=str(error))
    if isinstance(error, errors.Throttled):
        return replace(seen, reason="throttled", paused_until=_later(known, now + wait))
    if isinstance(error, errors.Misconfigured):
        return _opened(seen, "misconfigured", now)
    if not (error.accepted or isinstance(error, errors.Unreachable)):
        return after_success(known)
    borne = _FAILURES + under_way // _UNDER_WAY
    if known.breaker is not Breaker.CLOSED or known.failures + 1 >= borne:
        return _opened(seen, "unreachable", now)
    seen = replace(seen, failures=known.failures + 1, reason="unreachable")
    if error.accepted:
        return seen
    return replace(seen, paused_until=_later(known, now + wait))


def _opened(known: Health, reason: str, now: float) -> Health:
    failures = known.failures + 1
    pause = min(_PAUSE * 2.0 ** min(max(failures - _FAILURES, 0), 10), _LONGEST_PAUSE)
    return replace(
        known,
        breaker=Breaker.OPEN,
        failures=failures,
        reason=reason,
        paused_until=_later(known, now + pause),
    )


def _later(known: Health, until: float) -> float:
    return max(known.paused_until or 0.0, until)


# --- storing it --------------------------------------------------------------------------


def succeeded(tx: Tx, world: World, name: str, remote_model: str) -> None:
    """Record that a create was accepted."""
    known = provider_health.lock_one(tx, name)
    if known is not None:
        _write(tx, world, known, after_success(known))
    disabled_models.model_works(tx, name, remote_model)


def failed(
    tx: Tx, world: World, name: str, error: errors.ProviderError, now: float, wait: float = 0.0
) -> None:
    """Record that a create failed, or that its outcome is unknown."""
    known = provider_health.lock_one(tx, name)
    if known is not None:
        _, under_way = tasks.jobs_by_provider(tx).get(name, (0, 0))
        _write(tx, world, known, after_error(known, error, now, wait, under_way))


def model_gone(tx: Tx, world: World, name: str, remote_model: str, raw: str, now: float) -> None:
    """Send no task for this model to the provider for a while: the gateway does not serve it."""
    news = disabled_models.model_off(tx, name, remote_model, now + MODEL_OFF, raw)
    # A model name that a user typed and the catalogue passed through needs no alert.
    if news and world.catalog.lists(name, remote_model):
        hours = round(MODEL_OFF / 3600)
        facts: dict[str, str | int] = {"provider": name, "model": remote_model}
        facts |= {"raw": raw, "hours": hours}
        admin_alerts.owe(tx, world, "alert-model-off", facts)


def _write(tx: Tx, world: World, before: Health, after: Health) -> None:
    if after == before:
        return
    provider_health.write(tx, after)
    if after.breaker is before.breaker:
        return
    facts: dict[str, str | int] = {"provider": after.name, "raw": after.raw or ""}
    if before.breaker is Breaker.CLOSED:
        admin_alerts.owe(tx, world, f"alert-{after.reason}", facts)
    elif after.breaker is Breaker.CLOSED:
        admin_alerts.owe(tx, world, "alert-closed", facts)


# --- probing -----------------------------------------------------------------------------


async def probe(world: World) -> None:
    """Probe each open provider whose pause is over with a request that costs nothing."""
    now = world.clock.now()
    known = await world.database.read(provider_health.health)
    due = [
        name
        for name, one in known.items()
        if name in world.providers
        and one.breaker is Breaker.OPEN
        and (one.paused_until or 0.0) <= now
    ]
    await asyncio.gather(*(_probe(world, name) for name in due))


async def _probe(world: World, name: str) -> None:
    now = world.clock.now()
    ours = await world.database.transact(
        lambda tx: provider_health.claim_probe(tx, name, now, now + 2 * _PATIENCE)
    )
    if not ours:
        return
    try:
        async with asyncio.timeout(_PATIENCE):
            await world.providers[name].check()
    except (errors.ProviderError, TimeoutError) as error:
        told = error if isinstance(error, errors.ProviderError) else errors.Unanswered("no answer")
        await world.database.transact(lambda tx: _probed(tx, world, name, told))
        _log.info("provider_probe_failed", provider=name, error=str(told))
        return
    await world.database.transact(lambda tx: _probed(tx, world, name, None))


def _probed(tx: Tx, world: World, name: str, error: errors.ProviderError | None) -> None:
    known, now = provider_health.lock_one(tx, name), world.clock.now()
    if known is None or known.breaker is not Breaker.OPEN:
        return
    known = replace(known, paused_until=None)
    if error is None:
        _write(tx, world, known, replace(known, breaker=Breaker.HALF_OPEN))
        task_queue.hurry_queue(tx, now)
    else:
        reason = "misconfigured" if isinstance(error, errors.Misconfigured) else "unreachable"
        provider_health.write(tx, _opened(replace(known, raw=str(error)), reason, now))
