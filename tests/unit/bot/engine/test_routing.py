"""Which provider a task goes to, and what becomes of it when none takes it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import select

from bot.catalog.catalog import Catalog
from bot.catalog.models import Offer
from bot.domain.provider_health import Breaker, Health, Mode
from bot.domain.tasks import State, Task
from bot.engine.circuit_breaker import after_error, after_success
from bot.engine.routing import Standing, choose
from bot.store import provider_health, schema, tasks
from bot.store.database import Tx
from providers import errors
from providers.types import Failed, FailureKind, Finished, Pending
from tests.fakes.engine.harness import Stage
from tests.fakes.engine.scripted import ScriptedProvider

A, B, C = Offer("a", "m"), Offer("b", "m", priority=2), Offer("c", "m")
HOUR = 3600.0


def standing(room: int, priority: int = 0, **health: object) -> Standing:
    """A provider with ten places."""
    return Standing(priority, 10, room, replace(Health("x"), **health))  # type: ignore[arg-type]


# --- choosing ----------------------------------------------------------------------------


def test_a_full_provider_is_chosen() -> None:
    """Only providers with room are chosen; with none there is no choice."""
    assert choose([A, B], {"a": standing(1), "b": standing(0)}) == A
    assert choose([A, B], {"a": standing(0)}) is None
    assert choose([], {"a": standing(5)}) is None


def test_the_priority_of_a_provider_is_ignored() -> None:
    """The operator's priority goes first, then the catalogue's, then the room that is left."""
    rooms = {"a": standing(1, 5), "b": standing(9), "c": standing(3)}
    assert choose([A, B, C], rooms) == A
    rooms["a"] = standing(1)
    assert choose([A, B, C], rooms) == B
    assert choose([A, C], rooms) == C


def test_a_provider_in_trouble_is_preferred() -> None:
    """Among equals the one whose last creates went well, then the one that is not nearly full."""
    shaky = standing(9, failures=2)
    assert choose([A, C], {"a": shaky, "c": standing(1)}) == C
    assert choose([A, C], {"a": standing(9), "c": standing(1)}) == A


def test_the_dearer_of_equals_is_chosen() -> None:
    """With ample room at both, the cost decides, and only then the most room."""
    dear, cheap = replace(A, cost=0.3), replace(C, cost=0.1)
    assert choose([dear, cheap], {"a": standing(9), "c": standing(5)}) == cheap
    assert choose([dear, cheap], {"a": standing(9), "c": standing(1)}) == dear


@pytest.mark.parametrize(
    ("health", "room"),
    [
        (Health("p"), 7),
        (Health("p", Mode.DRAIN), 0),
        (Health("p", Mode.OFF), 0),
        (Health("p", breaker=Breaker.OPEN), 0),
        (Health("p", paused_until=101.0), 0),
        (Health("p", paused_until=99.0), 7),
    ],
)
def test_a_provider_that_takes_nothing_has_room(stage: Stage, health: Health, room: int) -> None:
    """Switched off, drained, paused or open: there is no room, whatever is free."""
    assert Standing.now(stage.world, health, (3, 0), 100.0).room == room


def test_a_provider_on_trial_gets_a_crowd(stage: Stage) -> None:
    """Half-open: one create at a time, until one was answered."""
    trial = Health("p", breaker=Breaker.HALF_OPEN)
    assert Standing.now(stage.world, trial, (3, 0), 0.0).room == 1
    assert Standing.now(stage.world, trial, (3, 1), 0.0).room == 0


# --- failover ----------------------------------------------------------------------------


@pytest.fixture
def three(stage: Stage) -> dict[str, ScriptedProvider]:
    """Three accounts that serve one model, asked in this order."""
    found = {
        name: ScriptedProvider(stage.folder, key=name, priority=priority)
        for name, priority in (("first", 3), ("second", 2), ("third", 1))
    }
    stage.use_all(found)
    return found


async def test_a_person_notices_who_is_down(
    stage: Stage, three: dict[str, ScriptedProvider]
) -> None:
    """The first is unreachable, the second throttles, the third makes it: one create each."""
    three["first"].submits = [errors.Unreachable()]
    three["second"].submits = [errors.Throttled(retry_after=60)]
    task = await stage.order()
    await stage.run(20)
    found = await stage.task(task)
    assert (found.state, found.provider) == (State.DONE, "third")
    assert [one.count("submit") for one in three.values()] == [1, 1, 1]
    assert stage.chat.told_texts == []
    assert await stage.spent() == 4


@pytest.mark.parametrize(
    "error", [errors.Unanswered(), errors.Upstream(), errors.Malformed()], ids=repr
)
async def test_an_unclear_create_goes_elsewhere(
    stage: Stage, three: dict[str, ScriptedProvider], error: errors.ProviderError
) -> None:
    """What may have been accepted is not sent to anybody else: review, one create in all."""
    three["first"].submits = [error]
    task = await stage.order()
    await stage.run(HOUR)
    assert (await stage.task(task)).state is State.REVIEW
    assert [one.count("submit") for one in three.values()] == [1, 0, 0]


async def test_a_forbidden_prompt_is_tried_elsewhere(
    stage: Stage, three: dict[str, ScriptedProvider]
) -> None:
    """Moderated is moderated: not retried, not charged."""
    three["first"].submits = [errors.Moderated("raw")]
    task = await stage.order()
    await stage.run(HOUR)
    found = await stage.task(task)
    assert (found.state, found.reason) == (State.FAILED, "moderation")
    assert [one.count("submit") for one in three.values()] == [1, 0, 0]
    assert await stage.spent() == 0


async def test_a_gateway_without_the_model_ends_the_task(
    stage: Stage, three: dict[str, ScriptedProvider]
) -> None:
    """The next one that serves it makes it, and nobody is sent to the first for a while."""
    three["first"].submits = [errors.ModelUnavailable("gone")]
    for _ in range(2):
        task = await stage.order()
        await stage.run(60)
        assert (await stage.task(task)).provider == "second"
    assert three["first"].count("submit") == 1
    (alert,) = stage.chat.alerts
    assert "no longer serves sandbox" in alert
    await stage.run(7 * HOUR)
    three["first"].submits = [None]
    again = await stage.order()
    await stage.run(60)
    assert (await stage.task(again)).provider == "first"


async def test_a_dead_model_is_asked_for_again_and_again(stage: Stage) -> None:
    """Served nowhere, the next task fails at once, without asking; an admin's `on` tries again."""
    stage.provider.submits = [errors.ModelUnavailable("gone")]
    for _ in range(3):
        task = await stage.order()
        await stage.run(10)
        found = await stage.task(task)
        assert (found.state, found.reason) == (State.FAILED, "model-unavailable")
    assert stage.provider.count("submit") == 1
    stage.provider.submits = [None]
    await stage.database.transact(lambda tx: provider_health.clean(tx, "p"))
    task = await stage.order()
    await stage.run(60)
    assert (await stage.task(task)).state is State.DONE


