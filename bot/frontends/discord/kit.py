"""What the parts of the Discord front-end work with, and how a person is answered."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Coroutine
from dataclasses import dataclass, field, replace
from typing import Any

import discord
import structlog

from bot.cards import Cards
from bot.domain.commands import Command, CommandRequest, Reply
from bot.domain.tasks import Destination
from bot.frontends.discord.asked import Asked
from bot.frontends.discord.markup import countdown, embed, note_with_link, pieces
from bot.frontends.discord.post import Post, Words
from bot.inbox import Inbox, Later
from bot.ports import DeliveryError, DeliveryOutcomeUnknown
from bot.presentation.i18n import translate
from bot.services.context import AppContext
from bot.services.dispatcher import handle_request
from bot.services.queries import language_for

NAME = "discord"
_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Kit:
    """The way out, and what is kept."""

    desk: AppContext
    post: Post
    cards: Cards
    inbox: Inbox
    _beside: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def has_admin(self) -> bool:
        """Whether the settings name an admin at Discord."""
        return any(one.startswith(f"{NAME}:") for one in self.desk.settings.admins)

    def beside(self, work: Coroutine[Any, Any, object]) -> None:
        """Do something that nobody has to wait for, and that may fail."""
        running = asyncio.create_task(_tried(work))
        self._beside.add(running)
        running.add_done_callback(self._beside.discard)

    async def quiet(self) -> None:
        """Return when nothing is done beside."""
        while self._beside:
            await asyncio.wait(self._beside)

    async def ask(self, asked: Asked, command: Command, update: str = "") -> Reply:
        """Have a command done."""
        place = Destination(NAME, asked.spot.address)
        update = update or asked.update
        request = CommandRequest(
            asked.person,
            place,
            command,
            update,
            countdown,
            asked.whereabouts,
            is_public=asked.spot.watched,
            typed_options=False,
        )
        return await handle_request(request, self.desk)

    async def answer(
        self,
        asked: Asked,
        text: str,
        view: discord.ui.View | None = None,
        *,
        linked: bool = False,
    ) -> str | None:
        """Answer a person, so that nobody else sees it. The last message's key.

        None: it is too late, or nobody can be answered there. `linked`: all of it is ours, and an
        address in it is to be opened. Raises `Later`.
        """
        if not asked.spot.by_token(self.desk.clock.now()):
            _log.info("nobody_to_answer", why="the interaction is over")
            return None
        embeds, key = pieces(text), None
        if linked:
            embeds = [discord.Embed(description=note_with_link(text))]
        fills = asked.fresh
        try:
            if asked.fresh and asked.public:
                # What all can see was to be a video. Only once it says something can a further
                # message be for one person alone (receiving-and-responding, "followup messages").
                language = await language_for(self.desk, asked.person, asked.group)
                said = translate(language, "answered-in-private")
                await self.post.fill(asked.spot, Words(pieces(said)))
                fills = False
            for number, part in enumerate(embeds):
                words = Words([part], view if number == len(embeds) - 1 else None)
                if fills and number == 0:
                    key = await self.post.fill(asked.spot, words)
                else:
                    key = await self._whispered(asked, words)
            if asked.fresh and asked.public:
                self.beside(self.post.take_back(asked.spot))
        except DeliveryError as error:
            if not error.is_permanent:
                raise Later(str(error), error.retry_after) from None
            _log.info("nobody_to_answer", why=str(error))
        return key

    async def _whispered(self, asked: Asked, words: Words) -> str | None:
        """Say it to this person alone; once more, marked, if nobody knows whether it was said."""
        try:
            return await self.post.follow(asked.spot, words, private=True)
        except DeliveryOutcomeUnknown:
            language = await language_for(self.desk, asked.person, asked.group)
            mark = embed(translate(language, "repeated"))
        try:
            words = replace(words, embeds=[mark, *words.embeds])
            return await self.post.follow(asked.spot, words, private=True)
        except DeliveryOutcomeUnknown:
            # It is likelier there than not, and nobody is harmed by one answer less.
            return None


async def _tried(work: Awaitable[object]) -> None:
    try:
        await work
    except (DeliveryError, DeliveryOutcomeUnknown, Later) as error:
        _log.info("left_undone", why=str(error))
    except Exception:  # noqa: BLE001 - nobody waits for it
        _log.exception("beside_failed")
