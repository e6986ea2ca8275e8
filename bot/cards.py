"""Cards and marks of a front-end: what it must find again months later, and after a crash."""

from __future__ import annotations

import secrets
from typing import Any

from bot.domain.interactive import InteractiveMessage, MessageKind
from bot.domain.tasks import Destination
from bot.ports import Clock
from bot.store import frontend_state, interactive_messages
from bot.store.database import Database, DatabaseError

__all__ = ["Cards", "DatabaseError", "new_token"]

_TOKEN_BYTES = 9
"""Of chance: 12 characters, not to be guessed."""


def new_token() -> str:
    """What the buttons of one card bear."""
    return secrets.token_urlsafe(_TOKEN_BYTES)


class Cards:
    """The cards of one front-end. Every method is one transaction."""

    def __init__(self, database: Database, clock: Clock, front_end: str) -> None:
        self._database = database
        self._clock = clock
        self._front_end = front_end

    async def open(
        self,
        kind: MessageKind,
        person: str,
        address: str,
        *,
        task: str | None = None,
        body: dict[str, Any] | None = None,
        token: str | None = None,
    ) -> InteractiveMessage:
        """A new card, before it is sent; a task's card of this kind that is there already.

        `token`: of one that had to be shown before it could be written down; see `new_token`.
        """
        token = token or new_token()
        place = Destination(self._front_end, address)
        card = InteractiveMessage(token, kind, person, place, task, body=body or {})
        now = self._clock.now()
        return await self._database.transact(lambda tx: interactive_messages.add(tx, card, now))

    async def get(self, token: str) -> InteractiveMessage | None:
        """The card whose buttons bear this token."""
        return await self._database.read(lambda tx: interactive_messages.get(tx, token))

    async def of_task(self, task: str, kind: MessageKind) -> InteractiveMessage | None:
        """A task's card of this kind."""
        return await self._database.read(lambda tx: interactive_messages.of_task(tx, task, kind))

    async def at(self, message: str) -> InteractiveMessage | None:
        """The card that stands there."""
        return await self._database.read(
            lambda tx: interactive_messages.find_by_message(tx, self._front_end, message)
        )

    async def newest(
        self, kind: MessageKind, person: str, address: str, within: float
    ) -> InteractiveMessage | None:
        """A person's newest open card of this kind there, of the last so many seconds."""
        place, since = Destination(self._front_end, address), self._clock.now() - within
        return await self._database.read(
            lambda tx: interactive_messages.newest(tx, place, person, kind, since)
        )

    async def begin(self, card: InteractiveMessage) -> int:
        """It is sent now: the how-manieth time."""
        now = self._clock.now()
        return await self._database.transact(
            lambda tx: interactive_messages.record_send(tx, card.callback_id, now)
        )

    async def change(self, card: InteractiveMessage, **changes: Any) -> None:  # noqa: ANN401 - columns of cards
        """Set `message`, `body`, `kind`, `task` or `sends`."""
        now = self._clock.now()
        await self._database.transact(
            lambda tx: interactive_messages.change(tx, card.callback_id, now, **changes)
        )

    async def note(self, card: InteractiveMessage, **facts: Any) -> None:  # noqa: ANN401 - JSON
        """Add to what it says, and leave alone what others have added meanwhile."""
        now = self._clock.now()
        await self._database.transact(
            lambda tx: interactive_messages.merge_body(tx, card.callback_id, now, facts)
        )

    async def end(self, card: InteractiveMessage) -> None:
        """It is gone, or has nothing to press any more."""
        now = self._clock.now()
        await self._database.transact(
            lambda tx: interactive_messages.change(tx, card.callback_id, now, gone_at=now)
        )

    async def left_behind(self, limit: int) -> list[InteractiveMessage]:
        """Statuses that stand although their tasks have come to their end."""
        return await self._database.read(
            lambda tx: interactive_messages.stale_statuses(tx, self._front_end, limit)
        )

    async def marks(self) -> dict[str, str]:
        """All that the front-end has remembered."""
        return await self._database.read(lambda tx: frontend_state.get_all(tx, self._front_end))

    async def claim_mark(self, name: str, worker: str, seconds: float) -> bool:
        """Be the only one, of all processes, who does what this mark stands for, for so long."""
        now = self._clock.now()
        return await self._database.transact(
            lambda tx: frontend_state.try_lock(
                tx, self._front_end, name, worker, now, now + seconds
            )
        )

    async def set_mark(self, name: str, value: str) -> None:
        """Remember something."""
        await self._database.transact(
            lambda tx: frontend_state.put(tx, self._front_end, name, value)
        )
