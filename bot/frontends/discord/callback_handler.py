"""Handle button presses: each takes effect once, and only for its owner."""

from __future__ import annotations

import contextlib

from bot.commands import parser
from bot.domain.commands import Cancel, ForgetMe
from bot.domain.errors import Refusal
from bot.domain.interactive import InteractiveMessage, MessageKind
from bot.frontends.discord.context import ChatContext
from bot.frontends.discord.interaction_payload import StoredInteraction
from bot.frontends.discord.message_handler import MessageHandler
from bot.frontends.discord.rendering import embed, parse_callback_data
from bot.frontends.discord.result_messages import ResultMessages
from bot.frontends.discord.sender import OutgoingMessage
from bot.frontends.discord.status_messages import StatusMessages
from bot.ports import DeliveryError, DeliveryOutcomeUnknown
from bot.presentation.i18n import translate
from bot.services.queries import language_for, task_by_id


class CallbackHandler:
    """Handles the buttons of the bot's messages."""

    def __init__(
        self,
        context: ChatContext,
        status_messages: StatusMessages,
        result_messages: ResultMessages,
        message_handler: MessageHandler,
    ) -> None:
        self._context = context
        self._status_messages = status_messages
        self._result_messages = result_messages
        self._message_handler = message_handler

    async def handle(self, stored: StoredInteraction) -> None:
        """Handle one press by any user. Raises `RetryLater`."""
        await self._message_handler.with_error_replies(stored, self._route(stored))

    async def _route(self, stored: StoredInteraction) -> None:
        callback_id, verb = parse_callback_data(str(stored.payload["press"]))
        interactive = await self._context.interactive_messages.get(callback_id)
        if interactive is None:
            raise Refusal("press-too-old")
        if interactive.user_id != stored.user.id:
            raise Refusal("card-not-yours")
        if interactive.kind is MessageKind.CHOICES:
            await self._choice(stored, interactive, verb)
        elif interactive.kind is MessageKind.STATUS:
            await self._cancel(stored, interactive)
        else:
            await self._result(stored, interactive, verb)

    async def _cancel(self, stored: StoredInteraction, interactive: InteractiveMessage) -> None:
        reply = await self._context.run_command(stored, Cancel(interactive.task_id or ""))
        await self._context.reply(stored, reply.text)
        status_text = await task_by_id(self._context.app, interactive.task_id or "")
        if status_text is not None:
            await self._status_messages.end_if_cancelled(status_text)

    async def _result(
        self, stored: StoredInteraction, interactive: InteractiveMessage, verb: str
    ) -> None:
        task = await task_by_id(self._context.app, interactive.task_id or "")
        if task is None:
            raise Refusal("press-too-old")
        if verb == "original":
            await self._result_messages.send_original(stored, task)
        elif verb == "delete":
            await self._result_messages.delete(stored, interactive, str(stored.payload["message"]))
        else:
            raise Refusal("press-too-old")

    async def _choice(
        self, stored: StoredInteraction, interactive: InteractiveMessage, verb: str
    ) -> None:
        choices = interactive.body.get("choices", [])
        if interactive.is_closed or not verb.isdecimal() or int(verb) >= len(choices):
            raise Refusal("press-done")
        line, update = str(choices[int(verb)]), f"choice:{interactive.callback_id}:{verb}"
        language = await language_for(self._context.app, stored.user, stored.group_id)
        if not line:
            await self._close(stored, interactive, translate(language, "nothing-done"))
            return
        command = parser.parse_command(line)
        if isinstance(command, ForgetMe):
            reply = await self._context.run_command(stored, command, update)
            await self._close(stored, interactive, reply.text)
        else:
            await self._message_handler.run_command(stored, command, update)

    async def _close(
        self, stored: StoredInteraction, interactive: InteractiveMessage, text: str
    ) -> None:
        """Replace the choices by their outcome."""
        words, edited = OutgoingMessage([embed(text)]), False
        with contextlib.suppress(DeliveryError, DeliveryOutcomeUnknown):
            edited = await self._context.sender.edit(
                stored.target, str(stored.payload["message"]), words
            )
        if not edited:
            await self._context.reply(stored, text)
        await self._context.interactive_messages.close(interactive)
