"""What statements on rows share: a task read whole, its state as a constant, storable texts."""

from __future__ import annotations

from dataclasses import fields
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

from bot.domain.tasks import Order, Place, State, Task
from bot.store.database import Tx
from bot.store.schema import deliveries, tasks

ORDER_FIELDS = tuple(field.name for field in fields(Order))
TASK_FIELDS = tuple(
    field.name for field in fields(Task) if field.name not in {"order", "place", "state"}
)
WHOLE_TASKS: Select[Any] = select(
    *(tasks.c[name] for name in ORDER_FIELDS),
    deliveries.c.front_end,
    deliveries.c.address,
    tasks.c.state,
    *(tasks.c[name] for name in TASK_FIELDS),
).join_from(tasks, deliveries, deliveries.c.task == tasks.c.id)
_OWN = len(ORDER_FIELDS) + 3
"""How many columns of `WHOLE_TASKS` come before those of the task itself."""
_LONGEST_RAW = 2000


def one_of(*states: State) -> ColumnElement[bool]:
    """The states as constants, not as parameters.

    With those no index over some states only would be used, and SQLite would plan the statement
    anew for each other value.
    """
    return tasks.c.state.in_([literal_column(f"'{state}'") for state in sorted(states)])


def being(state: State) -> ColumnElement[bool]:
    """One state, as a constant too."""
    return tasks.c.state == literal_column(f"'{state}'")


QUEUED = being(State.QUEUED)
QUEUE_INDEX = (tasks, "INDEXED BY ix_tasks_queue", "sqlite")
"""Without statistics SQLite prefers the index over all states, finished tasks and all."""
PLACE = select(tasks.c.turn, tasks.c.created_at).where(tasks.c.id == bindparam("which"))
"""Where a task stands, or stood, in the line."""


def whole(row: Row[Any], **changes: object) -> Task:
    """The task of a row of `WHOLE_TASKS`, but for what has changed since it was read."""
    orders = len(ORDER_FIELDS)
    values = dict(zip(TASK_FIELDS, row[_OWN:], strict=True))
    return Task(
        state=State(row[orders + 2]),
        order=Order(*row[:orders]),
        place=Place(row[orders], row[orders + 1]),
        **(values | changes),
    )


def fetch_all(tx: Tx, query: Select[Any]) -> list[Task]:
    """The tasks that a query over `WHOLE_TASKS` finds."""
    return [whole(row) for row in tx.execute(query)]


def rows_changed(result: CursorResult[Any]) -> int:
    """How many rows an UPDATE has changed."""
    return result.rowcount


def storable(raw: object) -> str | None:
    """A text as every database takes it: no NUL, no half characters, not too long."""
    if raw is None:
        return None
    plain = str(raw).replace("\x00", "?").encode("utf-8", "replace").decode("utf-8")
    return plain[:_LONGEST_RAW]


def add_if_new(tx: Tx, table: Table, values: dict[str, Any]) -> bool:
    """Write a row unless its key is there already, without an error between rivals.

    Whether it was written.
    """
    dialect = postgresql if tx.dialect.name == "postgresql" else sqlite
    return tx.execute(dialect.insert(table).values(values).on_conflict_do_nothing()).rowcount == 1
