"""Post finished videos, at any time after the request, and again on demand."""

from __future__ import annotations

from dataclasses import replace

import discord
import structlog

from bot.chat.interactive_messages import DatabaseError
from bot.chat.update_queue import RetryLater
from bot.domain.errors import Refusal
from bot.domain.interactive import InteractiveMessage, MessageKind
from bot.domain.tasks import Delivery, State, Task, Video
from bot.frontends.discord.context import ChatContext
from bot.frontends.discord.interaction_payload import StoredInteraction
from bot.frontends.discord.rendering import Button, caption, embed, keyboard, note_with_link
from bot.frontends.discord.sender import OutgoingMessage
from bot.frontends.discord.status_messages import StatusMessages
from bot.frontends.discord.target import ChatTarget, parse_user_id
from bot.media.links import PublishError
from bot.media.storage import DiskFull
from bot.ports import DeliveryError, DeliveryOutcomeUnknown
from bot.presentation.i18n import translate
from bot.services.packaging import DeliveryPayload, prepare_delivery
from bot.services.queries import language_for
from bot.services.videos import can_remix

_log = structlog.get_logger(__name__)
_DAY_S = 86400.0
_SHORT_DELAY_S = 1.0
_STYLE = discord.ButtonStyle
_NEXT_STEPS = {
    State.FAILED: ("button-retry", "retry"),
    State.UNDELIVERED: ("button-fetch", "fetch"),
}
"""Next steps offered below a final message."""


