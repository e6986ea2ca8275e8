"""Read-only lookups for front-ends."""

from __future__ import annotations

from collections.abc import Collection

from bot.domain.groups import Group
from bot.domain.tasks import Task
from bot.domain.users import Person
from bot.services.context import Desk, _language
from bot.store import groups, tasks, users
from bot.store.database import Tx
from bot.store.users import PersonRow


async def language_of(desk: Desk, person: Person, group: str | None = None) -> str:
    """The language that the user chose, else the front-end's, the group's or the default."""

    def look(tx: Tx) -> tuple[PersonRow, Group | None]:
        return users.person(tx, person.id), groups.get(tx, group) if group else None

    return _language(desk, person, *await desk.database.read(look))


async def outstanding(desk: Desk, person: str) -> list[Task]:
    """The user's tasks that are active, or whose final message has not been sent yet."""
    return await desk.database.read(lambda tx: tasks.outstanding(tx, person))


async def tasks_by_id(desk: Desk, ids: Collection[str]) -> list[Task]:
    """The tasks of these ids, oldest first."""
    return await desk.database.read(lambda tx: tasks.by_ids(tx, ids))


async def task_by_id(desk: Desk, task: str) -> Task | None:
    """The task of this id, of any user."""
    return await desk.database.read(lambda tx: tasks.get(tx, task))


async def called(desk: Desk, front_end: str, handle: str) -> str | None:
    """Id of the user with this handle on the front-end, if one is known."""
    return await desk.database.read(lambda tx: users.called(tx, front_end, handle))


async def recent(desk: Desk, person: str, limit: int) -> list[Task]:
    """The user's newest tasks, newest first."""
    return await desk.database.read(lambda tx: tasks.of_person(tx, person, limit))
