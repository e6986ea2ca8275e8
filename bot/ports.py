"""Interfaces of the engine: a clock, and a messenger that each front-end implements."""

from __future__ import annotations

from typing import Protocol

from bot.domain.commands import CountdownFormatter
from bot.domain.tasks import Delivery, Destination, Task, Video


class Clock(Protocol):
    """A clock. In production `SystemClock`; tests use one that they advance."""

    def now(self) -> float:
        """UNIX seconds."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Return after that many seconds of this clock."""
        ...


class DeliveryError(Exception):
    """A message could not be posted."""

    def __init__(
        self,
        reason: str,
        detail: str = "",
        *,
        is_permanent: bool = False,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(detail or reason)
        self.reason = reason
        """Reason of the task's state: "chat-gone", "blocked", "too-large" ..."""
        self.is_permanent = is_permanent
        self.retry_after = retry_after


class DeliveryOutcomeUnknown(Exception):
    """The response to a send was lost: the message may have been posted."""


class Messenger(Protocol):
    """What a front-end does for the engine. No method may wait for a user."""

    name: str
    """Prefix of the ids of its users, and `Destination.front_end`."""
    format_countdown: CountdownFormatter | None
    """Writes a moment as a live countdown; None: the chats have no such feature."""

    def max_video_bytes(self, destination: Destination) -> int | None:
        """The size limit for a video there, in bytes; None: no limit."""
        ...

    async def deliver(self, task: Task, delivery: Delivery, video: Video, note: str) -> str:
        """Post the finished video and return a receipt.

        `delivery.repeated`: the video may have been posted before, which the caption must say.
        `note`, unless empty, is posted with the video: why this is not the full video. Raises
        `DeliveryError` or `DeliveryOutcomeUnknown`.
        """
        ...

    async def find_delivered(self, task: Task, delivery: Delivery) -> str | None:
        """Search for a result whose send has an unknown outcome. Returns its receipt or None.

        None does not prove that the result was not posted.
        """
        ...

    async def send_final_message(self, task: Task, text: str) -> None:
        """Post the final message of a task without a video. Raises like `deliver`."""
        ...

    async def update_status(self, task: Task, text: str) -> None:
        """Update the status message of a task, as far as rate limits allow. Never raises."""
        ...

    async def alert_admins(self, text: str) -> None:
        """Send a message to the admins of this front-end. Raises like `deliver`."""
        ...
