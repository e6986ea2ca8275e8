"""Send messages to Telegram: within its rate limits, to the present chat id, never twice unmarked.

Everything that appears in a chat goes through `MessageSender`. A rejection is raised as
`DeliveryError` with a reason for users; a lost response is raised as `DeliveryOutcomeUnknown`.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import structlog
from telegram import (
    Bot,
    ForceReply,
    InlineKeyboardMarkup,
    InputFile,
    LinkPreviewOptions,
    Message,
    ReplyParameters,
)
from telegram.constants import ChatAction, ParseMode
from telegram.error import BadRequest, ChatMigrated, Forbidden, TelegramError

from bot.chat.interactive_messages import DatabaseError, InteractiveMessages
from bot.domain.tasks import Video
from bot.frontends.telegram.client import NotSent, OutcomeUnknown, Throttled, TooLarge
from bot.frontends.telegram.rate_limiter import Priority, RateLimiter
from bot.frontends.telegram.rendering import Html
from bot.frontends.telegram.target import ChatTarget
from bot.ports import Clock, DeliveryError, DeliveryOutcomeUnknown

_log = structlog.get_logger(__name__)
_T = TypeVar("_T")
_MAX_TRIES = 4
_SEND_TIMEOUT_S = 90.0
"""Seconds to wait for a full or throttled chat; after that the update is retried later."""
_ENGINE_SEND_TIMEOUT_S = 5.0
"""The same for messages of the engine, which has its own schedule.

Results that wait here for one chat would delay those for others, and a final message that waits
longer than a lease is sent twice.
"""
_MIGRATED_PREFIX = "moved:"
_ACTION_INTERVAL_S = 4.5
"""Telegram shows an action for 5 s."""
_PROBE_TIMEOUT_S = 10.0
_PROBE_INTERVAL_S = 1.0
_NO_PREVIEW = LinkPreviewOptions(is_disabled=True)
_REASONS = (
    ("bot was blocked", "blocked"),
    ("can't initiate conversation", "blocked"),
    ("topic_closed", "blocked"),
    ("not enough rights", "blocked"),
    ("have no rights", "blocked"),
    ("write_forbidden", "blocked"),
    ("_forbidden", "blocked"),
    ("restricted", "blocked"),
    ("chat not found", "chat-gone"),
    ("kicked", "chat-gone"),
    ("not a member", "chat-gone"),
    ("deactivated", "chat-gone"),
    ("was deleted", "chat-gone"),
    ("thread not found", "chat-gone"),
    ("topic_deleted", "chat-gone"),
    ("peer_id_invalid", "chat-gone"),
)
"""Part of Telegram's error text in lower case -> reason shown to users."""


@dataclass(frozen=True, slots=True)
class VideoMessage:
    """A video to post."""

    video: Video | str
    """A file on disk, or Telegram's id of a file that it has."""
    caption: Html
    markup: InlineKeyboardMarkup
    spoiler: bool = False
    """Hidden until a reader reveals it."""


