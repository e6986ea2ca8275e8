"""Telling Discord our commands: only when they have changed, and by one process of all."""

from __future__ import annotations

import hashlib
import json

import discord
import structlog

from bot.cards import Cards
from bot.frontends.discord.client import Client
from bot.frontends.discord.wire import safely
from bot.ports import Clock, DeliveryError

_log = structlog.get_logger(__name__)
_PATIENCE = 120.0
_LOCK = "commands-being-told"
_LOOK = 5.0
_NONE = "none"
"""What a guild knows that has no commands of its own any more."""


async def sync(
    client: Client, cards: Cards, clock: Clock, worker: str, guilds: frozenset[int]
) -> None:
    """Tell the commands, to everybody or at once to the guilds named. Raises `DeliveryError`.

    A guild that takes none keeps no other from its own; one that is no longer named loses them.
    `worker` is who we are among all processes that may want to tell them.
    """
    payload = json.dumps(await client.tree.payload(), sort_keys=True)
    known = hashlib.sha256(payload.encode()).hexdigest()
    places: list[int | None] = [*sorted(guilds)] or [None]
    before = await _told_before(client, cards)
    wrong = []
    # First what is new: nobody is to be without any.
    for guild in [*places, *(one for one in before if one not in guilds)]:
        state = known if guild in places else _NONE
        try:
            await _sync(client, cards, clock, worker, state, guild)
        except DeliveryError as error:
            if state == _NONE and error.is_permanent:
                # The bot has left it, and so have its commands.
                await cards.set_mark(_mark(client, guild), _NONE)
                continue
            wrong.append(str(error) if guild is None else f"DISCORD_GUILDS, {guild}: {error}")
    if wrong:
        raise DeliveryError("unknown", "; ".join(wrong))


async def _told_before(client: Client, cards: Cards) -> list[int]:
    """The guilds that have commands of their own."""
    prefix = _mark(client, "")
    found = {name.removeprefix(prefix): one for name, one in (await cards.marks()).items()}
    return [int(name) for name, one in found.items() if name.isdecimal() and one != _NONE]


def _mark(client: Client, guild: int | str | None) -> str:
    return f"commands:{client.application_id}:{'all' if guild is None else guild}"


async def _sync(
    client: Client, cards: Cards, clock: Clock, worker: str, known: str, guild: int | None
) -> None:
    mark = _mark(client, guild)
    while (await cards.marks()).get(mark) != known:
        if not await cards.claim_mark(_LOCK, worker, _PATIENCE):
            # Another process is at it.
            await clock.sleep(_LOOK)
            continue
        try:
            if (await cards.marks()).get(mark) == known:
                return
            count = await _tell(client, clock, guild, nothing=known == _NONE)
            await cards.set_mark(mark, known)
        finally:
            await cards.set_mark(_LOCK, "")
        _log.info("commands_told", count=count, guild=guild or "all")


async def _tell(client: Client, clock: Clock, guild: int | None, *, nothing: bool) -> int:
    there = discord.Object(guild) if guild is not None else None
    if there is not None and not nothing:
        client.tree.copy_global_to(guild=there)
    # All are replaced by all: twice is as good as once.
    return len(await safely(lambda: client.tree.sync(guild=there), clock, _PATIENCE))