class ResultMessages:
    """Posts results and final messages."""

    def __init__(self, context: ChatContext, status_messages: StatusMessages) -> None:
        self._context = context
        self._status_messages = status_messages

    # --- for the engine ------------------------------------------------------------------

    async def deliver(self, task: Task, delivery: Delivery, video: Video, note: str) -> str:
        """Post the result where it was requested, or to the user if that channel is closed."""
        target = ChatTarget.parse(delivery.destination.address)
        interactive = await self._get_or_create(task, target)
        beside = caption(task, note, repeated=delivery.repeated)
        words = self._message(interactive, task, video, beside, whole=not note)
        key = await self._send(task, target, words, f"v{task.id}")
        await self._record_message(interactive, key)
        self._context.background.run(self._status_messages.end(task))
        return key

    async def find_delivered(self, task: Task, delivery: Delivery) -> str | None:
        """Return the key of the posted result, from our records or the channel's history."""
        interactive = await self._context.interactive_messages.of_task(task.id, MessageKind.RESULT)
        if interactive is None:
            return None
        if interactive.message_ref is not None:
            return interactive.message_ref
        try:
            key = await self._context.sender.find_sent_message(
                ChatTarget.parse(delivery.destination.address), interactive.callback_id
            )
        except (DeliveryError, DeliveryOutcomeUnknown):
            return None
        if key is not None:
            await self._record_message(interactive, key)
            self._context.background.run(self._status_messages.end(task))
        return key

    async def send_final_message(self, task: Task, text: str) -> None:
        """Send the final message; a cancelled task shows it in its status message."""
        if task.state is State.CANCELLED and await self._status_messages.end(task, text):
            return
        target = ChatTarget.parse(task.destination.address)
        embed_text = discord.Embed(description=note_with_link(text))
        words = OutgoingMessage(
            [embed_text],
            await self._offer_next_step(task, target),
            mention=parse_user_id(task.user_id),
        )
        await self._send(task, target, words, f"w{task.id}{task.state.value[:3]}")
        self._context.background.run(self._status_messages.end(task))

    # --- where it goes -------------------------------------------------------------------

    async def _send(
        self, task: Task, target: ChatTarget, message: OutgoingMessage, nonce: str
    ) -> str:
        """Send by the interaction token, else by the bot's permission, else to the user."""
        closed: DeliveryError | None = None
        # The first that follows an acknowledgement fills it, and what was to fill it would be
        # written over the video (receiving-and-responding, "followup messages").
        if await self._context.update_queue.is_pending(target.interaction_id):
            if target.access != "own":
                raise DeliveryError("throttled", "it is being answered", retry_after=_SHORT_DELAY_S)
        elif target.token_valid(self._context.app.clock.now()):
            try:
                return await self._context.sender.send_followup(target, message)
            except DeliveryError as error:
                if not error.is_permanent:
                    raise
                closed = error
        if target.access == "lent":
            raise closed or DeliveryError("answer-expired", is_permanent=True)
        if target.access == "own":
            try:
                return await self._context.sender.send(target.channel, message, nonce)
            except DeliveryError as error:
                if not error.is_permanent or target.guild is None:
                    raise
                closed = error
        return await self._send_in_private(task, target, message, nonce, closed)

    async def _send_in_private(
        self,
        task: Task,
        target: ChatTarget,
        message: OutgoingMessage,
        nonce: str,
        closed: DeliveryError | None,
    ) -> str:
        reason = embed(translate(task.language, "posted-in-private"))
        message = replace(message, embeds=[reason, *message.embeds], mention=None)
        try:
            channel = await self._context.sender.open_direct_channel(parse_user_id(task.user_id))
            return await self._context.sender.send(channel, message, f"p{nonce}")
        except DeliveryError as second:
            if second.reason == "too-large":
                self._context.sender.lower_upload_limit(target.channel)
            # Why the channel itself does not take it says more than that there is no other way.
            raise (closed if second.is_permanent and closed is not None else second) from None

    # --- for people ----------------------------------------------------------------------

    async def resend(self, stored: StoredInteraction, task: Task) -> None:
        """Send a delivered result again. Raises `Refusal`, `RetryLater`."""
        interactive = await self._get_or_create(task, stored.target)
        # It may be another one by now than when it was ordered.
        language = await language_for(self._context.app, stored.user, stored.group_id)
        task = replace(task, language=language)
        payload = await self._prepare_delivery(
            task, self._context.sender.upload_limit(stored.target)
        )
        if payload.video is None:
            await self._context.reply(stored, payload.note, linked=True)
            return
        beside = caption(task, payload.note, repeated=False)
        words = self._message(interactive, task, payload.video, beside, whole=not payload.note)
        try:
            if stored.needs_first_response:
                await self._context.sender.edit_original_response(
                    stored.target, replace(words, mention=None)
                )
            else:
                await self._context.sender.send_followup(
                    stored.target, replace(words, mention=None), private=True
                )
        except DeliveryOutcomeUnknown as error:
            raise RetryLater(str(error)) from None
        except DeliveryError as error:
            if not error.is_permanent:
                raise RetryLater(str(error), error.retry_after) from None
            _log.info("result_resend_failed", task=task.id, error=str(error))

    async def send_original(self, stored: StoredInteraction, task: Task) -> None:
        """Send the original video: a link, or a file if it fits."""
        app = self._context.app
        path = app.storage.result_path(task.file or "-")
        if task.file is None or not path.is_file():
            raise Refusal("fetch-expired", task=task.id)
        if app.publisher is not None:
            valid_for = min(
                app.settings.result_retention_days * _DAY_S, app.publisher.max_validity_s
            )
            try:
                link = await app.publisher.publish(path, app.clock.now(), valid_for)
            except PublishError as error:
                raise RetryLater(str(error)) from None
            await self._context.reply(stored, link, linked=True)
            return
        if (task.bytes or 0) > self._context.sender.upload_limit(stored.target):
            raise Refusal("reason-too-large")
        words = OutgoingMessage([], file=path, name=f"{task.id}.mp4")
        try:
            await self._context.sender.send_followup(stored.target, words, private=True)
        except DeliveryOutcomeUnknown as error:
            # It is likelier there than not.
            _log.info("send_outcome_unknown", task=task.id, error=str(error))
        except DeliveryError as error:
            if error.reason == "too-large":
                raise Refusal("reason-too-large") from None
            if not error.is_permanent:
                raise RetryLater(str(error), error.retry_after) from None
            _log.info("original_send_failed", task=task.id, error=str(error))

    async def delete(
        self, stored: StoredInteraction, interactive: InteractiveMessage, key: str
    ) -> None:
        """Delete a result message; the video is kept for `/fetch`. Raises `RetryLater`."""
        try:
            gone = await self._context.sender.delete(stored.target, key)
        except (DeliveryError, DeliveryOutcomeUnknown) as error:
            raise RetryLater(str(error)) from None
        language = await language_for(self._context.app, stored.user, stored.group_id)
        if not gone:
            raise Refusal("cannot-delete")
        task = interactive.task_id or ""
        await self._context.reply(stored, translate(language, "result-deleted", task=task))

    async def _prepare_delivery(self, task: Task, limit: int) -> DeliveryPayload:
        app = self._context.app
        kept_for = app.settings.result_retention_days * _DAY_S
        try:
            payload = await prepare_delivery(app, task, limit, kept_for)
        except FileNotFoundError:
            raise Refusal("fetch-expired", task=task.id) from None
        except (DiskFull, PublishError) as error:
            raise RetryLater(str(error)) from None
        if payload.video is None and not payload.note:
            raise Refusal("reason-too-large")
        return payload

    # --- cards ---------------------------------------------------------------------------

    async def _get_or_create(self, task: Task, target: ChatTarget) -> InteractiveMessage:
        return await self._context.interactive_messages.create(
            MessageKind.RESULT, task.user_id, target.channel_only, task_id=task.id
        )

    def _message(
        self,
        interactive: InteractiveMessage,
        task: Task,
        video: Video,
        beside: discord.Embed,
        *,
        whole: bool,
    ) -> OutgoingMessage:
        language = task.language
        row: list[Button] = [(translate(language, "button-again"), "again", _STYLE.primary)]
        if can_remix(self._context.app, task):
            row.append((translate(language, "button-remix"), "remix", _STYLE.secondary))
        if not whole or video.path.name != task.file:
            row.append((translate(language, "button-original"), "original", _STYLE.secondary))
        row.append((translate(language, "button-delete"), "delete", _STYLE.danger))
        return OutgoingMessage(
            [beside],
            keyboard(interactive, [row]),
            mention=parse_user_id(task.user_id),
            file=video.path,
            name=f"{task.id}.mp4",
            spoiler=bool(task.order.spoiler),
        )

    async def _offer_next_step(self, task: Task, target: ChatTarget) -> discord.ui.View | None:
        if task.state not in _NEXT_STEPS:
            return None
        word, verb = _NEXT_STEPS[task.state]
        body = {"choices": [f"/{verb} {task.id}"]}
        interactive = await self._context.interactive_messages.create(
            MessageKind.CHOICES, task.user_id, target.channel_only, task_id=task.id, body=body
        )
        return keyboard(interactive, [[(translate(task.language, word), "0", _STYLE.primary)]])

    async def _record_message(self, interactive: InteractiveMessage, key: str) -> None:
        try:
            await self._context.interactive_messages.change(interactive, message=key)
        except DatabaseError as error:
            # It stands in the channel: that is what counts.
            _log.warning("result_record_failed", task=interactive.task_id, error=str(error))
