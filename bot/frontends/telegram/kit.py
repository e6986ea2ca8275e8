"""What the parts of the Telegram front-end work with, made once it is known who the bot is."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Coroutine
from dataclasses import dataclass, field
from typing import Any, TypeVar

import structlog
from telegram import Bot, ForceReply, InlineKeyboardMarkup, Message
from telegram import User as TelegramUser

from bot.cards import Cards
from bot.domain.interactive import InteractiveMessage, MessageKind
from bot.domain.users import User
from bot.frontends.telegram.markup import Html, escaped, pieces
from bot.frontends.telegram.pace import Rank
from bot.frontends.telegram.post import Post
from bot.frontends.telegram.spot import Spot, message_key
from bot.inbox import Later
from bot.ports import DeliveryError, DeliveryOutcomeUnknown
from bot.presentation.i18n import translate
from bot.services.context import AppContext

NAME = "telegram"
SENDS = 2
"""How often a message may be sent whose answer was lost."""
_REMEMBERED = 1000
_TRIED_AGAIN = 86400.0
"""Seconds in which an update may be tried again; an outage may last."""
_log = structlog.get_logger(__name__)
_Key = TypeVar("_Key")
_Value = TypeVar("_Value")


def remember(known: dict[_Key, _Value], key: _Key, value: _Value, most: int) -> None:
    """Keep it in memory, and forget the oldest of more than so many."""
    known[key] = value
    while len(known) > most:
        del known[next(iter(known))]


@dataclass(slots=True)
class Kit:
    """The bot, the way out, and what is kept."""

    desk: AppContext
    bot: Bot
    post: Post
    cards: Cards
    me: TelegramUser | None = None
    """None until Telegram has said it."""
    _beside: set[asyncio.Task[None]] = field(default_factory=set)
    _lost: dict[tuple[str, str], int] = field(default_factory=dict)
    """Answers (where, what) whose sends got no answer, until they are said once more."""

    def beside(self, work: Coroutine[Any, Any, object]) -> None:
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
        this = (spot.address, text)
        for lost in range(self._lost.pop(this, 0), SENDS):
            words = f"{escaped(translate(language, 'repeated'))} {text}" if lost else text
            try:
                return await self.post.text(spot, words, Rank.ANSWER, markup)
            except DeliveryOutcomeUnknown:
                continue
            except DeliveryError as error:
                if lost:
                    remember(self._lost, this, lost, _REMEMBERED)
                _only_for_now(error)
                break
        return None

    async def open_once(
        self, kind: MessageKind, person: User, spot: Spot, body: dict[str, Any], cause: str
    ) -> InteractiveMessage:
        """The card that an update, the `cause`, brings: the same one whenever it is tried again."""
        address = spot.room.address
        known = await self.cards.newest(kind, person.id, address, _TRIED_AGAIN)
        if known is not None and known.body.get("cause") == cause:
            return known
        return await self.cards.open(kind, person.id, address, body=body | {"cause": cause})

    async def put_up(
        self,
        card: InteractiveMessage,
        spot: Spot,
        language: str,
        text: Html,
        markup: InlineKeyboardMarkup | ForceReply,
    ) -> InteractiveMessage | None:
        """Send a card; one whose answer was lost, in this life or before, once more and marked.

        None: it does not stand there. Raises `Later`.
        """
        times = await self.cards.begin(card)
        if times > SENDS:
            return None
        if times > 1:
            text = f"{escaped(translate(language, 'repeated'))} {text}"
        try:
            message = await self.post.text(spot, text, Rank.ANSWER, markup)
        except DeliveryOutcomeUnknown as error:
            raise Later(str(error)) from None
        except DeliveryError as error:
            await self.cards.change(card, sends=times - 1)
            _only_for_now(error)
            return None
        key = message_key(message.chat.id, message.message_id)
        await self.cards.change(card, message=key)
        return await self.cards.get(card.callback_id)


def _only_for_now(error: DeliveryError) -> None:
    if not error.is_permanent:
        raise Later(str(error), error.retry_after) from None
    _log.info("nobody_to_answer", why=str(error))


async def _tried(work: Awaitable[object]) -> None:
    try:
        await work
    except (DeliveryError, DeliveryOutcomeUnknown, Later) as error:
        _log.info("left_undone", why=str(error))
    except Exception:  # noqa: BLE001 - nobody waits for it
        _log.exception("beside_failed")
