"""Polling many jobs by list: far fewer requests, no later detection, no job lost to a bad list."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from random import Random
from statistics import fmean, quantiles

import pytest

from bot.catalog.job_durations import DurationStats
from bot.domain.tasks import State
from bot.store import tasks
from providers import errors
from providers.types import (
    MAX_LISTED_JOBS,
    Capabilities,
    Finished,
    Job,
    Pending,
    Progress,
    VideoRequest,
)
from tests.fakes.engine.harness import EngineHarness
from tests.fakes.engine.scripted import ScriptedProvider
from tests.support.fake_clock import FakeClock
from tests.unit.bot.engine.conftest import BOTH_DATABASES

INDIVIDUAL_JOBS = 50
"""Jobs that are polled one by one; each costs the same, however many there are."""


class Farm(ScriptedProvider):
    """A gateway whose jobs take their time, and whose requests are counted."""

    def __init__(self, stage: EngineHarness, *, batch: bool) -> None:
        super().__init__(stage.folder, max_concurrent=2000)
        self.capabilities = Capabilities(batch_poll=batch)
        self.clock: FakeClock = stage.clock
        self.chance = Random(7)
        self.over: dict[str, float] = {}
        """Job -> when it is over, in the order of the creates."""
        self.requests = 0
        self.hidden: set[str] = set()
        """Jobs that the list does not show."""
        self.list_fails = False

    async def submit(self, request: VideoRequest) -> Job:
        job = f"job-{request.idempotency_key}"
        self.over[job] = self.clock.now() + self.chance.lognormvariate(4.6, 0.4)
        return Job(job)

    def _seen(self, job: str) -> Progress:
        done = self.clock.now() >= self.over[job]
        return Finished() if done else Pending(running=True)

    async def poll(self, remote_id: str) -> Progress:
        self.requests += 1
        return self._seen(remote_id)

    async def poll_many(self, remote_ids: Collection[str], since: float) -> dict[str, Progress]:
        if self.list_fails:
            self.requests += 1
            raise errors.UpstreamError("no list today")
        wanted = set(remote_ids)
        found: dict[str, Progress] = {}
        newest = list(reversed(self.over))
        for start in range(0, len(newest), MAX_LISTED_JOBS):
            self.requests += 1
            page = newest[start : start + MAX_LISTED_JOBS]
            found |= {one: self._seen(one) for one in page if one in wanted - self.hidden}
            if found.keys() == wanted:
                break
        return found


async def crowd(stage: EngineHarness, farm: Farm, jobs: int) -> list[float]:
    """Run this many jobs within 90 s; return the delay between the end of each and its poll."""
    stage.engine = replace(stage.engine, duration_stats=DurationStats())
    stage.use_provider(farm)
    await stage.register_providers()
    for number in range(jobs):
        await stage.accept_task(f"console:{number}")
        if number % 20 == 19:
            await stage.run_for(1.5)
    await stage.run_for(900)
    listed = await stage.database.read(lambda tx: tasks.in_state(tx, State.DONE, 4 * jobs))
    done = [task for task in listed if task.remote_id in farm.over]
    assert len(done) == jobs
    return [(task.finished_at or 0.0) - farm.over[task.remote_id or ""] for task in done]


@pytest.mark.parametrize("dialect", ["sqlite"], indirect=True)
@pytest.mark.timeout(1200)
@pytest.mark.parametrize(
    ("jobs", "fewer"), [(200, 6), pytest.param(1000, 10, marks=pytest.mark.long)]
)
async def test_list_polling_needs_far_fewer_requests_without_delay(
    harness: EngineHarness, jobs: int, fewer: int
) -> None:
    """A list needs at least `fewer` times fewer requests than single polls, with no delay."""
    alone, together = Farm(harness, batch=False), Farm(harness, batch=True)
    late_alone = await crowd(harness, alone, INDIVIDUAL_JOBS)
    late_together = await crowd(harness, together, jobs)
    assert together.requests * fewer <= alone.requests * jobs / INDIVIDUAL_JOBS
    assert fmean(late_together) <= fmean(late_alone)
    assert quantiles(late_together, n=20)[-1] <= quantiles(late_alone, n=20)[-1]


async def test_job_missing_from_list_is_polled_individually(harness: EngineHarness) -> None:
    """A job that the list does not contain is polled by its id."""
    farm = Farm(harness, batch=True)
    harness.use_provider(farm)
    hidden = [await harness.accept_task(f"console:{number}") for number in range(40)][::5]
    farm.hidden = {f"job-{task.id}" for task in hidden}
    await harness.run_for(900)
    for task in hidden:
        assert (await harness.task(task)).state is State.DONE


async def test_jobs_are_polled_individually_while_list_fails(harness: EngineHarness) -> None:
    """A failing list is not requested again and again; each job is polled by its id."""
    farm = Farm(harness, batch=True)
    farm.list_fails = True
    late = await crowd(harness, farm, jobs=60)
    assert max(late) < 60


async def test_few_jobs_are_polled_without_a_list(harness: EngineHarness) -> None:
    """Where a list saves nothing, jobs are polled one by one."""
    farm = Farm(harness, batch=True)
    harness.use_provider(farm)
    task = await harness.accept_task()
    farm.list_fails = True
    await harness.run_for(900)
    assert (await harness.task(task)).state is State.DONE


@BOTH_DATABASES
async def test_task_to_cancel_is_polled_individually(harness: EngineHarness) -> None:
    """A list cannot cancel a job, so a task to be cancelled is polled by itself."""
    farm = Farm(harness, batch=True)
    farm.capabilities = Capabilities(batch_poll=True, cancel=True)
    harness.use_provider(farm)
    ordered = [await harness.accept_task(f"console:{number}") for number in range(40)]
    await harness.run_for(5)
    now = harness.clock.now()
    await harness.database.transact(lambda tx: tasks.request_cancel(tx, ordered[7].id, now))
    await harness.run_for(5)
    assert (await harness.task(ordered[7])).state is State.CANCELLED
    await harness.run_for(900)
    assert (await harness.task(ordered[8])).state is State.DONE


@BOTH_DATABASES
async def test_batch_of_dead_worker_falls_due_when_its_lease_ends(harness: EngineHarness) -> None:
    """Jobs in the batch of a dead worker are due again when its lease ends."""
    farm = Farm(harness, batch=True)
    harness.use_provider(farm)
    ordered = [await harness.accept_task(f"console:{number}") for number in range(40)]
    await harness.run_due_steps()
    await harness.clock.advance(8)
    claimed = await harness.database.transact(harness.worker.claim_transaction())
    assert len(claimed.batches) == 1
    harness.restart()
    await harness.run_for(900)
    for task in ordered:
        assert (await harness.task(task)).state is State.DONE
