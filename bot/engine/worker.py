"""The worker: claims what is due, takes the step, writes the outcome down.

The database is the schedule; nothing about a waiting task lives only here.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import structlog

from bot.engine import batches, creating, delivering, notices, rescue, routing, steps
from bot.engine import outcome as outcomes
from bot.engine.outcome import Advance, Outcome, Snooze
from bot.engine.world import World
from bot.model import State, Task
from bot.store import claims, deliveries, tasks
from bot.store.database import DatabaseError, Tx

Step = Callable[[Task, World], Awaitable[Outcome]]


@dataclass(slots=True)
class Claimed:
    """What a round has taken upon itself."""

    steps: list[tuple[Task, Step]] = field(default_factory=list)
    batches: list[list[Task]] = field(default_factory=list)
    """Running tasks of one account each, to be looked at together."""
    owed: list[tuple[str, State, int]] = field(default_factory=list)
    """Notices."""

    def __bool__(self) -> bool:
        return bool(self.steps or self.batches or self.owed)


_log = structlog.get_logger(__name__)
_LONGEST_NAP = 1.0
"""Another process may have written something that this one is not woken for."""
_SHORTEST_NAP = 0.02
"""What falls due in the meantime is claimed together."""


@dataclass(frozen=True, slots=True)
class Lane:
    """Steps of one kind, and how many of them may be under way in this worker."""

    state: State
    step: Step
    width: int
    """Of results more than a platform lets go at once: those in the database are overtaken."""


LANES = (
    Lane(State.RUNNING, steps.poll, 500),
    Lane(State.SUBMITTING, rescue.search, 20),
    Lane(State.FETCHING, steps.fetch, 8),
    Lane(State.DELIVERING, delivering.deliver, 64),
)
_WIDTHS = {lane.state: lane.width for lane in LANES}
_SUBMITS = 50
_PATIENCE = 8
"""Tries to write an outcome down, about a minute in all."""
_AFTER_A_FAULT = {
    State.RUNNING: State.REVIEW,
    State.SUBMITTING: State.REVIEW,
    State.FETCHING: State.FAILED,
    State.DELIVERING: State.UNDELIVERED,
}
_NOTICES = 16
_WORTH_IT = 0.5
"""The share of a batch that a list has to show."""
_ALONE = 60.0
"""Seconds."""


class Worker:
    """One worker of this process."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.name = secrets.token_hex(4)
        self._wake = asyncio.Event()
        self._stopping = False
        self._asleep_until = 0.0
        self._claims = 0
        self._under_way: dict[asyncio.Task[None], tuple[State, str]] = {}
        self._batched_at: dict[str, float] = {}
        """Account -> when its jobs were last counted, to be looked at together or not."""
        self._busy: Counter[State] = Counter()
        """How many steps of each kind are under way."""

    def wake(self) -> None:
        """There may be something to do."""
        self._wake.set()

    async def run(self) -> None:
        """Work until `stop`; then let the steps under way end, within the grace."""
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
        """Claim nothing more."""
        self._stopping = True
        self._wake.set()

    # --- claiming ------------------------------------------------------------------------

    async def round(self) -> bool:
        """Claim what is due and start its steps. Whether there was anything."""
        try:
            claimed = await self.world.database.transact(self.claim())
        except Exception:  # noqa: BLE001 - whatever it is, the next round may go better
            # Nothing is lost by a database that is away: the tasks stay due.
            _log.exception("claim_failed")
            await self.world.clock.sleep(_LONGEST_NAP)
            return False
        for task, step in claimed.steps:
            lane = State.QUEUED if step is creating.submit else task.state
            self._start(lane, task.lease or "", self.take(task, step))
        for batch in claimed.batches:
            self._start(State.RUNNING, batch[0].lease or "", self.take_batch(batch))
        for task_id, state, attempts in claimed.owed:
            self._start(state, "", notices.tell(self.world, task_id, state, attempts))
        return bool(claimed)

    def claim(self) -> Callable[[Tx], Claimed]:
        """The transaction that takes what is due, as far as each lane has room.

        It runs in the database's thread, so what it needs of this worker is looked at before.
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
                if batch := batches.claim(tx, account, now, world.limits.poll_minimum, mine, until):
                    claimed.batches.append(batch)
            for lane, room in rooms:
                if room > 0:
                    # Only a process with the task's own front-end can post its result.
                    where = front_ends if lane.state is State.DELIVERING else None
                    due = claims.claim_due(tx, lane.state, room, now, lease, until, where)
                    claimed.steps += [(task, lane.step) for task in due]
            if submits > 0:
                assigned = routing.assign(tx, world, submits, now, lease, until)
                claimed.steps += [(task, creating.submit) for task in assigned]
            claimed.owed = deliveries.claim_notices(tx, _NOTICES, now, until, front_ends)
            return claimed

        return claim

    def _to_be_counted(self, now: float) -> list[str]:
        """The accounts whose jobs may be worth a look together, each now and then."""
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
        """Sleep until something falls due or somebody wakes us."""
        try:
            due = await self.world.database.read(self.next_due())
        except DatabaseError:
            # The next round tells it, and naps itself.
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
        """The reading that tells when something falls due for which a lane has room."""
        free = [lane.state for lane in LANES if self._busy[lane.state] < lane.width]
        front_ends = tuple(self.world.messengers)

        def next_due(tx: Tx) -> float | None:
            times = [
                claims.next_due(tx, state, front_ends if state is State.DELIVERING else None)
                for state in free
            ]
            times.append(deliveries.next_notice(tx, front_ends))
            return min((time for time in times if time is not None), default=None)

        return next_due

    async def quiet(self) -> None:
        """Return when no step is under way."""
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
            _log.error("step_crashed", exc_info=error)

    async def take(self, task: Task, step: Step) -> None:
        """One step of one task, and its outcome written down."""
        try:
            verdict = await step(task, self.world)
        except Exception as error:  # noqa: BLE001 - a fault of ours must not stop the worker
            _log.exception("step_failed", task=task.id, state=task.state)
            verdict = self._after_a_fault(task, repr(error))
        await self._write(task, verdict)

    async def take_batch(self, batch: list[Task]) -> None:
        """One look at many jobs of one account, and every outcome written down."""
        now = self.world.clock.now()
        try:
            verdicts = await batches.look(batch, self.world)
        except Exception:  # noqa: BLE001 - a fault of ours must not hold up so many
            _log.exception("batch_failed")
            verdicts = {}
        if len(verdicts) < len(batch) * _WORTH_IT:
            # The list fails, or others fill it: for a while each job is looked at alone.
            self._batched_at[batch[0].provider_identity or ""] = now + _ALONE
        async with asyncio.TaskGroup() as group:
            for task in batch:
                verdict = verdicts.get(task.id) or batches.alone(task, now)
                group.create_task(self._write(task, verdict))

    def _after_a_fault(self, task: Task, raw: str) -> Outcome:
        """A fault of ours: again for a day, then somebody has to look at it."""
        now = self.world.clock.now()
        if now - task.moved_at > steps.GIVE_UP and task.state in _AFTER_A_FAULT:
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
            _log.info("task_was_taken_over", task=task.id, state=task.state)
            await self._keep_job(task, verdict)
            return
        due_at = verdict.until if isinstance(verdict, Snooze) else verdict.due_at
        if due_at is None or due_at < self._asleep_until:
            self._wake.set()
        _remember(self.world, task, verdict)
        await notices.show(self.world, task, verdict)

    async def _written(self, task: Task, verdict: Outcome) -> bool:
        """Write an outcome down, also when the database is away for a while.

        What a step did outside cannot be done again: its outcome is worth waiting for.
        """
        for patience in range(_PATIENCE):
            now = self.world.clock.now()
            try:
                return await self.world.database.transact(
                    lambda tx: outcomes.write(tx, task, verdict, now, self.name)  # noqa: B023 - run at once
                )
            except DatabaseError as error:
                _log.warning("outcome_waits", task=task.id, verdict=repr(verdict), why=str(error))
                await self.world.clock.sleep(min(2.0**patience, 10.0))
        _log.error("outcome_lost", task=task.id, verdict=repr(verdict))
        return False

    async def _keep_job(self, task: Task, verdict: Outcome) -> None:
        """The answer to a create came after the lease had ended: its job must not be forgotten.

        Whoever took the task over is only searching for it, or has given up and left it to an
        admin; what we know for certain goes before that.
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
            _log.warning("job_without_a_task", task=task.id, job=verdict.changes["remote_id"])

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
            await self.world.database.transact(lambda tx: claims.extend(tx, leases, until))
        except Exception:  # noqa: BLE001 - the next beat may go better
            # Others may take the tasks over; our outcomes are guarded by the lease.
            _log.exception("heartbeat_failed")

    async def _let_end(self) -> None:
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=self.world.limits.grace)
        for running in list(self._under_way):
            running.cancel()
        if self._under_way:
            await asyncio.wait(self._under_way)
        now = self.world.clock.now()
        try:
            await self.world.database.transact(lambda tx: claims.free(tx, f"{self.name}:", now))
        except DatabaseError:
            _log.exception("leases_left")


def _remember(world: World, task: Task, verdict: Outcome) -> None:
    """What the database now knows of durations, this process should know too."""
    if isinstance(verdict, Advance) and verdict.to is State.FETCHING and task.finished_at is None:
        now = world.clock.now()
        took = now - (task.submitted_at or task.moved_at)
        world.durations.add(task.provider or "", task.remote_model or "", task.order.seconds, took)
