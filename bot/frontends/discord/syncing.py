"""Telling Discord our commands: only when they have changed, and by one process of all."""

from __future__ import annotations

import hashlib
import json
import secrets

import discord
import structlog

from bot.cards import Cards
from bot.frontends.discord.client import Client
from bot.frontends.discord.wire import safely
from bot.ports import Clock

_log = structlog.get_logger(__name__)
_PATIENCE = 120.0
_LOCK = "commands-being-told"
_LOOK = 5.0


async def sync(client: Client, cards: Cards, clock: Clock, guilds: frozenset[int]) -> None:
    """Tell the commands, to everybody or at once to the guilds named. Raises `DeliveryError`."""
    payload = json.dumps(await client.tree.payload(), sort_keys=True)
    known = hashlib.sha256(payload.encode()).hexdigest()
    worker = secrets.token_hex(8)
    places: list[int | None] = [*sorted(guilds)] or [None]
    for guild in places:
        await _sync(client, cards, clock, worker, known, guild)


async def _sync(
    client: Client, cards: Cards, clock: Clock, worker: str, known: str, guild: int | None
) -> None:
    mark = f"commands:{client.application_id}:{guild or 'all'}"
    while (await cards.marks()).get(mark) != known:
        if not await cards.claim_mark(_LOCK, worker, _PATIENCE):
            # Another process is at it.
            await clock.sleep(_LOOK)
            continue
        if (await cards.marks()).get(mark) == known:
            return
        count = await _tell(client, clock, guild)
        await cards.set_mark(mark, known)
        _log.info("commands_told", count=count, guild=guild or "all")


async def _tell(client: Client, clock: Clock, guild: int | None) -> int:
    there = discord.Object(guild) if guild is not None else None
    if there is not None:
        client.tree.copy_global_to(guild=there)
    # All are replaced by all: twice is as good as once.
    return len(await safely(lambda: client.tree.sync(guild=there), clock, _PATIENCE))
