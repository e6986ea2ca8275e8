"""What `reelay check` tells of the bot: who it is, or why it could serve nobody."""

from __future__ import annotations

from urllib.parse import urlsplit

from telegram import Bot
from telegram import User as TelegramUser
from telegram.error import InvalidToken, TelegramError

from bot.config import Settings
from bot.frontends.telegram.hearing import by_webhook, webhook_url
from bot.frontends.telegram.wire import Wire

_OFFICIAL = Settings.model_fields["telegram_api_url"].default
_PORTS = {None, 80, 88, 443, 8443}


class NoBot(Exception):
    """Nobody could be served; the text says why, for an operator."""


async def introduced(settings: Settings) -> str:
    """Ask Telegram who the bot is; nothing is changed there. Raises `NoBot`."""
    if by_webhook(settings) and settings.telegram_api_url == _OFFICIAL:
        _refuse_uncallable(settings.public_url)
    wire = Wire(settings)
    try:
        me = await wire.bot.get_me()
        heard = await _heard(wire.bot, settings)
    except InvalidToken:
        raise NoBot(
            "TELEGRAM_BOT_TOKEN: Telegram does not know it; write what BotFather gives"
        ) from None
    except TelegramError as error:
        raise NoBot(f"{settings.telegram_api_url}: {error.message}") from None
    finally:
        await wire.close()
    return f"@{me.username}, {heard}; {_in_groups(me)}"


def _refuse_uncallable(address: str) -> None:
    """A server of one's own may call other addresses; see "setWebhook" in the Bot API."""
    parts = urlsplit(address)
    if parts.scheme != "https" or parts.port not in _PORTS:
        raise NoBot(
            f"PUBLIC_URL: Telegram does not call {address}; write one with https, and with"
            " no port or one of 443, 80, 88 and 8443"
        )


async def _heard(bot: Bot, settings: Settings) -> str:
    if not by_webhook(settings):
        return "by long polling"
    url = webhook_url(settings)
    info = await bot.get_webhook_info()
    if info.url == url and info.pending_update_count and info.last_error_message:
        raise NoBot(
            f"Telegram does not get through to {url}: {info.last_error_message}"
            f" ({info.pending_update_count} updates wait)"
        )
    if info.url != url:
        return f"by webhook at {url}, which is not set there now: a start sets it"
    return f"by webhook at {url}"


def _in_groups(me: TelegramUser) -> str:
    if not me.can_join_groups:
        return "BotFather lets nobody bring it into groups"
    every = me.can_read_all_group_messages
    return f"in groups it hears {'everything' if every else 'only commands and replies to it'}"
