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
from bot.engine.context import EngineContext
from bot.engine.outcome import Advance, Outcome, Snooze
from bot.store import notices, task_queue, tasks
from bot.store.database import DatabaseError, Tx

Step = Callable[[Task, EngineContext], Awaitable[Outcome]]


@dataclass(slots=True)
class ClaimedWork:
    """The work claimed in one round."""

    steps: list[tuple[Task, Step]] = field(default_factory=list)
    batches: list[list[Task]] = field(default_factory=list)
    """Running tasks to poll together; each list belongs to one provider identity."""
    notices: list[tuple[str, State, int]] = field(default_factory=list)
    """Due notices: (task id, state, earlier attempts)."""

    def __bool__(self) -> bool:
        return bool(self.steps or self.batches or self.notices)


_log = structlog.get_logger(__name__)
_MAX_SLEEP_S = 1.0
"""Other processes can write due tasks without waking this one."""
_MIN_SLEEP_S = 0.02
"""Tasks that fall due within this time are claimed together."""


@dataclass(frozen=True, slots=True)
class StepPool:
    """A kind of step, and how many of them this worker runs at the same time."""

    state: State
    step: Step
    size: int
    """For DELIVERING, more than any platform sends at once: a result that waits for a rate limit
    must not block those behind it."""


STEP_POOLS = (
    StepPool(State.RUNNING, poll.poll, 500),
    StepPool(State.SUBMITTING, recover.recover_lost_create, 20),
    StepPool(State.FETCHING, fetch.fetch, 8),
    StepPool(State.DELIVERING, deliver.deliver, 64),
)
_POOL_SIZES = {pool.state: pool.size for pool in STEP_POOLS}
_SUBMIT_POOL_SIZE = 50
_MAX_WRITE_ATTEMPTS = 8
"""Attempts to store an outcome, over about a minute."""
_STATE_AFTER_EXCEPTION = {
    State.RUNNING: State.REVIEW,
    State.SUBMITTING: State.REVIEW,
    State.FETCHING: State.FAILED,
    State.DELIVERING: State.UNDELIVERED,
}
_NOTICE_BATCH_SIZE = 16
_MIN_LISTED_SHARE = 0.5
"""Share of a batch that a list must contain; below it, jobs are polled alone for a while."""
_BATCH_PAUSE_S = 60.0


