"""The life of a task under every fault: it ends, once, and the credits tell the truth."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from bot.credits import lifecycle
from bot.domain.tasks import State
from bot.engine import deliver
from bot.engine.context import Limits
from bot.ports import DeliveryError, DeliveryUnclear
from bot.store import deliveries, task_queue, tasks
from bot.store.database import Tx
from providers import errors
from providers.types import Failed, FailureKind, Finding, Finished, Job, Pending
from tests.fakes.engine.harness import Stage
from tests.fakes.engine.scripted import MP4, ScriptedProvider

HOUR = 3600.0
DAY = 24 * HOUR


async def test_a_video_is_not_handed_over(stage: Stage) -> None:
    """The plain way: made, fetched, posted once, paid for."""
    task = await stage.order()
    assert await stage.held() == 4
    await stage.run(60)
    done = await stage.task(task)
    assert done.state is State.DONE
    assert await stage.history(task) == [
        "queued",
        "submitting",
        "running",
        "fetching",
        "delivering",
        "done",
    ]
    assert stage.chat.posted_texts == [f"Task {task.id} is ready: a red kite"]
    assert stage.provider.count("submit") == 1
    assert (await stage.held(), await stage.spent()) == (0, 4)


# --- the paid create ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "error", [errors.Unanswered(), errors.Upstream(), errors.Malformed()], ids=repr
)
async def test_an_unclear_create_is_sent_again(stage: Stage, error: errors.ProviderError) -> None:
    """Without a list to look in, an unclear create goes to review, credits held, never repeated."""
    stage.provider.submits = [error]
    task = await stage.order()
    await stage.run(DAY)
    found = await stage.task(task)
    assert (found.state, found.reason) == (State.REVIEW, "create-unclear")
    assert stage.provider.count("submit") == 1
    assert await stage.held() == 4
    assert len(stage.chat.told_texts) == 1
    assert "not ordered again" in stage.chat.told_texts[0]


async def test_a_job_that_can_be_found_is_given_up(stage: Stage) -> None:
    """Where the gateway lists jobs, the one of an unclear create is found and runs on."""
    stage.use(ScriptedProvider(stage.folder, find=Finding.PRESENCE))
    stage.provider.submits = [errors.Unanswered()]
    stage.provider.finds = [None, errors.Upstream(), Job("job-9")]
    task = await stage.order()
    await stage.run(120)
    found = await stage.task(task)
    assert (found.state, found.remote_id) == (State.DONE, "job-9")
    assert stage.provider.count("submit") == 1


async def test_a_list_without_the_job_proves_too_much(stage: Stage) -> None:
    """A job that is not listed may still exist: review, and no second create."""
    stage.use(ScriptedProvider(stage.folder, find=Finding.PRESENCE))
    stage.provider.submits = [errors.Unanswered()]
    task = await stage.order()
    await stage.run(HOUR)
    assert (await stage.task(task)).state is State.REVIEW
    assert stage.provider.count("submit") == 1


async def test_a_certain_absence_ends_in_review(stage: Stage) -> None:
    """A gateway that can prove that it has no such job gets the create again."""
    stage.use(ScriptedProvider(stage.folder, find=Finding.CERTAIN))
    stage.provider.submits = [errors.Unanswered(), None]
    task = await stage.order()
    await stage.run(300)
    assert (await stage.task(task)).state is State.DONE
    assert stage.provider.count("submit") == 2


async def test_another_tasks_job_is_taken(stage: Stage) -> None:
    """A job that belongs to another task is not attached a second time."""
    stage.use(ScriptedProvider(stage.folder, find=Finding.PRESENCE))
    stage.provider.submits = [Job("job-1"), errors.Unanswered()]
    stage.provider.finds = [Job("job-1")]
    stage.provider.polls = [Pending(running=True)]
    first = await stage.order()
    await stage.settle()
    second = await stage.order("console:b")
    await stage.run(60)
    assert (await stage.task(first)).remote_id == "job-1"
    assert (await stage.task(second)).state is State.REVIEW


@pytest.mark.parametrize("error", [errors.Unreachable(), errors.Throttled(retry_after=7)], ids=repr)
async def test_a_create_that_never_arrived_is_given_up(
    stage: Stage, error: errors.ProviderError
) -> None:
    """What was certainly not accepted is tried again, and made once."""
    stage.provider.submits = [error, error, None]
    task = await stage.order()
    await stage.run(120)
    assert (await stage.task(task)).state is State.DONE
    assert stage.provider.count("submit") == 3
    assert await stage.spent() == 4


async def test_a_throttling_gateway_is_asked_by_others_meanwhile(stage: Stage) -> None:
    """A 429 leaves the whole provider alone for as long as it says."""
    stage.provider.submits = [errors.Throttled(retry_after=50), None]
    await stage.order()
    await stage.settle()
    await stage.order("console:b")
    await stage.run(49)
    assert stage.provider.count("submit") == 1
    await stage.run(60)
    assert stage.provider.count("submit") == 3


async def test_an_unreachable_gateway_holds_credits_for_ever(stage: Stage) -> None:
    """After the deadline a create that never arrived is given up, and the credits come back."""
    stage.provider.submits = [errors.Unreachable()]
    task = await stage.order()
    await stage.run(HOUR)
    found = await stage.task(task)
    assert (found.state, found.reason) == (State.FAILED, "unreachable")
    assert (await stage.held(), await stage.spent()) == (0, 0)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (errors.Refused("raw words"), "invalid-request"),
        (errors.Moderated("raw words"), "moderation"),
        (errors.ModelUnavailable("raw words"), "model-unavailable"),
        (errors.Misconfigured("raw words"), "misconfigured"),
        (errors.Unsupported("raw words"), "invalid-request"),
    ],
)
async def test_a_refusal_costs_credits_or_is_told_raw(
    stage: Stage, error: errors.ProviderError, reason: str
) -> None:
    """A clear no ends the task, gives the credits back, and shows people no raw words."""
    stage.provider.submits = [error]
    task = await stage.order()
    await stage.run(HOUR)
    found = await stage.task(task)
    assert (found.state, found.reason, found.raw) == (State.FAILED, reason, "raw words")
    assert stage.provider.count("submit") == 1
    assert (await stage.held(), await stage.spent()) == (0, 0)
    (told,) = stage.chat.told_texts
    assert "raw words" not in told
    assert "4 credits back" in told


# --- looking -----------------------------------------------------------------------------


async def test_a_job_is_lost_because_it_is_new(stage: Stage) -> None:
    """A gateway that does not know its own job right after the create is asked again."""
    stage.provider.polls = [errors.NotFound(), errors.NotFound(), Finished()]
    task = await stage.order()
    await stage.run(60)
    assert (await stage.task(task)).state is State.DONE


async def test_a_job_that_is_gone_is_waited_for(stage: Stage) -> None:
    """A gateway that goes on not knowing the job has lost it: failed, credits back."""
    stage.provider.polls = [errors.NotFound()]
    task = await stage.order()
    await stage.run(HOUR)
    found = await stage.task(task)
    assert (found.state, found.reason) == (State.FAILED, "not-found")
    assert await stage.spent() == 0


async def test_an_outage_of_the_gateway_fails_its_jobs(stage: Stage) -> None:
    """Hours without an answer lose nothing: the job is looked at again when the gateway is back."""
    outage: list[object] = [errors.Unanswered(), errors.Unreachable(), errors.Malformed()]
    stage.provider.polls = [*outage * 60, Finished()]  # type: ignore[list-item]
    task = await stage.order()
    await stage.run(20 * HOUR)
    assert (await stage.task(task)).state is State.DONE


async def test_a_gateway_that_stays_away_is_forgotten(stage: Stage) -> None:
    """After a day without an answer nobody knows what became of the job: an admin decides."""
    stage.provider.polls = [errors.Unreachable()]
    task = await stage.order()
    await stage.run(2 * DAY)
    found = await stage.task(task)
    assert (found.state, found.reason) == (State.REVIEW, "unreachable")
    assert await stage.held() == 4


@pytest.mark.parametrize("kind", list(FailureKind))
async def test_a_failed_job_is_charged(stage: Stage, kind: FailureKind) -> None:
    """Whatever the gateway's verdict, no video means no charge, and a sentence for it exists."""
    stage.provider.polls = [Failed(kind, "raw words", "code")]
    task = await stage.order()
    await stage.run(HOUR)
    assert (await stage.task(task)).state is State.FAILED
    assert (await stage.held(), await stage.spent()) == (0, 0)
    assert len(stage.chat.told_texts) == 1