class MessageSender:
    """Sends, edits and deletes for one bot."""

    def __init__(
        self,
        bot: Bot,
        rate_limiter: RateLimiter,
        clock: Clock,
        interactive_messages: InteractiveMessages,
        largest: int,
    ) -> None:
        self._bot = bot
        self._rate_limiter = rate_limiter
        self._clock = clock
        self._interactive_messages = interactive_messages
        self.largest = largest
        """Upload limit in bytes; lowered when the server rejects a smaller file."""
        self._moved: dict[int, int] = {}
        self._trouble = False
        """Whether the last request got no response."""
        self._probing = asyncio.Lock()
        self._next_probe = 0.0

    async def open(self) -> None:
        """Load which groups have become supergroups."""
        for name, value in (await self._interactive_messages.get_state()).items():
            if name.startswith(_MIGRATED_PREFIX):
                self._moved[int(name.removeprefix(_MIGRATED_PREFIX))] = int(value)

    async def chat_migrated(self, old: int, new: int) -> None:
        """Record that a group has become a supergroup with another id."""
        self._moved[old] = new
        with contextlib.suppress(DatabaseError):
            await self._interactive_messages.set_state(f"{_MIGRATED_PREFIX}{old}", str(new))

    def resolve_chat(self, target: ChatTarget) -> ChatTarget:
        """Return the present chat of a target; older messages there cannot be replied to."""
        while target.chat in self._moved:
            target = ChatTarget(self._moved[target.chat])
        return target

    # --- messages ------------------------------------------------------------------------

    async def send_text(
        self,
        target: ChatTarget,
        text: Html,
        rank: Priority,
        markup: InlineKeyboardMarkup | ForceReply | None = None,
    ) -> Message:
        """Send a text. Raises `DeliveryError`, `DeliveryOutcomeUnknown`."""

        async def send(at: ChatTarget) -> Message:
            return await self._bot.send_message(
                at.chat,
                text,
                parse_mode=ParseMode.HTML,
                message_thread_id=at.thread,
                reply_parameters=_reply_parameters(at),
                reply_markup=markup,
                link_preview_options=_NO_PREVIEW,
            )

        return await self._send(target, rank, send)

    async def send_video(self, target: ChatTarget, video_message: VideoMessage) -> Message:
        """Send a video, streamed from disk or by Telegram's file id."""

        async def send(at: ChatTarget) -> Message:
            if isinstance(video_message.video, str):
                return await self._video_arguments(at, video_message, video_message.video)
            async with (
                self._show_upload_action(at, ChatAction.UPLOAD_VIDEO),
                _Upload(video_message.video.path) as file,
            ):
                return await self._video_arguments(at, video_message, file, video_message.video)

        return await self._send(target, Priority.RESULT, send)

    async def _video_arguments(
        self,
        at: ChatTarget,
        video_message: VideoMessage,
        file: InputFile | str,
        video: Video | None = None,
    ) -> Message:
        return await self._bot.send_video(
            at.chat,
            file,
            # Without these, some apps show a square until the video plays.
            width=video.width if video else None,
            height=video.height if video else None,
            duration=video.seconds if video else None,
            thumbnail=await _bytes_of(video.thumbnail) if video else None,
            supports_streaming=True,
            has_spoiler=video_message.spoiler,
            caption=video_message.caption,
            parse_mode=ParseMode.HTML,
            message_thread_id=at.thread,
            reply_parameters=_reply_parameters(at),
            reply_markup=video_message.markup,
        )

    async def send_document(
        self, target: ChatTarget, document: Path | str, name: str, caption: Html = ""
    ) -> Message:
        """Send a file as a document of this name, or by Telegram's file id."""

        async def send(at: ChatTarget) -> Message:
            if isinstance(document, str):
                return await self._document_arguments(at, document, caption)
            async with (
                self._show_upload_action(at, ChatAction.UPLOAD_DOCUMENT),
                _Upload(document, name) as file,
            ):
                return await self._document_arguments(at, file, caption)

        return await self._send(target, Priority.RESULT, send)

    async def _document_arguments(
        self, at: ChatTarget, file: InputFile | str, caption: Html
    ) -> Message:
        return await self._bot.send_document(
            at.chat,
            file,
            caption=caption or None,
            parse_mode=ParseMode.HTML,
            disable_content_type_detection=True,
            message_thread_id=at.thread,
            reply_parameters=_reply_parameters(at),
        )

    async def edit(
        self,
        chat: int,
        message: int,
        text: Html,
        markup: InlineKeyboardMarkup | None = None,
        rank: Priority | None = Priority.ANSWER,
    ) -> bool:
        """Edit a text message. `priority` None: the slot is already taken.

        Returns False if the message is gone or too old.
        """
        if chat in self._moved:
            return False

        async def change(at: ChatTarget) -> bool:
            if at.chat != chat:
                # It has just turned out to have moved: there this id is another message's.
                return False
            await self._bot.edit_message_text(
                text,
                at.chat,
                message,
                parse_mode=ParseMode.HTML,
                reply_markup=markup,
                link_preview_options=_NO_PREVIEW,
            )
            return True

        try:
            return await self._send(ChatTarget(chat), rank, change)
        except DeliveryOutcomeUnknown:
            # To do it twice changes nothing.
            raise DeliveryError("unreachable", "an edit got no answer") from None
        except DeliveryError as error:
            if not error.is_permanent:
                raise
            return "not modified" in str(error).lower()

    async def delete(self, chat: int, message: int) -> bool:
        """Delete a message. Returns False if that is no longer possible."""
        if chat in self._moved:
            return False
        try:
            return await self._bot.delete_message(chat, message)
        except Throttled as error:
            raise DeliveryError("throttled", str(error), retry_after=error.seconds) from None
        except (NotSent, OutcomeUnknown) as error:
            raise DeliveryError("unreachable", str(error)) from None
        except TelegramError as error:
            return "to delete not found" in error.message.lower()

    async def answer_callback(self, query: str, text: str = "", *, alert: bool = False) -> bool:
        """Answer a callback once. Returns False if it was too late or the outcome is unknown."""
        try:
            return await self._bot.answer_callback_query(query, text or None, show_alert=alert)
        except TelegramError:
            return False

    # --- how -----------------------------------------------------------------------------

    async def _send(
        self, target: ChatTarget, rank: Priority | None, send: Callable[[ChatTarget], Awaitable[_T]]
    ) -> _T:
        if rank is not None:
            await self._ensure_reachable()
        began = self._clock.now()
        patience = (
            _ENGINE_SEND_TIMEOUT_S if rank in {Priority.RESULT, Priority.WORD} else _SEND_TIMEOUT_S
        )
        for _ in range(_MAX_TRIES):
            at = self.resolve_chat(target)
            if rank is not None:
                await self._acquire(at.chat, rank, patience)
            try:
                sent = await send(at)
            except ChatMigrated as error:
                await self.chat_migrated(at.chat, error.new_chat_id)
            except Throttled as error:
                self._rate_limiter.pause(at.chat, error.seconds)
                if rank is None or self._clock.now() - began + error.seconds > patience:
                    raise _throttled(error.seconds) from None
            except TelegramError as error:
                self._record_error(error)
                raise _map_error(error) from None
            else:
                self._trouble = False
                self._rate_limiter.mark_delivered(at.chat)
                return sent
        raise _throttled(None)

    async def _acquire(self, chat: int, rank: Priority, patience: float) -> None:
        wait = self._rate_limiter.wait(chat, rank)
        if wait > patience:
            if rank is Priority.RESULT:
                self._rate_limiter.reserve_for_retry(chat, wait)
            raise _throttled(wait)
        try:
            async with asyncio.timeout(patience if rank is Priority.WORD else None):
                await self._rate_limiter.acquire(chat, rank)
        except TimeoutError:
            raise _throttled(None) from None

    def _record_error(self, error: TelegramError) -> None:
        if isinstance(error, TooLarge):
            # Behind another address may be the ordinary server: what it takes is known then.
            self.largest = min(self.largest, 50_000_000)
        self._trouble = isinstance(error, NotSent | OutcomeUnknown)

    async def _ensure_reachable(self) -> None:
        """After an error of the connection, wait until Telegram answers before sending.

        Otherwise every queued send would end as "outcome unknown".
        """
        if self._trouble:
            async with self._probing:
                await self._probe()

    async def _probe(self) -> None:
        if not self._trouble:
            # Somebody else has just got an answer.
            return
        if self._clock.now() < self._next_probe:
            raise DeliveryError("unreachable", "Telegram did not answer a moment ago")
        try:
            async with asyncio.timeout(_PROBE_TIMEOUT_S):
                await self._bot.get_me()
        except (TelegramError, TimeoutError) as error:
            self._next_probe = self._clock.now() + _PROBE_INTERVAL_S
            raise DeliveryError("unreachable", str(error)) from None
        self._trouble = False

    @asynccontextmanager
    async def _show_upload_action(self, at: ChatTarget, action: ChatAction) -> AsyncIterator[None]:
        """Show an upload action in the chat until the upload ends."""

        async def show() -> None:
            while True:
                with contextlib.suppress(TelegramError):
                    await self._bot.send_chat_action(at.chat, action, message_thread_id=at.thread)
                await self._clock.sleep(_ACTION_INTERVAL_S)

        showing = asyncio.create_task(show())
        try:
            yield
        finally:
            showing.cancel()
            await asyncio.gather(showing, return_exceptions=True)


