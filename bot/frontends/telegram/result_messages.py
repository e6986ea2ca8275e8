"""Post finished videos, and send them again on demand."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace

import structlog
from telegram import InlineKeyboardMarkup, Message

from bot.chat.interactive_messages import DatabaseError
from bot.domain.errors import Refusal
from bot.domain.interactive import InteractiveMessage, MessageKind
from bot.domain.tasks import Delivery, State, Task, Video
from bot.frontends.telegram.context import MAX_SENDS, ChatContext
from bot.frontends.telegram.rate_limiter import Priority
from bot.frontends.telegram.rendering import Html, caption, escaped, keyboard
from bot.frontends.telegram.sender import VideoMessage
from bot.frontends.telegram.status_messages import StatusMessages
from bot.frontends.telegram.target import ChatTarget, message_ref, parse_user_id
from bot.media.links import PublishError
from bot.media.storage import DiskFull
from bot.ports import DeliveryError, DeliveryOutcomeUnknown
from bot.presentation.i18n import translate
from bot.services.packaging import prepare_delivery
from bot.services.videos import can_remix

_log = structlog.get_logger(__name__)
_DAY_S = 86400.0
_FILE_KEPT_MARGIN_S = 60.0
"""Seconds in which a requested file is not posted a second time."""
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
        """Post the result where it was requested, or to the user if that chat is closed to us."""
        target = ChatTarget.parse(delivery.destination.address)
        interactive = await self._get_or_create(task, target)
        words = caption(task, note, repeated=delivery.repeated)
        video_message = self._video_message(interactive, task, video, words)
        try:
            message = await self._context.sender.send_video(target, video_message)
        except DeliveryError as error:
            message = await self._send_in_private(error, task, delivery, video_message, note)
        key = message_ref(message.chat.id, message.message_id)
        await self._record_message(interactive, message, key, whole=not note)
        self._context.background.run(self._status_messages.end(task))
        return key

    async def find_delivered(self, task: Task) -> str | None:
        """Return the key of the posted result from our records; Telegram cannot be searched."""
        interactive = await self._context.interactive_messages.of_task(task.id, MessageKind.RESULT)
        return interactive.message_ref if interactive is not None else None

    async def send_final_message(self, task: Task, text: str) -> None:
        """Send the final message below the request; a cancelled task shows it in its status."""
        target = ChatTarget.parse(task.destination.address)
        if task.state is State.CANCELLED and await self._status_messages.end(task, text):
            return
        markup = await self._offer_next_step(task, target)
        try:
            await self._context.sender.send_text(target, escaped(text), Priority.WORD, markup)
        except DeliveryError as error:
            if not error.is_permanent or target.is_private:
                raise
            await self._context.sender.send_text(
                ChatTarget(parse_user_id(task.user_id)), escaped(text), Priority.WORD, markup
            )
        self._context.background.run(self._status_messages.end(task))

    async def _send_in_private(
        self,
        error: DeliveryError,
        task: Task,
        delivery: Delivery,
        video_message: VideoMessage,
        note: str,
    ) -> Message:
        target = ChatTarget.parse(delivery.destination.address)
        if not error.is_permanent or target.is_private:
            raise error
        reason = translate(task.language, "posted-in-private")
        notes = "\n".join(part for part in (reason, note) if part)
        words = caption(task, notes, repeated=delivery.repeated)
        own = ChatTarget(parse_user_id(task.user_id))
        try:
            return await self._context.sender.send_video(own, replace(video_message, caption=words))
        except DeliveryError as second:
            # Why the chat itself does not take it says more than that there is no other way.
            raise (error if second.is_permanent else second) from None

    # --- for people ----------------------------------------------------------------------

    async def resend(self, task: Task, target: ChatTarget, language: str) -> None:
        """Send a delivered result again, without an upload if Telegram has the file.

        Raises `Refusal`, `RetryLater`, `DeliveryError`, `DeliveryOutcomeUnknown`.
        """
        interactive = await self._get_or_create(task, target)
        task = replace(task, language=language)

        async def send(file_id: str | None, lost: int) -> None:
            video, note = (file_id, "") if file_id else await self._prepare_delivery(task)
            if video is None:
                await self._context.reply(target, language, note)
                return
            video_message = self._video_message(
                interactive, task, video, caption(task, note, repeated=lost > 0)
            )
            message = await self._context.sender.send_video(target, video_message)
            await self._record_message(interactive, message, None, whole=not note)

        await self._at_most_twice(interactive, interactive.body.get("video"), send)

    async def send_as_document(
        self, task: Task, interactive: InteractiveMessage, target: ChatTarget, language: str
    ) -> None:
        """Send the original file as a document; raises as `resend` does."""

        async def send(file_id: str | None, lost: int) -> None:
            path = self._context.app.storage.result_path(task.file or "-")
            if not file_id and (task.file is None or not path.is_file()):
                raise Refusal("fetch-expired", task=task.id)
            if not file_id and (task.bytes or 0) > self._context.sender.largest:
                _, note = await self._prepare_delivery(replace(task, language=language))
                await self._context.reply(
                    target, language, note or translate(language, "reason-too-large")
                )
                return
            words = escaped(translate(language, "caption-repeated")) if lost else ""
            file = file_id or path
            message = await self._context.sender.send_document(
                target, file, f"{task.id}.mp4", words
            )
            if message.document is not None:
                await self._change(interactive, file=message.document.file_id)
            await self._is_file_kept(interactive)

        await self._at_most_twice(interactive, interactive.body.get("file"), send)

    async def _at_most_twice(
        self,
        interactive: InteractiveMessage,
        file_id: str | None,
        send: Callable[[str | None, int], Awaitable[None]],
    ) -> None:
        """Send by Telegram's file id if known, else upload; `send` marks a repetition.

        A send whose response was lost is recorded, because this update is tried again.
        """
        lost = int(interactive.body.get("lost", 0))
        try:
            if lost < MAX_SENDS:
                await self._by_file_id_or_upload(file_id, lost, send)
        except DeliveryOutcomeUnknown:
            await self._context.interactive_messages.update_body(interactive, lost=lost + 1)
            raise
        if lost:
            await self._change(interactive, lost=0)

    @staticmethod
    async def _by_file_id_or_upload(
        file_id: str | None, lost: int, send: Callable[[str | None, int], Awaitable[None]]
    ) -> None:
        try:
            await send(file_id, lost)
        except DeliveryError as error:
            # Another bot's token cannot use the ids of the one before it.
            if file_id is None or not error.is_permanent or error.reason != "unknown":
                raise
            await send(None, lost)

    def has_file(self, interactive: InteractiveMessage) -> bool:
        """Whether the file was posted just now: a double press must send it once."""
        return (
            self._context.app.clock.now() - float(interactive.body.get("file_at", 0))
            < _FILE_KEPT_MARGIN_S
        )

    async def _is_file_kept(self, interactive: InteractiveMessage) -> None:
        await self._change(interactive, file_at=self._context.app.clock.now())

    async def _prepare_delivery(self, task: Task) -> tuple[Video | None, str]:
        app = self._context.app
        kept_for = app.settings.result_retention_days * _DAY_S
        try:
            payload = await prepare_delivery(app, task, self._context.sender.largest, kept_for)
        except FileNotFoundError:
            raise Refusal("fetch-expired", task=task.id) from None
        except (DiskFull, PublishError) as error:
            raise DeliveryError("unknown", str(error)) from None
        if payload.video is None and not payload.note:
            raise Refusal("reason-too-large")
        return payload.video, payload.note

    # --- cards ---------------------------------------------------------------------------

    async def _get_or_create(self, task: Task, target: ChatTarget) -> InteractiveMessage:
        return await self._context.interactive_messages.create(
            MessageKind.RESULT, task.user_id, target.channel_only.address, task_id=task.id
        )

    def _video_message(
        self, interactive: InteractiveMessage, task: Task, video: Video | str, words: Html
    ) -> VideoMessage:
        return VideoMessage(video, words, self._markup(interactive, task), bool(task.order.spoiler))

    def _markup(self, interactive: InteractiveMessage, task: Task) -> InlineKeyboardMarkup:
        words = [("button-again", "again"), ("button-file", "file")]
        if can_remix(self._context.app, task):
            words.insert(1, ("button-remix", "remix"))
        return keyboard(
            interactive, [[(translate(task.language, word), verb) for word, verb in words]]
        )

    async def _offer_next_step(self, task: Task, target: ChatTarget) -> InlineKeyboardMarkup | None:
        if task.state not in _NEXT_STEPS:
            return None
        word, verb = _NEXT_STEPS[task.state]
        interactive = await self._context.interactive_messages.create(
            MessageKind.CHOICES,
            task.user_id,
            target.channel_only.address,
            task_id=task.id,
            body={"choices": [f"/{verb} {task.id}"]},
        )
        return keyboard(interactive, [[(translate(task.language, word), "0")]])

    async def _record_message(
        self, interactive: InteractiveMessage, message: Message, key: str | None, *, whole: bool
    ) -> None:
        facts: dict[str, str] = {}
        if whole and message.video is not None:
            facts["video"] = message.video.file_id
        await self._change(interactive, key, **facts)

    async def _change(
        self, interactive: InteractiveMessage, key: str | None = None, **facts: str | float
    ) -> None:
        try:
            await self._context.interactive_messages.update_body(interactive, **facts)
            if key is not None:
                await self._context.interactive_messages.change(interactive, message=key)
        except DatabaseError as error:
            # It stands in the chat: that is what counts.
            _log.warning("result_record_failed", task=interactive.task_id, error=str(error))
