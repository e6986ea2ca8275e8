"""Shared dependencies of the Telegram front-end, and replies to users."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, TypeVar

import structlog
from telegram import Bot, ForceReply, InlineKeyboardMarkup, Message
from telegram import User as TelegramUser

from bot.chat.background_tasks import BackgroundTasks
from bot.chat.interactive_messages import InteractiveMessages
from bot.chat.update_queue import RetryLater
from bot.domain.interactive import InteractiveMessage, MessageKind
from bot.domain.users import User
from bot.frontends.telegram.rate_limiter import Priority
from bot.frontends.telegram.rendering import Html, escaped, split_message
from bot.frontends.telegram.sender import MessageSender
from bot.frontends.telegram.target import ChatTarget, message_ref
from bot.ports import DeliveryError, DeliveryOutcomeUnknown
from bot.presentation.i18n import translate
from bot.services.context import AppContext

NAME = "telegram"
MAX_SENDS = 2
"""How often a message may be sent if the response is lost."""
_MAX_REMEMBERED = 1000
_RETRY_WINDOW_S = 86400.0
"""Seconds in which an update is tried again; an outage may last."""
_log = structlog.get_logger(__name__)
_Key = TypeVar("_Key")
_Value = TypeVar("_Value")


def remember(cache: dict[_Key, _Value], key: _Key, value: _Value, limit: int) -> None:
    """Remember a value in memory; forget the oldest beyond `limit`."""
    cache[key] = value
    while len(cache) > limit:
        del cache[next(iter(cache))]


@dataclass(slots=True)
class ChatContext:
    """What the handlers of the Telegram front-end share."""

    app: AppContext
    bot: Bot
    sender: MessageSender
    interactive_messages: InteractiveMessages
    me: TelegramUser | None = None
    """None until the bot has logged in."""
    background: BackgroundTasks = field(default_factory=BackgroundTasks)
    _unconfirmed_replies: dict[tuple[str, str], int] = field(default_factory=dict)
    """Replies (address, text) whose response was lost, until they are sent once more."""

    async def reply(
        self,
        target: ChatTarget,
        language: str,
        text: str,
        markup: InlineKeyboardMarkup | ForceReply | None = None,
    ) -> Message | None:
        """Reply to the user, in several messages if it is long. Raises `RetryLater`.

        Returns None if the chat cannot be written to. If the response is lost, the reply is sent
        once more, marked as repeated.
        """
        sent = None
        parts = split_message(text)
        for number, part in enumerate(parts):
            last = number == len(parts) - 1
            sent = await self._send_reply(target, language, part, markup if last else None)
        return sent

    async def _send_reply(
        self,
        target: ChatTarget,
        language: str,
        text: Html,
        markup: InlineKeyboardMarkup | ForceReply | None,
    ) -> Message | None:
        key = (target.address, text)
        for lost in range(self._unconfirmed_replies.pop(key, 0), MAX_SENDS):
            words = f"{escaped(translate(language, 'repeated'))} {text}" if lost else text
            try:
                return await self.sender.send_text(target, words, Priority.ANSWER, markup)
            except DeliveryOutcomeUnknown:
                continue
            except DeliveryError as error:
                if lost:
                    remember(self._unconfirmed_replies, key, lost, _MAX_REMEMBERED)
                _is_transient(error)
                break
        return None

    async def get_or_create(
        self, kind: MessageKind, user: User, target: ChatTarget, body: dict[str, Any], cause: str
    ) -> InteractiveMessage:
        """Return the interactive message of an update (`cause`): the same one on every retry."""
        address = target.channel_only.address
        existing = await self.interactive_messages.newest(kind, user.id, address, _RETRY_WINDOW_S)
        if existing is not None and existing.body.get("cause") == cause:
            return existing
        return await self.interactive_messages.create(
            kind, user.id, address, body=body | {"cause": cause}
        )

    async def send(
        self,
        interactive: InteractiveMessage,
        target: ChatTarget,
        language: str,
        text: Html,
        markup: InlineKeyboardMarkup | ForceReply,
    ) -> InteractiveMessage | None:
        """Send an interactive message. Raises `RetryLater`.

        If the response was lost, now or before a restart, it is sent once more, marked. Returns
        None if it is not posted.
        """
        times = await self.interactive_messages.record_send_attempt(interactive)
        if times > MAX_SENDS:
            return None
        if times > 1:
            text = f"{escaped(translate(language, 'repeated'))} {text}"
        try:
            message = await self.sender.send_text(target, text, Priority.ANSWER, markup)
        except DeliveryOutcomeUnknown as error:
            raise RetryLater(str(error)) from None
        except DeliveryError as error:
            await self.interactive_messages.change(interactive, sends=times - 1)
            _is_transient(error)
            return None
        key = message_ref(message.chat.id, message.message_id)
        await self.interactive_messages.change(interactive, message=key)
        return await self.interactive_messages.get(interactive.callback_id)


def _is_transient(error: DeliveryError) -> None:
    if not error.is_permanent:
        raise RetryLater(str(error), error.retry_after) from None
    _log.info("reply_target_unavailable", error=str(error))
