"""Shared dependencies of the Discord front-end, and replies to users."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import discord
import structlog

from bot.chat.background_tasks import BackgroundTasks
from bot.chat.interactive_messages import InteractiveMessages
from bot.chat.update_queue import RetryLater, UpdateQueue
from bot.domain.commands import Command, CommandRequest, Reply
from bot.domain.tasks import Destination
from bot.frontends.discord.interaction_payload import StoredInteraction
from bot.frontends.discord.rendering import countdown, embed, note_with_link, split_message
from bot.frontends.discord.sender import MessageSender, OutgoingMessage
from bot.ports import DeliveryError, DeliveryOutcomeUnknown
from bot.presentation.i18n import translate
from bot.services.context import AppContext
from bot.services.dispatcher import handle_request
from bot.services.queries import language_for

NAME = "discord"
_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class ChatContext:
    """What the handlers of the Discord front-end share."""

    app: AppContext
    sender: MessageSender
    interactive_messages: InteractiveMessages
    update_queue: UpdateQueue
    background: BackgroundTasks = field(default_factory=BackgroundTasks)

    @property
    def has_admin(self) -> bool:
        """Whether the settings name an admin on Discord."""
        return any(admin.startswith(f"{NAME}:") for admin in self.app.settings.admins)

    async def run_command(
        self, stored: StoredInteraction, command: Command, update: str = ""
    ) -> Reply:
        """Run a command and return its reply."""
        place = Destination(NAME, stored.target.address)
        update = update or stored.update_key
        request = CommandRequest(
            stored.user,
            place,
            command,
            update,
            countdown,
            stored.whereabouts,
            is_public=stored.target.is_shared,
            typed_options=False,
        )
        return await handle_request(request, self.app)

    async def reply(
        self,
        stored: StoredInteraction,
        text: str,
        view: discord.ui.View | None = None,
        *,
        linked: bool = False,
    ) -> str | None:
        """Reply to the user so that nobody else sees it. Raises `RetryLater`.

        Returns the key of the last message; None if it is too late or the user cannot be reached.
        `linked`: the text is ours, and addresses in it become links.
        """
        if not stored.target.token_valid(self.app.clock.now()):
            _log.info("reply_target_unavailable", error="the interaction is over")
            return None
        embeds, key = split_message(text), None
        if linked:
            embeds = [discord.Embed(description=note_with_link(text))]
        fills = stored.needs_first_response
        try:
            if stored.needs_first_response and stored.public:
                # What all can see was to be a video. Only once it says something can a further
                # message be for one person alone (receiving-and-responding, "followup messages").
                language = await language_for(self.app, stored.user, stored.group_id)
                notice = translate(language, "answered-in-private")
                await self.sender.edit_original_response(
                    stored.target, OutgoingMessage(split_message(notice))
                )
                fills = False
            for number, part in enumerate(embeds):
                words = OutgoingMessage([part], view if number == len(embeds) - 1 else None)
                if fills and number == 0:
                    key = await self.sender.edit_original_response(stored.target, words)
                else:
                    key = await self._reply_in_private(stored, words)
            if stored.needs_first_response and stored.public:
                self.background.run(self.sender.delete_original_response(stored.target))
        except DeliveryError as error:
            if not error.is_permanent:
                raise RetryLater(str(error), error.retry_after) from None
            _log.info("reply_target_unavailable", error=str(error))
        return key

    async def _reply_in_private(
        self, stored: StoredInteraction, message: OutgoingMessage
    ) -> str | None:
        """Send a direct message; repeat it once, marked, if the outcome of the send is unknown."""
        try:
            return await self.sender.send_followup(stored.target, message, private=True)
        except DeliveryOutcomeUnknown:
            language = await language_for(self.app, stored.user, stored.group_id)
            mark = embed(translate(language, "repeated"))
        try:
            message = replace(message, embeds=[mark, *message.embeds])
            return await self.sender.send_followup(stored.target, message, private=True)
        except DeliveryOutcomeUnknown:
            # It is likelier there than not, and nobody is harmed by one answer less.
            return None
