"""Looks at many jobs at once: far fewer requests, no job seen later, none lost to a bad list."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from random import Random
from statistics import fmean, quantiles

import pytest

from bot.catalog.job_durations import Durations
from bot.domain.tasks import State
from bot.store import tasks
from providers import errors
from providers.types import LISTED, Capabilities, Finished, Job, Pending, Progress, VideoRequest
from tests.fakes.engine.harness import Stage
from tests.fakes.engine.scripted import ScriptedProvider
from tests.support.fake_clock import FakeClock

JOBS = 1000


class Farm(ScriptedProvider):
    """A gateway whose jobs take their time, and whose requests are counted."""

    def __init__(self, stage: Stage, *, batch: bool) -> None:
        super().__init__(stage.folder, max_concurrent=2 * JOBS)
        self.capabilities = Capabilities(batch=batch)
        self.clock: FakeClock = stage.clock
        self.chance = Random(7)
        self.over: dict[str, float] = {}
        """Job -> when it is over, in the order of the creates."""
        self.requests = 0
        self.hidden: set[str] = set()
        """Jobs that the list does not show."""
        self.list_fails = False

    async def submit(self, request: VideoRequest) -> Job:
        job = f"job-{request.key}"
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
            raise errors.Upstream("no list today")
        wanted = set(remote_ids)
        found: dict[str, Progress] = {}
        newest = list(reversed(self.over))
        for start in range(0, len(newest), LISTED):
            self.requests += 1
            page = newest[start : start + LISTED]
            found |= {one: self._seen(one) for one in page if one in wanted - self.hidden}
            if found.keys() == wanted:
                break
        return found


async def crowd(stage: Stage, farm: Farm, jobs: int = JOBS) -> list[float]:
    """So many jobs within a minute and a half; how much later than it was over each was seen."""
    stage.world = replace(stage.world, durations=Durations())
    stage.use(farm)
    await stage.register()
    for number in range(jobs):
        await stage.order(f"console:{number}")
        if number % 20 == 19:
            await stage.run(1.5)
    await stage.run(900)
    listed = await stage.database.read(lambda tx: tasks.in_state(tx, State.DONE, 4 * jobs))
    done = [task for task in listed if task.remote_id in farm.over]
    assert len(done) == jobs
    return [(task.finished_at or 0.0) - farm.over[task.remote_id or ""] for task in done]


@pytest.mark.parametrize("dialect", ["sqlite"], indirect=True)
async def test_a_list_costs_more_than_it_spares_or_delays(stage: Stage) -> None:
    """A thousand jobs: at least ten times fewer requests than one by one, seen no later."""
    alone, together = Farm(stage, batch=False), Farm(stage, batch=True)
    late_alone = await crowd(stage, alone, jobs=JOBS // 5)
    late_together = await crowd(stage, together)
    # One by one, each job costs the same, however many there are.
    assert together.requests * 10 <= alone.requests * 5
    assert fmean(late_together) <= fmean(late_alone)
    assert quantiles(late_together, n=20)[-1] <= quantiles(late_alone, n=20)[-1]


async def test_a_job_that_a_list_hides_is_lost(stage: Stage) -> None:
    """What a list does not show is looked at by itself."""
    farm = Farm(stage, batch=True)
    stage.use(farm)
    hidden = [await stage.order(f"console:{number}") for number in range(40)][::5]
    farm.hidden = {f"job-{task.id}" for task in hidden}
    await stage.run(900)
    for task in hidden:
        assert (await stage.task(task)).state is State.DONE


async def test_a_list_that_fails_hides_all_jobs(stage: Stage) -> None:
    """Without its list a gateway is asked for each job; and not for the list again and again."""
    farm = Farm(stage, batch=True)
    farm.list_fails = True
    late = await crowd(stage, farm, jobs=60)
    assert max(late) < 60


async def test_a_few_jobs_are_asked_for_by_a_list(stage: Stage) -> None:
    """Where a list spares nothing, jobs are asked for one by one."""
    farm = Farm(stage, batch=True)
    stage.use(farm)
    task = await stage.order()
    farm.list_fails = True
    await stage.run(900)
    assert (await stage.task(task)).state is State.DONE


async def test_a_wish_to_stop_is_lost_in_a_crowd(stage: Stage) -> None:
    """A task that is to be stopped is looked at by itself, since a list cannot stop it."""
    farm = Farm(stage, batch=True)
    farm.capabilities = Capabilities(batch=True, cancel=True)
    stage.use(farm)
    ordered = [await stage.order(f"console:{number}") for number in range(40)]
    await stage.run(5)
    now = stage.clock.now()
    await stage.database.transact(lambda tx: tasks.ask_to_cancel(tx, ordered[7].id, now))
    await stage.run(5)
    assert (await stage.task(ordered[7])).state is State.CANCELLED
    await stage.run(900)
    assert (await stage.task(ordered[8])).state is State.DONE


async def test_a_batch_dies_with_its_worker(stage: Stage) -> None:
    """Jobs that a dead worker was looking at together fall due again when the lease ends."""
    farm = Farm(stage, batch=True)
    stage.use(farm)
    ordered = [await stage.order(f"console:{number}") for number in range(40)]
    await stage.settle()
    await stage.clock.advance(8)
    claimed = await stage.database.transact(stage.worker.claim())
    assert len(claimed.batches) == 1
    stage.restart()
    await stage.run(900)
    for task in ordered:
        assert (await stage.task(task)).state is State.DONE
