"""Which provider gets a task, and what happens when none can take it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import select

from bot.catalog.catalog import Catalog
from bot.catalog.models import Offer
from bot.domain.provider_health import BreakerState, ProviderHealth, ProviderMode
from bot.domain.tasks import State, Task
from bot.engine.routing import ProviderCapacity, choose_offer
from bot.store import provider_health, schema, tasks
from bot.store.database import Tx
from providers import errors
from providers.types import Finished, Pending
from tests.fakes.engine.harness import EngineHarness
from tests.fakes.engine.scripted import ScriptedProvider
from tests.unit.bot.engine.conftest import BOTH_DATABASES

A, B, C = Offer("a", "m"), Offer("b", "m", priority=2), Offer("c", "m")


HOUR = 3600.0


def standing(room: int, priority: int = 0, **health: object) -> ProviderCapacity:
    """A provider with ten places."""
    return ProviderCapacity(priority, 10, room, replace(ProviderHealth("x"), **health))  # type: ignore[arg-type]


# --- choosing ----------------------------------------------------------------------------


def test_only_providers_with_capacity_are_chosen() -> None:
    """Without capacity anywhere, no provider is chosen."""
    assert choose_offer([A, B], {"a": standing(1), "b": standing(0)}) == A
    assert choose_offer([A, B], {"a": standing(0)}) is None
    assert choose_offer([], {"a": standing(5)}) is None


def test_priority_decides_before_free_capacity() -> None:
    """The operator's priority comes first, then the catalogue's, then free capacity."""
    rooms = {"a": standing(1, 5), "b": standing(9), "c": standing(3)}
    assert choose_offer([A, B, C], rooms) == A
    rooms["a"] = standing(1)
    assert choose_offer([A, B, C], rooms) == B
    assert choose_offer([A, C], rooms) == C


def test_healthy_provider_is_preferred_among_equals() -> None:
    """Recent success decides first, then who is not nearly full."""
    shaky = standing(9, consecutive_failures=2)
    assert choose_offer([A, C], {"a": shaky, "c": standing(1)}) == C
    assert choose_offer([A, C], {"a": standing(9), "c": standing(1)}) == A


def test_cheaper_provider_is_chosen_among_equals() -> None:
    """With ample capacity at both the cost decides, and only then the free capacity."""
    dear, cheap = replace(A, cost_per_second=0.3), replace(C, cost_per_second=0.1)
    assert choose_offer([dear, cheap], {"a": standing(9), "c": standing(5)}) == cheap
    assert choose_offer([dear, cheap], {"a": standing(9), "c": standing(1)}) == dear


@pytest.mark.parametrize(
    ("health", "room"),
    [
        (ProviderHealth("p"), 7),
        (ProviderHealth("p", ProviderMode.DRAIN), 0),
        (ProviderHealth("p", ProviderMode.OFF), 0),
        (ProviderHealth("p", breaker=BreakerState.OPEN), 0),
        (ProviderHealth("p", paused_until=101.0), 0),
        (ProviderHealth("p", paused_until=99.0), 7),
    ],
)
def test_paused_or_disabled_provider_has_no_capacity(
    harness: EngineHarness, health: ProviderHealth, room: int
) -> None:
    """Disabled, draining, paused or open: no capacity, whatever its limit."""
    assert ProviderCapacity.measure(harness.engine, health, (3, 0), 100.0).free_slots == room


# --- failover ----------------------------------------------------------------------------


@pytest.fixture
def three_providers(harness: EngineHarness) -> dict[str, ScriptedProvider]:
    """Three accounts that serve one model, asked in this order."""
    found = {
        name: ScriptedProvider(harness.folder, key=name, priority=priority)
        for name, priority in (("first", 3), ("second", 2), ("third", 1))
    }
    harness.use_providers(found)
    return found


async def test_failover_creates_once_at_each_provider(
    harness: EngineHarness, three_providers: dict[str, ScriptedProvider]
) -> None:
    """The first is unreachable, the second throttles, the third makes it: one create each."""
    three_providers["first"].submits = [errors.Unreachable()]
    three_providers["second"].submits = [errors.Throttled(retry_after=60)]
    task = await harness.accept_task()
    await harness.run_for(20)
    found = await harness.task(task)
    assert (found.state, found.provider) == (State.DONE, "third")
    assert [provider.count("submit") for provider in three_providers.values()] == [1, 1, 1]
    assert harness.chat.final_messages == []
    assert await harness.spent() == 4


@pytest.mark.parametrize(
    "error", [errors.Unanswered(), errors.UpstreamError(), errors.MalformedResponse()], ids=repr
)
async def test_unclear_create_never_goes_to_another_provider(
    harness: EngineHarness,
    three_providers: dict[str, ScriptedProvider],
    error: errors.ProviderError,
) -> None:
    """A create that may have been accepted goes to review: one create in all."""
    three_providers["first"].submits = [error]
    task = await harness.accept_task()
    await harness.run_for(HOUR)
    assert (await harness.task(task)).state is State.REVIEW
    assert [provider.count("submit") for provider in three_providers.values()] == [1, 0, 0]


async def test_moderated_prompt_is_not_tried_elsewhere(
    harness: EngineHarness, three_providers: dict[str, ScriptedProvider]
) -> None:
    """A moderated prompt is not retried and not charged."""
    three_providers["first"].submits = [errors.Moderated("raw")]
    task = await harness.accept_task()
    await harness.run_for(HOUR)
    found = await harness.task(task)
    assert (found.state, found.reason) == (State.FAILED, "moderation")
    assert [provider.count("submit") for provider in three_providers.values()] == [1, 0, 0]
    assert await harness.spent() == 0


async def test_missing_model_moves_the_task_to_the_next_provider(
    harness: EngineHarness, three_providers: dict[str, ScriptedProvider]
) -> None:
    """The next provider makes it, and the first gets no task of that model for a while."""
    three_providers["first"].submits = [errors.ModelUnavailable("gone")]
    for _ in range(2):
        task = await harness.accept_task()
        await harness.run_for(60)
        assert (await harness.task(task)).provider == "second"
    assert three_providers["first"].count("submit") == 1
    (alert,) = harness.chat.alerts
    assert "no longer serves sandbox" in alert
    await harness.run_for(7 * HOUR)
    three_providers["first"].submits = [None]
    again = await harness.accept_task()
    await harness.run_for(60)
    assert (await harness.task(again)).provider == "first"


async def test_remix_waits_for_the_account_of_its_original(harness: EngineHarness) -> None:
    """A remix goes to the account of its original, whatever the priorities, or waits for it."""
    first = ScriptedProvider(harness.folder, key="1", remix=True)
    other = ScriptedProvider(harness.folder, key="2", remix=True, priority=9)
    harness.use_providers({"first": first})
    original = await harness.accept_task()
    await harness.run_for(60)
    harness.use_providers({"first": first, "other": other})
    first.submits = [errors.Throttled(retry_after=300), None]
    made = await harness.task(original)
    change = await harness.accept_task(remix_of=made.id, same_provider_as=made)
    await harness.run_for(200)
    assert (await harness.task(change)).state is State.QUEUED
    await harness.run_for(200)
    found = await harness.task(change)
    assert (found.state, found.provider) == (State.DONE, "first")
    assert other.count("submit") == 0


@BOTH_DATABASES
async def test_renamed_provider_keeps_its_jobs(harness: EngineHarness) -> None:
    """The same key at the same address under another name is the same account."""
    harness.provider.polls = [Pending(running=True)]
    task = await harness.accept_task()
    await harness.run_for(10)
    harness.provider.polls = [Finished()]
    harness.use_providers({"renamed": harness.provider})
    await harness.register_providers()
    await harness.run_for(60)
    assert (await harness.task(task)).state is State.DONE


# --- what admins say ---------------------------------------------------------------------


async def set_mode(stage: EngineHarness, mode: ProviderMode) -> None:
    """An admin's word."""
    await stage.database.transact(lambda tx: provider_health.set_mode(tx, "p", mode))


