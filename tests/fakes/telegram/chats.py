"""Chats and topics of the fake Telegram, and what a test may do to them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from tests.fakes.change_signal import PATIENCE_S, ChangeSignal
from tests.fakes.telegram.messages import ANONYMOUS, Account, Event, EventKind, Message

if TYPE_CHECKING:
    from tests.fakes.telegram.state import TelegramState

T = TypeVar("T")
Kind = Literal["private", "group", "supergroup", "channel"]
GENERAL = 1
"""The id of the General topic, which messages do not carry."""


@dataclass(eq=False)
class Topic:
    """A topic of a forum; its id is that of the service message with which it began."""

    chat: Chat
    name: str
    root: Message | None
    """None: the General topic."""
    closed: bool = False
    deleted: bool = False

    @property
    def id(self) -> int:
        """Its `message_thread_id`."""
        return GENERAL if self.root is None else self.root.id

    @property
    def messages(self) -> list[Message]:
        """What stands there, without the service message."""
        return [
            message
            for message in self.chat.messages
            if message.topic is self and message is not self.root
        ]

    async def close(self) -> None:
        """Only admins may write there from now on."""
        self.closed = True
        await self.chat.serves(topic=self, forum_topic_closed={})

    async def reopen(self) -> None:
        """All may write there again."""
        self.closed = False
        await self.chat.serves(topic=self, forum_topic_reopened={})

    async def remove(self) -> None:
        """It is gone, with all that stood there; bots do not hear of that."""
        self.deleted = True
        for message in [*self.messages, *([self.root] if self.root else [])]:
            self.chat.world.delete(message, by_bot=False)


@dataclass(eq=False, kw_only=True)
class Chat:
    """One chat, with all that was ever said in it."""

    world: TelegramState
    id: int
    kind: Kind
    title: str = ""
    username: str = ""
    person: Account | None = None
    """With whom, in a private chat."""
    members: list[Account] = field(default_factory=list)
    admins: list[Account] = field(default_factory=list)
    forum: bool = False
    linked: Chat | None = None
    """A channel's discussion group, and the other way round."""
    bot_status: Literal["none", "member", "administrator", "left", "kicked"] = "member"
    started: bool = False
    """The person has written to the bot."""
    blocked: bool = False
    gone: bool = False
    """Deleted for all."""
    forbidden: set[str] = field(default_factory=set)
    """What members may not send: `text`, `video`, `photo`, `document`."""
    upgraded_to: Chat | None = None
    history: dict[int, Message] = field(default_factory=dict)
    log: list[Event] = field(default_factory=list)
    topics: dict[int, Topic] = field(default_factory=dict)
    next_id: int = 2
    """In supergroups the first message reports their creation."""

    def __post_init__(self) -> None:
        self.watch = ChangeSignal()
        self.general = Topic(self, "General", None)
        """The topic of a forum whose messages bear no thread."""

    @property
    def name(self) -> str:
        """As it stands in the list of chats."""
        return self.title or (self.person.name if self.person else "")

    @property
    def messages(self) -> list[Message]:
        """What stands there now, the oldest first."""
        return [message for message in self.history.values() if not message.deleted]

    @property
    def from_bot(self) -> list[Message]:
        """What the bot wrote and what still stands there."""
        return [message for message in self.messages if message.sender is self.world.bot]

    def events(self, kind: EventKind, *, by_bot: bool = True) -> Iterator[Event]:
        """All that happened of this kind."""
        return (event for event in self.log if event.kind == kind and event.by_bot is by_bot)

    async def until(self, look: Callable[[Chat], T], timeout: float = PATIENCE_S) -> T:
        """The first true thing that `look` finds; it looks whenever this chat changes."""
        return await self.world.until(lambda: look(self), timeout, chat=self)

    async def shows(
        self,
        text: str,
        timeout: float = PATIENCE_S,
        *,
        after: Message | None = None,
        times: int = 1,
    ) -> Message:
        """Wait until the bot has posted this text `times` times; the newest message."""
        least = after.id if after else 0

        def look() -> Message | None:
            found = [
                message for message in self.from_bot if text in message.text and message.id > least
            ]
            return found[-1] if len(found) >= times else None

        found = await self.world.until(look, timeout, chat=self, what=f"no {text!r}")
        assert found is not None
        return found

    async def shows_video(self, timeout: float = PATIENCE_S, *, times: int = 1) -> Message:
        """Wait until the bot has posted `times` videos; the newest message."""

        def look() -> Message | None:
            found = [message for message in self.from_bot if message.video]
            return found[-1] if len(found) >= times else None

        found = await self.world.until(look, timeout, chat=self, what="no video")
        assert found is not None
        return found

    async def topic(self, name: str, by: Account | None = None) -> Topic:
        """A new topic of a forum."""
        assert self.forum
        created = {"forum_topic_created": {"name": name, "icon_color": 7322096}}
        sender = by or (self.members or [ANONYMOUS])[0]
        root = self.world.put(self, sender, service=created)
        topic = Topic(self, name, root)
        root.topic, root.thread = topic, root.id
        self.topics[root.id] = topic
        self.world.arrive(root)
        return topic

    async def serves(
        self, by: Account | None = None, topic: Topic | None = None, **service: Any
    ) -> Message:
        """A service message appears."""
        sender = by or (self.members or [ANONYMOUS])[0]
        thread = topic.id if topic and topic.root else None
        message = self.world.put(self, sender, service=service, topic=topic, thread=thread)
        self.world.arrive(message)
        return message

    async def promotes_bot(self, by: Account | None = None) -> None:
        """The bot becomes an admin."""
        self.world.bot_becomes(self, "administrator", by)

    async def demotes_bot(self, by: Account | None = None) -> None:
        """The bot is a member like all others."""
        self.world.bot_becomes(self, "member", by)

    async def kicks_bot(self, by: Account | None = None) -> None:
        """Remove the bot."""
        self.world.bot_becomes(self, "kicked", by)

    async def adds_bot(self, by: Account | None = None) -> None:
        """Add the bot, for the first time or again."""
        self.world.bot_becomes(self, "member", by)
        await self.serves(by=by, new_chat_members=[self.world.bot])

    async def vanishes(self) -> None:
        """The chat is deleted for all; nobody is told."""
        self.gone = True

    async def upgrades(self) -> Chat:
        """A group becomes a supergroup: a new chat, with a new id."""
        return self.world.upgrade(self)
