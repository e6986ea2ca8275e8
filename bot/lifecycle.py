"""The life of a task on one screen, and the one function that moves it.

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

queued       Credits are held. A worker takes it when a provider has room; its person may cancel it.
submitting   Written before the paid create, by the worker that sends it. Back to `queued` only if
             the create was certainly not accepted. A crash leaves it leased; when the lease ends
             the gateway is searched for the job (`engine/rescue.py`): found, it runs on; certainly
             not there, it is queued again; else `review`.
running      The gateway has the job and we know its id. Looked at when due; a crash costs nothing.
fetching     The gateway has finished; the video is being streamed to our disk. A crash leaves a
             partial file, which the next try goes on with. Back to `running` when the link has
             expired: a fresh look brings a fresh one.
delivering   The video is on our disk and paid for. A crash in the middle of a send leaves the
             delivery `sending`, which the next worker treats as "perhaps posted".
review       A paid create whose fate is unknown. Credits stay held; an admin charges, refunds, or
             attaches the job's id.
undelivered  The video is on our disk but could not be posted; its person or an admin sends it
             again.
done, failed, cancelled   Final.

Credits: held when the task is written, settled on the way into `delivering` (from then on the
person can have the video), released on the way into `failed` or `cancelled`; an admin who resolves
a review with `charge` settles a failed one. The move and the money are one transaction.
"""

from __future__ import annotations

from collections.abc import Mapping

from bot.model import State, Task
from bot.quotas import ledger
from bot.store import deliveries, tasks
from bot.store.database import Tx

ARROWS: dict[State, frozenset[State]] = {
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

TOLD_BY_NOTICE = frozenset({State.FAILED, State.CANCELLED, State.REVIEW, State.UNDELIVERED})
"""States whose entry the person must hear of; a finished video speaks for itself."""


ATTACHED = "attached"
"""The reason of a running task whose job an admin has attached: how long it took is not known."""


class ForbiddenMove(Exception):
    """A move that the picture does not have: a fault of ours."""


def move(
    tx: Tx,
    task: Task,
    to: State,
    now: float,
    *,
    due_at: float | None = None,
    lease: str | None = None,
    by: str | None = None,
    reason: str | None = None,
    raw: str | None = None,
    charge: bool = False,
    notice: bool = True,
    changes: Mapping[str, object] | None = None,
) -> bool:
    """Move a task along one arrow, with its event, its credits and the notice owed, at once.

    False: the task is no longer as `task` says (somebody was first), and nothing was written.
    """
    if to not in ARROWS[task.state]:
        raise ForbiddenMove(f"{task.state} -> {to}")
    entering: dict[str, object] = {"state": to, "moved_at": now, "reason": reason, "raw": raw}
    entering |= {"attempts": 0, "lease": lease, "due_at": now if due_at is None else due_at}
    if not tasks.change(tx, task, **(entering | dict(changes or {}))):
        return False
    tasks.record(tx, task.id, task.state, to, now, by=by, reason=reason, raw=raw)
    _move_credits(tx, task, to, now, charge=charge)
    if notice and to in TOLD_BY_NOTICE:
        deliveries.owe_notice(tx, task.id, to, now)
    return True


def _move_credits(tx: Tx, task: Task, to: State, now: float, *, charge: bool) -> None:
    if to is State.DELIVERING or charge:
        ledger.settle(tx, task.id, now)
    elif to in {State.FAILED, State.CANCELLED}:
        ledger.release(tx, task.id, now)
