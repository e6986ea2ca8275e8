"""The life of a task under every fault: it ends once, and the credits are right."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from bot.credits import lifecycle
from bot.domain.tasks import State
from bot.engine import deliver
from bot.engine.context import EngineLimits
from bot.ports import DeliveryError, DeliveryOutcomeUnknown
from bot.store import deliveries, task_queue, tasks
from bot.store.database import Tx
from providers import errors
from providers.types import Failed, FailureKind, Finished, Job, JobLookup, Pending
from tests.fakes.engine.harness import EngineHarness
from tests.fakes.engine.scripted import MP4, ScriptedProvider

HOUR = 3600.0
DAY = 24 * HOUR


async def test_video_is_created_fetched_posted_once_and_charged(harness: EngineHarness) -> None:
    """The normal case."""
    task = await harness.accept_task()
    assert await harness.held() == 4
    await harness.run_for(60)
    done = await harness.task(task)
    assert done.state is State.DONE
    assert await harness.history(task) == [
        "queued",
        "submitting",
        "running",
        "fetching",
        "delivering",
        "done",
    ]
    assert harness.chat.posted_texts == [f"Task {task.id} is ready: a red kite"]
    assert harness.provider.count("submit") == 1
    assert (await harness.held(), await harness.spent()) == (0, 4)


# --- the paid create ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "error", [errors.Unanswered(), errors.UpstreamError(), errors.MalformedResponse()], ids=repr
)
async def test_unclear_create_is_never_resent(
    harness: EngineHarness, error: errors.ProviderError
) -> None:
    """Without a job list, an unclear create goes to review with its credits held."""
    harness.provider.submits = [error]
    task = await harness.accept_task()
    await harness.run_for(DAY)
    found = await harness.task(task)
    assert (found.state, found.reason) == (State.REVIEW, "create-unclear")
    assert harness.provider.count("submit") == 1
    assert await harness.held() == 4
    assert len(harness.chat.final_messages) == 1
    assert "not ordered again" in harness.chat.final_messages[0]


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


@pytest.mark.parametrize("error", [errors.Unreachable(), errors.Throttled(retry_after=7)], ids=repr)
async def test_rejected_connection_retries_create_once(
    harness: EngineHarness, error: errors.ProviderError
) -> None:
    """A create that certainly was not accepted is retried, and one job is made."""
    harness.provider.submits = [error, error, None]
    task = await harness.accept_task()
    await harness.run_for(120)
    assert (await harness.task(task)).state is State.DONE
    assert harness.provider.count("submit") == 3
    assert await harness.spent() == 4


async def test_throttled_provider_is_left_alone_until_retry_after(harness: EngineHarness) -> None:
    """After a 429 no task uses the provider for the requested time."""
    harness.provider.submits = [errors.Throttled(retry_after=50), None]
    await harness.accept_task()
    await harness.run_due_steps()
    await harness.accept_task("console:b")
    await harness.run_for(49)
    assert harness.provider.count("submit") == 1
    await harness.run_for(60)
    assert harness.provider.count("submit") == 3


async def test_unreachable_provider_releases_credits_after_deadline(harness: EngineHarness) -> None:
    """A create that never arrived is given up at the deadline, and its hold is released."""
    harness.provider.submits = [errors.Unreachable()]
    task = await harness.accept_task()
    await harness.run_for(HOUR)
    found = await harness.task(task)
    assert (found.state, found.reason) == (State.FAILED, "unreachable")
    assert (await harness.held(), await harness.spent()) == (0, 0)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (errors.Rejected("raw words"), "invalid-request"),
        (errors.Moderated("raw words"), "moderation"),
        (errors.ModelUnavailable("raw words"), "model-unavailable"),
        (errors.Misconfigured("raw words"), "misconfigured"),
        (errors.Unsupported("raw words"), "invalid-request"),
    ],
)
async def test_refusal_releases_credits_and_hides_provider_words(
    harness: EngineHarness, error: errors.ProviderError, reason: str
) -> None:
    """A definite refusal fails the task, releases the hold, and shows users no provider text."""
    harness.provider.submits = [error]
    task = await harness.accept_task()
    await harness.run_for(HOUR)
    found = await harness.task(task)
    assert (found.state, found.reason, found.provider_message) == (
        State.FAILED,
        reason,
        "raw words",
    )
    assert harness.provider.count("submit") == 1
    assert (await harness.held(), await harness.spent()) == (0, 0)
    (told,) = harness.chat.final_messages
    assert "raw words" not in told
    assert "4 credits back" in told


# --- looking -----------------------------------------------------------------------------


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


# --- stopping ----------------------------------------------------------------------------


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


# --- fetching ----------------------------------------------------------------------------


async def test_expired_link_is_renewed_by_a_poll(harness: EngineHarness) -> None:
    """A dead link leads to another poll, which returns a fresh link."""
    harness.provider.polls = [Finished("https://a/1"), Finished("https://a/2")]
    harness.provider.downloads = [errors.NotFound(), MP4]
    task = await harness.accept_task()
    await harness.run_for(120)
    assert (await harness.task(task)).state is State.DONE
    links = [about[0].url for verb, about in harness.provider.received if verb == "download"]  # type: ignore[index]
    assert links == ["https://a/1", "https://a/2"]
    assert await harness.spent() == 4


async def test_interrupted_download_resumes(harness: EngineHarness) -> None:
    """A download that broke in the middle continues where it stopped."""
    harness.provider.downloads = [MP4[:20], MP4]
    task = await harness.accept_task()
    await harness.run_for(120)
    assert (await harness.task(task)).state is State.DONE
    offsets = [about[1] for verb, about in harness.provider.received if verb == "download"]  # type: ignore[index]
    assert offsets == [0, 20]


@pytest.mark.parametrize(
    "answer", [b"{}" * 20, errors.MalformedResponse(), errors.NotFound()], ids=repr
)
async def test_download_that_is_no_video_fails_and_releases_credits(
    harness: EngineHarness, answer: bytes | errors.ProviderError
) -> None:
    """After a few tries the task fails, and its hold is released."""
    harness.provider.downloads = [answer]
    task = await harness.accept_task()
    await harness.run_for(HOUR)
    found = await harness.task(task)
    assert (found.state, found.reason) == (State.FAILED, "file-lost")
    assert harness.chat.posted_texts == []
    assert await harness.spent() == 0


async def test_download_outage_keeps_the_video(harness: EngineHarness) -> None:
    """Hours without an answer lose nothing."""
    harness.provider.downloads = [*[errors.Unanswered()] * 100, MP4]
    task = await harness.accept_task()
    await harness.run_for(6 * HOUR)
    assert (await harness.task(task)).state is State.DONE


# --- delivering --------------------------------------------------------------------------


async def test_failed_send_is_retried_and_posted_once(harness: EngineHarness) -> None:
    """A send that certainly failed is retried, posted once, and not marked."""
    harness.chat.delivery_results = [*[DeliveryError("blocked", retry_after=9)] * 5, None]
    task = await harness.accept_task()
    await harness.run_for(HOUR)
    assert (await harness.task(task)).state is State.DONE
    assert harness.chat.posted_texts == [f"Task {task.id} is ready: a red kite"]


async def test_closed_chat_keeps_the_video_for_fetch(harness: EngineHarness) -> None:
    """A result that can never be posted is kept, and the user is told how to get it."""
    harness.chat.delivery_results = [DeliveryError("chat-gone", is_permanent=True)]
    task = await harness.accept_task()
    await harness.run_for(HOUR)
    found = await harness.task(task)
    assert (found.state, found.reason) == (State.UNDELIVERED, "chat-gone")
    assert found.file is not None
    assert harness.engine.storage.result_path(found.file).is_file()
    assert f"/fetch {task.id}" in harness.chat.final_messages[0]
    assert await harness.spent() == 4


async def test_unclear_send_is_repeated_once_and_marked(harness: EngineHarness) -> None:
    """The chat is searched; if nothing is found, the video is sent once more, marked."""
    harness.chat.delivery_results = [DeliveryOutcomeUnknown()]
    task = await harness.accept_task()
    await harness.run_for(HOUR)
    found = await harness.task(task)
    assert (found.state, found.reason) == (State.UNDELIVERED, "send-unclear")


async def test_repeat_of_unclear_send_is_marked(harness: EngineHarness) -> None:
    """The one repeat of an unclear send says that it may stand there already."""
    harness.chat.delivery_results = [DeliveryOutcomeUnknown(), None]
    task = await harness.accept_task()
    await harness.run_for(HOUR)
    assert (await harness.task(task)).state is State.DONE
    assert harness.chat.posted_texts[0].startswith("(repeated)")


async def test_posted_video_that_is_found_is_not_resent(harness: EngineHarness) -> None:
    """When the chat shows that the unclear send worked, nothing is sent again."""
    harness.chat.delivery_results = [DeliveryOutcomeUnknown()]
    harness.chat.found_receipt = "message-7"
    task = await harness.accept_task()
    await harness.run_for(HOUR)
    assert (await harness.task(task)).state is State.DONE
    assert harness.chat.posted_texts == []


async def test_failure_notice_is_sent_when_the_chat_is_back(harness: EngineHarness) -> None:
    """The final notice of a failed task waits for the chat."""
    harness.provider.submits = [errors.Moderated()]
    harness.chat.message_results = [DeliveryError("blocked"), DeliveryError("blocked"), None]
    await harness.accept_task()
    await harness.run_for(HOUR)
    assert len(harness.chat.final_messages) == 1


# --- many --------------------------------------------------------------------------------


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


async def test_late_create_answer_after_lost_lease_is_kept(harness: EngineHarness) -> None:
    """A worker that lost its lease during the create still passes on the job id."""
    task = await harness.accept_task()
    slow = harness.worker
    ((claimed, step),) = (await harness.database.transact(slow.claim_transaction())).steps
    harness.provider.answer_creates.clear()
    sending = asyncio.create_task(slow.execute(claimed, step))
    await harness.provider.create_received.wait()
    harness.restart()
    await harness.run_for(HOUR)
    assert (await harness.task(task)).state is State.REVIEW
    harness.provider.answer_creates.set()
    await sending
    await harness.run_for(60)
    found = await harness.task(task)
    assert (found.state, found.remote_id) == (State.DONE, f"job-{task.id}")
    assert harness.provider.count("submit") == 1


async def test_worker_with_expired_lease_neither_creates_nor_posts(harness: EngineHarness) -> None:
    """A worker that wakes after its lease ended neither sends the create nor posts."""
    task = await harness.accept_task()
    asleep = harness.worker
    ((claimed, step),) = (await harness.database.transact(asleep.claim_transaction())).steps
    harness.restart()
    await harness.run_for(60)
    assert (await harness.task(task)).state is State.DONE
    await asleep.execute(claimed, step)
    assert harness.provider.count("submit") == 1
    other = await harness.accept_task("console:b")
    await harness.run_due_steps()
    await harness.run_for(0.1)
    while (await harness.task(other)).state is not State.DELIVERING:
        claimed_now = (await harness.database.transact(harness.worker.claim_transaction())).steps
        for one, its_step in claimed_now:
            await harness.worker.execute(one, its_step)
        await harness.clock.advance(1)
    (late,) = await harness.database.transact(
        lambda tx: task_queue.claim_due(
            tx, State.DELIVERING, 1, harness.clock.now(), "asleep:1", harness.clock.now() + 30
        )
    )
    await harness.run_for(60)
    assert len(harness.chat.posted_texts) == 2
    await asleep.execute(late, deliver.deliver)
    assert len(harness.chat.posted_texts) == 2


async def test_ambiguous_job_is_attached_to_no_task(harness: EngineHarness) -> None:
    """While another create with the same prompt is unclear, a listed job is attached to no task."""
    harness.use_provider(ScriptedProvider(harness.folder, find=JobLookup.BEST_EFFORT))
    harness.provider.submits = [errors.Unanswered()]
    harness.provider.finds = [Job("job-7")]
    first, second = await harness.accept_task(), await harness.accept_task("console:b")
    await harness.run_for(HOUR)
    for task in (first, second):
        assert (await harness.task(task)).state is State.REVIEW


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


async def test_permanent_throttling_releases_credits_after_deadline(harness: EngineHarness) -> None:
    """A create that is always throttled is given up at the deadline."""
    harness.provider.submits = [errors.Throttled(retry_after=86400.0)]
    task = await harness.accept_task()
    await harness.run_for(3 * HOUR)
    assert (await harness.task(task)).state is State.FAILED
    assert await harness.spent() == 0


async def test_rejected_create_moves_to_the_next_provider(harness: EngineHarness) -> None:
    """What the first provider certainly did not accept goes to the second one."""
    dead, good = ScriptedProvider(harness.folder), ScriptedProvider(harness.folder, key="other")
    dead.submits = [errors.Unreachable()]
    harness.use_providers({"dead": dead, "good": good})
    task = await harness.accept_task()
    await harness.run_for(60)
    found = await harness.task(task)
    assert (found.state, found.provider) == (State.DONE, "good")
    assert good.count("submit") == 1


async def test_forbidden_link_is_renewed_by_a_poll(harness: EngineHarness) -> None:
    """A signed link that answers 403 has expired: another poll returns a fresh one."""
    harness.provider.polls = [Finished("https://a/1"), Finished("https://a/2")]
    harness.provider.downloads = [errors.Misconfigured("HTTP 403"), MP4]
    task = await harness.accept_task()
    await harness.run_for(120)
    assert (await harness.task(task)).state is State.DONE
    assert harness.provider.count("poll") == 2


async def test_search_outage_waits_instead_of_review(harness: EngineHarness) -> None:
    """A failed search proves nothing: the search waits for the gateway."""
    harness.use_provider(ScriptedProvider(harness.folder, find=JobLookup.BEST_EFFORT))
    harness.provider.submits = [errors.Unanswered()]
    harness.provider.finds = [*[errors.Unreachable()] * 40, Job("job-9")]
    task = await harness.accept_task()
    await harness.run_for(6 * HOUR)
    assert (await harness.task(task)).state is State.DONE


async def test_repeat_by_admin_stays_marked(harness: EngineHarness) -> None:
    """A result that may have been posted already stays marked when an admin resends it."""
    harness.chat.delivery_results = [DeliveryOutcomeUnknown(), DeliveryOutcomeUnknown(), None]
    task = await harness.accept_task()
    await harness.run_for(HOUR)
    found = await harness.task(task)
    assert found.state is State.UNDELIVERED

    def again(tx: Tx) -> None:
        now = harness.clock.now()
        assert lifecycle.transition(tx, found, State.DELIVERING, now)
        deliveries.restart(tx, task.id, task.destination)

    await harness.database.transact(again)
    await harness.run_for(60)
    assert harness.chat.posted_texts[0].startswith("(repeated)")


async def test_unstorable_characters_are_replaced(harness: EngineHarness) -> None:
    """Lone surrogates and NUL in provider text are stored as something harmless."""
    harness.provider.polls = [Failed(FailureKind.UPSTREAM, "a\ud800b\x00c")]
    task = await harness.accept_task()
    await harness.run_for(60)
    assert (await harness.task(task)).provider_message == "a?b?c"


async def test_task_of_dead_worker_is_taken_over_after_lease(harness: EngineHarness) -> None:
    """The task of a dead worker is taken over when its lease ends, and only then."""
    harness.engine = replace(harness.engine, limits=EngineLimits(lease_s=30))
    task = await harness.accept_task()
    dead = harness.worker
    claimed = (await harness.database.transact(dead.claim_transaction())).steps
    assert [one.id for one, _ in claimed] == [task.id]
    harness.restart()
    await harness.run_for(29)
    assert (await harness.task(task)).state is State.SUBMITTING
    await harness.run_for(60)
    assert (await harness.task(task)).state is State.DONE
    assert harness.provider.count("submit") == 1
