"""Intents: which events a session gets, and what is removed from messages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.fakes.discord.state import DiscordState

Json = dict[str, Any]
GUILDS, GUILD_MESSAGES, DIRECT_MESSAGES = 1 << 0, 1 << 9, 1 << 12
MESSAGE_CONTENT = 1 << 15
_EMPTY: Json = {"content": "", "embeds": [], "attachments": [], "components": []}


def is_sent_to(event: str, told: Json, intents: int) -> bool:
    """Whether a session with these intents gets an event."""
    if event.startswith("MESSAGE_"):
        return bool(intents & (GUILD_MESSAGES if "guild_id" in told else DIRECT_MESSAGES))
    if event.startswith(("GUILD_", "CHANNEL_", "THREAD_")):
        return bool(intents & GUILDS)
    return True


def strip_content(event: str, told: Json, intents: int, world: DiscordState) -> Json:
    """Remove the content of a message that the bot may not read."""
    if event not in {"MESSAGE_CREATE", "MESSAGE_UPDATE"} or intents & MESSAGE_CONTENT:
        return told
    me = str(world.bot.id)
    mine = told["author"]["id"] == me or any(mention["id"] == me for mention in told["mentions"])
    return told if mine or "guild_id" not in told else told | _EMPTY
