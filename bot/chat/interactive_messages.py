"""Cards and marks of a front-end: what it must find again months later, and after a crash."""

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
"""Of chance: 12 characters, not to be guessed."""


def new_callback_id() -> str:
    """What the buttons of one card bear."""
    return secrets.token_urlsafe(_CALLBACK_ID_BYTES)


class InteractiveMessages:
    """The cards of one front-end. Every method is one transaction."""

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
        """A new card, before it is sent; a task's card of this kind that is there already.

        `token`: of one that had to be shown before it could be written down; see `new_callback_id`.
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
        """The card whose buttons bear this token."""
        return await self._database.read(lambda tx: interactive_messages.get(tx, callback_id))

    async def of_task(self, task_id: str, kind: MessageKind) -> InteractiveMessage | None:
        """A task's card of this kind."""
        return await self._database.read(lambda tx: interactive_messages.of_task(tx, task_id, kind))

    async def by_message(self, message_ref: str) -> InteractiveMessage | None:
        """The card that stands there."""
        return await self._database.read(
            lambda tx: interactive_messages.find_by_message(tx, self._front_end, message_ref)
        )

    async def newest(
        self, kind: MessageKind, user_id: str, address: str, max_age_s: float
    ) -> InteractiveMessage | None:
        """A person's newest open card of this kind there, of the last so many seconds."""
        destination, since = Destination(self._front_end, address), self._clock.now() - max_age_s
        return await self._database.read(
            lambda tx: interactive_messages.newest(tx, destination, user_id, kind, since)
        )

    async def record_send_attempt(self, interactive: InteractiveMessage) -> int:
        """It is sent now: the how-manieth time."""
        now = self._clock.now()
        return await self._database.transact(
            lambda tx: interactive_messages.record_send(tx, interactive.callback_id, now)
        )

    async def change(self, interactive: InteractiveMessage, **changes: Any) -> None:  # noqa: ANN401 - columns of cards
        """Set `message`, `body`, `kind`, `task` or `sends`."""
        now = self._clock.now()
        await self._database.transact(
            lambda tx: interactive_messages.change(tx, interactive.callback_id, now, **changes)
        )

    async def update_body(self, interactive: InteractiveMessage, **values: Any) -> None:  # noqa: ANN401 - JSON
        """Add to what it says, and leave alone what others have added meanwhile."""
        now = self._clock.now()
        await self._database.transact(
            lambda tx: interactive_messages.merge_body(tx, interactive.callback_id, now, values)
        )

    async def close(self, interactive: InteractiveMessage) -> None:
        """It is gone, or has nothing to press any more."""
        now = self._clock.now()
        await self._database.transact(
            lambda tx: interactive_messages.change(tx, interactive.callback_id, now, gone_at=now)
        )

    async def find_stale(self, limit: int) -> list[InteractiveMessage]:
        """Statuses that stand although their tasks have come to their end."""
        return await self._database.read(
            lambda tx: interactive_messages.stale_statuses(tx, self._front_end, limit)
        )

    async def get_state(self) -> dict[str, str]:
        """All that the front-end has remembered."""
        return await self._database.read(lambda tx: frontend_state.get_all(tx, self._front_end))

    async def try_lock(self, name: str, worker: str, seconds: float) -> bool:
        """Be the only one, of all processes, who does what this mark stands for, for so long."""
        now = self._clock.now()
        return await self._database.transact(
            lambda tx: frontend_state.try_lock(
                tx, self._front_end, name, worker, now, now + seconds
            )
        )

    async def set_state(self, name: str, value: str) -> None:
        """Remember something."""
        await self._database.transact(
            lambda tx: frontend_state.put(tx, self._front_end, name, value)
        )
