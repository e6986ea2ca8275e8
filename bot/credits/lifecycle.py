"""The life cycle of a task on one screen, and the only function that changes its state.

    queued      -> submitting, failed, cancelled
    submitting  -> running, queued, review, failed, cancelled
    running     -> fetching, review, failed, cancelled
    fetching    -> delivering, running, failed
    delivering  -> done, undelivered
    review      -> running, failed
    undelivered -> delivering
    done        -> nothing
    failed      -> nothing
    cancelled   -> nothing

queued       Credits are held. A worker takes it when a provider has capacity; the user may cancel.
submitting   Written before the paid create request, by the worker that sends it. Back to "queued"
             only if the gateway has certainly not accepted the request. After a crash the lease
             expires and the gateway is searched for the job: if it is found, the task is running;
             if it certainly does not exist, the task is queued again; otherwise "review".
running      The gateway has the job and its id is known. Polled when due; a crash loses nothing.
fetching     The gateway has finished and the video is being downloaded. A crash leaves a partial
             file, which the next attempt resumes. Back to "running" if the link has expired: the
             next poll returns a new one.
delivering   The video is on disk and paid for. A crash during a send leaves the delivery in
             "sending", which the next worker treats as possibly posted.
review       The outcome of a paid create request is unknown. Credits stay held until an admin
             charges, refunds, or attaches the id of the job.
undelivered  The video is on disk but could not be posted. The user or an admin sends it again.
done, failed, cancelled   Final.

Credits are held when the task is written, settled on entering "delivering" (from then on the user
can get the video), and released on entering "failed" or "cancelled". An admin who resolves a review
with "charge" settles the credits of the failed task. State and credits change in one transaction.
"""

from __future__ import annotations

from collections.abc import Mapping

from bot.credits import ledger
from bot.domain.tasks import State, Task
from bot.store import notices, tasks
from bot.store.database import Tx

TRANSITIONS: dict[State, frozenset[State]] = {
    State.QUEUED: frozenset({State.SUBMITTING, State.FAILED, State.CANCELLED}),
    State.SUBMITTING: frozenset(
        {State.RUNNING, State.QUEUED, State.REVIEW, State.FAILED, State.CANCELLED}
    ),
    State.RUNNING: frozenset({State.FETCHING, State.REVIEW, State.FAILED, State.CANCELLED}),
    State.FETCHING: frozenset({State.DELIVERING, State.RUNNING, State.FAILED}),
    State.DELIVERING: frozenset({State.DONE, State.UNDELIVERED}),
    State.REVIEW: frozenset({State.RUNNING, State.FAILED}),
    State.UNDELIVERED: frozenset({State.DELIVERING}),
    State.DONE: frozenset(),
    State.FAILED: frozenset(),
    State.CANCELLED: frozenset(),
}

NOTIFY_STATES = frozenset({State.FAILED, State.CANCELLED, State.REVIEW, State.UNDELIVERED})
"""States that the user is notified of; for a finished video the delivery is the notice."""


JOB_ATTACHED = "attached"
"""Reason of a running task whose job an admin has attached: its run time is not measured."""


class InvalidTransition(Exception):
    """A transition that the life cycle does not have: a bug."""


def transition(
    tx: Tx,
    task: Task,
    to_state: State,
    now: float,
    *,
    due_at: float | None = None,
    lease: str | None = None,
    by: str | None = None,
    reason: str | None = None,
    provider_message: str | None = None,
    charge: bool = False,
    notify: bool = True,
    changes: Mapping[str, object] | None = None,
) -> bool:
    """Change the state of a task, and with it write its event, credits and notice.

    Returns False, and writes nothing, if the task has changed since `task` was read. Raises
    `InvalidTransition`. `charge` settles the credits of a failed task. `changes`: further columns.
    """
    if to_state not in TRANSITIONS[task.state]:
        raise InvalidTransition(f"{task.state} -> {to_state}")
    columns: dict[str, object] = {
        "state": to_state,
        "moved_at": now,
        "reason": reason,
        "raw": provider_message,
    }
    columns |= {"attempts": 0, "lease": lease, "due_at": now if due_at is None else due_at}
    if not tasks.change(tx, task, **(columns | dict(changes or {}))):
        return False
    tasks.record_event(
        tx,
        task.id,
        task.state,
        to_state,
        now,
        by=by,
        reason=reason,
        provider_message=provider_message,
    )
    _update_credits(tx, task, to_state, now, charge=charge)
    if notify and to_state in NOTIFY_STATES:
        notices.enqueue(tx, task.id, to_state, now)
    return True


def _update_credits(tx: Tx, task: Task, to_state: State, now: float, *, charge: bool) -> None:
    if to_state is State.DELIVERING or charge:
        ledger.settle(tx, task.id, now)
    elif to_state in {State.FAILED, State.CANCELLED}:
        ledger.release(tx, task.id, now)
