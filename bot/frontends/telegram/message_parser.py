"""Parse messages of users. Pure: from the library's types."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from telegram import Message, MessageEntity, Update
from telegram import User as TelegramUser
from telegram.constants import MessageOriginType

from bot.config import Settings
from bot.domain.tasks import orientation_of
from bot.domain.users import User
from bot.frontends.telegram.target import ChatTarget, message_ref, user_id_of

if TYPE_CHECKING:
    from providers.types import Orientation

_NO_ORDERING_KEY = "0"
"""The ordering key of updates without a user."""
_COMMAND = re.compile(r"/([A-Za-z0-9_]{1,32})(?:@(\w+))?(?:\s+|$)")
_CHANNEL_BOT_ID = 136817688
_ANONYMOUS_BOT_ID = 1087968824
"""Senders of channel posts and of anonymous group admins."""

Addressed = Literal["command", "mention", "answer", "private"]
"""Why a message is addressed to the bot."""


@dataclass(frozen=True, slots=True)
class ImageAttachment:
    """An image on Telegram's servers, not yet downloaded."""

    file_id: str
    bytes: int | None
    name: str
    width: int | None = None
    height: int | None = None

    def to_json(self) -> dict[str, Any]:
        """As it is stored; see `from_json`. The keys stay when attributes are renamed."""
        return {
            "file_id": self.file_id,
            "bytes": self.bytes,
            "name": self.name,
            "width": self.width,
            "height": self.height,
        }

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> ImageAttachment:
        """Read what `to_json` has written; unknown keys are ignored."""
        return cls(
            file_id=stored["file_id"],
            bytes=stored.get("bytes"),
            name=stored["name"],
            width=stored.get("width"),
            height=stored.get("height"),
        )

    @property
    def orientation(self) -> Orientation | None:
        """The orientation, if Telegram states the size."""
        return orientation_of(self.width, self.height) if self.width and self.height else None


@dataclass(frozen=True, slots=True)
class RepliedMessage:
    """The message that is replied to."""

    key: str
    """See `target.message_ref`."""
    ours: bool
    """Whether the bot sent it."""
    token: str | None
    """Callback id of the interactive message it is, if any."""
    user: str | None
    """The sender, if it is a user."""
    text: str
    image: ImageAttachment | None


@dataclass(frozen=True, slots=True)
class IncomingMessage:
    """One message addressed to the bot."""

    user: User
    handle: str | None
    target: ChatTarget
    trigger: Addressed
    text: str
    """Text or caption, without the mention of the bot."""
    command: str | None
    """`video` if the message starts with /video; then `text` is the whole line."""
    image: ImageAttachment | None
    other: bool
    """Whether it has an attachment that is no image: audio, video, sticker."""
    album: str | None
    answered: RepliedMessage | None
    named: dict[str, str]
    """Users mentioned without a username: text of the mention -> user id."""


def ordering_key_of(update: Update) -> str:
    """Return the ordering key: the user's updates are handled in order.

    What a chat posts as itself has the chat's id, because all such messages have the same sender.
    """
    message = update.message
    if message is not None and is_anonymous_sender(message):
        return f"chat:{message.chat.id}"
    user = update.effective_user
    return user_id_of(user.id) if user is not None else _NO_ORDERING_KEY


def user_from(user: TelegramUser, settings: Settings) -> User:
    """Return Reelay's user of a Telegram user."""
    user_id = user_id_of(user.id)
    return User(user_id, is_admin=user_id in settings.admins, language=user.language_code)


def is_anonymous_sender(message: Message) -> bool:
    """Whether a chat posted it and not a user: an anonymous admin, a channel."""
    return message.sender_chat is not None or (
        message.from_user is not None
        and message.from_user.id in {_CHANNEL_BOT_ID, _ANONYMOUS_BOT_ID}
    )


def target_of(message: Message) -> ChatTarget:
    """Return where a reply to this message goes."""
    # Comments below a channel's post have a thread id too, and there it must not be sent.
    thread = message.message_thread_id if message.is_topic_message else None
    return ChatTarget(message.chat.id, thread, message.message_id)


