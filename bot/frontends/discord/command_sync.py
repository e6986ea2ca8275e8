"""Sync commands with Discord: only after a change, and by one process."""

from __future__ import annotations

import hashlib
import json

import discord
import structlog

from bot.chat.interactive_messages import InteractiveMessages
from bot.frontends.discord.client import Client
from bot.frontends.discord.http import retry_idempotent
from bot.ports import Clock, DeliveryError

_log = structlog.get_logger(__name__)
_LOCK_S = 120.0
_LOCK_NAME = "commands-being-told"
_LOCK_POLL_S = 5.0
_NONE = "none"
"""Checksum of a guild without commands of its own."""


async def sync(
    client: Client,
    interactive_messages: InteractiveMessages,
    clock: Clock,
    worker: str,
    guilds: frozenset[int],
) -> None:
    """Sync the commands globally, or to the named guilds. Raises `DeliveryError`.

    A guild that rejects them does not block the others; one that is no longer named loses its
    commands. `worker` is the owner of the lock.
    """
    payload = json.dumps(await client.tree.payload(), sort_keys=True)
    checksum = hashlib.sha256(payload.encode()).hexdigest()
    places: list[int | None] = [*sorted(guilds)] or [None]
    before = await _synced_before(client, interactive_messages)
    wrong = []
    # First what is new: nobody is to be without any.
    for guild in [*places, *(known_guild for known_guild in before if known_guild not in guilds)]:
        state = checksum if guild in places else _NONE
        try:
            await _sync(client, interactive_messages, clock, worker, state, guild)
        except DeliveryError as error:
            if state == _NONE and error.is_permanent:
                # The bot has left it, and so have its commands.
                await interactive_messages.set_state(_state_name(client, guild), _NONE)
                continue
            wrong.append(str(error) if guild is None else f"DISCORD_GUILDS, {guild}: {error}")
    if wrong:
        raise DeliveryError("unknown", "; ".join(wrong))


async def _synced_before(client: Client, interactive_messages: InteractiveMessages) -> list[int]:
    """Return the guilds that have commands of their own."""
    prefix = _state_name(client, "")
    checksums = {
        name.removeprefix(prefix): value
        for name, value in (await interactive_messages.get_state()).items()
    }
    return [int(name) for name, value in checksums.items() if name.isdecimal() and value != _NONE]


def _state_name(client: Client, guild: int | str | None) -> str:
    return f"commands:{client.application_id}:{'all' if guild is None else guild}"


async def _sync(
    client: Client,
    interactive_messages: InteractiveMessages,
    clock: Clock,
    worker: str,
    checksum: str,
    guild: int | None,
) -> None:
    mark = _state_name(client, guild)
    while (await interactive_messages.get_state()).get(mark) != checksum:
        if not await interactive_messages.try_lock(_LOCK_NAME, worker, _LOCK_S):
            # Another process is at it.
            await clock.sleep(_LOCK_POLL_S)
            continue
        try:
            if (await interactive_messages.get_state()).get(mark) == checksum:
                return
            count = await _push(client, clock, guild, nothing=checksum == _NONE)
            await interactive_messages.set_state(mark, checksum)
        finally:
            await interactive_messages.set_state(_LOCK_NAME, "")
        _log.info("commands_synced", count=count, guild=guild or "all")


async def _push(client: Client, clock: Clock, guild: int | None, *, nothing: bool) -> int:
    guild_object = discord.Object(guild) if guild is not None else None
    if guild_object is not None and not nothing:
        client.tree.copy_global_to(guild=guild_object)
    # All are replaced by all: twice is as good as once.
    return len(await retry_idempotent(lambda: client.tree.sync(guild=guild_object), clock, _LOCK_S))
