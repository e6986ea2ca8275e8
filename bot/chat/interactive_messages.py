"""Interactive messages and the state of one front-end, stored to survive restarts."""

from __future__ import annotations

import secrets
from typing import Any

from bot.domain.interactive import InteractiveMessage, MessageKind
from bot.domain.tasks import Destination
from bot.ports import Clock
from bot.store import frontend_state, interactive_messages
from bot.store.database import Database, DatabaseError

__all__ = ["DatabaseError", "InteractiveMessages", "new_callback_id"]

_CALLBACK_ID_BYTES = 9
"""Random bytes: 12 characters that cannot be guessed."""


def new_callback_id() -> str:
    """Return a new id for the buttons of one interactive message."""
    return secrets.token_urlsafe(_CALLBACK_ID_BYTES)


class InteractiveMessages:
    """The interactive messages of one front-end. Every method is one transaction."""

    def __init__(self, database: Database, clock: Clock, front_end: str) -> None:
        self._database = database
        self._clock = clock
        self._front_end = front_end

    async def create(
        self,
        kind: MessageKind,
        user_id: str,
        address: str,
        *,
        task_id: str | None = None,
        body: dict[str, Any] | None = None,
        callback_id: str | None = None,
    ) -> InteractiveMessage:
        """Store a message before it is sent, or return the one of this kind that the task has.

        `callback_id`: given if it had to be shown before it could be stored; see `new_callback_id`.
        """
        callback_id = callback_id or new_callback_id()
        destination = Destination(self._front_end, address)
        interactive = InteractiveMessage(
            callback_id, kind, user_id, destination, task_id, body=body or {}
        )
        now = self._clock.now()
        return await self._database.transact(
            lambda tx: interactive_messages.add(tx, interactive, now)
        )

    async def get(self, callback_id: str) -> InteractiveMessage | None:
        """Return the message whose buttons have this id, or None."""
        return await self._database.read(lambda tx: interactive_messages.get(tx, callback_id))

    async def of_task(self, task_id: str, kind: MessageKind) -> InteractiveMessage | None:
        """Return the message of this kind that belongs to the task, or None."""
        return await self._database.read(lambda tx: interactive_messages.of_task(tx, task_id, kind))

    async def by_message(self, message_ref: str) -> InteractiveMessage | None:
        """Return the message that was posted as `message_ref`, or None."""
        return await self._database.read(
            lambda tx: interactive_messages.find_by_message(tx, self._front_end, message_ref)
        )

    async def newest(
        self, kind: MessageKind, user_id: str, address: str, max_age_s: float
    ) -> InteractiveMessage | None:
        """Return the user's newest open message of this kind in a chat, at most `max_age_s` old."""
        destination, since = Destination(self._front_end, address), self._clock.now() - max_age_s
        return await self._database.read(
            lambda tx: interactive_messages.newest(tx, destination, user_id, kind, since)
        )

    async def record_send_attempt(self, interactive: InteractiveMessage) -> int:
        """Record a send attempt and return its number, starting at 1."""
        now = self._clock.now()
        return await self._database.transact(
            lambda tx: interactive_messages.record_send(tx, interactive.callback_id, now)
        )

    async def change(self, interactive: InteractiveMessage, **changes: Any) -> None:  # noqa: ANN401 - columns of cards
        """Set columns: `message`, `body`, `kind`, `task` or `sends`."""
        now = self._clock.now()
        await self._database.transact(
            lambda tx: interactive_messages.change(tx, interactive.callback_id, now, **changes)
        )

    async def update_body(self, interactive: InteractiveMessage, **values: Any) -> None:  # noqa: ANN401 - JSON
        """Merge values into the stored body; concurrent changes of other keys are kept."""
        now = self._clock.now()
        await self._database.transact(
            lambda tx: interactive_messages.merge_body(tx, interactive.callback_id, now, values)
        )

    async def close(self, interactive: InteractiveMessage) -> None:
        """Close the message: it is gone, or has no buttons any more."""
        now = self._clock.now()
        await self._database.transact(
            lambda tx: interactive_messages.change(tx, interactive.callback_id, now, gone_at=now)
        )

    async def find_stale(self, limit: int) -> list[InteractiveMessage]:
        """Return status messages that are still posted although their task has ended."""
        return await self._database.read(
            lambda tx: interactive_messages.stale_statuses(tx, self._front_end, limit)
        )

    async def get_state(self) -> dict[str, str]:
        """Return all stored state of the front-end: name -> value."""
        return await self._database.read(lambda tx: frontend_state.get_all(tx, self._front_end))

    async def try_lock(self, name: str, worker: str, seconds: float) -> bool:
        """Try to take a lock shared by all processes for `seconds`.

        False: another process has it.
        """
        now = self._clock.now()
        return await self._database.transact(
            lambda tx: frontend_state.try_lock(
                tx, self._front_end, name, worker, now, now + seconds
            )
        )

    async def set_state(self, name: str, value: str) -> None:
        """Store one value of the front-end's state."""
        await self._database.transact(
            lambda tx: frontend_state.put(tx, self._front_end, name, value)
        )
