"""Interactions as they are stored. Pure: no I/O."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC
from pathlib import PurePath
from typing import Any, Literal

import discord

from bot.chat.update_queue import StoredUpdate
from bot.config import Settings
from bot.domain.commands import MakeVideo
from bot.domain.groups import GroupContext
from bot.domain.users import User
from bot.frontends.discord.target import (
    MIN_UPLOAD_LIMIT_BYTES,
    TOKEN_LIFETIME_S,
    Access,
    ChatTarget,
    user_id_of,
)

_SUFFIXES = {".avif", ".gif", ".heic", ".heif", ".jpeg", ".jpg", ".png", ".webp"}
"""Suffixes of images whose type Discord does not state."""


@dataclass(frozen=True, slots=True)
class ImageAttachment:
    """An image on Discord's servers; its address is valid for about a day."""

    url: str
    name: str
    bytes: int

    def to_json(self) -> dict[str, Any]:
        """As it is stored; see `from_json`. The keys stay when attributes are renamed."""
        return {"url": self.url, "name": self.name, "bytes": self.bytes}

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> ImageAttachment:
        """Read what `to_json` has written; unknown keys are ignored."""
        return cls(url=stored["url"], name=stored["name"], bytes=stored["bytes"])


@dataclass(frozen=True, slots=True)
class StoredInteraction:
    """One interaction: who, where, and what."""

    id: int
    target: ChatTarget
    user: User
    handle: str
    payload: dict[str, Any] = field(default_factory=dict)
    needs_first_response: bool = True
    """Whether its acknowledgement is a message that the first response fills."""
    public: bool = False
    """Whether that message is visible to the whole channel."""
    whereabouts: GroupContext | None = None

    @property
    def group_id(self) -> str | None:
        """Id of the guild."""
        return self.whereabouts.group_id if self.whereabouts is not None else None

    @property
    def update(self) -> StoredUpdate:
        """As the update queue stores it; see `parse`."""
        kept = {
            "spot": self.target.address,
            "user": self.user.id,
            "language": self.user.language,
            "handle": self.handle,
            "what": self.payload,
            "fresh": self.needs_first_response,
            "public": self.public,
            "there": _group_to_json(self.whereabouts),
        }
        return StoredUpdate(self.id, self.user.id, json.dumps(kept))

    @classmethod
    def parse(cls, update: StoredUpdate, settings: Settings) -> StoredInteraction:
        """Read what `update` has written."""
        kept = json.loads(update.body)
        user = User(kept["user"], kept["user"] in settings.admins, kept["language"])
        return cls(
            update.id,
            ChatTarget.parse(kept["spot"]),
            user,
            kept["handle"],
            kept["what"],
            kept["fresh"],
            kept["public"],
            _group_from_json(kept["there"]),
        )

    @property
    def update_key(self) -> str:
        """The key that makes this request unique."""
        return f"discord:{self.id}"


def _group_to_json(group: GroupContext | None) -> dict[str, Any] | None:
    """As it is stored; the keys stay when attributes are renamed."""
    if group is None:
        return None
    return {
        "group": group.group_id,
        "channels": list(group.channel_ids),
        "roles": list(group.role_ids),
        "manages": group.can_manage,
    }


def _group_from_json(stored: dict[str, Any] | None) -> GroupContext | None:
    if stored is None:
        return None
    return GroupContext(
        group_id=stored["group"],
        channel_ids=tuple(stored["channels"]),
        role_ids=tuple(stored["roles"]),
        can_manage=stored["manages"],
    )


def from_interaction(
    interaction: discord.Interaction,
    settings: Settings,
    payload: dict[str, Any],
    *,
    needs_first_response: bool = True,
    public: bool = False,
) -> StoredInteraction:
    """Return an interaction as it is stored."""
    return StoredInteraction(
        interaction.id,
        target_of(interaction),
        user_from(interaction, settings),
        interaction.user.name,
        payload,
        needs_first_response,
        public,
        group_context_of(interaction),
    )


def group_context_of(interaction: discord.Interaction) -> GroupContext | None:
    """Return the guild that the bot belongs to, with the user's roles and permissions there."""
    if interaction.guild_id is None or not interaction.is_guild_integration():
        return None
    channel, user = interaction.channel, interaction.user
    parent_id = channel.parent_id if isinstance(channel, discord.Thread) else None
    roles = user.roles if isinstance(user, discord.Member) else []
    return GroupContext(
        f"discord:{interaction.guild_id}",
        tuple(
            str(channel_id)
            for channel_id in (interaction.channel_id, parent_id)
            if channel_id is not None
        ),
        tuple(str(role.id) for role in roles),
        interaction.permissions.manage_guild,
    )


def user_from(interaction: discord.Interaction, settings: Settings) -> User:
    """Return the user, with the language of their client."""
    user_id = user_id_of(interaction.user.id)
    return User(user_id, user_id in settings.admins, interaction.locale.value)


def target_of(interaction: discord.Interaction) -> ChatTarget:
    """Return the target of the response."""
    guild = interaction.guild
    created = interaction.created_at.astimezone(UTC).timestamp()
    return ChatTarget(
        channel=interaction.channel_id or 0,
        guild=interaction.guild_id,
        access=_access(interaction),
        app=interaction.application_id,
        token=interaction.token,
        until=created + TOKEN_LIFETIME_S,
        interaction_upload_limit=interaction.filesize_limit,
        bot_upload_limit=guild.filesize_limit if guild is not None else MIN_UPLOAD_LIMIT_BYTES,
        interaction_id=interaction.id,
    )


def _access(interaction: discord.Interaction) -> Access:
    if interaction.guild_id is None:
        return "own" if interaction.context.dm_channel else "lent"
    if not interaction.is_guild_integration():
        return "lent"
    permissions = interaction.app_permissions
    in_thread = isinstance(interaction.channel, discord.Thread)
    speak = permissions.send_messages_in_threads if in_thread else permissions.send_messages
    allowed = (
        permissions.view_channel and speak and permissions.attach_files and permissions.embed_links
    )
    return "own" if allowed else "closed"


def first_image(attachments: list[discord.Attachment]) -> ImageAttachment | None:
    """Return the first image among the attachments."""
    for attachment in attachments:
        kind = (attachment.content_type or "").partition(";")[0]
        if kind.startswith("image/") or PurePath(attachment.filename).suffix.lower() in _SUFFIXES:
            return ImageAttachment(attachment.url, attachment.filename, attachment.size)
    return None


def dump_video_options(command: MakeVideo, image: ImageAttachment | None = None) -> dict[str, Any]:
    """The options of a video as they are stored; see `load_video_options`."""
    payload: dict[str, Any] = {"video": command.to_json()}
    return payload | ({"picture": image.to_json()} if image is not None else {})


def load_video_options(payload: dict[str, Any]) -> tuple[MakeVideo, ImageAttachment | None]:
    """Read what `dump_video_options` has written."""
    image = payload.get("picture")
    return MakeVideo.from_json(payload["video"]), ImageAttachment.from_json(
        image
    ) if image else None


def orientation_of(word: str | None) -> Literal["portrait", "landscape"] | None:
    """Return the orientation of a choice."""
    return "portrait" if word == "portrait" else "landscape" if word == "landscape" else None


def fit_of(word: str | None) -> Literal["crop", "pad"] | None:
    """Return the fit of a choice."""
    return "crop" if word == "crop" else "pad" if word == "pad" else None