async def test_a_job_that_died_of_its_model_says_nothing_of_it(stage: Stage) -> None:
    """A failed job may tell that the model is gone, too."""
    stage.provider.polls = [Failed(FailureKind.MODEL_UNAVAILABLE, "gone")]
    task = await stage.order()
    await stage.run(60)
    assert (await stage.task(task)).reason == "model-unavailable"
    assert len(stage.chat.alerts) == 1


async def test_a_remix_goes_to_another_account(stage: Stage) -> None:
    """A change goes where its original was made, though another has the priority; or waits."""
    first = ScriptedProvider(stage.folder, key="1", remix=True)
    other = ScriptedProvider(stage.folder, key="2", remix=True, priority=9)
    stage.use_all({"first": first})
    original = await stage.order()
    await stage.run(60)
    stage.use_all({"first": first, "other": other})
    first.submits = [errors.Throttled(retry_after=300), None]
    made = await stage.task(original)
    change = await stage.order(remix_of=made.id, account=made)
    await stage.run(200)
    assert (await stage.task(change)).state is State.QUEUED
    await stage.run(200)
    found = await stage.task(change)
    assert (found.state, found.provider) == (State.DONE, "first")
    assert other.count("submit") == 0


async def test_a_renamed_provider_loses_its_jobs(stage: Stage) -> None:
    """The same key at the same address under another name is the same account."""
    stage.provider.polls = [Pending(running=True)]
    task = await stage.order()
    await stage.run(10)
    stage.provider.polls = [Finished()]
    stage.use_all({"renamed": stage.provider})
    await stage.register()
    await stage.run(60)
    assert (await stage.task(task)).state is State.DONE


