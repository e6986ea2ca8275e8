"""What `reelay check` shows about the bot: who it is, or why it cannot work."""

from __future__ import annotations

from urllib.parse import urlsplit

from telegram import Bot
from telegram import User as TelegramUser
from telegram.error import InvalidToken, TelegramError

from bot.config import Settings
from bot.frontends.telegram.client import BotClient
from bot.frontends.telegram.update_source import uses_webhook, webhook_url

_OFFICIAL_API_URL = Settings.model_fields["telegram_api_url"].default
_WEBHOOK_PORTS = {None, 80, 88, 443, 8443}


class BotUnavailable(Exception):
    """The bot cannot work; the text says why, for an operator."""


async def describe_bot(settings: Settings) -> str:
    """Ask Telegram who the bot is; nothing is changed there. Raises `BotUnavailable`."""
    if uses_webhook(settings) and settings.telegram_api_url == _OFFICIAL_API_URL:
        _check_webhook_address(settings.public_url)
    client = BotClient(settings)
    try:
        me = await client.bot.get_me()
        reception = await _reception(client.bot, settings)
    except InvalidToken:
        raise BotUnavailable(
            "TELEGRAM_BOT_TOKEN: Telegram does not know it; write what BotFather gives"
        ) from None
    except TelegramError as error:
        raise BotUnavailable(f"{settings.telegram_api_url}: {error.message}") from None
    finally:
        await client.close()
    return f"@{me.username}, {reception}; {_group_privacy(me)}"


def _check_webhook_address(address: str) -> None:
    """Check the webhook port; a self-hosted Bot API server may use others ("setWebhook")."""
    parts = urlsplit(address)
    if parts.scheme != "https" or parts.port not in _WEBHOOK_PORTS:
        raise BotUnavailable(
            f"PUBLIC_URL: Telegram does not call {address}; write one with https, and with"
            " no port or one of 443, 80, 88 and 8443"
        )


async def _reception(bot: Bot, settings: Settings) -> str:
    if not uses_webhook(settings):
        return "by long polling"
    url = webhook_url(settings)
    info = await bot.get_webhook_info()
    if info.url == url and info.pending_update_count and info.last_error_message:
        raise BotUnavailable(
            f"Telegram does not get through to {url}: {info.last_error_message}"
            f" ({info.pending_update_count} updates wait)"
        )
    if info.url != url:
        return f"by webhook at {url}, which is not set there now: a start sets it"
    return f"by webhook at {url}"


def _group_privacy(me: TelegramUser) -> str:
    if not me.can_join_groups:
        return "BotFather lets nobody bring it into groups"
    reads_all_messages = me.can_read_all_group_messages
    heard = "everything" if reads_all_messages else "only commands and replies to it"
    return f"in groups it hears {heard}"