def _reply_parameters(at: ChatTarget) -> ReplyParameters | None:
    if at.reply is None:
        return None
    # The request may have been deleted meanwhile: that is no reason to keep the video.
    return ReplyParameters(at.reply, allow_sending_without_reply=True)


class _Upload:
    """A streamed upload; the library would read the whole file if given a path."""

    def __init__(self, path: Path, name: str | None = None) -> None:
        self._path = path
        self._name = name or path.name

    async def __aenter__(self) -> InputFile:
        self._size = await asyncio.to_thread(lambda: self._path.stat().st_size)
        self._file = await asyncio.to_thread(self._path.open, "rb")
        return InputFile(self._file, filename=self._name, read_file_handle=False)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: object
    ) -> None:
        sent = self._file.tell()
        self._file.close()
        if isinstance(error, OutcomeUnknown) and sent < self._size:
            # Telegram does nothing with half an upload.
            raise NotSent("the connection broke during the upload") from None


async def _bytes_of(path: Path | None) -> bytes | None:
    return None if path is None else await asyncio.to_thread(path.read_bytes)


def _throttled(seconds: float | None) -> DeliveryError:
    return DeliveryError("throttled", "Telegram asks to wait", retry_after=seconds)


def _map_error(error: TelegramError) -> DeliveryError | DeliveryOutcomeUnknown:
    """Map an error of the Bot API to a `DeliveryError` or `DeliveryOutcomeUnknown`."""
    words = error.message
    if isinstance(error, OutcomeUnknown):
        return DeliveryOutcomeUnknown(words)
    if isinstance(error, TooLarge):
        return DeliveryError("too-large", words)
    if isinstance(error, BadRequest | Forbidden):
        reason = next((key for wording, key in _REASONS if wording in words.lower()), "unknown")
        return DeliveryError(reason, words, is_permanent=True)
    # A refused token as well: the operator will mend that.
    return DeliveryError("unreachable", words)