# --- the breaker -------------------------------------------------------------------------


async def test_a_failing_gateway_gets_one_task_after_another(stage: Stage) -> None:
    """After three failures in a row nobody is sent there; a free look and one task close it."""
    stage.provider.submits = [errors.Upstream("boom")]
    lost = [await stage.order() for _ in range(5)]
    await stage.run(5)
    states = [(await stage.task(task)).state for task in lost]
    assert stage.provider.count("submit") == 5  # they were under way together
    assert State.QUEUED not in states
    stage.provider.submits = [None]
    waiting = await stage.order()
    await stage.run(5)
    assert (await stage.task(waiting)).state is State.QUEUED
    await stage.run(60)
    assert (await stage.task(waiting)).state is State.DONE
    assert "fails again and again" in stage.chat.alerts[0]
    assert "works again" in stage.chat.alerts[1]


async def test_a_half_dead_gateway_is_trusted(stage: Stage) -> None:
    """While even the free look fails, no paid create is risked; the pauses grow."""
    stage.provider.submits = [errors.Upstream("boom")]
    for _ in range(3):
        await stage.order()
    await stage.run(5)
    sent = stage.provider.count("submit")
    stage.provider.checks = [errors.Unreachable("down")]
    await stage.order("console:b")
    await stage.run(1200)
    assert stage.provider.count("submit") == sent
    assert 4 <= stage.provider.count("check") <= 8


async def test_a_refused_key_is_tried_with_every_task(stage: Stage) -> None:
    """401 takes the provider out at once, admins hear of it once, people hear without waiting."""
    stage.provider.submits = [errors.Misconfigured("HTTP 401 wrong key")]
    stage.provider.checks = [errors.Misconfigured("HTTP 401 wrong key")]
    for _ in range(4):
        task = await stage.order()
        await stage.run(20)
        found = await stage.task(task)
        assert (found.state, found.reason) == (State.FAILED, "misconfigured")
    assert stage.provider.count("submit") == 1
    assert len(stage.chat.alerts) == 1
    assert await stage.spent() == 0


async def test_a_key_that_is_refused_at_a_look_is_no_news(stage: Stage) -> None:
    """The job goes on being looked at; admins hear of the key."""
    stage.provider.polls = [errors.Misconfigured("HTTP 401"), Finished()]
    stage.provider.checks = [errors.Misconfigured("HTTP 401")]
    task = await stage.order()
    await stage.run(120)
    assert (await stage.task(task)).state is State.DONE
    assert "refuses the key" in stage.chat.alerts[0]


async def test_a_new_key_stays_out(stage: Stage) -> None:
    """Another key under the same name starts with a clean record."""
    stage.provider.submits = [errors.Misconfigured("HTTP 401")]
    await stage.order()
    await stage.run(5)
    stage.use(ScriptedProvider(stage.folder, key="new"))
    task = await stage.order()
    await stage.run(60)
    assert (await stage.task(task)).state is State.DONE


# --- what admins say ---------------------------------------------------------------------


async def set_mode(stage: Stage, mode: Mode) -> None:
    """An admin's word."""
    await stage.database.transact(lambda tx: provider_health.set_mode(tx, "p", mode))


async def test_a_drained_provider_takes_tasks_or_drops_jobs(stage: Stage) -> None:
    """Its job is finished; the next task waits until it is on again."""
    stage.provider.polls = [Pending(running=True)]
    running = await stage.order()
    await stage.run(5)
    await set_mode(stage, Mode.DRAIN)
    waiting = await stage.order("console:b")
    stage.provider.polls = [Finished()]
    await stage.run(100)
    assert (await stage.task(running)).state is State.DONE
    assert (await stage.task(waiting)).state is State.QUEUED
    await set_mode(stage, Mode.ON)
    await stage.run(60)
    assert (await stage.task(waiting)).state is State.DONE


