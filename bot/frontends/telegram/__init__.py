"""Telegram: a bot in private chats, groups, topics and below channels' posts.

Receiving: `update_source` gets updates, `message_parser` parses messages. Handling:
`message_handler` for messages, `callback_handler` for buttons, `drafts`, `video_requests`,
`user_mentions`. Messages: `status_messages`, `result_messages`, `command_menu`. Sending: `sender`,
within the limits of `rate_limiter`, over `client`. Shared: `context`, `target`, `rendering`.
"""

from __future__ import annotations

import asyncio
import contextlib
import json

import structlog
from aiohttp.web import RouteDef
from telegram import ChatMember, ChatMemberUpdated, Update
from telegram import User as TelegramUser
from telegram.error import InvalidToken, TelegramError

from bot.chat.interactive_messages import InteractiveMessages
from bot.chat.update_queue import StoredUpdate, UpdateQueue
from bot.clock import SystemClock
from bot.config import Settings
from bot.domain.commands import CountdownFormatter
from bot.domain.tasks import Delivery, Destination, Task, Video
from bot.frontends.telegram.callback_handler import CallbackHandler
from bot.frontends.telegram.client import BotClient, Throttled
from bot.frontends.telegram.command_menu import CommandMenu
from bot.frontends.telegram.context import NAME, ChatContext
from bot.frontends.telegram.drafts import Drafts
from bot.frontends.telegram.message_handler import MessageHandler
from bot.frontends.telegram.message_parser import user_from
from bot.frontends.telegram.rate_limiter import Priority, RateLimiter, RateLimits
from bot.frontends.telegram.rendering import split_message
from bot.frontends.telegram.result_messages import ResultMessages
from bot.frontends.telegram.sender import MessageSender
from bot.frontends.telegram.status_messages import StatusMessages
from bot.frontends.telegram.target import ChatTarget, parse_user_id
from bot.frontends.telegram.update_source import UpdateSource
from bot.ports import Clock, DeliveryError, DeliveryOutcomeUnknown
from bot.presentation.i18n import translate
from bot.services.context import AppContext
from bot.services.queries import language_for

_log = structlog.get_logger(__name__)
_OFFICIAL_API_URL = "https://api.telegram.org"
_CLOUD_UPLOAD_MB = 50
_LOCAL_UPLOAD_MB = 2000
"""Of an upload: core.telegram.org/bots/api, "Sending files" and "Using a Local Bot API Server"."""
_FIRST_RETRY_DELAY_S = 2.0
_MAX_RETRY_DELAY_S = 30.0
_STOP_GRACE_S = 3.0
_MEMBER_STATUSES = {ChatMember.MEMBER, ChatMember.ADMINISTRATOR, ChatMember.RESTRICTED}


