"""Read-only lookups for front-ends."""

from __future__ import annotations

from collections.abc import Collection

from bot.domain.groups import Group
from bot.domain.tasks import Task
from bot.domain.users import User
from bot.services.context import AppContext, choose_language
from bot.store import groups, tasks, users
from bot.store.database import Tx
from bot.store.users import UserRow


async def language_for(app: AppContext, user: User, group_id: str | None = None) -> str:
    """The language that the user chose, else the front-end's, the group's or the default."""

    def read(tx: Tx) -> tuple[UserRow, Group | None]:
        return users.get(tx, user.id), groups.get(tx, group_id) if group_id else None

    return choose_language(app, user, *await app.database.read(read))


async def outstanding_tasks(app: AppContext, user_id: str) -> list[Task]:
    """The user's tasks that are active, or whose final message has not been sent yet."""
    return await app.database.read(lambda tx: tasks.outstanding_of_user(tx, user_id))


async def tasks_by_id(app: AppContext, task_ids: Collection[str]) -> list[Task]:
    """The tasks of these ids, oldest first."""
    return await app.database.read(lambda tx: tasks.get_many(tx, task_ids))


async def task_by_id(app: AppContext, task_id: str) -> Task | None:
    """The task of this id, of any user."""
    return await app.database.read(lambda tx: tasks.get(tx, task_id))


async def user_id_by_handle(app: AppContext, front_end: str, handle: str) -> str | None:
    """Id of the user with this handle on the front-end, if one is known."""
    return await app.database.read(lambda tx: users.find_by_handle(tx, front_end, handle))


async def recent_tasks(app: AppContext, user_id: str, limit: int) -> list[Task]:
    """The user's newest tasks, newest first."""
    return await app.database.read(lambda tx: tasks.newest_of_user(tx, user_id, limit))