async def test_a_provider_that_is_off_hears_from_us(stage: Stage) -> None:
    """Nothing at all is sent there; its jobs wait, however long, and then go on."""
    stage.provider.polls = [Pending(running=True)]
    task = await stage.order()
    await stage.run(5)
    await set_mode(stage, Mode.OFF)
    await stage.run(5)
    asked = len(stage.provider.asked)
    await stage.run(600)
    assert len(stage.provider.asked) == asked
    stage.provider.polls = [Finished()]
    await set_mode(stage, Mode.ON)
    await stage.run(60)
    assert (await stage.task(task)).state is State.DONE


async def test_a_task_waits_for_ever_for_nobody(stage: Stage) -> None:
    """What nobody takes is given up after the deadline, and the credits come back."""
    await stage.register()
    await set_mode(stage, Mode.DRAIN)
    task = await stage.order()
    await stage.run(HOUR)
    found = await stage.task(task)
    assert (found.state, found.reason) == (State.FAILED, "unreachable")
    assert await stage.spent() == 0


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


async def crowded(stage: Stage, before: int, full: ScriptedProvider) -> Task:
    """A task for the free provider, behind so many that only the full one can make."""
    catalog = stage.folder / "catalog.toml"
    stage.folder.mkdir(exist_ok=True)
    catalog.write_text(TWO_MAKERS)
    both = {"full": full, "free": ScriptedProvider(stage.folder, key="free")}
    stage.use_all(both, Catalog.load(catalog, dict.fromkeys(both, "sandbox")))
    first = await stage.order()

    def crowd(tx: Tx) -> None:
        query = select(schema.tasks.c.account).where(schema.tasks.c.id == first.id)
        account = tx.execute(query).scalar_one()
        for number in range(1, before):
            order = replace(first.order, prompt="k" * (before - number))
            one = replace(first, id=f"{first.id}-{number}", order=order)
            tasks.add(tx, one, account=account, update_key=None, turn=0)

    await stage.database.transact(crowd)
    await stage.clock.advance(1)
    return await stage.order("console:last", seconds=8)


@pytest.mark.parametrize("before", [60, 1300])
async def test_tasks_for_a_full_provider_hold_up_those_for_another(
    stage: Stage, before: int
) -> None:
    """However many only a full provider can make: one that another can make is not starved."""
    full = ScriptedProvider(stage.folder, key="full", max_concurrent=0)
    task = await crowded(stage, before, full)
    await stage.run(30)
    assert (await stage.task(task)).state is State.DONE


async def test_tasks_for_a_provider_that_fills_up_hold_up_those_for_another(stage: Stage) -> None:
    """The same where its last places are taken in the very round."""
    full = ScriptedProvider(stage.folder, key="full", max_concurrent=5)
    full.polls = [Pending(running=True)]
    task = await crowded(stage, 1300, full)
    await stage.run(30)
    assert (await stage.task(task)).state is State.DONE
    assert full.count("submit") == 5


async def test_an_alert_that_is_too_long_silences_all(stage: Stage) -> None:
    """Whatever a gateway says, and however long: this alert is told, and the next one too."""
    stage.provider.submits = [errors.Misconfigured("\u4f59" * 5000)]
    await stage.order()
    await stage.run(5)
    assert len(stage.chat.alerts) == 1
    stage.provider.submits = [None]
    await stage.order()
    await stage.run(120)
    await stage.order()
    await stage.run(120)
    assert "works again" in stage.chat.alerts[1]


def test_a_success_wipes_the_wish_to_be_left_alone() -> None:
    """A create that was under way when the gateway said 429 does not end the pause."""
    throttled = after_error(Health("p"), errors.Throttled(retry_after=60), 100.0, 60.0)
    assert after_success(throttled).paused_until == 160.0
    trial = Health("p", breaker=Breaker.HALF_OPEN, failures=3)
    assert after_error(trial, errors.Unsupported("ours"), 100.0, 1.0) == trial


async def test_a_long_wait_counts_as_trouble(stage: Stage) -> None:
    """Who waited long in an honest line is not given up when the provider is away for a moment."""
    stage.use(ScriptedProvider(stage.folder, max_concurrent=0))
    task = await stage.order()
    await stage.run(3000)
    await set_mode(stage, Mode.DRAIN)
    await stage.run(100)
    assert (await stage.task(task)).state is State.QUEUED
