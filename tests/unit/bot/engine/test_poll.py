"""Polls: progress, failures, deadlines and cancellation of a job."""

from __future__ import annotations

import pytest

from bot.domain.tasks import State
from bot.store import tasks
from providers import errors
from providers.types import Failed, FailureKind, Finished, Pending
from tests.fakes.engine.harness import EngineHarness
from tests.fakes.engine.scripted import ScriptedProvider
from tests.unit.bot.engine.conftest import BOTH_DATABASES

HOUR = 3600.0

DAY = 24 * HOUR


async def test_unknown_new_job_is_polled_again(harness: EngineHarness) -> None:
    """A gateway that does not know its own job right after the create is polled again."""
    harness.provider.polls = [errors.NotFound(), errors.NotFound(), Finished()]
    task = await harness.accept_task()
    await harness.run_for(60)
    assert (await harness.task(task)).state is State.DONE


async def test_vanished_job_fails_and_releases_credits(harness: EngineHarness) -> None:
    """A job that the gateway keeps not knowing has failed; its hold is released."""
    harness.provider.polls = [errors.NotFound()]
    task = await harness.accept_task()
    await harness.run_for(HOUR)
    found = await harness.task(task)
    assert (found.state, found.reason) == (State.FAILED, "not-found")
    assert await harness.spent() == 0


async def test_poll_outage_keeps_the_job(harness: EngineHarness) -> None:
    """After hours without an answer the job is polled again."""
    outage: list[object] = [errors.Unanswered(), errors.Unreachable(), errors.MalformedResponse()]
    harness.provider.polls = [*outage * 60, Finished()]  # type: ignore[list-item]
    task = await harness.accept_task()
    await harness.run_for(20 * HOUR)
    assert (await harness.task(task)).state is State.DONE


async def test_day_without_poll_answer_leads_to_review(harness: EngineHarness) -> None:
    """After a day without an answer the outcome is unknown: an admin decides."""
    harness.provider.polls = [errors.Unreachable()]
    task = await harness.accept_task()
    await harness.run_for(2 * DAY)
    found = await harness.task(task)
    assert (found.state, found.reason) == (State.REVIEW, "unreachable")
    assert await harness.held() == 4


@pytest.mark.parametrize("kind", list(FailureKind))
async def test_failed_job_is_not_charged(harness: EngineHarness, kind: FailureKind) -> None:
    """Whatever the reason, no video means no charge, and there is a text for the reason."""
    harness.provider.polls = [Failed(kind, "raw words", "code")]
    task = await harness.accept_task()
    await harness.run_for(HOUR)
    assert (await harness.task(task)).state is State.FAILED
    assert (await harness.held(), await harness.spent()) == (0, 0)
    assert len(harness.chat.final_messages) == 1


async def test_hanging_job_fails_after_deadline(harness: EngineHarness) -> None:
    """A job past its deadline fails, and its hold is released."""
    harness.provider.polls = [Pending(running=True)]
    task = await harness.accept_task()
    await harness.run_for(HOUR)
    found = await harness.task(task)
    assert (found.state, found.reason) == (State.FAILED, "timeout")
    assert await harness.spent() == 0


@BOTH_DATABASES
async def test_job_past_deadline_is_cancelled_at_the_provider(harness: EngineHarness) -> None:
    """Where the gateway can cancel, it is asked to before the task fails."""
    harness.use_provider(ScriptedProvider(harness.folder, cancel=True))
    harness.provider.polls = [Pending(running=True)]
    task = await harness.accept_task()
    await harness.run_for(HOUR)
    found = await harness.task(task)
    assert (found.state, found.reason) == (State.FAILED, "timeout")
    assert harness.provider.count("cancel") == 1


async def test_progress_never_decreases(harness: EngineHarness) -> None:
    """The progress that users see only grows."""
    harness.provider.polls = [Pending(running=True, percent=percent) for percent in (40, 20, 60)]
    harness.provider.polls += [Pending(running=True)]
    task = await harness.accept_task()
    seen = []
    for _ in range(40):
        await harness.run_for(2)
        seen.append((await harness.task(task)).percent)
    known = [percent for percent in seen if percent is not None]
    assert known == sorted(known)
    assert known[-1] == 60