async def test_a_job_hangs_for_ever(stage: Stage) -> None:
    """A job past its deadline fails, the credits come back."""
    stage.provider.polls = [Pending(running=True)]
    task = await stage.order()
    await stage.run(HOUR)
    found = await stage.task(task)
    assert (found.state, found.reason) == (State.FAILED, "timeout")
    assert await stage.spent() == 0


async def test_a_job_past_its_deadline_is_left_running(stage: Stage) -> None:
    """Where the gateway can stop a job, one past its deadline is stopped before it is given up."""
    stage.use(ScriptedProvider(stage.folder, cancel=True))
    stage.provider.polls = [Pending(running=True)]
    task = await stage.order()
    await stage.run(HOUR)
    found = await stage.task(task)
    assert (found.state, found.reason) == (State.FAILED, "timeout")
    assert stage.provider.count("cancel") == 1


async def test_progress_runs_backwards(stage: Stage) -> None:
    """What people see of progress never falls."""
    stage.provider.polls = [Pending(running=True, percent=one) for one in (40, 20, 60)]
    stage.provider.polls += [Pending(running=True)]
    task = await stage.order()
    seen = []
    for _ in range(40):
        await stage.run(2)
        seen.append((await stage.task(task)).percent)
    known = [one for one in seen if one is not None]
    assert known == sorted(known)
    assert known[-1] == 60


