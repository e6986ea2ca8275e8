"""The connection to Discord's gateway: minimal intents, any number of shards."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import aiohttp
import discord
import structlog
from discord import app_commands

from bot.frontends.discord.commands import CommandTranslator
from bot.frontends.discord.rendering import CallbackButton

if TYPE_CHECKING:
    from bot.frontends.discord.http import InvalidRequestCounter
    from bot.frontends.discord.interaction_receiver import InteractionReceiver

_log = structlog.get_logger(__name__)
_AWAY = (discord.DiscordException, aiohttp.ClientError, OSError, TimeoutError)
_BETWEEN = 5.0
"""Seconds after which discord.py retries a connection."""
_LONGEST_WAIT = 60.0
"""Longest 429 in seconds that discord.py waits out; longer ones are raised to us."""


# Nothing is ever said aloud: that it could not be is no news.
discord.VoiceClient.warn_nacl = discord.VoiceClient.warn_dave = False


class _PlainMessages(logging.Filter):
    """Logs a lost gateway connection in one line instead of discord.py's traceback."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether to log the record unchanged."""
        error = record.exc_info[1] if record.exc_info else None
        if not isinstance(error, _AWAY) or not isinstance(record.args, tuple):
            return True
        shard, seconds = (*record.args, _BETWEEN)[:2]
        reason = f"{type(error).__name__} {error}"
        _log.warning(
            "discord_retry", shard=shard, error=reason, seconds=round(float(str(seconds)), 1)
        )
        return False


logging.getLogger("discord.shard").addFilter(_PlainMessages())


class Client(discord.AutoShardedClient):
    """A client that receives interactions only."""

    def __init__(
        self, refused: InvalidRequestCounter, shards: tuple[list[int], int] | None
    ) -> None:
        own: Any = {"shard_ids": shards[0], "shard_count": shards[1]} if shards else {}
        super().__init__(
            # No privileged one: what people say is none of our business.
            intents=discord.Intents(guilds=True),
            allowed_mentions=discord.AllowedMentions.none(),
            member_cache_flags=discord.MemberCacheFlags.none(),
            chunk_guilds_at_startup=False,
            max_messages=None,
            max_ratelimit_timeout=_LONGEST_WAIT,
            http_trace=refused.trace(),
            **own,
        )
        self.update_source: InteractionReceiver | None = None
        self.tree = Tree(self)
        self.add_dynamic_items(CallbackButton)

    async def pressed(self, interaction: discord.Interaction, sent: str) -> None:
        """Handle a press of one of our buttons."""
        if self.update_source is not None:
            await self.update_source.button_pressed(interaction, sent)

    async def on_interaction(self, interaction: discord.Interaction) -> None:
        """Handle modals: discord.py knows only those opened by this process."""
        if (
            interaction.type is discord.InteractionType.modal_submit
            and self.update_source is not None
        ):
            await self.update_source.modal_submitted(interaction)


class Tree(app_commands.CommandTree[Client]):
    """The command tree, in every language."""

    async def load(self) -> None:
        """Load the translations."""
        await self.set_translator(CommandTranslator())

    async def payload(self) -> list[dict[str, Any]]:
        """Return everything that a sync would send."""
        translator = self.translator
        assert translator is not None  # noqa: S101 - `load` comes first
        return [
            await command.get_translated_payload(self, translator)
            for command in self._get_all_commands(guild=None)
        ]


def parse_shards(setting: str) -> tuple[list[int], int] | None:
    """Parse `0-3/16` into (shards of this process, total); None: all shards."""
    if not setting:
        return None
    numbers, _, count = setting.partition("/")
    first, _, last = numbers.partition("-")
    return list(range(int(first), int(last or first) + 1)), int(count)
