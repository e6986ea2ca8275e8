"""Unclear creates: the job is found, proven absent, or left for review."""

from __future__ import annotations

import pytest

from bot.domain.tasks import State
from providers import errors
from providers.types import Job, JobLookup, Pending
from tests.fakes.engine.harness import EngineHarness
from tests.fakes.engine.scripted import ScriptedProvider
from tests.unit.bot.engine.conftest import BOTH_DATABASES

HOUR = 3600.0


async def test_unclear_create_continues_when_job_is_found(harness: EngineHarness) -> None:
    """Where the gateway lists jobs, the job of an unclear create is found and continues."""
    harness.use_provider(ScriptedProvider(harness.folder, find=JobLookup.BEST_EFFORT))
    harness.provider.submits = [errors.Unanswered()]
    harness.provider.finds = [None, errors.UpstreamError(), Job("job-9")]
    task = await harness.accept_task()
    await harness.run_for(120)
    found = await harness.task(task)
    assert (found.state, found.remote_id) == (State.DONE, "job-9")
    assert harness.provider.count("submit") == 1


async def test_job_missing_from_list_leads_to_review(harness: EngineHarness) -> None:
    """A job that is not listed may still exist: review, and no second create."""
    harness.use_provider(ScriptedProvider(harness.folder, find=JobLookup.BEST_EFFORT))
    harness.provider.submits = [errors.Unanswered()]
    task = await harness.accept_task()
    await harness.run_for(HOUR)
    assert (await harness.task(task)).state is State.REVIEW
    assert harness.provider.count("submit") == 1


async def test_proven_absence_resends_the_create(harness: EngineHarness) -> None:
    """A gateway that can prove that it has no such job gets the create again."""
    harness.use_provider(ScriptedProvider(harness.folder, find=JobLookup.AUTHORITATIVE))
    harness.provider.submits = [errors.Unanswered(), None]
    task = await harness.accept_task()
    await harness.run_for(300)
    assert (await harness.task(task)).state is State.DONE
    assert harness.provider.count("submit") == 2


@BOTH_DATABASES
async def test_job_of_another_task_is_not_attached(harness: EngineHarness) -> None:
    """A job that belongs to another task is not attached a second time."""
    harness.use_provider(ScriptedProvider(harness.folder, find=JobLookup.BEST_EFFORT))
    harness.provider.submits = [Job("job-1"), errors.Unanswered()]
    harness.provider.finds = [Job("job-1")]
    harness.provider.polls = [Pending(running=True)]
    first = await harness.accept_task()
    await harness.run_due_steps()
    second = await harness.accept_task("console:b")
    await harness.run_for(60)
    assert (await harness.task(first)).remote_id == "job-1"
    assert (await harness.task(second)).state is State.REVIEW


@BOTH_DATABASES
async def test_ambiguous_job_is_attached_to_no_task(harness: EngineHarness) -> None:
    """While another create with the same prompt is unclear, a listed job is attached to no task."""
    harness.use_provider(ScriptedProvider(harness.folder, find=JobLookup.BEST_EFFORT))
    harness.provider.submits = [errors.Unanswered()]
    harness.provider.finds = [Job("job-7")]
    first, second = await harness.accept_task(), await harness.accept_task("console:b")
    await harness.run_for(HOUR)
    for task in (first, second):
        assert (await harness.task(task)).state is State.REVIEW


async def test_search_outage_waits_instead_of_review(harness: EngineHarness) -> None:
    """A failed search proves nothing: the search waits for the gateway."""
    harness.use_provider(ScriptedProvider(harness.folder, find=JobLookup.BEST_EFFORT))
    harness.provider.submits = [errors.Unanswered()]
    harness.provider.finds = [*[errors.Unreachable()] * 40, Job("job-9")]
    task = await harness.accept_task()
    await harness.run_for(6 * HOUR)
    assert (await harness.task(task)).state is State.DONE


IN_FLIGHT_S = 120
"""How long the create of another worker may still reach the gateway."""


@pytest.fixture
def certain_gateway(harness: EngineHarness) -> ScriptedProvider:
    """A gateway that loses the first response and can prove that it has no job of it."""
    harness.use_provider(ScriptedProvider(harness.folder, find=JobLookup.AUTHORITATIVE))
    harness.provider.submits = [errors.Unanswered(), None]
    harness.provider.finds = [None]
    return harness.provider


@pytest.mark.parametrize("dialect", ["postgresql"])
async def test_create_is_not_repeated_while_the_first_may_be_in_flight(
    harness: EngineHarness, certain_gateway: ScriptedProvider
) -> None:
    """With several processes a lost lease does not prove that the first create was not sent."""
    task = await harness.accept_task()
    await harness.run_for(IN_FLIGHT_S - 1)
    assert (await harness.task(task)).state is State.SUBMITTING
    assert certain_gateway.count("find") >= 1
    assert certain_gateway.count("submit") == 1
    await harness.run_for(10)
    assert certain_gateway.count("submit") == 2
    await harness.run_for(60)
    assert (await harness.task(task)).state is State.DONE
    assert await harness.spent() == 4


@pytest.mark.parametrize("dialect", ["sqlite"])
async def test_single_process_repeats_a_create_without_delay(
    harness: EngineHarness, certain_gateway: ScriptedProvider
) -> None:
    """No other process can have the create in flight."""
    await harness.accept_task()
    await harness.run_for(10)
    assert certain_gateway.count("submit") == 2