class Telegram:
    """The front-end of one bot."""

    name = NAME
    format_countdown: CountdownFormatter | None = None

    def __init__(
        self, settings: Settings, clock: Clock | None = None, rules: RateLimits | None = None
    ) -> None:
        self._settings = settings
        self._clock = clock or SystemClock()
        self._update_source = UpdateSource(settings, self._clock)
        self._rate_limiter = RateLimiter(self._clock, rules or RateLimits())
        self._ready = asyncio.Event()
        self._stopping = asyncio.Event()
        self._largest = _upload_mb(settings) * 1_000_000

    def routes(self) -> list[RouteDef]:
        """Routes that the web server of this process must serve for Telegram."""
        return self._update_source.routes()

    async def run(self, app: AppContext) -> int:
        """Serve until `stop`; return the exit status."""
        self._client = BotClient(self._settings)
        self._assemble(self._client, app)
        serving = asyncio.create_task(self._serve(self._client, app))
        stopping = asyncio.create_task(self._stopping.wait())
        try:
            await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
            return serving.result() if serving.done() else 0
        finally:
            for task in (serving, stopping):
                task.cancel()
            await asyncio.gather(serving, stopping, return_exceptions=True)

    async def stop(self) -> None:
        """Receive nothing more; messages can still be sent."""
        self._stopping.set()

    async def close(self) -> None:
        """Close the connection after background tasks had a moment to end."""
        if self._ready.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_STOP_GRACE_S):
                    await self._context.background.drain()
            await self._status_messages.stop()
            await self._client.close()

    def _assemble(self, client: BotClient, app: AppContext) -> None:
        interactive_messages = InteractiveMessages(app.database, self._clock, NAME)
        post = MessageSender(
            client.bot, self._rate_limiter, self._clock, interactive_messages, self._largest
        )
        self._context = context = ChatContext(app, client.bot, post, interactive_messages)
        self._status_messages = StatusMessages(context, self._rate_limiter)
        self._result_messages = ResultMessages(context, self._status_messages)
        self._command_menu = CommandMenu(context)
        drafts = Drafts(context, self._status_messages)
        self._message_handler = MessageHandler(
            context, self._status_messages, self._result_messages, drafts, self._command_menu
        )
        self._callback_handler = CallbackHandler(
            context, self._status_messages, self._result_messages, drafts, self._message_handler
        )
        self._ready.set()

    async def _serve(self, client: BotClient, app: AppContext) -> int:
        await self._context.sender.open()
        self._context.me = await self._log_in()
        if self._context.me is None:
            return 1
        # Each bot's updates have numbers of their own, and the token may change.
        update_queue = UpdateQueue(
            app.database, self._clock, f"{NAME}:{self._context.me.id}", self._handle
        )
        background = [
            asyncio.create_task(task)
            for task in (update_queue.run(), self._status_messages.cleanup_stale())
        ]
        self._context.background.run(self._command_menu.sync())
        _log.info("telegram_started", bot=self._context.me.username)
        try:
            return await self._update_source.run(client, update_queue)
        finally:
            for task in background:
                task.cancel()
            await asyncio.gather(*background, return_exceptions=True)
            await update_queue.stop(self._settings.shutdown_grace_seconds)

    async def _log_in(self) -> TelegramUser | None:
        """Return the bot's own user; None if Telegram rejects the token."""
        attempt = 0
        while True:
            try:
                return await self._context.bot.get_me()
            except InvalidToken:
                _log.error(
                    "telegram_token_rejected",
                    setting="TELEGRAM_BOT_TOKEN",
                    error="Telegram does not know it; write what BotFather gives for this bot",
                )
                return None
            except TelegramError as error:
                wait = min(2.0**attempt, _MAX_RETRY_DELAY_S)
                wait = error.seconds if isinstance(error, Throttled) else wait
                _log.warning("telegram_retry", error=str(error), seconds=wait)
                await self._clock.sleep(wait)
                attempt += 1

    # --- updates -------------------------------------------------------------------------

    async def _handle(self, stored: StoredUpdate) -> None:
        update = Update.de_json(json.loads(stored.body), self._context.bot)
        if update.callback_query is not None:
            await self._callback_handler.handle(update.callback_query)
        elif update.message is not None:
            await self._message_handler.handle(update.message)
        elif update.my_chat_member is not None:
            await self._membership(update.my_chat_member)

    async def _membership(self, change: ChatMemberUpdated) -> None:
        """Greet a group that the bot was added to."""
        came = change.new_chat_member.status in _MEMBER_STATUSES
        was_here = change.old_chat_member.status in _MEMBER_STATUSES
        if change.chat.type not in {"group", "supergroup"} or was_here or not came:
            return
        user = user_from(change.from_user, self._settings)
        language = await language_for(self._context.app, user)
        await self._context.reply(
            ChatTarget(change.chat.id), language, translate(language, "group-greeting")
        )

    # --- what the engine asks for --------------------------------------------------------

    def _require_ready(self) -> None:
        """Raise `DeliveryError` unless the bot has started: the engine must not wait for it."""
        if not self._ready.is_set():
            reason = "the bot has not started yet"
            raise DeliveryError("unreachable", reason, retry_after=_FIRST_RETRY_DELAY_S)

    def max_video_bytes(self, destination: Destination) -> int | None:
        """Return the upload limit in bytes; it is the same in every chat."""
        del destination
        return self._context.sender.largest if self._ready.is_set() else self._largest

    async def deliver(self, task: Task, delivery: Delivery, video: Video, note: str) -> str:
        """See `Messenger`."""
        self._require_ready()
        return await self._result_messages.deliver(task, delivery, video, note)

    async def find_delivered(self, task: Task, delivery: Delivery) -> str | None:
        """Return the recorded message of a result; Telegram cannot be searched."""
        del delivery
        await self._ready.wait()
        return await self._result_messages.find_delivered(task)

    async def send_final_message(self, task: Task, text: str) -> None:
        """See `Messenger`."""
        self._require_ready()
        await self._result_messages.send_final_message(task, text)

    async def update_status(self, task: Task, text: str) -> None:
        """See `Messenger`."""
        if self._ready.is_set():
            self._status_messages.show(task, text)

    async def alert_admins(self, text: str) -> None:
        """Send a text to every admin on Telegram who has started the bot."""
        self._require_ready()
        sent = False
        failed: DeliveryError | DeliveryOutcomeUnknown | None = None
        for admin in sorted(self._settings.admins):
            if not admin.startswith(f"{NAME}:"):
                continue
            try:
                for part in split_message(text):
                    await self._context.sender.send_text(
                        ChatTarget(parse_user_id(admin)), part, Priority.WORD
                    )
                sent = True
            except (DeliveryError, DeliveryOutcomeUnknown) as error:
                failed = error
        if failed is not None and not sent:
            raise failed


def _upload_mb(settings: Settings) -> int:
    if settings.telegram_upload_mb is not None:
        return settings.telegram_upload_mb
    return (
        _CLOUD_UPLOAD_MB
        if settings.telegram_api_url.rstrip("/") == _OFFICIAL_API_URL
        else _LOCAL_UPLOAD_MB
    )
