"""What the engine asks of a front-end and of time."""

from __future__ import annotations

from typing import Protocol

from bot.model import Countdown, Delivery, Place, Task, Video


class Clock(Protocol):
    """Time. The real one is `SystemClock`; tests have one that they turn by hand."""

    def now(self) -> float:
        """UNIX seconds."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Return after so many seconds of this clock."""
        ...


class DeliveryError(Exception):
    """A result could not be posted."""

    def __init__(
        self,
        reason: str,
        raw: str = "",
        *,
        permanent: bool = False,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(raw or reason)
        self.reason = reason
        """A key of the sentences in `replies`: `chat-gone`, `blocked`, `too-large` ..."""
        self.permanent = permanent
        self.retry_after = retry_after


class DeliveryUnclear(Exception):
    """The answer to a send was lost: the result may stand in the chat."""


class Messenger(Protocol):
    """What a front-end does for the engine. Nothing here may wait for a person."""

    name: str
    """The first part of the ids of its people, and `Place.front_end`."""
    countdown: Countdown | None
    """How its chats write a moment that they count down to by themselves; None: they cannot."""

    def largest(self, place: Place) -> int | None:
        """The most bytes that a video may have there; None: as it is, whatever its size."""
        ...

    async def deliver(self, task: Task, delivery: Delivery, video: Video, note: str) -> str:
        """Post the finished video; give back a receipt that `posted` will understand.

        `delivery.repeated` says that it may stand there already, which the words beside it must
        say too. `note` is to be read with it, where it is not empty: why it is not the whole.
        Raises `DeliveryError` or `DeliveryUnclear`.
        """
        ...

    async def posted(self, task: Task, delivery: Delivery) -> str | None:
        """Look whether a send whose answer was lost did succeed: its receipt, or None.

        None means "not seen", which is no proof.
        """
        ...

    async def tell(self, task: Task, text: str) -> None:
        """Post a last word on a task that brings no video. Raises as `deliver` does."""
        ...

    async def show(self, task: Task, text: str) -> None:
        """Bring the task's status up to date, where and when the chat can bear it. Never raises."""
        ...

    async def alert(self, text: str) -> None:
        """Tell this front-end's admins something. Raises as `deliver` does."""
        ...