async def test_another_account_is_asked_for_the_job(stage: Stage) -> None:
    """After a change of the key nobody is asked for the job until the old account is back."""
    stage.provider.polls = [Pending(running=True)]
    task = await stage.order()
    await stage.run(10)
    old = stage.provider
    stage.use(ScriptedProvider(stage.folder, key="other"))
    await stage.run(HOUR)
    assert stage.provider.asked == []
    assert (await stage.task(task)).state is State.RUNNING
    old.polls = [Finished()]
    stage.use(old)
    await stage.run(HOUR)
    assert (await stage.task(task)).state is State.DONE


# --- stopping ----------------------------------------------------------------------------


async def test_a_stopped_job_is_charged(stage: Stage) -> None:
    """A job that the gateway has stopped gives the credits back, and the person hears of it."""
    stage.use(ScriptedProvider(stage.folder, cancel=True))
    stage.provider.polls = [Pending(running=True)]
    task = await stage.order()
    await stage.run(5)
    now = stage.clock.now()
    await stage.database.transact(lambda tx: tasks.ask_to_cancel(tx, task.id, now))
    await stage.run(5)
    assert (await stage.task(task)).state is State.CANCELLED
    assert await stage.spent() == 0
    assert "is cancelled" in stage.chat.told_texts[0]


async def test_a_job_that_could_not_be_stopped_is_lost(stage: Stage) -> None:
    """When the gateway does not stop it, the video is made and posted as if nothing was said."""
    stage.use(ScriptedProvider(stage.folder, cancel=True))
    stage.provider.cancels = [False]
    stage.provider.polls = [Pending(running=True), Pending(running=True), Finished()]
    task = await stage.order()
    await stage.run(3)
    now = stage.clock.now()
    await stage.database.transact(lambda tx: tasks.ask_to_cancel(tx, task.id, now))
    await stage.run(60)
    assert (await stage.task(task)).state is State.DONE
    assert await stage.spent() == 4


# --- fetching ----------------------------------------------------------------------------


async def test_an_expired_link_loses_the_video(stage: Stage) -> None:
    """A dead link leads back to a fresh look, which brings a fresh link."""
    stage.provider.polls = [Finished("https://a/1"), Finished("https://a/2")]
    stage.provider.downloads = [errors.NotFound(), MP4]
    task = await stage.order()
    await stage.run(120)
    assert (await stage.task(task)).state is State.DONE
    links = [about[0].url for verb, about in stage.provider.asked if verb == "download"]  # type: ignore[index]
    assert links == ["https://a/1", "https://a/2"]
    assert await stage.spent() == 4


