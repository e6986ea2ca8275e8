"""What `reelay check` shows about the bot: who it is, or why it cannot work."""

from __future__ import annotations

import aiohttp
import discord

from bot.clock import SystemClock
from bot.config import Settings
from bot.frontends.discord.client import Client
from bot.frontends.discord.http import InvalidRequestCounter, set_base_url

_ELSEWHERE = (
    "what people do goes elsewhere: take the Interactions Endpoint URL out of the application"
    " in the developer portal"
)


class BotUnavailable(Exception):
    """The bot cannot work; the text says why, for an operator."""


async def describe_bot(settings: Settings) -> str:
    """Ask Discord who the bot is; nothing is changed there. Raises `BotUnavailable`."""
    set_base_url(settings.discord_api_url)
    client = Client(InvalidRequestCounter(SystemClock()), None)
    try:
        await client.login(settings.discord_bot_token.get_secret_value())
        limits = await client.fetch_session_start_limits()
        if client.application is not None and client.application.interactions_endpoint_url:
            raise BotUnavailable(_ELSEWHERE)
    except discord.LoginFailure:
        raise BotUnavailable(
            "DISCORD_BOT_TOKEN: Discord does not know it; write what the developer portal gives"
        ) from None
    except (discord.DiscordException, aiohttp.ClientError, OSError) as error:
        raise BotUnavailable(
            f"{settings.discord_api_url}: {type(error).__name__} {error}"[:200]
        ) from None
    finally:
        await client.close()
    return f"{client.user}, {limits.remaining} of {limits.total} logins left today"
