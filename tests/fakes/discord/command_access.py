"""The commands that a user's app offers in a channel, and why."""

from __future__ import annotations

from typing import Any

from tests.fakes.discord import permissions as rights
from tests.fakes.discord.channels import Channel
from tests.fakes.discord.commands import Command
from tests.fakes.discord.messages import Account
from tests.fakes.discord.state import DiscordState

Json = dict[str, Any]
IN_GUILD, WITH_BOT, ELSEWHERE = 0, 1, 2


def context_of(world: DiscordState, person: Account, place: Channel) -> int:
    """What kind of place it is, as interactions tell it."""
    if place.guild is not None:
        return IN_GUILD
    return WITH_BOT if world.dms.get(person) is place else ELSEWHERE


def available_commands(
    world: DiscordState, person: Account, place: Channel, kind: int
) -> list[Command]:
    """All commands of a kind; those of the guild itself hide global ones of the same name."""
    by_guild, guild = world.commands.by_guild, place.guild
    known = list(by_guild.get(None, []))
    if guild is not None and guild.has_bot:
        own = by_guild.get(guild.id, [])
        names = {command.name for command in own}
        known = [*own, *(command for command in known if command.name not in names)]
    return [
        command
        for command in known
        if command.kind == kind
        and installation_owners(command, world, person, place)
        and _allowed(command, world, person, place)
    ]


def installation_owners(
    command: Command, world: DiscordState, person: Account, place: Channel
) -> Json:
    """Where the app is installed that the command is here; empty: it is not."""
    guild, context = place.guild, context_of(world, person, place)
    owners: Json = {}
    if context not in command.contexts:
        return owners
    if 0 in command.installs:
        if guild is not None and guild.has_bot:
            owners["0"] = str(guild.id)
        if context == WITH_BOT and world.shares_guild(person):
            owners["0"] = "0"
    if 1 in command.installs and person in world.installed:
        owners["1"] = str(person.id)
    return owners


def _allowed(command: Command, world: DiscordState, person: Account, place: Channel) -> bool:
    guild, needs = place.guild, command.needs
    if guild is None:
        return True
    have = world.rights(place, person)
    if not have & rights.USE_APPLICATION_COMMANDS:
        return False
    if needs is None or command.name in guild.opened or have & rights.ADMINISTRATOR:
        return True
    return needs > 0 and have & needs == needs
