"""What the parts of the Telegram front-end work with, made once it is known who the bot is."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Coroutine
from dataclasses import dataclass, field
from typing import Any

import structlog
from telegram import Bot, ForceReply, InlineKeyboardMarkup, Message, User

from bot.cards import Cards
from bot.desk import Desk
from bot.frontends.telegram.markup import Html, escaped, pieces
from bot.frontends.telegram.pace import Rank
from bot.frontends.telegram.post import Post
from bot.frontends.telegram.spot import Spot, message_key
from bot.inbox import Later
from bot.model import Card
from bot.ports import DeliveryError, DeliveryUnclear
from bot.replies import say

NAME = "telegram"
_SENDS = 2
"""How often a message may be sent whose answer was lost."""
_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Kit:
    """The bot, the way out, and what is kept."""

    desk: Desk
    bot: Bot
    post: Post
    cards: Cards
    me: User | None = None
    """None until Telegram has said it."""
    _beside: set[asyncio.Task[None]] = field(default_factory=set)

    def beside(self, work: Coroutine[Any, Any, None]) -> None:
        """Do something that nobody has to wait for, and that may fail."""
        running = asyncio.create_task(_tried(work))
        self._beside.add(running)
        running.add_done_callback(self._beside.discard)

    async def quiet(self) -> None:
        """Return when nothing is done beside."""
        while self._beside:
            await asyncio.wait(self._beside)

    async def answer(
        self,
        spot: Spot,
        language: str,
        text: str,
        markup: InlineKeyboardMarkup | ForceReply | None = None,
    ) -> Message | None:
        """Answer a person, in several messages if it is long. None: nobody can be answered there.

        If the answer of Telegram is lost, it is said once more, marked. Raises `Later`.
        """
        sent = None
        parts = pieces(text)
        for number, part in enumerate(parts):
            last = number == len(parts) - 1
            sent = await self._answered(spot, language, part, markup if last else None)
        return sent

    async def _answered(
        self,
        spot: Spot,
        language: str,
        text: Html,
        markup: InlineKeyboardMarkup | ForceReply | None,
    ) -> Message | None:
        async def send(words: Html) -> Message:
            return await self.post.text(spot, words, Rank.ANSWER, markup)

        try:
            try:
                return await send(text)
            except DeliveryUnclear:
                await self.post.reach()
                return await send(f"{escaped(say(language, 'repeated'))} {text}")
        except DeliveryUnclear:
            return None
        except DeliveryError as error:
            _only_for_now(error)
            return None

    async def put_up(
        self,
        card: Card,
        spot: Spot,
        language: str,
        text: Html,
        markup: InlineKeyboardMarkup | ForceReply,
    ) -> Card | None:
        """Send a card; one whose answer was lost, in this life or before, once more and marked.

        None: it does not stand there. Raises `Later`.
        """
        times = await self.cards.begin(card)
        if times > _SENDS:
            return None
        if times > 1:
            text = f"{escaped(say(language, 'repeated'))} {text}"
        try:
            message = await self.post.text(spot, text, Rank.ANSWER, markup)
        except DeliveryUnclear as error:
            raise Later(str(error)) from None
        except DeliveryError as error:
            await self.cards.change(card, sends=times - 1)
            _only_for_now(error)
            return None
        key = message_key(message.chat.id, message.message_id)
        await self.cards.change(card, message=key)
        return await self.cards.get(card.token)


def _only_for_now(error: DeliveryError) -> None:
    if not error.permanent:
        raise Later(str(error), error.retry_after) from None
    _log.info("nobody_to_answer", why=str(error))


async def _tried(work: Awaitable[None]) -> None:
    try:
        await work
    except (DeliveryError, DeliveryUnclear, Later) as error:
        _log.info("left_undone", why=str(error))
    except Exception:  # noqa: BLE001 - nobody waits for it
        _log.exception("beside_failed")
