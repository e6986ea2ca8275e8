"""Assign queued tasks to providers."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from bot.catalog.models import Offer
from bot.credits import lifecycle
from bot.domain.provider_health import BreakerState, ProviderHealth, ProviderMode
from bot.domain.tasks import State, Task
from bot.engine.context import EngineContext
from bot.store import disabled_models, provider_health, task_queue, tasks
from bot.store.database import Tx

_MAX_SCANNED_TASKS = 1000
"""Queued tasks read in one round, if the first ones wait for providers without capacity."""
_MAX_SKIPPED_SHAPES = 100
"""Maximum number of task shapes skipped in one round because no provider has capacity."""
_PAGE_SIZE = 200
"""Queued tasks per query."""
_UNSERVED_RETRY_S = 30.0
"""Until a task that no provider accepts is tried again."""
_AMPLE_FREE_SHARE = 0.25
"""Share of free slots from which on a provider counts as having ample capacity."""


@dataclass(slots=True)
class ProviderCapacity:
    """Capacity and health of a provider at this moment."""

    priority: int
    max_concurrent: int
    """Jobs at the same time."""
    free_slots: int
    """How many more jobs it takes; 0 if nothing may be sent now."""
    health: ProviderHealth

    @classmethod
    def measure(
        cls, engine: EngineContext, health: ProviderHealth, jobs: tuple[int, int], now: float
    ) -> ProviderCapacity:
        """`jobs`: (running or being submitted, of these being submitted)."""
        options = engine.providers[health.name].options
        free_slots = max(options.max_concurrent - jobs[0], 0) if health.accepts_new_jobs(now) else 0
        if health.breaker is BreakerState.HALF_OPEN:
            # Half-open: one create at a time, until one succeeds.
            free_slots = min(free_slots, 0 if jobs[1] else 1)
        return cls(options.priority, options.max_concurrent, free_slots, health)


Capacities = Mapping[str, ProviderCapacity]
DisabledModels = Collection[tuple[str, str]]
"""(provider, remote model) of disabled models."""


def choose_offer(offers: Sequence[Offer], capacities: Capacities) -> Offer | None:
    """The best offer whose provider has capacity, or None.

    Ranked by the configured priority of the provider, then of the offer, then by health, then by
    ample capacity, then by cost, and among equals by the number of free slots.
    """
    candidates = [
        offer
        for offer in offers
        if offer.provider in capacities and capacities[offer.provider].free_slots
    ]

    def rank(offer: Offer) -> tuple[int, int, bool, bool, float, int]:
        capacity = capacities[offer.provider]
        is_healthy = (
            capacity.health.breaker is BreakerState.CLOSED
            and capacity.health.consecutive_failures == 0
        )
        has_ample_slots = capacity.free_slots >= capacity.max_concurrent * _AMPLE_FREE_SHARE
        return (
            capacity.priority,
            offer.priority,
            is_healthy,
            has_ample_slots,
            -offer.cost_per_second,
            capacity.free_slots,
        )

    return max(candidates, key=rank, default=None)


@dataclass(frozen=True, slots=True)
class _AssignmentRound:
    """The state of one assignment round."""

    engine: EngineContext
    capacities: dict[str, ProviderCapacity]
    disabled_models: DisabledModels
    now: float
    lease: str
    lease_until: float
    unservable_shapes: dict[object, Task] = field(default_factory=dict)
    """Shape of a task without capacity -> the example with the shortest prompt."""


def assign_queued_tasks(
    tx: Tx, engine: EngineContext, limit: int, now: float, lease: str, lease_until: float
) -> list[Task]:
    """Assign queued tasks, in queue order, to providers with capacity; returned as `submitting`.

    The rows of the providers are locked, so that their limits hold across all workers.
    """
    queued_models = task_queue.queued_models(tx, now)
    if not queued_models:
        return []
    current_round = _AssignmentRound(
        engine,
        _measure_capacities(tx, engine, now),
        disabled_models.get_all(tx, now),
        now,
        lease,
        lease_until,
    )
    actionable_models = [
        model for model in queued_models if _model_is_actionable(current_round, model)
    ]
    assigned: list[Task] = []
    scanned_count, last_task_id = 0, None
    while actionable_models and len(assigned) < limit and scanned_count < _MAX_SCANNED_TASKS:
        page = task_queue.lock_queued_tasks(
            tx,
            actionable_models,
            _PAGE_SIZE,
            now,
            last_task_id,
            current_round.unservable_shapes.values(),
        )
        for task in page:
            if len(assigned) >= limit:
                break
            if (assigned_task := _assign_task(tx, current_round, task)) is not None:
                assigned.append(assigned_task)
        if len(page) < _PAGE_SIZE or not any(
            capacity.free_slots for capacity in current_round.capacities.values()
        ):
            break
        scanned_count, last_task_id = scanned_count + len(page), page[-1].id
    return assigned


def _measure_capacities(tx: Tx, engine: EngineContext, now: float) -> dict[str, ProviderCapacity]:
    health_by_provider, jobs_by_provider = provider_health.lock_all(tx), tasks.jobs_by_provider(tx)
    return {
        name: ProviderCapacity.measure(
            engine,
            health_by_provider.get(name, ProviderHealth(name)),
            jobs_by_provider.get(name, (0, 0)),
            now,
        )
        for name in engine.providers
    }


def _model_is_actionable(current_round: _AssignmentRound, model: str) -> bool:
    """Whether tasks for this model can be started now, or have to be deferred or failed."""
    offers = _enabled_offers(current_round, current_round.engine.catalog.offers(model))
    return (
        not _any_accepts_tasks(current_round, offers)
        or choose_offer(offers, current_round.capacities) is not None
    )


def _enabled_offers(current_round: _AssignmentRound, offers: Sequence[Offer]) -> list[Offer]:
    """Offers without those whose gateway does not serve the model any more."""
    return [
        offer
        for offer in offers
        if (offer.provider, offer.remote_model) not in current_round.disabled_models
    ]


def _any_accepts_tasks(current_round: _AssignmentRound, offers: Sequence[Offer]) -> bool:
    """Whether a provider of these offers accepts tasks, even if it has no capacity right now."""
    healths = [current_round.capacities[offer.provider].health for offer in offers]
    return any(
        health.mode is ProviderMode.ON and health.breaker is not BreakerState.OPEN
        for health in healths
    )


def _assign_task(tx: Tx, current_round: _AssignmentRound, task: Task) -> Task | None:
    offers = _enabled_offers(current_round, _offers_for_task(current_round.engine, task))
    if not offers:
        _fail_task(tx, current_round, task, "model-unavailable")
        return None
    offer = choose_offer(offers, current_round.capacities)
    if offer is not None:
        return _start_submitting(tx, current_round, task, offer)
    if _any_accepts_tasks(current_round, offers):
        _remember_unservable_shape(current_round, task)
    else:
        _defer_unservable(tx, current_round, task, offers)
    return None


def _remember_unservable_shape(current_round: _AssignmentRound, task: Task) -> None:
    """Let a task wait, and skip all tasks of its shape, so that they do not block the others."""
    order = task.order
    identity = None if order.remix_of is None else task.provider_identity
    normalized_order = replace(order, prompt="", image=None, remix_of=None, spoiler=None)
    shape = (normalized_order, order.image is None, order.remix_of is None, identity)
    example = current_round.unservable_shapes.get(shape)
    if example is None and len(current_round.unservable_shapes) == _MAX_SKIPPED_SHAPES:
        return
    if example is None or len(order.prompt) < len(example.order.prompt):
        current_round.unservable_shapes[shape] = task


def _fail_task(tx: Tx, current_round: _AssignmentRound, task: Task, reason: str) -> None:
    lifecycle.transition(
        tx,
        task,
        State.FAILED,
        current_round.now,
        reason=reason,
        provider_message=task.provider_message,
    )


def _defer_unservable(
    tx: Tx, current_round: _AssignmentRound, task: Task, offers: Sequence[Offer]
) -> None:
    """No provider accepts the task now: retry until the deadline.

    If an admin has to act first (key, funds), retrying cannot help: the task fails at once.
    """
    healths = [current_round.capacities[offer.provider].health for offer in offers]
    if not any(health.is_in_service or health.mode is not ProviderMode.ON for health in healths):
        _fail_task(tx, current_round, task, "misconfigured")
        return
    # The deadline counts from the first time no provider accepted it, not from its creation.
    first_failure_at = task.first_failure_at or current_round.now
    if current_round.now - first_failure_at > current_round.engine.limits.deadline_s:
        _fail_task(tx, current_round, task, "unreachable")
    else:
        tasks.change(
            tx, task, due_at=current_round.now + _UNSERVED_RETRY_S, trouble_at=first_failure_at
        )


def _start_submitting(
    tx: Tx, current_round: _AssignmentRound, task: Task, offer: Offer
) -> Task | None:
    changes: dict[str, object] = {
        "provider": offer.provider,
        "provider_identity": current_round.engine.providers[offer.provider].identity,
        "remote_model": offer.remote_model,
        # Set just before the create is sent, see `bot/engine/submit.py`.
        "submitted_at": None,
        "attempts": task.attempts,
    }
    if not lifecycle.transition(
        tx,
        task,
        State.SUBMITTING,
        current_round.now,
        due_at=current_round.lease_until,
        lease=current_round.lease,
        changes=changes,
    ):
        return None
    current_round.capacities[offer.provider].free_slots -= 1
    if current_round.capacities[offer.provider].health.breaker is BreakerState.HALF_OPEN:
        current_round.capacities[offer.provider].free_slots = 0
    return replace(
        task,
        state=State.SUBMITTING,
        lease=current_round.lease,
        state_since=current_round.now,
        due_at=current_round.lease_until,
        **changes,  # type: ignore[arg-type]
    )


def _offers_for_task(engine: EngineContext, task: Task) -> Sequence[Offer]:
    """The offers that can make a task. A remix can only go to the account of its original."""
    offers = [
        offer
        for offer in engine.catalog.offers_for(task.order)
        if task.order.image is None or engine.accepts_images(offer.provider)
    ]
    if task.order.remix_of is None:
        return offers
    return [offer for offer in offers if offer.provider == engine.provider_name_of(task)]
