"""Receive updates by long polling or webhook; confirm them only once they are stored."""

from __future__ import annotations

import asyncio
import hmac
import json
from typing import Any

import structlog
from aiohttp import web
from telegram import Bot, Update
from telegram.error import BadRequest, Conflict, InvalidToken, TelegramError

from bot.chat.interactive_messages import DatabaseError
from bot.chat.update_queue import StoredUpdate, UpdateQueue
from bot.config import Settings
from bot.frontends.telegram.client import BotClient, Throttled
from bot.frontends.telegram.message_parser import ordering_key_of
from bot.ports import Clock

ALLOWED_UPDATES = ["message", "callback_query", "my_chat_member"]
"""Update types. Edited messages are left out: an edited command is no second one."""
WEBHOOK_ROUTE = "/telegram/webhook"
_SECRET_HEADER = "X-Telegram-Bot-Api-Secret-Token"  # noqa: S105 - the name of a header
_MAX_BATCH_SIZE = 100
_MAX_RETRY_DELAY_S = 30.0
_MAX_BODY_BYTES = 1 << 20
"""Maximum size of an update: one with a hundred mentions in a reply has 100 kB."""
_log = structlog.get_logger(__name__)


def uses_webhook(settings: Settings) -> bool:
    """Whether updates arrive by webhook."""
    return bool(settings.telegram_webhook_secret.get_secret_value())


def webhook_url(settings: Settings) -> str:
    """Return the address of the webhook."""
    return f"{settings.public_url.rstrip('/')}{WEBHOOK_ROUTE}"


def to_stored_update(raw: dict[str, Any], bot: Bot) -> StoredUpdate:
    """Return an update as it is stored. Raises `KeyError`, `TypeError`, `ValueError`."""
    update = Update.de_json(raw, bot)
    return StoredUpdate(update.update_id, ordering_key_of(update), json.dumps(raw))


class UpdateSource:
    """Receives the updates of one bot into its queue."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._bot: Bot | None = None
        self._update_queue: UpdateQueue | None = None

    def routes(self) -> list[web.RouteDef]:
        """Routes that the web server must serve."""
        return (
            [web.post(WEBHOOK_ROUTE, self._handle_webhook)] if uses_webhook(self._settings) else []
        )

    async def run(self, client: BotClient, update_queue: UpdateQueue) -> int:
        """Receive updates until cancelled; else return the exit status, with the reason logged."""
        self._bot, self._update_queue = client.bot, update_queue
        if uses_webhook(self._settings):
            return await self._run_webhook(client.bot)
        return await self._poll(client, update_queue)

    # --- webhook -------------------------------------------------------------------------

    async def _run_webhook(self, bot: Bot) -> int:
        attempt = 0
        while True:
            try:
                await bot.set_webhook(
                    webhook_url(self._settings),
                    secret_token=self._settings.telegram_webhook_secret.get_secret_value(),
                    allowed_updates=ALLOWED_UPDATES,
                    max_connections=_MAX_BATCH_SIZE,
                )
            except BadRequest as error:
                _log.error("telegram_webhook_rejected", setting="PUBLIC_URL", error=error.message)
                return 1
            except TelegramError as error:
                attempt = await self._wait(attempt, error)
            else:
                await asyncio.Event().wait()

    async def _handle_webhook(self, request: web.Request) -> web.Response:
        """Handle one webhook call; 200 means that the update is stored."""
        secret = self._settings.telegram_webhook_secret.get_secret_value()
        given = request.headers.get(_SECRET_HEADER, "")
        if not hmac.compare_digest(given.encode(errors="surrogateescape"), secret.encode()):
            return web.Response(status=401)
        if self._bot is None or self._update_queue is None:
            return web.Response(status=503, headers={"Retry-After": "2"})
        # Other routes of our server take less.
        request = request.clone(client_max_size=_MAX_BODY_BYTES)
        try:
            update = to_stored_update(json.loads(await request.text()), self._bot)
        except (KeyError, TypeError, ValueError, AttributeError):
            # It will never be understood, however often Telegram brings it.
            _log.warning("update_parse_failed")
            return web.Response(status=200)
        try:
            await self._update_queue.take([update])
        except DatabaseError as error:
            _log.warning("update_store_failed", error=str(error))
            return web.Response(status=503, headers={"Retry-After": "5"})
        return web.Response(status=200)

    # --- long polling --------------------------------------------------------------------

    async def _poll(self, client: BotClient, update_queue: UpdateQueue) -> int:
        attempt, offset, ours = 0, None, False
        while True:
            try:
                if not ours:
                    ours = await client.bot.delete_webhook()
                await update_queue.wait_for_capacity()
                raw = await client.updates(offset, ALLOWED_UPDATES, _MAX_BATCH_SIZE)
                await update_queue.take(_parse_updates(raw, client.bot))
            except Conflict as error:
                if "webhook" in error.message.lower():
                    ours = False
                    attempt = await self._wait(attempt, error)
                    continue
                _log.error(
                    "telegram_second_process",
                    error="another process receives the messages of this bot; this one stops."
                    " Run one process for each TELEGRAM_BOT_TOKEN, or set"
                    " TELEGRAM_WEBHOOK_SECRET",
                )
                return 1
            except InvalidToken:
                _log.error("telegram_token_rejected", setting="TELEGRAM_BOT_TOKEN")
                return 1
            except (TelegramError, DatabaseError) as error:
                attempt = await self._wait(attempt, error)
            else:
                attempt = 0
                # Only now does Telegram hear that they have come.
                offset = max((update["update_id"] + 1 for update in raw), default=offset)

    async def _wait(self, attempt: int, error: Exception) -> int:
        wait = (
            error.seconds if isinstance(error, Throttled) else min(2.0**attempt, _MAX_RETRY_DELAY_S)
        )
        _log.warning("telegram_retry", error=str(error), seconds=wait)
        await self._clock.sleep(wait)
        return attempt + 1


def _parse_updates(raw: list[dict[str, Any]], bot: Bot) -> list[StoredUpdate]:
    updates = []
    for raw_update in raw:
        try:
            updates.append(to_stored_update(raw_update, bot))
        except (KeyError, TypeError, ValueError, AttributeError):
            _log.warning("update_parse_failed", update=raw_update.get("update_id"))
    return updates
