"""The state of the fake Telegram: accounts, chats, messages and files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from itertools import count
from typing import Any, Protocol, TypeVar

from tests.fakes.change_signal import ChangeSignal
from tests.fakes.telegram import serializers as shown
from tests.fakes.telegram.chats import Chat, Topic
from tests.fakes.telegram.files import Files
from tests.fakes.telegram.messages import (
    ANONYMOUS,
    AS_CHANNEL,
    FORWARDER,
    Account,
    ButtonPress,
    Event,
    EventKind,
    Message,
    Revision,
)
from tests.fakes.telegram.text import covered_text
from tests.fakes.telegram.transcript import transcript
from tests.fakes.telegram.updates import Update, Updates

T = TypeVar("T")
_OWN_COUNT = frozenset({"supergroup", "channel"})


class HasNow(Protocol):
    """What the server asks of a clock."""

    def now(self) -> float:
        """UNIX seconds."""
        ...


class TelegramState:
    """The state."""

    def __init__(self, bot: Account, clock: HasNow) -> None:
        self.bot = bot
        self.clock = clock
        self.privacy = True
        """In groups the bot hears only what is meant for it."""
        self.files = Files()
        self.watch = ChangeSignal()
        self.updates = Updates(self.watch.changed)
        self.mistakes: list[BaseException] = []
        """Internal errors of the fake."""
        self.chats: dict[int, Chat] = {}
        self.accounts: dict[int, Account] = {
            account.id: account for account in (bot, ANONYMOUS, AS_CHANNEL, FORWARDER)
        }
        self.presses: dict[str, ButtonPress] = {}
        self.press_lifetime = 30.0
        """Seconds in which a press must be answered."""
        self.commands: dict[tuple[str, str], list[dict[str, Any]]] = {}
        """By scope and language."""
        self.about: dict[tuple[str, str], str] = {}
        """What the bot says of itself, by kind and language."""
        self.uploads: Counter[str] = Counter()
        """By kind of file."""
        self.local = False
        """As a Bot API server of one's own that was started with `--local`."""
        self.people_ids = count(5_000_000_001)
        self.group_ids = count(4_100_001)
        self._shared_ids = count(101)

    # --- waiting -------------------------------------------------------------------------

    async def until(
        self, look: Callable[[], T], timeout: float, *, chat: Chat | None = None, what: str = ""
    ) -> T:
        """The first true result of `look`. Fails with a transcript of what is there instead."""

        def looked() -> T:
            self.check()
            return look()

        def told() -> str:
            chats = [chat] if chat is not None else list(self.chats.values())
            return "\n".join([what, *(transcript(one) for one in chats)])

        watch = self.watch if chat is None else chat.watch
        return await watch.until(looked, timeout, told)

    def changed(self, chat: Chat | None = None) -> None:
        """Wake those who wait for one chat, or for any."""
        self.watch.changed()
        for one in self.chats.values() if chat is None else [chat]:
            one.watch.changed()

    def check(self) -> None:
        """Raise internal errors of the fake."""
        if self.mistakes:
            raise self.mistakes[0]

    # --- what appears --------------------------------------------------------------------

    def put(self, chat: Chat, sender: Account, **more: Any) -> Message:
        """A new message stands in a chat."""
        if chat.kind in _OWN_COUNT:
            number, chat.next_id = chat.next_id, chat.next_id + 1
        else:
            number = next(self._shared_ids)
        message = Message(chat=chat, id=number, date=self.clock.now(), sender=sender, **more)
        if message.thread is None and chat.kind == "supergroup" and not chat.forum:
            message.thread = _chain(message)
        chat.history[number] = message
        self.record_event(message, "sent")
        return message

    def record_event(
        self, message: Message, kind: EventKind, *, by_bot: bool | None = None
    ) -> None:
        """Something happened to a message."""
        own = message.sender is self.bot if by_bot is None else by_bot
        message.chat.log.append(
            Event(self.clock.now(), kind, own, message, message.text, message.thread, message.rows)
        )
        self.changed(message.chat)

    def act(self, chat: Chat, action: str, thread: int | None) -> None:
        """The bot shows what it is doing."""
        chat.log.append(Event(self.clock.now(), "action", True, None, action, thread))
        self.changed(chat)

    def record_press(self, press: ButtonPress) -> None:
        """Someone has pressed a button."""
        words = f"{press.by.name} presses [{press.button.text}]"
        press.message.chat.log.append(
            Event(self.clock.now(), "pressed", False, press.message, words)
        )
        self.changed(press.message.chat)

    def change(self, message: Message) -> None:
        """Remember what a message said; the caller then changes it and notes that."""
        look = Revision(self.clock.now(), message.text, message.buttons)
        message.edits.append(look)

    def delete(self, message: Message, *, by_bot: bool) -> None:
        """Delete a message."""
        message.deleted = True
        self.record_event(message, "deleted", by_bot=by_bot)

    # --- who hears of it -----------------------------------------------------------------

    def arrive(self, message: Message, kind: str = "message") -> Update | None:
        """Tell the bot of a message, if it may hear of it."""
        if not self._hears(message):
            return None
        if message.chat.kind == "channel":
            kind = {"message": "channel_post", "edited_message": "edited_channel_post"}[kind]
        return self.updates.add(kind, shown.message(message), message.chat.id)

    def _hears(self, message: Message) -> bool:
        chat = message.chat
        if chat.kind == "private":
            return True
        if chat.bot_status not in {"member", "administrator"} or message.sender is self.bot:
            return False
        if not self.privacy or chat.bot_status == "administrator" or message.service:
            return True
        replied = message.reply_to
        if replied is not None and replied.sender is self.bot and not replied.deleted:
            return True
        return any(self._means_bot(message, entity) for entity in message.entities)

    def _means_bot(self, message: Message, entity: dict[str, Any]) -> bool:
        words = covered_text(message.text, entity)
        match entity["type"]:
            case "bot_command":
                to = words.partition("@")[2]
                return entity["offset"] == 0 and (not to or self._is_me(to))
            case "mention":
                return self._is_me(words[1:])
            case "text_mention":
                return entity["user"] is self.bot
        return False

    def _is_me(self, username: str) -> bool:
        return username.lower() == self.bot.username.lower()

    def bot_becomes(self, chat: Chat, status: Any, by: Account | None) -> None:
        """The bot's standing in a chat changes, and it hears of that."""
        before = "left" if chat.bot_status == "none" else chat.bot_status
        chat.bot_status = status
        self.send_membership_update(chat, by or (chat.members or [ANONYMOUS])[0], before, status)

    def send_membership_update(self, chat: Chat, by: Account, before: str, now: str) -> None:
        """A `my_chat_member` update."""
        told = {
            "chat": shown.chat(chat),
            "from": shown.account(by),
            "date": int(self.clock.now()),
            "old_chat_member": shown.member(self.bot, before),
            "new_chat_member": shown.member(self.bot, now),
        }
        self.updates.add("my_chat_member", told, chat.id)
        self.changed(chat)

    # --- chats ---------------------------------------------------------------------------

    def chat(self, **fields: Any) -> Chat:
        """A new chat."""
        it = Chat(world=self, **fields)
        self.chats[it.id] = it
        return it

    def new_group_id(self, *, long: bool) -> int:
        """A free id; those of supergroups and channels are long."""
        number = next(self.group_ids)
        return -(1_000_000_000_000 + 2_000_000_000 + number) if long else -number

    def upgrade(self, old: Chat) -> Chat:
        """A group becomes a supergroup."""
        assert old.kind == "group"
        assert old.upgraded_to is None
        new = self.chat(
            id=self.new_group_id(long=True),
            kind="supergroup",
            title=old.title,
            members=old.members,
            admins=old.admins,
            bot_status=old.bot_status,
        )
        sender = (old.members or [ANONYMOUS])[0]
        last = self.put(old, sender, service={"migrate_to_chat_id": new.id})
        self.arrive(last)
        old.upgraded_to = new
        first = self.put(new, ANONYMOUS, sender_chat=new, service={"migrate_from_chat_id": old.id})
        self.arrive(first)
        return new

    def topic_of(self, chat: Chat, thread: int | None) -> Topic | None:
        """The topic of this id; without one the General topic of a forum."""
        if not chat.forum:
            return None
        return chat.general if thread is None else chat.topics.get(thread)


def _chain(message: Message) -> int | None:
    """In a supergroup replies bear the id of the message with which their chain began."""
    if message.reply_to is None:
        return None
    return message.reply_to.thread or message.reply_to.id
