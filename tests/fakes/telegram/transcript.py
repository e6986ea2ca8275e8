"""Chats as readable text, for golden files and failures."""

from __future__ import annotations

from collections.abc import Iterator

from tests.fakes.telegram.chats import Chat
from tests.fakes.telegram.messages import Event, Message


def transcript(chat: Chat) -> str:
    """What stands in a chat now."""
    lines = [line for message in chat.messages for line in _lines(message)]
    return "\n".join([_head(chat), *lines, ""])


def event_log(chat: Chat) -> str:
    """All that happened in a chat, in order: edits, presses and deletions as well."""
    lines = [line for event in chat.log for line in _told(event)]
    return "\n".join([_head(chat), *lines, ""])


def _head(chat: Chat) -> str:
    return f"── {chat.name} ({chat.kind}{', forum' if chat.forum else ''})"


def _told(event: Event) -> Iterator[str]:
    message = event.message
    match event.kind:
        case "action":
            yield f"… {event.text}"
        case "pressed":
            yield f"{event.text}"
        case "answered":
            yield f"  → {event.text or '(nothing)'}"
        case "deleted":
            assert message is not None
            yield f"✗ deleted: {_short(message)}"
        case "reaction":
            assert message is not None
            yield f"{event.text} on {_short(message)}"
        case "edited":
            assert message is not None
            yield f"✎ {_who(message)}"
            yield from _body(message, event.text, event.labels)
        case "sent":
            assert message is not None
            yield _headline(message)
            yield from _body(message, event.text, event.labels)


def _lines(message: Message) -> Iterator[str]:
    yield _headline(message)
    yield from _body(message, message.text, message.rows)


def _headline(message: Message) -> str:
    topic = f" · {message.topic.name}" if message.topic is not None else ""
    reply = f" ↩ {_short(message.reply_to)}" if message.reply_to is not None else ""
    return f"{_who(message)}{topic}{reply}"


def _who(message: Message) -> str:
    return message.sender_chat.name if message.sender_chat is not None else message.sender.name


def _short(message: Message) -> str:
    words = " ".join(message.text.split()) or "".join(_media(message)) or "(service)"
    return f"{_who(message)}: {words if len(words) <= 40 else words[:39] + '…'}"


def _body(message: Message, text: str, rows: list[str]) -> Iterator[str]:
    yield from (f"  {line}" for line in _media(message))
    yield from (f"  ({name.replace('_', ' ')})" for name in message.service)
    yield from (f"  {line}".rstrip() for line in text.splitlines())
    yield from (f"  {row}" for row in rows)


def _media(message: Message) -> list[str]:
    if not message.media:
        return []
    spoiler = ", hidden" if message.spoiler else ""
    return [f"⟨{message.media[-1].shown()}{spoiler}⟩"]