@BOTH_DATABASES
async def test_draining_provider_finishes_its_job_and_takes_no_new_task(
    harness: EngineHarness,
) -> None:
    """The next task waits until the provider is on again."""
    harness.provider.polls = [Pending(running=True)]
    running = await harness.accept_task()
    await harness.run_for(5)
    await set_mode(harness, ProviderMode.DRAIN)
    waiting = await harness.accept_task("console:b")
    harness.provider.polls = [Finished()]
    await harness.run_for(100)
    assert (await harness.task(running)).state is State.DONE
    assert (await harness.task(waiting)).state is State.QUEUED
    await set_mode(harness, ProviderMode.ON)
    await harness.run_for(60)
    assert (await harness.task(waiting)).state is State.DONE


@BOTH_DATABASES
async def test_disabled_provider_gets_no_request(harness: EngineHarness) -> None:
    """Its jobs wait, however long, and then continue."""
    harness.provider.polls = [Pending(running=True)]
    task = await harness.accept_task()
    await harness.run_for(5)
    await set_mode(harness, ProviderMode.OFF)
    await harness.run_for(5)
    asked = len(harness.provider.received)
    await harness.run_for(600)
    assert len(harness.provider.received) == asked
    harness.provider.polls = [Finished()]
    await set_mode(harness, ProviderMode.ON)
    await harness.run_for(60)
    assert (await harness.task(task)).state is State.DONE


