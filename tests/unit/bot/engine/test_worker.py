"""The worker: leases, and a task from its request to its video."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

import pytest
from sqlalchemy import func, select
from structlog.testing import capture_logs

from bot.domain.tasks import Destination, State
from bot.engine import deliver
from bot.engine.context import EngineLimits
from bot.store import task_queue
from bot.store.schema import entries
from providers import errors
from providers.types import Failed, FailureKind, JobLookup
from tests.fakes.engine.harness import EngineHarness
from tests.fakes.engine.scripted import ScriptedFrontEnd, ScriptedProvider
from tests.unit.bot.engine.conftest import BOTH_DATABASES

HOUR = 3600.0


@BOTH_DATABASES
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


@BOTH_DATABASES
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


@BOTH_DATABASES
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


@BOTH_DATABASES
async def test_unstorable_characters_are_replaced(harness: EngineHarness) -> None:
    """Lone surrogates and NUL in provider text are stored as something harmless."""
    harness.provider.polls = [Failed(FailureKind.UPSTREAM, "a\ud800b\x00c")]
    task = await harness.accept_task()
    await harness.run_for(60)
    assert (await harness.task(task)).provider_message == "a?b?c"


@BOTH_DATABASES
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


DAY_S = 86400.0


async def charged(harness: EngineHarness) -> int:
    """Credits of all settled holds."""
    query = select(func.sum(-entries.c.held)).where(entries.c.kind == "settle")
    return await harness.database.read(lambda tx: tx.execute(query).scalar()) or 0


def break_poll(harness: EngineHarness) -> None:
    harness.provider.polls = [ZeroDivisionError()]


def break_lookup(harness: EngineHarness) -> None:
    harness.use_provider(ScriptedProvider(harness.folder, find=JobLookup.BEST_EFFORT))
    harness.provider.submits = [errors.Unanswered()]
    harness.provider.finds = [ZeroDivisionError()]


def break_download(harness: EngineHarness) -> None:
    harness.provider.downloads = [ZeroDivisionError()]


class BrokenFrontEnd(ScriptedFrontEnd):
    """A front-end with a bug."""

    def max_video_bytes(self, destination: Destination) -> int | None:
        raise ZeroDivisionError


def break_delivery(harness: EngineHarness) -> None:
    harness.engine = replace(harness.engine, messengers={"console": BrokenFrontEnd()})
    harness.restart()


@pytest.mark.parametrize(
    ("break_step", "state", "end", "held", "charge"),
    [
        (break_poll, State.RUNNING, State.REVIEW, 4, 0),
        (break_lookup, State.SUBMITTING, State.REVIEW, 4, 0),
        (break_download, State.FETCHING, State.FAILED, 0, 0),
        (break_delivery, State.DELIVERING, State.UNDELIVERED, 0, 4),
    ],
)
async def test_step_that_always_raises_is_retried_for_a_day_only(
    harness: EngineHarness,
    break_step: Callable[[EngineHarness], None],
    state: State,
    end: State,
    held: int,
    charge: int,
) -> None:
    """Then the task leaves its state, and its credits are what that state says."""
    break_step(harness)
    task = await harness.accept_task()
    # Captured, because rendering the tracebacks takes long.
    with capture_logs() as logs:
        await harness.run_for(600)
        await harness.clock.advance(DAY_S - 700)
        await harness.run_due_steps()
        assert (await harness.task(task)).state is state
        await harness.clock.advance(300)
        await harness.run_due_steps()
    assert {entry["event"] for entry in logs} >= {"worker_step_failed"}
    ended = await harness.task(task)
    assert (ended.state, ended.reason) == (end, "unknown")
    assert "ZeroDivisionError" in (ended.provider_message or "")
    assert await harness.held() == held
    assert await charged(harness) == charge
