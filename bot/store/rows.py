"""Shared by queries on tasks: whole rows, states as constants, storable texts."""

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
"""Column of `tasks` -> attribute of `Task`, except order, destination and state."""
SELECT_TASKS: Select[Any] = select(
    *(tasks.c[name] for name in ORDER_COLUMNS),
    deliveries.c.front_end,
    deliveries.c.address,
    tasks.c.state,
    *(tasks.c[name] for name in TASK_COLUMNS),
).join_from(tasks, deliveries, deliveries.c.task == tasks.c.id)
_OWN = len(ORDER_COLUMNS) + 3
"""Number of columns of `SELECT_TASKS` before those of the task itself."""
_MAX_TEXT_CHARS = 2000


def state_in(*states: State) -> ColumnElement[bool]:
    """Return a condition with the states as constants, not as parameters.

    With parameters a partial index would not be used, and SQLite would plan the statement again for
    each value.
    """
    return tasks.c.state.in_([literal_column(f"'{state}'") for state in sorted(states)])


def state_is(state: State) -> ColumnElement[bool]:
    """Return a condition on one state, as a constant too."""
    return tasks.c.state == literal_column(f"'{state}'")


IS_QUEUED = state_is(State.QUEUED)
QUEUE_INDEX = (tasks, "INDEXED BY ix_tasks_queue", "sqlite")
"""Without statistics SQLite would prefer the index over all states."""
SELECT_QUEUE_POSITION = select(tasks.c.turn, tasks.c.created_at).where(
    tasks.c.id == bindparam("which")
)
"""Queue round and creation time of a task."""


def task_from_row(row: Row[Any], **changes: object) -> Task:
    """Build a task from a row of `SELECT_TASKS`, with changes made since it was read."""
    orders = len(ORDER_COLUMNS)
    values = dict(zip(TASK_COLUMNS.values(), row[_OWN:], strict=True))
    return Task(
        state=State(row[orders + 2]),
        order=Order(**dict(zip(ORDER_COLUMNS.values(), row[:orders], strict=True))),
        destination=Destination(row[orders], row[orders + 1]),
        **(values | changes),
    )


def fetch_all(tx: Tx, query: Select[Any]) -> list[Task]:
    """Return the tasks of a query over `SELECT_TASKS`."""
    return [task_from_row(row) for row in tx.execute(query)]


def rows_changed(result: CursorResult[Any]) -> int:
    """Return how many rows an UPDATE has changed."""
    return result.rowcount


def storable_text(value: object) -> str | None:
    """Return a text that every database accepts: no NUL, no lone surrogates, limited length."""
    if value is None:
        return None
    text = str(value).replace("\x00", "?").encode("utf-8", "replace").decode("utf-8")
    return text[:_MAX_TEXT_CHARS]


def insert_if_new(tx: Tx, table: Table, values: dict[str, Any]) -> bool:
    """Insert a row unless its key exists. Returns whether it was inserted."""
    dialect = postgresql if tx.dialect.name == "postgresql" else sqlite
    return tx.execute(dialect.insert(table).values(values).on_conflict_do_nothing()).rowcount == 1
