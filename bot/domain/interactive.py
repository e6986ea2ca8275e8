"""Interactive messages: posted messages whose buttons a user can press."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from bot.domain.tasks import Place


class CardKind(StrEnum):
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
class Card:
    """A message with buttons. Their callback data carries `token`, which cannot be guessed."""

    token: str
    kind: CardKind
    person: str
    """The owner; other users' presses are rejected with an explanation."""
    place: Place
    task: str | None = None
    """Set for a status, a result, and the choices below a final message; one of each per task."""
    message: str | None = None
    """The front-end's reference to the posted message; None: not known to be posted."""
    sends: int = 0
    """Send attempts; more than one only if a response was lost."""
    body: dict[str, Any] = field(default_factory=dict)
    """State of the front-end, as JSON types."""
    gone: bool = False
    """The message was deleted, or has no buttons any more."""