class Worker:
    """Runs the steps of all due tasks in this process."""

    def __init__(self, engine: EngineContext) -> None:
        self.engine = engine
        self.name = secrets.token_hex(4)
        self._wake_event = asyncio.Event()
        self._stopping = False
        self._sleeping_until = 0.0
        self._claim_count = 0
        self._running: dict[asyncio.Task[None], tuple[State, str]] = {}
        self._batch_checked_at: dict[str, float] = {}
        """Provider identity -> when a batch poll of its jobs was last considered."""
        self._running_count: Counter[State] = Counter()
        """Running steps per pool."""

    def wake(self) -> None:
        """Look for due work now."""
        self._wake_event.set()

    async def run(self) -> None:
        """Work until `stop`; then wait for running steps, at most for the shutdown grace."""
        async with asyncio.TaskGroup() as group:
            heartbeat = group.create_task(self._heartbeat())
            try:
                while not self._stopping:
                    self._wake_event.clear()
                    if not await self.run_once():
                        await self._sleep_until_due()
            finally:
                await self._drain()
                heartbeat.cancel()

    def stop(self) -> None:
        """Stop claiming work."""
        self._stopping = True
        self._wake_event.set()

    # --- claiming ------------------------------------------------------------------------

    async def run_once(self) -> bool:
        """Claim due work and start its steps. False: nothing was due."""
        try:
            claimed = await self.engine.database.transact(self.claim_transaction())
        except Exception:  # noqa: BLE001 - any error, try again in the next round
            # Nothing is lost while the database is unavailable: the tasks stay due.
            _log.exception("worker_claim_failed")
            await self.engine.clock.sleep(_MAX_SLEEP_S)
            return False
        for task, step in claimed.steps:
            pool_state = State.QUEUED if step is submit.submit else task.state
            self._start(pool_state, task.lease or "", self.execute(task, step))
        for batch in claimed.batches:
            self._start(State.RUNNING, batch[0].lease or "", self.execute_batch(batch))
        for task_id, state, attempts in claimed.notices:
            self._start(
                state, "", notifications.send_final_notice(self.engine, task_id, state, attempts)
            )
        return bool(claimed)

    def claim_transaction(self) -> Callable[[Tx], ClaimedWork]:
        """Build the transaction that claims due work, as far as each pool has free slots.

        It runs in the database's thread, so it reads the state of this worker beforehand.
        """
        engine, now = self.engine, self.engine.clock.now()
        lease_until = now + engine.limits.lease_s
        self._claim_count += 1
        lease = f"{self.name}:{self._claim_count}"
        pools = [(pool, pool.size - self._running_count[pool.state]) for pool in STEP_POOLS]
        free_submits = _SUBMIT_POOL_SIZE - self._running_count[State.QUEUED]
        front_ends = tuple(engine.messengers)
        identities = self._batch_candidates(now)

        def claim(tx: Tx) -> ClaimedWork:
            claimed = ClaimedWork()
            for number, identity in enumerate(identities):
                batch_lease = f"{lease}:{number}"
                if batch := batch_poll.claim(
                    tx, identity, now, engine.limits.min_poll_interval_s, batch_lease, lease_until
                ):
                    claimed.batches.append(batch)
            for pool, free_slots in pools:
                if free_slots > 0:
                    # Only a process that runs the front-end of a task can deliver its result.
                    only_front_ends = front_ends if pool.state is State.DELIVERING else None
                    due = task_queue.claim_due(
                        tx, pool.state, free_slots, now, lease, lease_until, only_front_ends
                    )
                    claimed.steps += [(task, pool.step) for task in due]
            if free_submits > 0:
                assigned = routing.assign_queued_tasks(
                    tx, engine, free_submits, now, lease, lease_until
                )
                claimed.steps += [(task, submit.submit) for task in assigned]
            claimed.notices = notices.claim(tx, _NOTICE_BATCH_SIZE, now, lease_until, front_ends)
            return claimed

        return claim

    def _batch_candidates(self, now: float) -> list[str]:
        """Provider identities to consider for a batch poll, each at most once per poll interval."""
        identities = {
            provider.identity
            for name, provider in self.engine.providers.items()
            if provider.capabilities.batch_poll and name not in self.engine.disabled_providers
        }
        poll_interval = self.engine.limits.min_poll_interval_s
        due = [
            identity
            for identity in sorted(identities)
            if now - self._batch_checked_at.get(identity, 0.0) >= poll_interval
        ]
        self._batch_checked_at |= dict.fromkeys(due, now)
        return due

    async def _sleep_until_due(self) -> None:
        """Sleep until something falls due or `wake` is called."""
        try:
            due_at = await self.engine.database.read(self.next_due_query())
        except DatabaseError:
            # The next round logs the error.
            due_at = None
        now = self.engine.clock.now()
        delay = (
            _MAX_SLEEP_S if due_at is None else min(max(due_at - now, _MIN_SLEEP_S), _MAX_SLEEP_S)
        )
        self._sleeping_until = now + delay
        sleeping = asyncio.ensure_future(self.engine.clock.sleep(delay))
        waking = asyncio.ensure_future(self._wake_event.wait())
        try:
            await asyncio.wait({sleeping, waking}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            sleeping.cancel()
            waking.cancel()

    def next_due_query(self) -> Callable[[Tx], float | None]:
        """Build the query for the next due time of the pools with free slots."""
        free_states = [
            pool.state for pool in STEP_POOLS if self._running_count[pool.state] < pool.size
        ]
        front_ends = tuple(self.engine.messengers)

        def next_due(tx: Tx) -> float | None:
            times = [
                task_queue.next_due_at(tx, state, front_ends if state is State.DELIVERING else None)
                for state in free_states
            ]
            times.append(notices.next_due_at(tx, front_ends))
            return min((time for time in times if time is not None), default=None)

        return next_due

    async def wait_idle(self) -> None:
        """Wait until no step is running."""
        while self._running:
            await asyncio.wait(self._running)

    # --- steps ---------------------------------------------------------------------------

    def _start(self, state: State, lease: str, step: Awaitable[None]) -> None:
        step_task = asyncio.ensure_future(step)
        self._running[step_task] = (state, lease)
        self._running_count[state] += 1
        step_task.add_done_callback(self._on_step_done)

    def _on_step_done(self, step_task: asyncio.Task[None]) -> None:
        state, _ = self._running.pop(step_task)
        if self._running_count[state] >= _POOL_SIZES.get(state, _SUBMIT_POOL_SIZE):
            self._wake_event.set()
        self._running_count[state] -= 1
        if not step_task.cancelled() and (error := step_task.exception()) is not None:
            _log.error("worker_step_crashed", exc_info=error)

    async def execute(self, task: Task, step: Step) -> None:
        """Execute a step of a task and store its outcome."""
        try:
            outcome = await step(task, self.engine)
        except Exception as error:  # noqa: BLE001 - a bug in a step must not stop the worker
            _log.exception("worker_step_failed", task=task.id, state=task.state)
            outcome = self._outcome_for_exception(task, repr(error))
        await self._apply_outcome(task, outcome)

    async def execute_batch(self, batch: list[Task]) -> None:
        """Poll many jobs of one provider identity and store all outcomes."""
        now = self.engine.clock.now()
        try:
            outcome_by_task = await batch_poll.poll_batch(batch, self.engine)
        except Exception:  # noqa: BLE001 - poll the jobs one by one instead
            _log.exception("batch_poll_crashed")
            outcome_by_task = {}
        if len(outcome_by_task) < len(batch) * _MIN_LISTED_SHARE:
            # The list fails or is full of other jobs: poll each job alone for a while.
            self._batch_checked_at[batch[0].provider_identity or ""] = now + _BATCH_PAUSE_S
        async with asyncio.TaskGroup() as group:
            for task in batch:
                outcome = outcome_by_task.get(task.id) or batch_poll.poll_individually(task, now)
                group.create_task(self._apply_outcome(task, outcome))

    def _outcome_for_exception(self, task: Task, provider_message: str) -> Outcome:
        """Unexpected exception: retry for 24 h, then move the task to review or its end state."""
        now = self.engine.clock.now()
        if (
            now - task.state_since > poll_schedule.GIVE_UP_AFTER_S
            and task.state in _STATE_AFTER_EXCEPTION
        ):
            return Advance(
                _STATE_AFTER_EXCEPTION[task.state],
                reason="unknown",
                provider_message=provider_message,
            )
        return Snooze(
            now + self.engine.backoff(task.attempts), failed=True, provider_message=provider_message
        )

    async def _apply_outcome(self, task: Task, outcome: Outcome) -> None:
        try:
            is_written = await self._write_with_retries(task, outcome)
        except tasks.JobAlreadyAssigned as error:
            message = f"another task has the job {error}"
            outcome = Advance(State.REVIEW, reason="create-unclear", provider_message=message)
            is_written = await self._write_with_retries(task, outcome)
        if not is_written:
            _log.info("worker_lease_lost", task=task.id, state=task.state)
            await self._attach_late_job(task, outcome)
            return
        due_at = outcome.until if isinstance(outcome, Snooze) else outcome.due_at
        if due_at is None or due_at < self._sleeping_until:
            self._wake_event.set()
        _record_duration(self.engine, task, outcome)
        await notifications.update_status(self.engine, task, outcome)

    async def _write_with_retries(self, task: Task, outcome: Outcome) -> bool:
        """Store an outcome, with retries while the database is unavailable.

        What a step did externally cannot be repeated, so its outcome must not be lost.
        """
        for attempt in range(_MAX_WRITE_ATTEMPTS):
            now = self.engine.clock.now()
            try:
                return await self.engine.database.transact(
                    lambda tx: outcomes.write(tx, task, outcome, now, self.name)  # noqa: B023 - run at once
                )
            except DatabaseError as error:
                _log.warning(
                    "outcome_write_retry",
                    task=task.id,
                    outcome=repr(outcome),
                    error=str(error),
                )
                await self.engine.clock.sleep(min(2.0**attempt, 10.0))
        _log.error("outcome_lost", task=task.id, outcome=repr(outcome))
        return False

    async def _attach_late_job(self, task: Task, outcome: Outcome) -> None:
        """Store the job id of a create whose response came after the lease had ended.

        The worker that took the task over is still looking the job up, or has moved the task to
        review; the known job id takes precedence over both.
        """
        if task.state is not State.SUBMITTING or not isinstance(outcome, Advance):
            return
        if outcome.to_state is not State.RUNNING:
            return

        def attach(tx: Tx) -> bool:
            current = tasks.get(tx, task.id)
            if current is None or current.submitted_at != outcome.changes["submitted_at"]:
                return False
            if current.state not in {State.SUBMITTING, State.REVIEW}:
                return current.remote_id == outcome.changes["remote_id"]
            return outcomes.write(tx, current, outcome, self.engine.clock.now(), self.name)

        if not await self.engine.database.transact(attach):
            remote_id = outcome.changes["remote_id"]
            _log.warning("orphaned_gateway_job", task=task.id, remote_id=remote_id)

    # --- staying alive and stopping ------------------------------------------------------

    async def _heartbeat(self) -> None:
        while True:
            await self.engine.clock.sleep(self.engine.limits.lease_s / 3)
            leases = {lease for _, lease in self._running.values() if lease}
            if leases:
                await self._extend_leases(leases)

    async def _extend_leases(self, leases: set[str]) -> None:
        lease_until = self.engine.clock.now() + self.engine.limits.lease_s
        try:
            await self.engine.database.transact(
                lambda tx: task_queue.extend_leases(tx, leases, lease_until)
            )
        except Exception:  # noqa: BLE001 - try again with the next heartbeat
            # If the leases expire, other workers take the tasks; outcomes are guarded by the lease.
            _log.exception("worker_heartbeat_failed")

    async def _drain(self) -> None:
        if self._running:
            await asyncio.wait(self._running, timeout=self.engine.limits.shutdown_grace_s)
        for step_task in list(self._running):
            step_task.cancel()
        if self._running:
            await asyncio.wait(self._running)
        now = self.engine.clock.now()
        try:
            await self.engine.database.transact(
                lambda tx: task_queue.release_leases(tx, f"{self.name}:", now)
            )
        except DatabaseError:
            _log.exception("worker_leases_not_released")


def _record_duration(engine: EngineContext, task: Task, outcome: Outcome) -> None:
    """Add the duration of a finished job to the statistics of this process."""
    if (
        isinstance(outcome, Advance)
        and outcome.to_state is State.FETCHING
        and task.finished_at is None
    ):
        now = engine.clock.now()
        elapsed = now - (task.submitted_at or task.state_since)
        engine.duration_stats.add(
            task.provider or "", task.remote_model or "", task.order.seconds, elapsed
        )
