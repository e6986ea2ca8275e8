"""Failing providers: pauses, probes, rejected keys and missing models."""

from __future__ import annotations

from bot.domain.provider_health import BreakerState, ProviderHealth
from bot.domain.tasks import State
from bot.engine.circuit_breaker import health_after_error, health_after_success
from bot.engine.routing import ProviderCapacity
from bot.store import provider_health
from providers import errors
from providers.types import Failed, FailureKind, Finished
from tests.fakes.engine.harness import EngineHarness
from tests.fakes.engine.scripted import ScriptedProvider
from tests.unit.bot.engine.conftest import BOTH_DATABASES


def test_half_open_provider_gets_one_create_at_a_time(harness: EngineHarness) -> None:
    """A half-open provider gets one create until one was answered."""
    trial = ProviderHealth("p", breaker=BreakerState.HALF_OPEN)
    assert ProviderCapacity.measure(harness.engine, trial, (3, 0), 0.0).free_slots == 1
    assert ProviderCapacity.measure(harness.engine, trial, (3, 1), 0.0).free_slots == 0


@BOTH_DATABASES
async def test_three_failures_open_the_circuit_until_a_probe_succeeds(
    harness: EngineHarness,
) -> None:
    """After three failures in a row it gets no task; a free check and one task close it again."""
    harness.provider.submits = [errors.UpstreamError("boom")]
    lost = [await harness.accept_task() for _ in range(5)]
    await harness.run_for(5)
    states = [(await harness.task(task)).state for task in lost]
    assert harness.provider.count("submit") == 5  # they were under way together
    assert State.QUEUED not in states
    harness.provider.submits = [None]
    waiting = await harness.accept_task()
    await harness.run_for(5)
    assert (await harness.task(waiting)).state is State.QUEUED
    await harness.run_for(60)
    assert (await harness.task(waiting)).state is State.DONE
    assert "fails again and again" in harness.chat.alerts[0]
    assert "works again" in harness.chat.alerts[1]


async def test_failing_check_grows_the_pause_without_a_paid_create(harness: EngineHarness) -> None:
    """While even the free check fails, no paid create is sent, and the pauses grow."""
    harness.provider.submits = [errors.UpstreamError("boom")]
    for _ in range(3):
        await harness.accept_task()
    await harness.run_for(5)
    sent = harness.provider.count("submit")
    harness.provider.checks = [errors.Unreachable("down")]
    await harness.accept_task("console:b")
    await harness.run_for(1200)
    assert harness.provider.count("submit") == sent
    assert 4 <= harness.provider.count("check") <= 8


async def test_rejected_key_takes_the_provider_out_at_once(harness: EngineHarness) -> None:
    """After one 401, admins get one alert and tasks fail without waiting."""
    harness.provider.submits = [errors.Misconfigured("HTTP 401 wrong key")]
    harness.provider.checks = [errors.Misconfigured("HTTP 401 wrong key")]
    for _ in range(4):
        task = await harness.accept_task()
        await harness.run_for(20)
        found = await harness.task(task)
        assert (found.state, found.reason) == (State.FAILED, "misconfigured")
    assert harness.provider.count("submit") == 1
    assert len(harness.chat.alerts) == 1
    assert await harness.spent() == 0


async def test_key_rejected_by_a_poll_alerts_and_keeps_polling(harness: EngineHarness) -> None:
    """The job is still polled; admins are alerted about the key."""
    harness.provider.polls = [errors.Misconfigured("HTTP 401"), Finished()]
    harness.provider.checks = [errors.Misconfigured("HTTP 401")]
    task = await harness.accept_task()
    await harness.run_for(120)
    assert (await harness.task(task)).state is State.DONE
    assert "refuses the key" in harness.chat.alerts[0]


@BOTH_DATABASES
async def test_new_key_resets_the_provider(harness: EngineHarness) -> None:
    """Another key under the same name starts with a clean record."""
    harness.provider.submits = [errors.Misconfigured("HTTP 401")]
    await harness.accept_task()
    await harness.run_for(5)
    harness.use_provider(ScriptedProvider(harness.folder, key="new"))
    task = await harness.accept_task()
    await harness.run_for(60)
    assert (await harness.task(task)).state is State.DONE


def test_late_success_does_not_end_a_requested_pause() -> None:
    """A create that was running when the gateway said 429 does not end the pause."""
    throttled = health_after_error(
        ProviderHealth("p"), errors.Throttled(retry_after=60), 100.0, 60.0
    )
    assert health_after_success(throttled).paused_until == 160.0
    trial = ProviderHealth("p", breaker=BreakerState.HALF_OPEN, consecutive_failures=3)
    assert health_after_error(trial, errors.Unsupported("ours"), 100.0, 1.0) == trial


async def test_missing_model_fails_new_tasks_until_enabled_again(harness: EngineHarness) -> None:
    """With no provider left, the next task fails at once; an admin's `on` tries again."""
    harness.provider.submits = [errors.ModelUnavailable("gone")]
    for _ in range(3):
        task = await harness.accept_task()
        await harness.run_for(10)
        found = await harness.task(task)
        assert (found.state, found.reason) == (State.FAILED, "model-unavailable")
    assert harness.provider.count("submit") == 1
    harness.provider.submits = [None]
    await harness.database.transact(lambda tx: provider_health.reset(tx, "p"))
    task = await harness.accept_task()
    await harness.run_for(60)
    assert (await harness.task(task)).state is State.DONE


async def test_failed_job_can_mark_the_model_as_missing(harness: EngineHarness) -> None:
    """The failure of a job may also say that the model is gone."""
    harness.provider.polls = [Failed(FailureKind.MODEL_UNAVAILABLE, "gone")]
    task = await harness.accept_task()
    await harness.run_for(60)
    assert (await harness.task(task)).reason == "model-unavailable"
    assert len(harness.chat.alerts) == 1
