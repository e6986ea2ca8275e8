"""Tasks and the ledger together, while gateway, chat, users, admins and workers act at random."""

from __future__ import annotations

import asyncio
import shutil
from collections import Counter
from collections.abc import Callable, Collection, Coroutine
from functools import partial
from pathlib import Path
from typing import TypeVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import select
from structlog.testing import capture_logs

from bot.credits import ledger, lifecycle
from bot.credits.lifecycle import JOB_ATTACHED
from bot.domain.tasks import FINAL, SETTLED, State, Task
from bot.engine.worker import Step, Worker
from bot.ports import DeliveryError, DeliveryOutcomeUnknown
from bot.store import accounts, deliveries, tasks
from bot.store.connect import open_database
from bot.store.database import Tx
from bot.store.schema import entries
from providers import errors
from providers.types import Failed, FailureKind, Finished, Job, JobLookup, Pending, VideoRequest
from tests.fakes.engine.harness import EngineHarness
from tests.fakes.engine.scripted import MP4, Answer, ScriptedProvider
from tests.support.fake_clock import FakeClock

T = TypeVar("T")

USERS = ("console:a", "console:b")
PRICE = 4
"""Of every task."""
ENDING = {
    State.DELIVERING: "settle",
    State.DONE: "settle",
    State.UNDELIVERED: "settle",
    State.FAILED: "release",
    State.CANCELLED: "release",
}
"""How the hold of a task in this state has ended; in all other states it is open."""

BUG = ZeroDivisionError("a bug in a step")
LOST_RESPONSES = (errors.Unanswered(), errors.MalformedResponse(), BUG)
ANSWERS: dict[str, list[Answer]] = {
    "submits": [
        None,
        errors.Unanswered(),
        errors.MalformedResponse(),
        errors.Unreachable(),
        errors.Throttled(retry_after=7),
        errors.Moderated(),
        errors.Misconfigured(),
        BUG,
    ],
    "polls": [
        Pending(running=True),
        Finished(),
        Failed(FailureKind.UPSTREAM, "raw"),
        errors.NotFound(),
        errors.UpstreamError(),
        errors.Misconfigured(),
        BUG,
    ],
    "finds": [None, True, errors.UpstreamError(), errors.Rejected(), BUG],
    "cancels": [True, False, errors.UpstreamError()],
    "downloads": [MP4, MP4[:20], b"{}" * 20, errors.NotFound(), errors.Unanswered(), BUG],
}
DELIVERIES: list[Exception | None] = [
    None,
    DeliveryError("blocked", retry_after=9),
    DeliveryError("chat-gone", is_permanent=True),
    DeliveryOutcomeUnknown(),
    BUG,
]


