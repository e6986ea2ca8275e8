"""Calls about the bot itself, its guilds and users; and the handler of each operation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tests.fakes.discord import channel_methods as sending
from tests.fakes.discord import serializers as shown
from tests.fakes.discord.channels import Guild
from tests.fakes.discord.error_responses import Call, avoidable_error, unavoidable_error
from tests.fakes.discord.gateway import Gateway
from tests.fakes.discord.state import DiscordState

Json = dict[str, Any]
OperationHandler = Callable[[Call], Any]


def get_my_user(call: Call) -> Json:
    told = {"mfa_enabled": False, "locale": "en-US", "verified": True, "email": None}
    return shown.user(call.world.bot) | told


def get_my_application(call: Call) -> Json:
    world = call.world
    owner = next((account for account in world.accounts.values() if not account.is_bot), world.bot)
    nothing = dict.fromkeys(
        ("icon", "type", "interactions_endpoint_url", "role_connections_verification_url", "team")
    )
    return nothing | {
        "id": str(world.application),
        "name": world.bot.name,
        "description": "",
        "bot": shown.user(world.bot),
        "bot_public": True,
        "bot_require_code_grant": False,
        "verify_key": "00" * 32,
        "flags": 1 << 19,
        "flags_new": str(1 << 19),
        "redirect_uris": [],
        "owner": shown.user(owner),
        "approximate_guild_count": sum(guild.has_bot for guild in world.guilds.values()),
        "approximate_user_install_count": len(world.installed),
        "approximate_user_authorization_count": 0,
        "explicit_content_filter": 0,
        "eligible_oauth2_scopes": ["bot", "applications.commands"],
    }


def get_user(call: Call) -> Json:
    found = call.world.accounts.get(call.id("user_id"))
    if found is None:
        avoidable_error(10013, "Unknown User", 404)
    return shown.user(found)


def get_guild(call: Call) -> Json:
    return shown.guild(_guild(call))


def get_guild_member(call: Call) -> Json:
    guild = _guild(call)
    found = call.world.accounts.get(call.id("user_id"))
    if found is None:
        avoidable_error(10013, "Unknown User", 404)
    if found not in guild.members and found is not call.world.bot:
        unavoidable_error(10007, "Unknown Member")
    return shown.member(guild, found)


def list_guild_channels(call: Call) -> list[Json]:
    return [shown.channel(channel) for channel in _guild(call).channels if not channel.gone]


def _guild(call: Call) -> Guild:
    guild = call.world.guilds.get(call.id("guild_id"))
    if guild is None:
        avoidable_error(10004, "Unknown Guild", 404)
    if guild.gone or not guild.has_bot:
        unavoidable_error(10004, "Unknown Guild")
    return guild


def operation_handlers(world: DiscordState, gateway: Gateway) -> Mapping[str, OperationHandler]:
    """What does each operation."""
    commands, interactions = world.commands, world.interactions
    return {
        "get_gateway": lambda _: {"url": gateway.url},
        "get_bot_gateway": lambda _: gateway.about(),
        "get_my_user": get_my_user,
        "get_my_application": get_my_application,
        "get_my_oauth2_application": get_my_application,
        "get_user": get_user,
        "create_dm": sending.create_dm,
        "get_guild": get_guild,
        "get_guild_member": get_guild_member,
        "list_guild_channels": list_guild_channels,
        "list_application_commands": commands.get,
        "bulk_set_application_commands": commands.put,
        "list_guild_application_commands": commands.get,
        "bulk_set_guild_application_commands": commands.put,
        "get_channel": sending.get_channel,
        "trigger_typing_indicator": sending.trigger_typing,
        "list_messages": sending.list_messages,
        "create_message": sending.create_message,
        "get_message": sending.get_message,
        "update_message": sending.edit_message,
        "delete_message": sending.delete_message,
        "create_interaction_response": interactions.respond,
        "execute_webhook": interactions.follow_up,
        "get_original_webhook_message": interactions.get_message,
        "update_original_webhook_message": interactions.edit_message,
        "delete_original_webhook_message": interactions.delete_message,
        "get_webhook_message": interactions.get_message,
        "update_webhook_message": interactions.edit_message,
        "delete_webhook_message": interactions.delete_message,
    }
