"""Where in Telegram something belongs: a chat, its topic, the message that it answers."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class ChatTarget:
    """A place in a chat. Ids of chats above 0 are those of people: private chats."""

    chat: int
    thread: int | None = None
    """A forum's topic. Its General topic has none, nor have threads of comments."""
    reply: int | None = None

    @property
    def address(self) -> str:
        """As the database keeps it; see `parse`."""
        return f"{self.chat}:{self.thread or ''}:{self.reply or ''}"

    @property
    def is_private(self) -> bool:
        return self.chat > 0

    @property
    def channel_only(self) -> ChatTarget:
        """The place without the message that is answered."""
        return replace(self, reply=None)

    @classmethod
    def parse(cls, address: str) -> ChatTarget:
        """What `address` has written. Raises `ValueError`."""
        chat, thread, reply = address.split(":")
        return cls(int(chat), int(thread) if thread else None, int(reply) if reply else None)


def message_ref(chat: int, message: int) -> str:
    """A message as cards and receipts name it."""
    return f"{chat}:{message}"


def parse_message_ref(key: str) -> tuple[int, int]:
    """(chat, message) of a key."""
    chat, message = key.split(":")
    return int(chat), int(message)


def user_id_of(user: int) -> str:
    """A person as all of Reelay knows them."""
    return f"telegram:{user}"


def parse_user_id(user_id: str) -> int:
    """Their id at Telegram, which is that of their private chat too."""
    return int(user_id.partition(":")[2])
