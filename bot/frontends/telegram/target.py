"""Destinations on Telegram: a chat, its topic, and the message to reply to."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class ChatTarget:
    """A destination in a chat. Chat ids above 0 are users: private chats."""

    chat: int
    thread: int | None = None
    """Topic of a forum; None for the General topic and for comment threads."""
    reply: int | None = None

    @property
    def address(self) -> str:
        """Return the stored form; see `parse`."""
        return f"{self.chat}:{self.thread or ''}:{self.reply or ''}"

    @property
    def is_private(self) -> bool:
        return self.chat > 0

    @property
    def channel_only(self) -> ChatTarget:
        """The destination without the message to reply to."""
        return replace(self, reply=None)

    @classmethod
    def parse(cls, address: str) -> ChatTarget:
        """Read what `address` has written. Raises `ValueError`."""
        chat, thread, reply = address.split(":")
        return cls(int(chat), int(thread) if thread else None, int(reply) if reply else None)


def message_ref(chat: int, message: int) -> str:
    """Return the stored reference of a message."""
    return f"{chat}:{message}"


def parse_message_ref(key: str) -> tuple[int, int]:
    """Return (chat id, message id) of a stored reference."""
    chat, message = key.split(":")
    return int(chat), int(message)


def user_id_of(user: int) -> str:
    """Return Reelay's id of a Telegram user."""
    return f"telegram:{user}"


def parse_user_id(user_id: str) -> int:
    """Return the Telegram id, which is also the id of the private chat."""
    return int(user_id.partition(":")[2])