async def test_a_broken_download_starts_over(stage: Stage) -> None:
    """A download that broke in the middle goes on from where it stopped."""
    stage.provider.downloads = [MP4[:20], MP4]
    task = await stage.order()
    await stage.run(120)
    assert (await stage.task(task)).state is State.DONE
    offsets = [about[1] for verb, about in stage.provider.asked if verb == "download"]  # type: ignore[index]
    assert offsets == [0, 20]


@pytest.mark.parametrize("answer", [b"{}" * 20, errors.Malformed(), errors.NotFound()], ids=repr)
async def test_what_is_no_video_is_delivered_or_charged(
    stage: Stage, answer: bytes | errors.ProviderError
) -> None:
    """After a few tries a video that cannot be had is given up, and the credits come back."""
    stage.provider.downloads = [answer]
    task = await stage.order()
    await stage.run(HOUR)
    found = await stage.task(task)
    assert (found.state, found.reason) == (State.FAILED, "file-lost")
    assert stage.chat.posted_texts == []
    assert await stage.spent() == 0


async def test_an_outage_during_the_download_loses_the_video(stage: Stage) -> None:
    """Hours without an answer lose nothing."""
    stage.provider.downloads = [*[errors.Unanswered()] * 100, MP4]
    task = await stage.order()
    await stage.run(6 * HOUR)
    assert (await stage.task(task)).state is State.DONE


# --- delivering --------------------------------------------------------------------------


async def test_a_chat_that_is_away_for_a_while_gets_nothing(stage: Stage) -> None:
    """A send that certainly failed is tried again, and posted once, unmarked."""
    stage.chat.deliveries = [*[DeliveryError("blocked", retry_after=9)] * 5, None]
    task = await stage.order()
    await stage.run(HOUR)
    assert (await stage.task(task)).state is State.DONE
    assert stage.chat.posted_texts == [f"Task {task.id} is ready: a red kite"]


async def test_a_chat_that_is_gone_loses_the_video(stage: Stage) -> None:
    """A result that can never be posted is kept, and its person is told how to get it."""
    stage.chat.deliveries = [DeliveryError("chat-gone", permanent=True)]
    task = await stage.order()
    await stage.run(HOUR)
    found = await stage.task(task)
    assert (found.state, found.reason) == (State.UNDELIVERED, "chat-gone")
    assert found.file is not None
    assert stage.world.spool.result(found.file).is_file()
    assert f"/fetch {task.id}" in stage.chat.told_texts[0]
    assert await stage.spent() == 4


async def test_a_lost_answer_posts_a_video_again_and_again(stage: Stage) -> None:
    """A send whose answer was lost is looked for, repeated once and marked, then left."""
    stage.chat.deliveries = [DeliveryUnclear()]
    task = await stage.order()
    await stage.run(HOUR)
    found = await stage.task(task)
    assert (found.state, found.reason) == (State.UNDELIVERED, "send-unclear")


async def test_a_repeated_send_is_not_marked(stage: Stage) -> None:
    """The one repeat of an unclear send says that it may stand there already."""
    stage.chat.deliveries = [DeliveryUnclear(), None]
    task = await stage.order()
    await stage.run(HOUR)
    assert (await stage.task(task)).state is State.DONE
    assert stage.chat.posted_texts[0].startswith("(repeated)")


async def test_a_video_that_stands_there_is_posted_again(stage: Stage) -> None:
    """When the chat shows that the unclear send did work, nothing is sent again."""
    stage.chat.deliveries = [DeliveryUnclear()]
    stage.chat.seen = "message-7"
    task = await stage.order()
    await stage.run(HOUR)
    assert (await stage.task(task)).state is State.DONE
    assert stage.chat.posted_texts == []


async def test_bad_news_is_never_told(stage: Stage) -> None:
    """The last word on a failed task is told when the chat is back."""
    stage.provider.submits = [errors.Moderated()]
    stage.chat.tellings = [DeliveryError("blocked"), DeliveryError("blocked"), None]
    await stage.order()
    await stage.run(HOUR)
    assert len(stage.chat.told_texts) == 1


