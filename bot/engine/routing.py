"""Assign queued tasks to providers."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from bot.catalog.models import Offer
from bot.credits import lifecycle
from bot.domain.provider_health import Breaker, Health, Mode
from bot.domain.tasks import State, Task
from bot.engine.context import World
from bot.store import disabled_models, provider_health, task_queue, tasks
from bot.store.database import Tx

_SCANNED = 1000
"""Queued tasks read in one round, if the first ones wait for providers without capacity."""
_KINDS = 100
"""Maximum number of task shapes skipped in one round because no provider has capacity."""
_PAGE = 200
"""Queued tasks per query."""
_UNSERVED = 30.0
"""Until a task that no provider accepts is tried again."""
_AMPLE = 0.25
"""Share of free slots from which on a provider counts as having ample capacity."""


@dataclass(slots=True)
class Standing:
    """Capacity and health of a provider at this moment."""

    priority: int
    places: int
    """Jobs at the same time."""
    room: int
    """How many more jobs it takes; 0 if nothing may be sent now."""
    health: Health

    @classmethod
    def now(cls, world: World, known: Health, jobs: tuple[int, int], now: float) -> Standing:
        """`jobs`: (running or being submitted, of these being submitted)."""
        options = world.providers[known.name].options
        room = max(options.max_concurrent - jobs[0], 0) if known.takes_new(now) else 0
        if known.breaker is Breaker.HALF_OPEN:
            # Half-open: one create at a time, until one succeeds.
            room = min(room, 0 if jobs[1] else 1)
        return cls(options.priority, options.max_concurrent, room, known)


Standings = Mapping[str, Standing]
Off = Collection[tuple[str, str]]
"""(provider, remote model) of disabled models."""


def choose(offers: Sequence[Offer], standings: Standings) -> Offer | None:
    """The best offer whose provider has capacity, or None.

    Ranked by the configured priority of the provider, then of the offer, then by health, then by
    ample capacity, then by cost, and among equals by the number of free slots.
    """
    usable = [
        offer for offer in offers if offer.provider in standings and standings[offer.provider].room
    ]

    def rank(offer: Offer) -> tuple[int, int, bool, bool, float, int]:
        it = standings[offer.provider]
        healthy = it.health.breaker is Breaker.CLOSED and it.health.failures == 0
        ample = it.room >= it.places * _AMPLE
        return it.priority, offer.priority, healthy, ample, -offer.cost, it.room

    return max(usable, key=rank, default=None)


@dataclass(frozen=True, slots=True)
class _Round:
    """The state of one assignment round."""

    world: World
    standings: dict[str, Standing]
    off: Off
    now: float
    lease: str
    until: float
    waiting: dict[object, Task] = field(default_factory=dict)
    """Shape of a task without capacity -> the example with the shortest prompt."""


def assign(tx: Tx, world: World, limit: int, now: float, lease: str, until: float) -> list[Task]:
    """Assign queued tasks, in queue order, to providers with capacity; returned as `submitting`.

    The rows of the providers are locked, so that their limits hold across all workers.
    """
    waiting = task_queue.queued_models(tx, now)
    if not waiting:
        return []
    this = _Round(
        world, _standings(tx, world, now), disabled_models.models_off(tx, now), now, lease, until
    )
    served = [model for model in waiting if _concerns(this, model)]
    assigned: list[Task] = []
    looked, last = 0, None
    while served and len(assigned) < limit and looked < _SCANNED:
        page = task_queue.queued(tx, served, _PAGE, now, last, this.waiting.values())
        for task in page:
            if len(assigned) >= limit:
                break
            if (it := _assign_one(tx, this, task)) is not None:
                assigned.append(it)
        if len(page) < _PAGE or not any(one.room for one in this.standings.values()):
            break
        looked, last = looked + len(page), page[-1].id
    return assigned


def _standings(tx: Tx, world: World, now: float) -> dict[str, Standing]:
    known, jobs = provider_health.lock(tx), tasks.jobs_by_provider(tx)
    return {
        name: Standing.now(world, known.get(name, Health(name)), jobs.get(name, (0, 0)), now)
        for name in world.providers
    }


def _concerns(this: _Round, model: str) -> bool:
    """Whether tasks for this model can be started now, or have to be deferred or failed."""
    offers = _live(this, this.world.catalog.offers(model))
    return not _serving(this, offers) or choose(offers, this.standings) is not None


def _live(this: _Round, offers: Sequence[Offer]) -> list[Offer]:
    """Offers without those whose gateway does not serve the model any more."""
    return [one for one in offers if (one.provider, one.model) not in this.off]


def _serving(this: _Round, offers: Sequence[Offer]) -> bool:
    """Whether a provider of these offers accepts tasks, even if it has no capacity right now."""
    known = [this.standings[offer.provider].health for offer in offers]
    return any(one.mode is Mode.ON and one.breaker is not Breaker.OPEN for one in known)


def _assign_one(tx: Tx, this: _Round, task: Task) -> Task | None:
    offers = _live(this, _offers(this.world, task))
    if not offers:
        _give_up(tx, this, task, "model-unavailable")
        return None
    offer = choose(offers, this.standings)
    if offer is not None:
        return _start(tx, this, task, offer)
    if _serving(this, offers):
        _pass_over(this, task)
    else:
        _unserved(tx, this, task, offers)
    return None


def _pass_over(this: _Round, task: Task) -> None:
    """Let a task wait, and skip all tasks of its shape, so that they do not block the others."""
    order = task.order
    account = None if order.remix_of is None else task.provider_identity
    alike = replace(order, prompt="", image=None, remix_of=None, spoiler=None)
    kind = (alike, order.image is None, order.remix_of is None, account)
    known = this.waiting.get(kind)
    if known is None and len(this.waiting) == _KINDS:
        return
    if known is None or len(order.prompt) < len(known.order.prompt):
        this.waiting[kind] = task


def _give_up(tx: Tx, this: _Round, task: Task, reason: str) -> None:
    lifecycle.move(tx, task, State.FAILED, this.now, reason=reason, raw=task.raw)


def _unserved(tx: Tx, this: _Round, task: Task, offers: Sequence[Offer]) -> None:
    """No provider accepts the task now: retry until the deadline.

    If an admin has to act first (key, funds), retrying cannot help: the task fails at once.
    """
    known = [this.standings[offer.provider].health for offer in offers]
    if not any(one.in_service or one.mode is not Mode.ON for one in known):
        _give_up(tx, this, task, "misconfigured")
        return
    # The deadline counts from the first time no provider accepted it, not from its creation.
    since = task.trouble_at or this.now
    if this.now - since > this.world.limits.deadline:
        _give_up(tx, this, task, "unreachable")
    else:
        tasks.change(tx, task, due_at=this.now + _UNSERVED, trouble_at=since)


def _start(tx: Tx, this: _Round, task: Task, offer: Offer) -> Task | None:
    chosen: dict[str, object] = {
        "provider": offer.provider,
        "provider_identity": this.world.providers[offer.provider].identity,
        "remote_model": offer.model,
        # Set just before the create is sent, see `bot/engine/submit.py`.
        "submitted_at": None,
        "attempts": task.attempts,
    }
    if not lifecycle.move(
        tx,
        task,
        State.SUBMITTING,
        this.now,
        due_at=this.until,
        lease=this.lease,
        changes=chosen,
    ):
        return None
    this.standings[offer.provider].room -= 1
    if this.standings[offer.provider].health.breaker is Breaker.HALF_OPEN:
        this.standings[offer.provider].room = 0
    return replace(
        task,
        state=State.SUBMITTING,
        lease=this.lease,
        moved_at=this.now,
        due_at=this.until,
        **chosen,  # type: ignore[arg-type]
    )


def _offers(world: World, task: Task) -> Sequence[Offer]:
    """The offers that can make a task. A remix can only go to the account of its original."""
    offers = [
        offer
        for offer in world.catalog.offers_for(task.order)
        if task.order.image is None or world.takes_pictures(offer.provider)
    ]
    if task.order.remix_of is None:
        return offers
    return [offer for offer in offers if offer.provider == world.name_of(task)]
