"""Accounts, guilds, channels and messages in the shapes of Discord's API."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from tests.fakes.discord.channels import DM, FORUM, GROUP, VOICE, Channel, Guild, Role
from tests.fakes.discord.messages import Account, Attachment, Message, flat
from tests.fakes.discord.snowflakes import created_at, iso

if TYPE_CHECKING:
    from tests.fakes.discord.interactions import Interaction

Json = dict[str, Any]
_ATTACHED = "attachment://"
_FORUM_FLAGS = 0
_ARCHIVE_MINUTES = 4320


def user(one: Account) -> Json:
    """A `UserResponse`."""
    shown: Json = {
        "id": str(one.id),
        "username": one.username,
        "global_name": one.display or None,
        "avatar": None,
        "discriminator": "0",
        "public_flags": 0,
        "flags": 0,
        "primary_guild": None,
    }
    return shown | ({"bot": True} if one.is_bot else {})


def basic_member(guild: Guild, one: Account) -> Json:
    """A `BasicGuildMemberResponse`."""
    is_bot = one is guild.world.bot
    roles = [guild.bot_role] if is_bot else guild.members.get(one, [])
    return {
        "avatar": None,
        "banner": None,
        "communication_disabled_until": None,
        "flags": 0,
        "joined_at": iso(created_at(guild.id)),
        "nick": None,
        "pending": False,
        "premium_since": None,
        "roles": [str(role.id) for role in roles],
    }


def member(guild: Guild, one: Account) -> Json:
    """A `GuildMemberResponse`."""
    return basic_member(guild, one) | {"user": user(one), "mute": False, "deaf": False}


def role(guild: Guild, one: Role) -> Json:
    """A `GuildRoleResponse`."""
    shown: Json = {
        "id": str(one.id),
        "name": one.name,
        "description": None,
        "permissions": str(one.permissions),
        "position": guild.roles.index(one),
        "color": 0,
        "colors": {"primary_color": 0, "secondary_color": None, "tertiary_color": None},
        "hoist": False,
        "managed": one is guild.bot_role,
        "mentionable": False,
        "icon": None,
        "unicode_emoji": None,
        "flags": 0,
    }
    if one is guild.bot_role:
        shown["tags"] = {"bot_id": str(guild.world.bot.id)}
    return shown


def channel(one: Channel, *, permissions: int | None = None) -> Json:
    """A channel of any kind; with what someone may do there if that is asked."""
    last = max(one.history, default=None)
    shown: Json = {
        "id": str(one.id),
        "type": one.kind,
        "flags": _FORUM_FLAGS,
        "last_message_id": str(last) if last is not None else None,
    }
    if one.kind in {DM, GROUP}:
        shown["recipients"] = [user(person) for person in one.people]
        if one.kind == GROUP:
            owner = one.owner or one.people[0]
            shown |= {"name": one.name or None, "icon": None, "owner_id": str(owner.id)}
        return shown
    assert one.guild is not None
    shown |= {"guild_id": str(one.guild.id), "name": one.name}
    shown["parent_id"] = str(one.parent.id) if one.parent else None
    shown["rate_limit_per_user"] = 0
    if permissions is not None:
        shown["permissions"] = str(permissions)
    return shown | (_thread(one) if one.is_thread else _place(one))


def _thread(one: Channel) -> Json:
    assert one.owner is not None
    count = max(0, len(one.messages))
    return {
        "owner_id": str(one.owner.id),
        "thread_metadata": {
            "archived": one.archived,
            "locked": one.locked,
            "archive_timestamp": iso(created_at(one.id)),
            "create_timestamp": iso(created_at(one.id)),
            "auto_archive_duration": _ARCHIVE_MINUTES,
        },
        "message_count": count,
        "member_count": 1,
        "total_message_sent": count,
    }


def _place(one: Channel) -> Json:
    assert one.guild is not None
    everyone, bot = str(one.guild.everyone.id), str(one.world.bot.id)
    overwrites = []
    if one.denied_all:
        overwrites.append({"id": everyone, "type": 0, "allow": "0", "deny": str(one.denied_all)})
    if one.denied:
        overwrites.append({"id": bot, "type": 1, "allow": "0", "deny": str(one.denied)})
    shown: Json = {
        "position": one.guild.channels.index(one) if one in one.guild.channels else 0,
        "permission_overwrites": overwrites,
        "nsfw": one.nsfw,
        "topic": None,
    }
    if one.kind == VOICE:
        shown |= {"bitrate": 64000, "user_limit": 0, "rtc_region": None}
    if one.kind == FORUM:
        shown |= {"available_tags": [], "default_reaction_emoji": None, "default_sort_order": None}
        shown["default_forum_layout"] = 0
    return shown


def guild(one: Guild) -> Json:
    """A `GuildWithCountsResponse` without the counts."""
    nothing = """icon description home_header splash discovery_splash banner application_id
        afk_channel_id system_channel_id widget_channel_id max_presences vanity_url_code
        rules_channel_id safety_alerts_channel_id public_updates_channel_id incidents_data"""
    zero = """system_channel_flags verification_level default_message_notifications mfa_level
        explicit_content_filter premium_subscription_count nsfw_level"""
    shown: Json = dict.fromkeys(nothing.split()) | dict.fromkeys(zero.split(), 0)
    return shown | {
        "id": str(one.id),
        "name": one.name,
        "features": [],
        "owner_id": str(one.owner.id),
        "region": "deprecated",
        "afk_timeout": 300,
        "widget_enabled": False,
        "roles": [role(one, its_role) for its_role in one.roles],
        "max_members": 25_000_000,
        "max_stage_video_channel_users": 50,
        "max_video_channel_users": 25,
        "premium_tier": one.tier,
        "preferred_locale": one.locale,
        "premium_progress_bar_enabled": False,
        "nsfw": False,
        "emojis": [],
        "stickers": [],
    }


def guild_create_event(one: Guild) -> Json:
    """What GUILD_CREATE tells; without the right to hear of members, only the bot among them."""
    places = [its_channel for its_channel in one.channels if not its_channel.gone]
    threads = [
        thread
        for thread in one.world.channels.values()
        if thread.guild is one and thread.is_thread and not thread.archived and not thread.gone
    ]
    return guild(one) | {
        "joined_at": iso(created_at(one.id)),
        "large": len(one.members) > 50,
        "unavailable": False,
        "member_count": len(one.members) + 1,
        "members": [member(one, one.world.bot)],
        "channels": [channel(place) for place in places],
        "threads": [channel(thread) for thread in threads],
        "voice_states": [],
        "presences": [],
        "stage_instances": [],
        "guild_scheduled_events": [],
        "soundboard_sounds": [],
    }


# --- messages ----------------------------------------------------------------------------


def attachment(one: Attachment, place: Channel) -> Json:
    """A `MessageAttachmentResponse`, with a link that begins now."""
    cdn, now = place.world.cdn, place.world.clock.now()
    link = cdn.link(one, now)
    shown: Json = {
        "id": str(one.id),
        "filename": one.name,
        "size": one.size,
        "url": link,
        "proxy_url": link,
    }
    if one.kind:
        shown["content_type"] = one.kind
    if one.width:
        shown |= {"width": one.width, "height": one.height}
    if one.description:
        shown["description"] = one.description
    return shown | ({"ephemeral": True} if one.ephemeral else {})


def message(one: Message, *, nested: bool = False) -> Json:
    """A `MessageResponse`; a nested one does not tell to what it replies."""
    shown: Json = {
        "id": str(one.id),
        "channel_id": str(one.channel.id),
        "type": _type(one),
        "content": one.content,
        "author": user(one.sender),
        "timestamp": iso(one.time),
        "edited_timestamp": iso(one.edited) if one.edited is not None else None,
        "mentions": [user(user_id) for user_id in one.pings],
        "mention_roles": [],
        "mention_everyone": one.pings_everyone,
        "attachments": [attachment(file, one.channel) for file in one.attachments],
        "embeds": [_embed(embed, one) for embed in one.embeds],
        "components": _linked(one.components, one),
        "flags": one.flags,
        "pinned": False,
        "tts": False,
    }
    if one.nonce is not None:
        shown["nonce"] = one.nonce
    if one.interaction is not None:
        shown |= _by(one.interaction, one)
    if one.reply_to is not None:
        shown["message_reference"] = _reference(one.reply_to)
        if not nested:
            gone = one.reply_to.deleted
            shown["referenced_message"] = None if gone else message(one.reply_to, nested=True)
    return shown


def message_event(one: Message) -> Json:
    """A message as the gateway tells it."""
    shown = message(one)
    if (guild := one.channel.guild) is not None:
        shown["guild_id"] = str(guild.id)
        if one.sender in guild.members or one.sender is guild.world.bot:
            shown["member"] = basic_member(guild, one.sender) | {"mute": False, "deaf": False}
    return shown


def _type(one: Message) -> int:
    if one.reply_to is not None:
        return 19
    if one.interaction is not None and one.interaction.original is one:
        return {2: 20}.get(one.interaction.kind, 0)
    return 0


def _reference(one: Message) -> Json:
    shown: Json = {"type": 0, "message_id": str(one.id), "channel_id": str(one.channel.id)}
    if one.channel.guild is not None:
        shown["guild_id"] = str(one.channel.guild.id)
    return shown


def _by(interaction: Interaction, one: Message) -> Json:
    application = str(one.channel.world.application)
    return {
        "application_id": application,
        "webhook_id": application,
        "interaction_metadata": interaction.metadata(one),
    }


def _linked(components: list[Json], one: Message) -> list[Json]:
    """Components whose references to files have become links."""
    found = copy.deepcopy(components)
    for component in flat(found):
        for holder in [component, *(component.get("items") or [])]:
            for name in ("media", "file"):
                if isinstance(holder.get(name), dict):
                    holder[name] = _media(holder[name], one)
    return found


def _media(given: Json, one: Message) -> Json:
    file = _named(given.get("url", ""), one)
    if file is None:
        return {"id": str(one.id), "proxy_url": given.get("url", ""), **given}
    link = attachment(file, one.channel)["url"]
    shown: Json = {"id": str(file.id), "attachment_id": str(file.id), "url": link}
    shown |= {"proxy_url": link, "content_type": file.kind or None}
    return shown | ({"width": file.width, "height": file.height} if file.width else {})


def _embed(given: Json, one: Message) -> Json:
    shown = {"type": "rich"} | {name: value for name, value in given.items() if value is not None}
    for name in ("image", "thumbnail", "video"):
        file = _named((given.get(name) or {}).get("url") or "", one)
        if file is not None:
            link = attachment(file, one.channel)["url"]
            shown[name] = {"url": link, "proxy_url": link}
            if file.width:
                shown[name] |= {"width": file.width, "height": file.height}
    for field in shown.get("fields", []):
        field["inline"] = bool(field.get("inline"))
    return shown


def _named(url: str, one: Message) -> Attachment | None:
    name = url.removeprefix(_ATTACHED)
    found = (file for file in one.attachments if file.name == name)
    return next(found, None) if url.startswith(_ATTACHED) else None