# --- many --------------------------------------------------------------------------------


async def test_a_provider_gets_more_jobs_than_it_may(stage: Stage) -> None:
    """The cap of a provider holds; the rest wait their turn, one of each person at a time."""
    stage.use(ScriptedProvider(stage.folder, max_concurrent=3))
    stage.provider.polls = [Pending(running=True)]
    for _ in range(5):
        await stage.order("console:a")
    other = await stage.order("console:b")
    await stage.run(120)
    assert stage.provider.count("submit") == 3
    assert (await stage.task(other)).state is State.RUNNING


async def test_a_cap_of_zero_means_no_cap(stage: Stage) -> None:
    """A provider with a cap of zero gets nothing."""
    stage.use(ScriptedProvider(stage.folder, max_concurrent=0))
    task = await stage.order()
    await stage.run(120)
    assert (await stage.task(task)).state is State.QUEUED


async def test_a_late_answer_to_a_create_is_thrown_away(stage: Stage) -> None:
    """A worker that lost its lease while the create was under way still hands on the job's id."""
    task = await stage.order()
    slow = stage.worker
    ((claimed, step),) = (await stage.database.transact(slow.claim())).steps
    stage.provider.open.clear()
    sending = asyncio.create_task(slow.take(claimed, step))
    await stage.provider.arrived.wait()
    stage.restart()
    await stage.run(HOUR)
    assert (await stage.task(task)).state is State.REVIEW
    stage.provider.open.set()
    await sending
    await stage.run(60)
    found = await stage.task(task)
    assert (found.state, found.remote_id) == (State.DONE, f"job-{task.id}")
    assert stage.provider.count("submit") == 1


async def test_a_worker_that_slept_through_its_lease_sends_or_posts(stage: Stage) -> None:
    """Who wakes after the lease has ended neither sends the create nor posts the result."""
    task = await stage.order()
    asleep = stage.worker
    ((claimed, step),) = (await stage.database.transact(asleep.claim())).steps
    stage.restart()
    await stage.run(60)
    assert (await stage.task(task)).state is State.DONE
    await asleep.take(claimed, step)
    assert stage.provider.count("submit") == 1
    other = await stage.order("console:b")
    await stage.settle()
    await stage.run(0.1)
    while (await stage.task(other)).state is not State.DELIVERING:
        claimed_now = (await stage.database.transact(stage.worker.claim())).steps
        for one, its_step in claimed_now:
            await stage.worker.take(one, its_step)
        await stage.clock.advance(1)
    (late,) = await stage.database.transact(
        lambda tx: task_queue.claim_due(
            tx, State.DELIVERING, 1, stage.clock.now(), "asleep:1", stage.clock.now() + 30
        )
    )
    await stage.run(60)
    assert len(stage.chat.posted_texts) == 2
    await asleep.take(late, deliver.deliver)
    assert len(stage.chat.posted_texts) == 2


async def test_twins_get_each_others_job(stage: Stage) -> None:
    """While another's create of the same words is unclear, a listed job is nobody's for certain."""
    stage.use(ScriptedProvider(stage.folder, find=Finding.PRESENCE))
    stage.provider.submits = [errors.Unanswered()]
    stage.provider.finds = [Job("job-7")]
    first, second = await stage.order(), await stage.order("console:b")
    await stage.run(HOUR)
    for task in (first, second):
        assert (await stage.task(task)).state is State.REVIEW


async def test_a_cancel_that_fails_hides_a_finished_job(stage: Stage) -> None:
    """A gateway that cannot be asked to stop is still looked at, and not asked for ever."""
    stage.use(ScriptedProvider(stage.folder, cancel=True))
    stage.provider.cancels = [errors.Upstream()]
    stage.provider.polls = [Pending(running=True)] * 5 + [Finished()]
    task = await stage.order()
    await stage.run(3)
    now = stage.clock.now()
    await stage.database.transact(lambda tx: tasks.ask_to_cancel(tx, task.id, now))
    await stage.run(HOUR)
    assert (await stage.task(task)).state is State.DONE
    assert stage.provider.count("cancel") == 1


