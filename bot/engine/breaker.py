"""A breaker for each provider: what its answers to creates mean for the tasks that come after.

    closed     takes tasks. A 429 pauses it for as long as it says, an unreachable one briefly.
    open       takes none: after `_FAILURES` failed creates in a row (more, the more are under way:
               of many at once some fail side by side), or at once when the gateway refuses the
               key or has no funds. When its pause is over, a look that costs nothing
               (`Provider.check`) is tried; while that fails, the pauses double.
    half-open  takes one task. Its create closes the breaker, or opens it for longer.

What is known stands in the database, so all workers know it. Admins hear when one opens and when
it closes again. A refusal of one prompt says nothing of the provider: it has answered.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace

import structlog

from bot.engine import alerts
from bot.engine.world import World
from bot.model import Breaker, Health
from bot.store import claims, providers, tasks
from bot.store.database import Tx
from providers import errors

_log = structlog.get_logger(__name__)
_FAILURES = 3
_UNDER_WAY = 5
"""Creates under way for which one more failure in a row is borne."""
_PAUSE = 30.0
"""Seconds, doubling with each failure beyond these."""
_LONGEST_PAUSE = 900.0
_PATIENCE = 20.0
"""Seconds for a free look."""
MODEL_OFF = 6 * 3600.0
"""Seconds until a model that the gateway no longer served is tried again."""


def after_success(known: Health) -> Health:
    """A create was accepted, or refused for a reason of its own."""
    if known.breaker is Breaker.OPEN:
        # Sent before it opened; what opened it came later.
        return known
    if known.reason == "throttled":
        # How long it wants to be left alone is not over because an earlier create went well.
        return replace(known, breaker=Breaker.CLOSED, failures=0)
    return Health(known.name, known.mode)


def after_error(
    known: Health, error: errors.ProviderError, now: float, wait: float, under_way: int = 0
) -> Health:
    """A create, or a look, ended so. `wait`: seconds that another try should wait."""
    if known.breaker is Breaker.OPEN or isinstance(error, errors.Unsupported):
        # Asked before it opened, or refused by ourselves: no news.
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


# --- writing it down ---------------------------------------------------------------------


def succeeded(tx: Tx, world: World, name: str, remote_model: str) -> None:
    """A create was accepted."""
    known = providers.lock_one(tx, name)
    if known is not None:
        _write(tx, world, known, after_success(known))
    providers.model_works(tx, name, remote_model)


def failed(
    tx: Tx, world: World, name: str, error: errors.ProviderError, now: float, wait: float = 0.0
) -> None:
    """A create was not, or nobody knows."""
    known = providers.lock_one(tx, name)
    if known is not None:
        _, under_way = tasks.jobs_by_provider(tx).get(name, (0, 0))
        _write(tx, world, known, after_error(known, error, now, wait, under_way))


def model_gone(tx: Tx, world: World, name: str, remote_model: str, raw: str, now: float) -> None:
    """The gateway says that it does not serve this model: nobody is sent there for a while."""
    news = providers.model_off(tx, name, remote_model, now + MODEL_OFF, raw)
    # What somebody typed and the catalogue passed on is no admin's business.
    if news and world.catalog.lists(name, remote_model):
        hours = round(MODEL_OFF / 3600)
        facts: dict[str, str | int] = {"provider": name, "model": remote_model}
        facts |= {"raw": raw, "hours": hours}
        alerts.owe(tx, world, "alert-model-off", facts)


def _write(tx: Tx, world: World, before: Health, after: Health) -> None:
    if after == before:
        return
    providers.write(tx, after)
    if after.breaker is before.breaker:
        return
    facts: dict[str, str | int] = {"provider": after.name, "raw": after.raw or ""}
    if before.breaker is Breaker.CLOSED:
        alerts.owe(tx, world, f"alert-{after.reason}", facts)
    elif after.breaker is Breaker.CLOSED:
        alerts.owe(tx, world, "alert-closed", facts)


# --- trying again ------------------------------------------------------------------------


async def probe(world: World) -> None:
    """Try each open provider whose pause is over, by a look that costs nothing."""
    now = world.clock.now()
    known = await world.database.read(providers.health)
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
        lambda tx: providers.claim_probe(tx, name, now, now + 2 * _PATIENCE)
    )
    if not ours:
        return
    try:
        async with asyncio.timeout(_PATIENCE):
            await world.providers[name].check()
    except (errors.ProviderError, TimeoutError) as error:
        told = error if isinstance(error, errors.ProviderError) else errors.Unanswered("no answer")
        await world.database.transact(lambda tx: _probed(tx, world, name, told))
        _log.info("provider_still_open", provider=name, why=str(told))
        return
    await world.database.transact(lambda tx: _probed(tx, world, name, None))


def _probed(tx: Tx, world: World, name: str, error: errors.ProviderError | None) -> None:
    known, now = providers.lock_one(tx, name), world.clock.now()
    if known is None or known.breaker is not Breaker.OPEN:
        return
    known = replace(known, paused_until=None)
    if error is None:
        _write(tx, world, known, replace(known, breaker=Breaker.HALF_OPEN))
        claims.hurry_queue(tx, now)
    else:
        reason = "misconfigured" if isinstance(error, errors.Misconfigured) else "unreachable"
        providers.write(tx, _opened(replace(known, raw=str(error)), reason, now))
