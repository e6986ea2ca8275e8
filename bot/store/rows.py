"""What statements on rows share: a task read whole, its state as a constant, storable texts."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    Row,
    Table,
    bindparam,
    literal_column,
    select,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import CursorResult
from sqlalchemy.sql import ColumnElement, Select

from bot.domain.tasks import Destination, Order, State, Task
from bot.store.database import Tx
from bot.store.schema import deliveries, tasks

ORDER_COLUMNS = {
    "model": "model",
    "prompt": "prompt",
    "seconds": "seconds",
    "size": "size",
    "width": "width",
    "height": "height",
    "orientation": "orientation",
    "style": "style",
    "watermark": "watermark",
    "private": "private",
    "storyboard": "storyboard",
    "spoiler": "spoiler",
    "image": "image",
    "remix_of": "remix_of",
}
"""Column of `tasks` -> attribute of `Order`.

Written out, so that a renamed attribute cannot change a column.
"""
TASK_COLUMNS = {
    "id": "id",
    "person": "user_id",
    "price": "price",
    "created_at": "created_at",
    "moved_at": "state_since",
    "due_at": "due_at",
    "language": "language",
    "lease": "lease",
    "attempts": "attempts",
    "trouble_at": "first_failure_at",
    "fetches": "fetches",
    "provider": "provider",
    "provider_identity": "provider_identity",
    "remote_model": "remote_model",
    "remote_id": "remote_id",
    "submitted_at": "submitted_at",
    "running_at": "running_at",
    "looks": "poll_count",
    "percent": "percent",
    "result_url": "result_url",
    "result_expires_at": "result_expires_at",
    "edit_id": "edit_id",
    "file": "file",
    "bytes": "bytes",
    "cancel_asked": "cancel_requested",
    "reason": "reason",
    "raw": "provider_message",
    "finished_at": "finished_at",
}
"""Column of `tasks` -> attribute of `Task`, but for its order, destination and state."""
SELECT_TASKS: Select[Any] = select(
    *(tasks.c[name] for name in ORDER_COLUMNS),
    deliveries.c.front_end,
    deliveries.c.address,
    tasks.c.state,
    *(tasks.c[name] for name in TASK_COLUMNS),
).join_from(tasks, deliveries, deliveries.c.task == tasks.c.id)
_OWN = len(ORDER_COLUMNS) + 3
"""How many columns of `SELECT_TASKS` come before those of the task itself."""
_MAX_TEXT_CHARS = 2000


def state_in(*states: State) -> ColumnElement[bool]:
    """The states as constants, not as parameters.

    With those no index over some states only would be used, and SQLite would plan the statement
    anew for each other value.
    """
    return tasks.c.state.in_([literal_column(f"'{state}'") for state in sorted(states)])


def state_is(state: State) -> ColumnElement[bool]:
    """One state, as a constant too."""
    return tasks.c.state == literal_column(f"'{state}'")


IS_QUEUED = state_is(State.QUEUED)
QUEUE_INDEX = (tasks, "INDEXED BY ix_tasks_queue", "sqlite")
"""Without statistics SQLite prefers the index over all states, finished tasks and all."""
SELECT_QUEUE_POSITION = select(tasks.c.turn, tasks.c.created_at).where(
    tasks.c.id == bindparam("which")
)
"""Where a task stands, or stood, in the line."""


def task_from_row(row: Row[Any], **changes: object) -> Task:
    """The task of a row of `SELECT_TASKS`, but for what has changed since it was read."""
    orders = len(ORDER_COLUMNS)
    values = dict(zip(TASK_COLUMNS.values(), row[_OWN:], strict=True))
    return Task(
        state=State(row[orders + 2]),
        order=Order(**dict(zip(ORDER_COLUMNS.values(), row[:orders], strict=True))),
        destination=Destination(row[orders], row[orders + 1]),
        **(values | changes),
    )


def fetch_all(tx: Tx, query: Select[Any]) -> list[Task]:
    """The tasks that a query over `SELECT_TASKS` finds."""
    return [task_from_row(row) for row in tx.execute(query)]


def rows_changed(result: CursorResult[Any]) -> int:
    """How many rows an UPDATE has changed."""
    return result.rowcount


def storable_text(value: object) -> str | None:
    """A text as every database takes it: no NUL, no half characters, not too long."""
    if value is None:
        return None
    text = str(value).replace("\x00", "?").encode("utf-8", "replace").decode("utf-8")
    return text[:_MAX_TEXT_CHARS]


def insert_if_new(tx: Tx, table: Table, values: dict[str, Any]) -> bool:
    """Write a row unless its key is there already, without an error between rivals.

    Whether it was written.
    """
    dialect = postgresql if tx.dialect.name == "postgresql" else sqlite
    return tx.execute(dialect.insert(table).values(values).on_conflict_do_nothing()).rowcount == 1
