"""The worker: claims due tasks, executes their steps, and stores the outcomes.

The schedule is in the database; the worker holds no other state of a waiting task.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import structlog

from bot.domain.tasks import State, Task
from bot.engine import (
    batch_poll,
    deliver,
    fetch,
    notifications,
    poll,
    poll_schedule,
    recover,
    routing,
    submit,
)
from bot.engine import outcome as outcomes
from bot.engine.context import World
from bot.engine.outcome import Advance, Outcome, Snooze
from bot.store import notices, task_queue, tasks
from bot.store.database import DatabaseError, Tx

Step = Callable[[Task, World], Awaitable[Outcome]]


@dataclass(slots=True)
class Claimed:
    """The work claimed in one round."""

    steps: list[tuple[Task, Step]] = field(default_factory=list)
    batches: list[list[Task]] = field(default_factory=list)
    """Running tasks to poll together; each list belongs to one provider identity."""
    owed: list[tuple[str, State, int]] = field(default_factory=list)
    """Due notices: (task id, state, earlier attempts)."""

    def __bool__(self) -> bool:
        return bool(self.steps or self.batches or self.owed)


_log = structlog.get_logger(__name__)
_LONGEST_NAP = 1.0
"""Other processes can write due tasks without waking this one."""
_SHORTEST_NAP = 0.02
"""Tasks that fall due within this time are claimed together."""


@dataclass(frozen=True, slots=True)
class Lane:
    """A kind of step, and how many of them this worker runs at the same time."""

    state: State
    step: Step
    width: int
    """For DELIVERING, more than any platform sends at once: a result that waits for a rate limit
    must not block those behind it."""


LANES = (
    Lane(State.RUNNING, poll.poll, 500),
    Lane(State.SUBMITTING, recover.search, 20),
    Lane(State.FETCHING, fetch.fetch, 8),
    Lane(State.DELIVERING, deliver.deliver, 64),
)
_WIDTHS = {lane.state: lane.width for lane in LANES}
_SUBMITS = 50
_PATIENCE = 8
"""Attempts to store an outcome, over about a minute."""
_AFTER_A_FAULT = {
    State.RUNNING: State.REVIEW,
    State.SUBMITTING: State.REVIEW,
    State.FETCHING: State.FAILED,
    State.DELIVERING: State.UNDELIVERED,
}
_NOTICES = 16
_WORTH_IT = 0.5
"""Share of a batch that a list must contain; below it, jobs are polled alone for a while."""
_ALONE = 60.0


class Worker:
    """Runs the steps of all due tasks in this process."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.name = secrets.token_hex(4)
        self._wake = asyncio.Event()
        self._stopping = False
        self._asleep_until = 0.0
        self._claims = 0
        self._under_way: dict[asyncio.Task[None], tuple[State, str]] = {}
        self._batched_at: dict[str, float] = {}
        """Provider identity -> when a batch poll of its jobs was last considered."""
        self._busy: Counter[State] = Counter()
        """Running steps per pool."""

    def wake(self) -> None:
        """Look for due work now."""
        self._wake.set()

    async def run(self) -> None:
        """Work until `stop`; then wait for running steps, at most for the shutdown grace."""
        async with asyncio.TaskGroup() as group:
            heartbeat = group.create_task(self._heartbeat())
            try:
                while not self._stopping:
                    self._wake.clear()
                    if not await self.round():
                        await self._nap()
            finally:
                await self._let_end()
                heartbeat.cancel()

    def stop(self) -> None:
        """Stop claiming work."""
        self._stopping = True
        self._wake.set()

    # --- claiming ------------------------------------------------------------------------

    async def round(self) -> bool:
        """Claim due work and start its steps. False: nothing was due."""
        try:
            claimed = await self.world.database.transact(self.claim())
        except Exception:  # noqa: BLE001 - any error, try again in the next round
            # Nothing is lost while the database is unavailable: the tasks stay due.
            _log.exception("worker_claim_failed")
            await self.world.clock.sleep(_LONGEST_NAP)
            return False
        for task, step in claimed.steps:
            lane = State.QUEUED if step is submit.submit else task.state
            self._start(lane, task.lease or "", self.take(task, step))
        for batch in claimed.batches:
            self._start(State.RUNNING, batch[0].lease or "", self.take_batch(batch))
        for task_id, state, attempts in claimed.owed:
            self._start(state, "", notifications.tell(self.world, task_id, state, attempts))
        return bool(claimed)

    def claim(self) -> Callable[[Tx], Claimed]:
        """Build the transaction that claims due work, as far as each pool has free slots.

        It runs in the database's thread, so it reads the state of this worker beforehand.
        """
        world, now = self.world, self.world.clock.now()
        until = now + world.limits.lease
        self._claims += 1
        lease = f"{self.name}:{self._claims}"
        rooms = [(lane, lane.width - self._busy[lane.state]) for lane in LANES]
        submits = _SUBMITS - self._busy[State.QUEUED]
        front_ends = tuple(world.messengers)
        accounts = self._to_be_counted(now)

        def claim(tx: Tx) -> Claimed:
            claimed = Claimed()
            for number, account in enumerate(accounts):
                mine = f"{lease}:{number}"
                if batch := batch_poll.claim(
                    tx, account, now, world.limits.poll_minimum, mine, until
                ):
                    claimed.batches.append(batch)
            for lane, room in rooms:
                if room > 0:
                    # Only a process that runs the front-end of a task can deliver its result.
                    where = front_ends if lane.state is State.DELIVERING else None
                    due = task_queue.claim_due(tx, lane.state, room, now, lease, until, where)
                    claimed.steps += [(task, lane.step) for task in due]
            if submits > 0:
                assigned = routing.assign(tx, world, submits, now, lease, until)
                claimed.steps += [(task, submit.submit) for task in assigned]
            claimed.owed = notices.claim_notices(tx, _NOTICES, now, until, front_ends)
            return claimed

        return claim

    def _to_be_counted(self, now: float) -> list[str]:
        """Provider identities to consider for a batch poll, each at most once per poll interval."""
        listing = {
            provider.identity
            for name, provider in self.world.providers.items()
            if provider.capabilities.batch and name not in self.world.off
        }
        pause = self.world.limits.poll_minimum
        due = [one for one in sorted(listing) if now - self._batched_at.get(one, 0.0) >= pause]
        self._batched_at |= dict.fromkeys(due, now)
        return due

    async def _nap(self) -> None:
        """Sleep until something falls due or `wake` is called."""
        try:
            due = await self.world.database.read(self.next_due())
        except DatabaseError:
            # The next round logs the error.
            due = None
        now = self.world.clock.now()
        nap = _LONGEST_NAP if due is None else min(max(due - now, _SHORTEST_NAP), _LONGEST_NAP)
        self._asleep_until = now + nap
        sleep = asyncio.ensure_future(self.world.clock.sleep(nap))
        woken = asyncio.ensure_future(self._wake.wait())
        try:
            await asyncio.wait({sleep, woken}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            sleep.cancel()
            woken.cancel()

    def next_due(self) -> Callable[[Tx], float | None]:
        """Build the query for the next due time of the pools with free slots."""
        free = [lane.state for lane in LANES if self._busy[lane.state] < lane.width]
        front_ends = tuple(self.world.messengers)

        def next_due(tx: Tx) -> float | None:
            times = [
                task_queue.next_due(tx, state, front_ends if state is State.DELIVERING else None)
                for state in free
            ]
            times.append(notices.next_notice(tx, front_ends))
            return min((time for time in times if time is not None), default=None)

        return next_due

    async def quiet(self) -> None:
        """Wait until no step is running."""
        while self._under_way:
            await asyncio.wait(self._under_way)

    # --- steps ---------------------------------------------------------------------------

    def _start(self, state: State, lease: str, work: Awaitable[None]) -> None:
        running = asyncio.ensure_future(work)
        self._under_way[running] = (state, lease)
        self._busy[state] += 1
        running.add_done_callback(self._ended)

    def _ended(self, running: asyncio.Task[None]) -> None:
        state, _ = self._under_way.pop(running)
        if self._busy[state] >= _WIDTHS.get(state, _SUBMITS):
            self._wake.set()
        self._busy[state] -= 1
        if not running.cancelled() and (error := running.exception()) is not None:
            _log.error("worker_step_crashed", exc_info=error)

    async def take(self, task: Task, step: Step) -> None:
        """Execute a step of a task and store its outcome."""
        try:
            verdict = await step(task, self.world)
        except Exception as error:  # noqa: BLE001 - a bug in a step must not stop the worker
            _log.exception("worker_step_failed", task=task.id, state=task.state)
            verdict = self._after_a_fault(task, repr(error))
        await self._write(task, verdict)

    async def take_batch(self, batch: list[Task]) -> None:
        """Poll many jobs of one provider identity and store all outcomes."""
        now = self.world.clock.now()
        try:
            verdicts = await batch_poll.look(batch, self.world)
        except Exception:  # noqa: BLE001 - poll the jobs one by one instead
            _log.exception("batch_poll_crashed")
            verdicts = {}
        if len(verdicts) < len(batch) * _WORTH_IT:
            # The list fails or is full of other jobs: poll each job alone for a while.
            self._batched_at[batch[0].provider_identity or ""] = now + _ALONE
        async with asyncio.TaskGroup() as group:
            for task in batch:
                verdict = verdicts.get(task.id) or batch_poll.alone(task, now)
                group.create_task(self._write(task, verdict))

    def _after_a_fault(self, task: Task, raw: str) -> Outcome:
        """Unexpected exception: retry for 24 h, then move the task to review or its end state."""
        now = self.world.clock.now()
        if now - task.moved_at > poll_schedule.GIVE_UP and task.state in _AFTER_A_FAULT:
            return Advance(_AFTER_A_FAULT[task.state], reason="unknown", raw=raw)
        return Snooze(now + self.world.backoff(task.attempts), failed=True, raw=raw)

    async def _write(self, task: Task, verdict: Outcome) -> None:
        try:
            written = await self._written(task, verdict)
        except tasks.JobTaken as error:
            raw = f"another task has the job {error}"
            verdict = Advance(State.REVIEW, reason="create-unclear", raw=raw)
            written = await self._written(task, verdict)
        if not written:
            _log.info("worker_lease_lost", task=task.id, state=task.state)
            await self._keep_job(task, verdict)
            return
        due_at = verdict.until if isinstance(verdict, Snooze) else verdict.due_at
        if due_at is None or due_at < self._asleep_until:
            self._wake.set()
        _remember(self.world, task, verdict)
        await notifications.show(self.world, task, verdict)

    async def _written(self, task: Task, verdict: Outcome) -> bool:
        """Store an outcome, with retries while the database is unavailable.

        What a step did externally cannot be repeated, so its outcome must not be lost.
        """
        for patience in range(_PATIENCE):
            now = self.world.clock.now()
            try:
                return await self.world.database.transact(
                    lambda tx: outcomes.write(tx, task, verdict, now, self.name)  # noqa: B023 - run at once
                )
            except DatabaseError as error:
                _log.warning(
                    "outcome_write_retry",
                    task=task.id,
                    outcome=repr(verdict),
                    error=str(error),
                )
                await self.world.clock.sleep(min(2.0**patience, 10.0))
        _log.error("outcome_lost", task=task.id, outcome=repr(verdict))
        return False

    async def _keep_job(self, task: Task, verdict: Outcome) -> None:
        """Store the job id of a create whose response came after the lease had ended.

        The worker that took the task over is still looking the job up, or has moved the task to
        review; the known job id takes precedence over both.
        """
        if task.state is not State.SUBMITTING or not isinstance(verdict, Advance):
            return
        if verdict.to is not State.RUNNING:
            return

        def keep(tx: Tx) -> bool:
            now_is = tasks.get(tx, task.id)
            if now_is is None or now_is.submitted_at != verdict.changes["submitted_at"]:
                return False
            if now_is.state not in {State.SUBMITTING, State.REVIEW}:
                return now_is.remote_id == verdict.changes["remote_id"]
            return outcomes.write(tx, now_is, verdict, self.world.clock.now(), self.name)

        if not await self.world.database.transact(keep):
            remote_id = verdict.changes["remote_id"]
            _log.warning("orphaned_gateway_job", task=task.id, remote_id=remote_id)

    # --- staying alive and stopping ------------------------------------------------------

    async def _heartbeat(self) -> None:
        while True:
            await self.world.clock.sleep(self.world.limits.lease / 3)
            leases = {lease for _, lease in self._under_way.values() if lease}
            if leases:
                await self._extend(leases)

    async def _extend(self, leases: set[str]) -> None:
        until = self.world.clock.now() + self.world.limits.lease
        try:
            await self.world.database.transact(lambda tx: task_queue.extend(tx, leases, until))
        except Exception:  # noqa: BLE001 - try again with the next heartbeat
            # If the leases expire, other workers take the tasks; outcomes are guarded by the lease.
            _log.exception("worker_heartbeat_failed")

    async def _let_end(self) -> None:
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=self.world.limits.grace)
        for running in list(self._under_way):
            running.cancel()
        if self._under_way:
            await asyncio.wait(self._under_way)
        now = self.world.clock.now()
        try:
            await self.world.database.transact(lambda tx: task_queue.free(tx, f"{self.name}:", now))
        except DatabaseError:
            _log.exception("worker_leases_not_released")


def _remember(world: World, task: Task, verdict: Outcome) -> None:
    """Add the duration of a finished job to the statistics of this process."""
    if isinstance(verdict, Advance) and verdict.to is State.FETCHING and task.finished_at is None:
        now = world.clock.now()
        took = now - (task.submitted_at or task.moved_at)
        world.durations.add(task.provider or "", task.remote_model or "", task.order.seconds, took)
