"""How updates reach us, by long polling or by webhook: confirmed to Telegram only when kept."""

from __future__ import annotations

import asyncio
import hmac
import json
from typing import Any

import structlog
from aiohttp import web
from telegram import Bot, Update
from telegram.error import BadRequest, Conflict, InvalidToken, TelegramError

from bot.cards import DatabaseError
from bot.config import Settings
from bot.frontends.telegram.incoming import lane_of
from bot.frontends.telegram.wire import Throttled, Wire
from bot.inbox import Inbox, StoredUpdate
from bot.ports import Clock

WANTED = ["message", "callback_query", "my_chat_member"]
"""Kinds of updates. Edited messages are not among them: an edited command is no second one."""
ROUTE = "/telegram/webhook"
_HEADER = "X-Telegram-Bot-Api-Secret-Token"
_AT_ONCE = 100
_LONGEST_WAIT = 30.0
_LARGEST = 1 << 20
"""Bytes of an update: one that names a hundred people, in reply to another such, has 100 kB."""
_log = structlog.get_logger(__name__)


def by_webhook(settings: Settings) -> bool:
    """Whether Telegram calls us."""
    return bool(settings.telegram_webhook_secret.get_secret_value())


def webhook_url(settings: Settings) -> str:
    """Where Telegram calls us."""
    return f"{settings.public_url.rstrip('/')}{ROUTE}"


def arrived(raw: dict[str, Any], bot: Bot) -> StoredUpdate:
    """An update as Telegram has sent it. Raises `KeyError`, `TypeError`, `ValueError`."""
    update = Update.de_json(raw, bot)
    return StoredUpdate(update.update_id, lane_of(update), json.dumps(raw))


class Hearing:
    """Gets the updates of one bot into its inbox."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._bot: Bot | None = None
        self._inbox: Inbox | None = None

    def routes(self) -> list[web.RouteDef]:
        """What our web server must listen to."""
        return [web.post(ROUTE, self._called)] if by_webhook(self._settings) else []

    async def hear(self, wire: Wire, inbox: Inbox) -> int:
        """Let updates come until cancelled; else the exit status, with the reason in the log."""
        self._bot, self._inbox = wire.bot, inbox
        if by_webhook(self._settings):
            return await self._be_called(wire.bot)
        return await self._poll(wire, inbox)

    # --- webhook -------------------------------------------------------------------------

    async def _be_called(self, bot: Bot) -> int:
        attempt = 0
        while True:
            try:
                await bot.set_webhook(
                    webhook_url(self._settings),
                    secret_token=self._settings.telegram_webhook_secret.get_secret_value(),
                    allowed_updates=WANTED,
                    max_connections=_AT_ONCE,
                )
            except BadRequest as error:
                _log.error("telegram_webhook_refused", setting="PUBLIC_URL", why=error.message)
                return 1
            except TelegramError as error:
                attempt = await self._wait(attempt, error)
            else:
                await asyncio.Event().wait()

    async def _called(self, request: web.Request) -> web.Response:
        """One update; 200 means that it is kept."""
        secret = self._settings.telegram_webhook_secret.get_secret_value()
        given = request.headers.get(_HEADER, "")
        if not hmac.compare_digest(given.encode(errors="surrogateescape"), secret.encode()):
            return web.Response(status=401)
        if self._bot is None or self._inbox is None:
            return web.Response(status=503, headers={"Retry-After": "2"})
        # Other routes of our server take less.
        request = request.clone(client_max_size=_LARGEST)
        try:
            one = arrived(json.loads(await request.text()), self._bot)
        except (KeyError, TypeError, ValueError, AttributeError):
            # It will never be understood, however often Telegram brings it.
            _log.warning("update_not_understood")
            return web.Response(status=200)
        try:
            await self._inbox.take([one])
        except DatabaseError as error:
            _log.warning("update_not_kept", why=str(error))
            return web.Response(status=503, headers={"Retry-After": "5"})
        return web.Response(status=200)

    # --- long polling --------------------------------------------------------------------

    async def _poll(self, wire: Wire, inbox: Inbox) -> int:
        attempt, offset, ours = 0, None, False
        while True:
            try:
                if not ours:
                    ours = await wire.bot.delete_webhook()
                await inbox.room()
                raw = await wire.updates(offset, WANTED, _AT_ONCE)
                await inbox.take(_understood(raw, wire.bot))
            except Conflict as error:
                if "webhook" in error.message.lower():
                    ours = False
                    attempt = await self._wait(attempt, error)
                    continue
                _log.error(
                    "telegram_other_process",
                    why="another process receives the messages of this bot; this one stops."
                    " Run one process for each TELEGRAM_BOT_TOKEN, or set"
                    " TELEGRAM_WEBHOOK_SECRET",
                )
                return 1
            except InvalidToken:
                _log.error("telegram_token_refused", setting="TELEGRAM_BOT_TOKEN")
                return 1
            except (TelegramError, DatabaseError) as error:
                attempt = await self._wait(attempt, error)
            else:
                attempt = 0
                # Only now does Telegram hear that they have come.
                offset = max((one["update_id"] + 1 for one in raw), default=offset)

    async def _wait(self, attempt: int, error: Exception) -> int:
        wait = error.seconds if isinstance(error, Throttled) else min(2.0**attempt, _LONGEST_WAIT)
        _log.warning("telegram_waits", why=str(error), seconds=wait)
        await self._clock.sleep(wait)
        return attempt + 1


def _understood(raw: list[dict[str, Any]], bot: Bot) -> list[StoredUpdate]:
    found = []
    for one in raw:
        try:
            found.append(arrived(one, bot))
        except (KeyError, TypeError, ValueError, AttributeError):
            _log.warning("update_not_understood", update=one.get("update_id"))
    return found