class Gateway(ScriptedProvider):
    """Counts the creates that may have been paid for, and lists their jobs."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, find=JobLookup.BEST_EFFORT, cancel=True)
        self.creates: Counter[str] = Counter()
        """Task id -> creates that were accepted, or whose outcome is unknown."""

    async def submit(self, request: VideoRequest) -> Job:
        try:
            job = await super().submit(request)
        except errors.ProviderError as error:
            self.creates[request.idempotency_key] += error.maybe_accepted
            raise
        except ZeroDivisionError:
            self.creates[request.idempotency_key] += 1
            raise
        self.creates[request.idempotency_key] += 1
        return job

    async def find_job(
        self, request: VideoRequest, since: float, taken_ids: Collection[str] = ()
    ) -> Job | None:
        return (
            Job(f"job-{request.idempotency_key}")
            if self._answer("find", since, self.finds)
            else None
        )


class TaskAndLedger(RuleBasedStateMachine):
    """One engine, whose surroundings do anything."""

    def __init__(self, migrated_file: Path, folder: Path) -> None:
        super().__init__()
        shutil.copy(migrated_file, folder / "reelay.db")
        self.runner = asyncio.Runner()
        self.harness = self.runner.run(self.open(folder))
        self.gateway = Gateway(folder)
        self.harness.use_provider(self.gateway)
        self.prompts = 0
        self.charged: set[str] = set()
        """Failed tasks that an admin has charged."""
        self.final: dict[str, State] = {}
        self.suspended: list[tuple[Worker, list[tuple[Task, Step]]]] = []
        """Workers that went to sleep after a claim, with their tasks."""

    async def open(self, folder: Path) -> EngineHarness:
        database = open_database(f"sqlite:///{folder / 'reelay.db'}")
        await database.open()
        return EngineHarness(database, folder / "data", FakeClock())

    def run(self, coroutine: Coroutine[None, None, T]) -> T:
        return self.runner.run(coroutine)

    def read(self, function: Callable[[Tx], T]) -> T:
        return self.run(self.harness.database.read(function))

    def write(self, function: Callable[[Tx], T]) -> T:
        return self.run(self.harness.database.transact(function))

    def all_tasks(self) -> list[Task]:
        return self.read(
            lambda tx: [task for user in USERS for task in tasks.newest_of_user(tx, user, 999)]
        )

    def pick(self, data: st.DataObject, *states: State) -> Task | None:
        found = sorted(task.id for task in self.all_tasks() if task.state in states)
        if not found:
            return None
        task_id = found[data.draw(st.integers(0, len(found) - 1))]
        return self.read(lambda tx: tasks.get(tx, task_id))

    # --- users ---------------------------------------------------------------------------

    @rule(user=st.sampled_from(USERS))
    def order(self, user: str) -> None:
        self.prompts += 1
        self.run(self.harness.accept_task(user, prompt=f"kite {self.prompts}"))

    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        task = self.pick(data, State.QUEUED, State.SUBMITTING, State.RUNNING)
        if task is None:
            return
        now = self.harness.clock.now()
        if task.state is State.QUEUED:
            self.write(lambda tx: lifecycle.transition(tx, task, State.CANCELLED, now))
        else:
            self.write(lambda tx: tasks.request_cancel(tx, task.id, now))

    @rule(data=st.data())
    def send_again(self, data: st.DataObject) -> None:
        task = self.pick(data, State.UNDELIVERED)
        if task is None:
            return
        now = self.harness.clock.now()

        def send(tx: Tx) -> None:
            if lifecycle.transition(tx, task, State.DELIVERING, now):
                deliveries.restart(tx, task.id, task.destination)

        self.write(send)

    # --- admins --------------------------------------------------------------------------

    @rule(data=st.data(), verdict=st.sampled_from(["charge", "refund", "attach"]))
    def resolve(self, data: st.DataObject, verdict: str) -> None:
        task = self.pick(data, State.REVIEW)
        if task is None:
            return
        now = self.harness.clock.now()
        if verdict == "attach":
            job = {"remote_id": f"job-{task.id}", "looks": 0, "running_at": None}
            self.write(
                lambda tx: lifecycle.transition(
                    tx, task, State.RUNNING, now, reason=JOB_ATTACHED, changes=job
                )
            )
            return
        charge = verdict == "charge"
        if self.write(lambda tx: lifecycle.transition(tx, task, State.FAILED, now, charge=charge)):
            self.charged |= {task.id} if charge else set()

    # --- gateway and chat ----------------------------------------------------------------

    @rule(data=st.data(), verb=st.sampled_from(sorted(ANSWERS)))
    def gateway_answers(self, data: st.DataObject, verb: str) -> None:
        answers = st.lists(st.sampled_from(ANSWERS[verb]), min_size=1, max_size=4)
        setattr(self.gateway, verb, data.draw(answers))

    @rule(
        answers=st.lists(st.sampled_from(DELIVERIES), min_size=1, max_size=4),
        is_found=st.booleans(),
    )
    def chat_answers(self, answers: list[Exception | None], *, is_found: bool) -> None:
        self.harness.chat.delivery_results = answers
        self.harness.chat.found_receipt = "receipt" if is_found else None

    # --- time and workers ----------------------------------------------------------------

    @rule(seconds=st.sampled_from([0, 1, 5, 30, 120]))
    def run_engine(self, seconds: float) -> None:
        self.run(self.harness.run_for(seconds))

    @rule(seconds=st.sampled_from([29.0, 31.0, 1801.0, 86401.0]))
    def pass_time(self, seconds: float) -> None:
        self.run(self.harness.clock.advance(seconds))

    @rule()
    def suspend_worker(self) -> None:
        """A worker stops after it has claimed tasks, and another one starts."""
        worker = self.harness.worker
        self.suspended.append((worker, self.write(worker.claim_transaction()).steps))
        self.harness.restart()

    @precondition(lambda self: self.suspended)
    @rule()
    def resume_worker(self) -> None:
        """It goes on with what it knew, however long ago that was."""
        worker, steps = self.suspended.pop(0)
        for task, step in steps:
            self.run(worker.execute(task, step))

    @rule(seconds=st.sampled_from([10, 31, 120]))
    def run_late_worker(self, seconds: float) -> None:
        """A worker sleeps between claim and step, while another one goes on after its lease."""
        self.suspend_worker()
        self.run(self.harness.run_for(seconds))
        while self.suspended:
            self.resume_worker()

    @rule(user=st.sampled_from(USERS), error=st.sampled_from(LOST_RESPONSES))
    def lose_the_response_to_a_create(self, user: str, error: Exception) -> None:
        self.gateway.submits, self.gateway.finds = [error, None], [None]
        self.gateway.polls = [Pending(running=True)]
        self.order(user)
        self.run(self.harness.run_for(200))

    # --- what always holds ---------------------------------------------------------------

    @invariant()
    def ledger_balances(self) -> None:
        assert self.read(ledger.verify) == []

    @invariant()
    def hold_ends_exactly_once_as_the_state_says(self) -> None:
        query = select(entries.c.task, entries.c.kind, entries.c.held).where(
            entries.c.task.is_not(None)
        )
        rows = self.read(lambda tx: sorted(map(tuple, tx.execute(query))))
        expected = []
        for task in self.all_tasks():
            expected.append((task.id, "hold", PRICE))
            kind = "settle" if task.id in self.charged else ENDING.get(task.state)
            expected += [(task.id, kind, -PRICE)] if kind else []
        assert rows == sorted(expected)

    @invariant()
    def held_credits_are_those_of_unfinished_tasks(self) -> None:
        unfinished = Counter(task.user_id for task in self.all_tasks() if task.state not in ENDING)
        for user in USERS:
            account = self.read(partial(accounts.get, account_id=user))
            assert (account.held if account else 0) == PRICE * unfinished[user]

    @invariant()
    def create_is_never_paid_twice(self) -> None:
        assert max(self.gateway.creates.values(), default=0) <= 1

    @invariant()
    def final_state_is_never_left(self) -> None:
        states = {task.id: task.state for task in self.all_tasks()}
        assert self.final == {task_id: states[task_id] for task_id in self.final}
        self.final = {task_id: state for task_id, state in states.items() if state in FINAL}

    def teardown(self) -> None:
        """When all works again, every task comes to its end."""
        try:
            self.gateway.submits, self.gateway.polls = [None], [Finished()]
            self.gateway.finds, self.gateway.downloads = [None], [MP4]
            self.gateway.cancels, self.harness.chat.delivery_results = [True], [None]
            self.run(self.harness.run_for(3600))
            assert {task.state for task in self.all_tasks()} <= SETTLED
            self.ledger_balances()
            self.hold_ends_exactly_once_as_the_state_says()
            self.create_is_never_paid_twice()
        finally:
            self.run(self.harness.database.close())
            self.runner.close()


def test_credits_agree_with_tasks_whatever_happens(
    migrated_file: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A task is held for once, and charged or refunded once, as its state says."""

    class Machine(TaskAndLedger):
        def __init__(self) -> None:
            super().__init__(migrated_file, tmp_path_factory.mktemp("machine"))

    # Captured, because rendering the tracebacks of the steps that raise takes long.
    with capture_logs():
        run_state_machine_as_test(
            Machine, settings=settings(max_examples=10, stateful_step_count=25, deadline=None)
        )