async def test_job_waits_for_the_provider_account_that_made_it(harness: EngineHarness) -> None:
    """After a change of the key no provider is asked until the old account is back."""
    harness.provider.polls = [Pending(running=True)]
    task = await harness.accept_task()
    await harness.run_for(10)
    old = harness.provider
    harness.use_provider(ScriptedProvider(harness.folder, key="other"))
    await harness.run_for(HOUR)
    assert harness.provider.received == []
    assert (await harness.task(task)).state is State.RUNNING
    old.polls = [Finished()]
    harness.use_provider(old)
    await harness.run_for(HOUR)
    assert (await harness.task(task)).state is State.DONE


@BOTH_DATABASES
async def test_cancelled_job_releases_credits(harness: EngineHarness) -> None:
    """A cancelled job releases the hold, and the user is notified."""
    harness.use_provider(ScriptedProvider(harness.folder, cancel=True))
    harness.provider.polls = [Pending(running=True)]
    task = await harness.accept_task()
    await harness.run_for(5)
    now = harness.clock.now()
    await harness.database.transact(lambda tx: tasks.request_cancel(tx, task.id, now))
    await harness.run_for(5)
    assert (await harness.task(task)).state is State.CANCELLED
    assert await harness.spent() == 0
    assert "is cancelled" in harness.chat.final_messages[0]


async def test_failed_cancel_still_delivers_the_video(harness: EngineHarness) -> None:
    """When the gateway does not cancel, the video is made and posted as usual."""
    harness.use_provider(ScriptedProvider(harness.folder, cancel=True))
    harness.provider.cancels = [False]
    harness.provider.polls = [Pending(running=True), Pending(running=True), Finished()]
    task = await harness.accept_task()
    await harness.run_for(3)
    now = harness.clock.now()
    await harness.database.transact(lambda tx: tasks.request_cancel(tx, task.id, now))
    await harness.run_for(60)
    assert (await harness.task(task)).state is State.DONE
    assert await harness.spent() == 4


async def test_failing_cancel_does_not_stop_polling(harness: EngineHarness) -> None:
    """A gateway that cannot be asked to cancel is still polled, and not asked for ever."""
    harness.use_provider(ScriptedProvider(harness.folder, cancel=True))
    harness.provider.cancels = [errors.UpstreamError()]
    harness.provider.polls = [Pending(running=True)] * 5 + [Finished()]
    task = await harness.accept_task()
    await harness.run_for(3)
    now = harness.clock.now()
    await harness.database.transact(lambda tx: tasks.request_cancel(tx, task.id, now))
    await harness.run_for(HOUR)
    assert (await harness.task(task)).state is State.DONE
    assert harness.provider.count("cancel") == 1


async def test_cancel_past_deadline_is_requested_once(harness: EngineHarness) -> None:
    """A job past its deadline is cancelled once; then the task fails."""
    harness.use_provider(ScriptedProvider(harness.folder, cancel=True))
    harness.provider.cancels = [False]
    harness.provider.polls = [Pending(running=True)]
    task = await harness.accept_task()
    await harness.run_for(HOUR)
    assert (await harness.task(task)).reason == "timeout"
    assert harness.provider.count("cancel") == 1


GRACE_S = 60
"""Time after a create in which the gateway may not find its own job."""
MAX_NOT_FOUND = 5


async def test_new_job_may_stay_unknown_for_a_minute(harness: EngineHarness) -> None:
    """However often it is polled in that time."""
    harness.provider.polls = [errors.NotFound()]
    task = await harness.accept_task()
    await harness.run_for(GRACE_S - 1)
    assert harness.provider.count("poll") > MAX_NOT_FOUND
    assert (await harness.task(task)).state is State.RUNNING
    harness.provider.polls = [Finished()]
    await harness.run_for(GRACE_S)
    assert (await harness.task(task)).state is State.DONE


@pytest.mark.parametrize(
    ("not_found", "state", "spent"),
    [(MAX_NOT_FOUND - 1, State.DONE, 4), (MAX_NOT_FOUND, State.FAILED, 0)],
)
async def test_old_job_fails_at_the_fifth_poll_in_a_row_that_does_not_find_it(
    harness: EngineHarness, not_found: int, state: State, spent: int
) -> None:
    """Its age alone does not suffice: a gateway may lose sight of a job for a moment."""
    harness.provider.polls = [Pending(running=True)]
    task = await harness.accept_task()
    await harness.run_for(2 * GRACE_S)
    harness.provider.polls = [*[errors.NotFound()] * not_found, Finished()]
    await harness.run_for(10 * GRACE_S)
    assert (await harness.task(task)).state is state
    assert await harness.spent() == spent