async def test_unassignable_task_fails_after_deadline(harness: EngineHarness) -> None:
    """A task that no provider takes fails at its deadline, and its hold is released."""
    await harness.register_providers()
    await set_mode(harness, ProviderMode.DRAIN)
    task = await harness.accept_task()
    await harness.run_for(HOUR)
    found = await harness.task(task)
    assert (found.state, found.reason) == (State.FAILED, "unreachable")
    assert await harness.spent() == 0


TWO_MAKERS = """
[[models]]
name = "sandbox"
durations = [4, 8]
sizes = [{ name = "1280x720", price = 1 }]
offers = [
    { provider = "full", model = "m", durations = [4] },
    { provider = "free", model = "m", durations = [8] },
]
"""


async def crowded(stage: EngineHarness, before: int, full: ScriptedProvider) -> Task:
    """A task for the free provider, behind many that only the full one can make."""
    catalog = stage.folder / "catalog.toml"
    stage.folder.mkdir(exist_ok=True)
    catalog.write_text(TWO_MAKERS)
    both = {"full": full, "free": ScriptedProvider(stage.folder, key="free")}
    stage.use_providers(both, Catalog.load(catalog, dict.fromkeys(both, "sandbox")))
    first = await stage.accept_task()

    def crowd(tx: Tx) -> None:
        query = select(schema.tasks.c.account).where(schema.tasks.c.id == first.id)
        account = tx.execute(query).scalar_one()
        for number in range(1, before):
            order = replace(first.order, prompt="k" * (before - number))
            one = replace(first, id=f"{first.id}-{number}", order=order)
            tasks.add(tx, one, account_id=account, update_key=None, queue_round=0)

    await stage.database.transact(crowd)
    await stage.clock.advance(1)
    return await stage.accept_task("console:last", seconds=8)


@BOTH_DATABASES
@pytest.mark.parametrize("before", [60, 1300])
async def test_full_provider_does_not_block_tasks_for_another(
    harness: EngineHarness, before: int
) -> None:
    """However many tasks need a full provider, one that another can make is not starved."""
    full = ScriptedProvider(harness.folder, key="full", max_concurrent=0)
    task = await crowded(harness, before, full)
    await harness.run_for(30)
    assert (await harness.task(task)).state is State.DONE


@BOTH_DATABASES
async def test_provider_filled_in_this_round_does_not_block_another(
    harness: EngineHarness,
) -> None:
    """The same where the last capacity is used in this very round."""
    full = ScriptedProvider(harness.folder, key="full", max_concurrent=5)
    full.polls = [Pending(running=True)]
    task = await crowded(harness, 1300, full)
    await harness.run_for(30)
    assert (await harness.task(task)).state is State.DONE
    assert full.count("submit") == 5


async def test_time_in_queue_does_not_count_towards_the_deadline(harness: EngineHarness) -> None:
    """A task that waited long for capacity does not fail when its provider is briefly away."""
    harness.use_provider(ScriptedProvider(harness.folder, max_concurrent=0))
    task = await harness.accept_task()
    await harness.run_for(3000)
    await set_mode(harness, ProviderMode.DRAIN)
    await harness.run_for(100)
    assert (await harness.task(task)).state is State.QUEUED


@BOTH_DATABASES
async def test_provider_limit_is_kept_and_users_take_turns(harness: EngineHarness) -> None:
    """The provider's limit holds; the other tasks wait, one of each user in turn."""
    harness.use_provider(ScriptedProvider(harness.folder, max_concurrent=3))
    harness.provider.polls = [Pending(running=True)]
    for _ in range(5):
        await harness.accept_task("console:a")
    other = await harness.accept_task("console:b")
    await harness.run_for(120)
    assert harness.provider.count("submit") == 3
    assert (await harness.task(other)).state is State.RUNNING


async def test_limit_of_zero_means_no_jobs(harness: EngineHarness) -> None:
    """A provider with a cap of zero gets nothing."""
    harness.use_provider(ScriptedProvider(harness.folder, max_concurrent=0))
    task = await harness.accept_task()
    await harness.run_for(120)
    assert (await harness.task(task)).state is State.QUEUED
