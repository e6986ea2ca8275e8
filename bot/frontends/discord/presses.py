"""What comes of a button: each press does its work once, and only for its person."""

from __future__ import annotations

import contextlib

from bot.commands import parser
from bot.domain.commands import Cancel, ForgetMe
from bot.domain.errors import Refusal
from bot.domain.interactive import InteractiveMessage, MessageKind
from bot.frontends.discord.asked import Asked
from bot.frontends.discord.kit import Kit
from bot.frontends.discord.markup import embed, pressed
from bot.frontends.discord.post import Words
from bot.frontends.discord.results import Results
from bot.frontends.discord.statuses import Statuses
from bot.frontends.discord.talk import Talk
from bot.ports import DeliveryError, DeliveryOutcomeUnknown
from bot.presentation.i18n import translate
from bot.services.queries import language_for, task_by_id


class Presses:
    """Deals with what people press."""

    def __init__(self, kit: Kit, statuses: Statuses, results: Results, talk: Talk) -> None:
        self._kit = kit
        self._statuses = statuses
        self._results = results
        self._talk = talk

    async def press(self, asked: Asked) -> None:
        """One press, whoever's. Raises `Later`."""
        await self._talk.kindly(asked, self._press(asked))

    async def _press(self, asked: Asked) -> None:
        token, verb = pressed(str(asked.what["press"]))
        card = await self._kit.cards.get(token)
        if card is None:
            raise Refusal("press-too-old")
        if card.user_id != asked.person.id:
            raise Refusal("card-not-yours")
        if card.kind is MessageKind.CHOICES:
            await self._choice(asked, card, verb)
        elif card.kind is MessageKind.STATUS:
            await self._cancel(asked, card)
        else:
            await self._result(asked, card, verb)

    async def _cancel(self, asked: Asked, card: InteractiveMessage) -> None:
        reply = await self._kit.ask(asked, Cancel(card.task_id or ""))
        await self._kit.answer(asked, reply.text)
        now_is = await task_by_id(self._kit.desk, card.task_id or "")
        if now_is is not None:
            await self._statuses.end_if_cancelled(now_is)

    async def _result(self, asked: Asked, card: InteractiveMessage, verb: str) -> None:
        task = await task_by_id(self._kit.desk, card.task_id or "")
        if task is None:
            raise Refusal("press-too-old")
        if verb == "original":
            await self._results.original(asked, task)
        elif verb == "delete":
            await self._results.delete(asked, card, str(asked.what["message"]))
        else:
            raise Refusal("press-too-old")

    async def _choice(self, asked: Asked, card: InteractiveMessage, verb: str) -> None:
        choices = card.body.get("choices", [])
        if card.is_closed or not verb.isdecimal() or int(verb) >= len(choices):
            raise Refusal("press-done")
        line, update = str(choices[int(verb)]), f"choice:{card.callback_id}:{verb}"
        language = await language_for(self._kit.desk, asked.person, asked.group)
        if not line:
            await self._close(asked, card, translate(language, "nothing-done"))
            return
        command = parser.parse_command(line)
        if isinstance(command, ForgetMe):
            reply = await self._kit.ask(asked, command, update)
            await self._close(asked, card, reply.text)
        else:
            await self._talk.do(asked, command, update)

    async def _close(self, asked: Asked, card: InteractiveMessage, text: str) -> None:
        """The choice is made: its message says what came of it."""
        words, said = Words([embed(text)]), False
        with contextlib.suppress(DeliveryError, DeliveryOutcomeUnknown):
            said = await self._kit.post.edit(asked.spot, str(asked.what["message"]), words)
        if not said:
            await self._kit.answer(asked, text)
        await self._kit.cards.end(card)
