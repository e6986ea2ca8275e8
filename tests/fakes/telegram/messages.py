"""Accounts, messages and their history."""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, cast

from tests.fakes.telegram.files import StoredFile
from tests.fakes.telegram.text import Entity

if TYPE_CHECKING:
    from tests.fakes.telegram.chats import Chat, Topic


@dataclass(eq=False, kw_only=True)
class Account:
    """A user or a bot."""

    id: int
    first_name: str
    last_name: str = ""
    username: str = ""
    language: str = ""
    is_bot: bool = False
    deactivated: bool = False

    @property
    def name(self) -> str:
        """As it stands over a message."""
        return f"{self.first_name} {self.last_name}".strip()


ANONYMOUS = Account(id=1087968824, is_bot=True, first_name="Group", username="GroupAnonymousBot")
"""In whose name admins of groups write that wish to stay unnamed."""
AS_CHANNEL = Account(id=136817688, is_bot=True, first_name="Channel", username="Channel_Bot")
"""In whose name channels write in groups."""
FORWARDER = Account(id=777000, first_name="Telegram")
"""Who brings a channel's posts into its discussion group."""


@dataclass(frozen=True, slots=True)
class Button:
    """One button below a message."""

    text: str
    data: str = ""
    url: str = ""


@dataclass(frozen=True, slots=True)
class Revision:
    """An earlier version of a message."""

    time: float
    text: str
    buttons: list[list[Button]]


@dataclass(eq=False, kw_only=True)
class Message:
    """A message in its current version."""

    chat: Chat
    id: int
    date: float
    sender: Account
    sender_chat: Chat | None = None
    text: str = ""
    """Its text or caption, without marks."""
    entities: list[Entity] = field(default_factory=list)
    media: tuple[StoredFile, ...] = ()
    """Its file; of a photo all sizes, the largest last."""
    reply_to: Message | None = None
    topic: Topic | None = None
    thread: int | None = None
    """Its `message_thread_id`: of a topic, or of the first message of a chain of replies."""
    album: str = ""
    markup: dict[str, Any] | None = None
    spoiler: bool = False
    service: dict[str, Any] = field(default_factory=dict)
    """Of a service message its fields."""
    extra: dict[str, Any] = field(default_factory=dict)
    """Further fields with which it is told."""
    edited: float | None = None
    edits: list[Revision] = field(default_factory=list)
    """Earlier versions, oldest first."""
    deleted: bool = False
    asked: dict[str, Any] = field(default_factory=dict)
    """The call that sent it."""
    reaction: str = ""

    def _file(self, kind: str) -> StoredFile | None:
        return self.media[-1] if self.media and self.media[-1].kind == kind else None

    @property
    def photo(self) -> StoredFile | None:
        return self._file("photo")

    @property
    def video(self) -> StoredFile | None:
        return self._file("video")

    @property
    def document(self) -> StoredFile | None:
        return self._file("document")

    @property
    def buttons(self) -> list[list[Button]]:
        """Its rows of inline buttons."""
        rows = (self.markup or {}).get("inline_keyboard", [])
        return [
            [
                Button(button["text"], button.get("callback_data", ""), button.get("url", ""))
                for button in row
            ]
            for row in rows
        ]

    @property
    def asks(self) -> bool:
        """Whether apps open a reply to it by themselves."""
        return "force_reply" in (self.markup or {})

    @property
    def labels(self) -> list[str]:
        """The words on all its buttons."""
        return [button.text for row in self.buttons for button in row]

    @property
    def rows(self) -> list[str]:
        """Its rows of buttons as one would draw them."""
        if self.asks:
            return ["(asks for a reply)"]
        return [" ".join(f"[{button.text}]" for button in row) for row in self.buttons]

    def button(self, text: str) -> Button:
        """The button with these words, or with words that contain them."""
        all_of_them = [button for row in self.buttons for button in row]
        exact = [button for button in all_of_them if button.text == text]
        near = exact or [button for button in all_of_them if text in button.text]
        assert near, f"no button {text!r} among {self.labels} below {self.text!r}"
        return near[0]


EventKind = Literal["sent", "edited", "deleted", "action", "reaction", "pressed", "answered"]


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened in a chat."""

    time: float
    kind: EventKind
    by_bot: bool
    message: Message | None = None
    text: str = ""
    """What was said at that time; of an action its name, of a press its button."""
    thread: int | None = None
    labels: list[str] = field(default_factory=list)
    """Its rows of buttons at that time."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the bot answered to a press."""

    text: str
    alert: bool
    url: str


@dataclass(eq=False)
class ButtonPress:
    """One press of a button."""

    id: str
    by: Account
    message: Message
    button: Button
    time: float
    answered: Answer | None = None

    @property
    def answer(self) -> Awaitable[Answer]:
        """What the bot answers, once it does."""
        world, chat = self.message.chat.world, self.message.chat
        return world.until(self._answered, 10.0, chat=chat, what=f"{self.button.text!r} unanswered")

    def _answered(self) -> Answer:
        return cast("Answer", self.answered)
