"""Interactive messages: posted messages whose buttons a user can press."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from bot.domain.tasks import Destination


class MessageKind(StrEnum):
    """What the buttons of an interactive message are for."""

    DRAFT = "draft"
    """Choose the options of a video, and start it."""
    STATUS = "status"
    """Show the progress of a task, and cancel it."""
    RESULT = "result"
    """Retry or remix the video, or get it as a file."""
    QUESTION = "question"
    """Ask for a text that the user replies with."""
    CHOICES = "choices"
    """Offer several commands to choose from."""


@dataclass(frozen=True, slots=True)
class InteractiveMessage:
    """A message with buttons, whose callback data carries the unguessable `callback_id`."""

    callback_id: str
    kind: MessageKind
    user_id: str
    """The owner; other users' presses are rejected with an explanation."""
    destination: Destination
    task_id: str | None = None
    """Set for a status, a result, and the choices below a final message; one of each per task."""
    message_ref: str | None = None
    """The front-end's reference to the posted message; None: not known to be posted."""
    send_count: int = 0
    """Send attempts; more than one only if a response was lost."""
    body: dict[str, Any] = field(default_factory=dict)
    """State of the front-end, as JSON types."""
    is_closed: bool = False
    """The message was deleted, or has no buttons any more."""