def parse_message(message: Message, me: TelegramUser, settings: Settings) -> IncomingMessage | None:
    """Parse a message; None if it is not addressed to the bot."""
    user = message.from_user
    if user is None:
        return None
    text = message.text or message.caption or ""
    command, to_others = _command(text, me)
    answered = _replied_message(message, me)
    text, mentioned = _without_mention(message, text, me)
    addressed: Addressed | None
    if to_others:
        addressed = None
    elif command is not None:
        addressed = "command"
    elif message.chat.type == "private":
        addressed = "private"
    elif mentioned:
        addressed = "mention"
    else:
        addressed = "answer" if answered is not None and answered.ours else None
    if addressed is None:
        return None
    image = image_of(message)
    return IncomingMessage(
        user=user_from(user, settings),
        handle=user.username,
        target=target_of(message),
        trigger=addressed,
        text=text.strip(),
        command=command,
        image=image,
        other=image is None and message.effective_attachment is not None,
        album=message.media_group_id,
        answered=answered,
        named=_mentions(message),
    )


def _command(text: str, me: TelegramUser) -> tuple[str | None, bool]:
    """Return (the command at the start, whether it is for another bot)."""
    match = _COMMAND.match(text)
    if match is None:
        return None, False
    name, bot = match.groups()
    if bot is not None and bot.lower() != (me.username or "").lower():
        return None, True
    return name.lower(), False


def _without_mention(message: Message, text: str, me: TelegramUser) -> tuple[str, bool]:
    """Return the text without the mention of the bot, and whether it was there."""
    ours = f"@{me.username}".lower()
    for word in _parsed(message, MessageEntity.MENTION).values():
        if word.lower() == ours:
            return re.sub(rf"\s*{re.escape(word)}(?!\w)\s*", " ", text, count=1), True
    return text, False


def _mentions(message: Message) -> dict[str, str]:
    mentions = _parsed(message, MessageEntity.TEXT_MENTION)
    return {word: user_id_of(entity.user.id) for entity, word in mentions.items() if entity.user}


def _parsed(message: Message, kind: str) -> dict[MessageEntity, str]:
    if message.text:
        return message.parse_entities([kind])
    return message.parse_caption_entities([kind]) if message.caption else {}


def _replied_message(message: Message, me: TelegramUser) -> RepliedMessage | None:
    reply = message.reply_to_message
    # In a topic every message "answers" the one that has opened the topic.
    if reply is None or reply.forum_topic_created is not None:
        return None
    sender = reply.from_user
    ours = sender is not None and sender.id == me.id
    user = None
    if sender is not None and not sender.is_bot and reply.sender_chat is None:
        user = user_id_of(sender.id)
    return RepliedMessage(
        key=message_ref(message.chat.id, reply.message_id),
        ours=ours,
        token=_callback_id_of(reply) if ours else None,
        user=user,
        text=_without_mention(reply, reply.text or reply.caption or "", me)[0].strip(),
        image=image_of(reply),
    )


def _callback_id_of(message: Message) -> str | None:
    rows = message.reply_markup.inline_keyboard if message.reply_markup else ()
    values = (button.callback_data for row in rows for button in row)
    first = next((data for data in values if isinstance(data, str)), None)
    return first.partition(".")[0] if first else None


def image_of(message: Message) -> ImageAttachment | None:
    """Return the image of a message: its largest size, or an image sent as a file."""
    if message.photo:
        best = max(message.photo, key=lambda size: size.width * size.height)
        return ImageAttachment(best.file_id, best.file_size, "photo.jpg", best.width, best.height)
    file = message.document
    if file is not None and (file.mime_type or "").startswith("image/"):
        return ImageAttachment(file.file_id, file.file_size, file.file_name or "picture")
    return None


def is_from_channel(message: Message) -> bool:
    """Whether it is a channel post forwarded into the group of its comments."""
    origin = message.forward_origin
    return bool(message.is_automatic_forward) or (
        origin is not None
        and origin.type == MessageOriginType.CHANNEL
        and message.sender_chat is not None
    )