async def test_a_job_that_cannot_be_stopped_is_asked_for_ever(stage: Stage) -> None:
    """Past its deadline a job is asked to stop once; then it is given up."""
    stage.use(ScriptedProvider(stage.folder, cancel=True))
    stage.provider.cancels = [False]
    stage.provider.polls = [Pending(running=True)]
    task = await stage.order()
    await stage.run(HOUR)
    assert (await stage.task(task)).reason == "timeout"
    assert stage.provider.count("cancel") == 1


async def test_a_throttling_gateway_holds_credits_for_ever(stage: Stage) -> None:
    """A create that is always refused for its haste is given up after the deadline."""
    stage.provider.submits = [errors.Throttled(retry_after=86400.0)]
    task = await stage.order()
    await stage.run(3 * HOUR)
    assert (await stage.task(task)).state is State.FAILED
    assert await stage.spent() == 0


async def test_a_dead_provider_is_chosen_for_ever(stage: Stage) -> None:
    """Where two serve a model, what the first certainly did not accept goes to the second."""
    dead, good = ScriptedProvider(stage.folder), ScriptedProvider(stage.folder, key="other")
    dead.submits = [errors.Unreachable()]
    stage.use_all({"dead": dead, "good": good})
    task = await stage.order()
    await stage.run(60)
    found = await stage.task(task)
    assert (found.state, found.provider) == (State.DONE, "good")
    assert good.count("submit") == 1


async def test_a_forbidden_link_is_not_asked_for_anew(stage: Stage) -> None:
    """A signed link that answers 403 has expired: a fresh look brings a fresh one."""
    stage.provider.polls = [Finished("https://a/1"), Finished("https://a/2")]
    stage.provider.downloads = [errors.Misconfigured("HTTP 403"), MP4]
    task = await stage.order()
    await stage.run(120)
    assert (await stage.task(task)).state is State.DONE
    assert stage.provider.count("poll") == 2


async def test_an_outage_during_the_search_ends_in_review(stage: Stage) -> None:
    """Not to have been able to look proves nothing: the search waits for the gateway."""
    stage.use(ScriptedProvider(stage.folder, find=Finding.PRESENCE))
    stage.provider.submits = [errors.Unanswered()]
    stage.provider.finds = [*[errors.Unreachable()] * 40, Job("job-9")]
    task = await stage.order()
    await stage.run(6 * HOUR)
    assert (await stage.task(task)).state is State.DONE


async def test_a_repeat_by_an_admin_is_not_marked(stage: Stage) -> None:
    """A result that may stand there already goes on saying so, whoever sends it again."""
    stage.chat.deliveries = [DeliveryUnclear(), DeliveryUnclear(), None]
    task = await stage.order()
    await stage.run(HOUR)
    found = await stage.task(task)
    assert found.state is State.UNDELIVERED

    def again(tx: Tx) -> None:
        now = stage.clock.now()
        assert lifecycle.move(tx, found, State.DELIVERING, now)
        deliveries.renew(tx, task.id, task.place)

    await stage.database.transact(again)
    await stage.run(60)
    assert stage.chat.posted_texts[0].startswith("(repeated)")


async def test_words_that_a_database_refuses_hang_a_task(stage: Stage) -> None:
    """Half characters and NUL in a gateway's words are stored as something harmless."""
    stage.provider.polls = [Failed(FailureKind.UPSTREAM, "a\ud800b\x00c")]
    task = await stage.order()
    await stage.run(60)
    assert (await stage.task(task)).raw == "a?b?c"


async def test_a_dead_workers_task_is_taken_over_too_early_or_never(stage: Stage) -> None:
    """What a dead worker held is taken up when its lease ends; it was not sent, so now it is."""
    stage.world = replace(stage.world, limits=Limits(lease=30))
    task = await stage.order()
    dead = stage.worker
    claimed = (await stage.database.transact(dead.claim())).steps
    assert [one.id for one, _ in claimed] == [task.id]
    stage.restart()
    await stage.run(29)
    assert (await stage.task(task)).state is State.SUBMITTING
    await stage.run(60)
    assert (await stage.task(task)).state is State.DONE
    assert stage.provider.count("submit") == 1
