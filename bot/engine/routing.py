"""Which queued task goes to which provider next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from bot import lifecycle
from bot.catalog import Offer
from bot.engine.world import World
from bot.model import State, Task
from bot.store import providers, tasks
from bot.store.database import Tx


def choose(
    offers: Sequence[Offer], rooms: Mapping[str, int], priorities: Mapping[str, int]
) -> Offer | None:
    """The offer to take: with room, of the highest priority of provider and offer, most room."""
    usable = [offer for offer in offers if rooms.get(offer.provider, 0) > 0]

    def rank(offer: Offer) -> tuple[int, int, int]:
        return priorities.get(offer.provider, 0), offer.priority, rooms[offer.provider]

    return max(usable, key=rank, default=None)


def assign(tx: Tx, world: World, limit: int, now: float, lease: str, until: float) -> list[Task]:
    """Give queued tasks, in their turn, to providers with room; they come back `submitting`.

    The providers' rows are locked, so that the caps hold among all workers.
    """
    waiting = tasks.queued_models(tx, now)
    if not waiting:
        return []
    rooms = _rooms(tx, world, now)
    served = [model for model in waiting if _concerns(world, model, rooms)]
    assigned = []
    for task in tasks.queued(tx, served, limit, now):
        moved = _assign_one(tx, world, task, rooms, now, lease, until)
        if moved is not None:
            assigned.append(moved)
    return assigned


def _rooms(tx: Tx, world: World, now: float) -> dict[str, int]:
    pauses = providers.lock(tx)
    jobs = tasks.jobs_by_provider(tx)
    return {
        name: provider.options.max_concurrent - jobs.get(name, 0)
        for name, provider in world.providers.items()
        if (pauses.get(name) or 0.0) <= now
    }


def _concerns(world: World, model: str, rooms: Mapping[str, int]) -> bool:
    """Whether something can be done for this model's tasks now: a start, or the bad news."""
    offers = world.catalog.offers(model)
    return not offers or choose(offers, rooms, world.priorities) is not None


def _assign_one(
    tx: Tx,
    world: World,
    task: Task,
    rooms: dict[str, int],
    now: float,
    lease: str,
    until: float,
) -> Task | None:
    offers = _offers(world, task)
    if not offers:
        lifecycle.move(tx, task, State.FAILED, now, reason="model-unavailable")
        return None
    offer = choose(offers, rooms, world.priorities)
    if offer is None:
        return None
    changes = {
        "provider": offer.provider,
        "provider_identity": world.providers[offer.provider].identity,
        "remote_model": offer.model,
        "submitted_at": now,
        "attempts": task.attempts,
    }
    if not lifecycle.move(
        tx, task, State.SUBMITTING, now, due_at=until, lease=lease, changes=changes
    ):
        return None
    rooms[offer.provider] -= 1
    return replace(
        task,
        state=State.SUBMITTING,
        lease=lease,
        moved_at=now,
        due_at=until,
        provider=offer.provider,
        provider_identity=world.providers[offer.provider].identity,
        remote_model=offer.model,
        submitted_at=now,
    )


def _offers(world: World, task: Task) -> Sequence[Offer]:
    """A remix goes where the original was made, to the same account or not at all."""
    offers = world.catalog.offers(task.order.model)
    if task.order.remix_of is None:
        return offers
    if world.provider_of(task) is None:
        return []
    return [offer for offer in offers if offer.provider == task.provider]
