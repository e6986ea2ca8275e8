"""What people ask for, as it is kept until all has come of it: pure reading, no I/O."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from datetime import UTC
from pathlib import PurePath
from typing import Any, Literal

import discord

from bot.config import Settings
from bot.domain.commands import MakeVideo
from bot.domain.groups import GroupContext
from bot.domain.users import User
from bot.frontends.discord.spot import LIFETIME, SMALLEST_LIMIT, Right, Spot, person_id
from bot.inbox import StoredUpdate

_SUFFIXES = {".avif", ".gif", ".heic", ".heif", ".jpeg", ".jpg", ".png", ".webp"}
"""Of pictures of which Discord says no type."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture that Discord has; its address is good for about a day."""

    url: str
    name: str
    bytes: int


@dataclass(frozen=True, slots=True)
class Asked:
    """One interaction: who asks, where, and for what."""

    id: int
    spot: Spot
    person: User
    handle: str
    what: dict[str, Any] = field(default_factory=dict)
    fresh: bool = True
    """Its acknowledgement is a message of its own, which the answer fills."""
    public: bool = False
    """All in the channel see that message."""
    whereabouts: GroupContext | None = None

    @property
    def group(self) -> str | None:
        """The guild that it is asked in."""
        return self.whereabouts.group_id if self.whereabouts is not None else None

    @property
    def arrived(self) -> StoredUpdate:
        """As the inbox keeps it; see `parse`."""
        kept = {
            "spot": self.spot.address,
            "user": self.person.id,
            "language": self.person.language,
            "handle": self.handle,
            "what": self.what,
            "fresh": self.fresh,
            "public": self.public,
            "there": _group_to_json(self.whereabouts),
        }
        return StoredUpdate(self.id, self.person.id, json.dumps(kept))

    @classmethod
    def parse(cls, one: StoredUpdate, settings: Settings) -> Asked:
        """What `arrived` has written."""
        kept = json.loads(one.body)
        person = User(kept["user"], kept["user"] in settings.admins, kept["language"])
        return cls(
            one.id,
            Spot.parse(kept["spot"]),
            person,
            kept["handle"],
            kept["what"],
            kept["fresh"],
            kept["public"],
            _group_from_json(kept["there"]),
        )

    @property
    def update(self) -> str:
        """What tells this request from every other one, for ever."""
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


def asked(
    interaction: discord.Interaction,
    settings: Settings,
    what: dict[str, Any],
    *,
    fresh: bool = True,
    public: bool = False,
) -> Asked:
    """What an interaction asks for."""
    return Asked(
        interaction.id,
        spot_of(interaction),
        person_of(interaction, settings),
        interaction.user.name,
        what,
        fresh,
        public,
        whereabouts_of(interaction),
    )


def whereabouts_of(interaction: discord.Interaction) -> GroupContext | None:
    """The guild that the bot belongs to, and what the person is there."""
    if interaction.guild_id is None or not interaction.is_guild_integration():
        return None
    channel, user = interaction.channel, interaction.user
    above = channel.parent_id if isinstance(channel, discord.Thread) else None
    roles = user.roles if isinstance(user, discord.Member) else []
    return GroupContext(
        f"discord:{interaction.guild_id}",
        tuple(str(one) for one in (interaction.channel_id, above) if one is not None),
        tuple(str(role.id) for role in roles),
        interaction.permissions.manage_guild,
    )


def person_of(interaction: discord.Interaction, settings: Settings) -> User:
    """Who it is, in the language of their app."""
    found = person_id(interaction.user.id)
    return User(found, found in settings.admins, interaction.locale.value)


def spot_of(interaction: discord.Interaction) -> Spot:
    """Where the answer belongs."""
    guild = interaction.guild
    created = interaction.created_at.astimezone(UTC).timestamp()
    return Spot(
        channel=interaction.channel_id or 0,
        guild=interaction.guild_id,
        right=_right(interaction),
        app=interaction.application_id,
        token=interaction.token,
        until=created + LIFETIME,
        lent_limit=interaction.filesize_limit,
        own_limit=guild.filesize_limit if guild is not None else SMALLEST_LIMIT,
        asked=interaction.id,
    )


def _right(interaction: discord.Interaction) -> Right:
    if interaction.guild_id is None:
        return "own" if interaction.context.dm_channel else "lent"
    if not interaction.is_guild_integration():
        return "lent"
    may = interaction.app_permissions
    in_thread = isinstance(interaction.channel, discord.Thread)
    speak = may.send_messages_in_threads if in_thread else may.send_messages
    every = may.view_channel and speak and may.attach_files and may.embed_links
    return "own" if every else "closed"


def picture_of(attachments: list[discord.Attachment]) -> Picture | None:
    """The first picture among what is attached."""
    for one in attachments:
        kind = (one.content_type or "").partition(";")[0]
        if kind.startswith("image/") or PurePath(one.filename).suffix.lower() in _SUFFIXES:
            return Picture(one.url, one.filename, one.size)
    return None


def kept_video(command: MakeVideo, picture: Picture | None = None) -> dict[str, Any]:
    """A wish as it is kept; see `video_of`."""
    found: dict[str, Any] = {"video": command.given_options}
    return found | ({"picture": asdict(picture)} if picture is not None else {})


def video_of(what: dict[str, Any]) -> tuple[MakeVideo, Picture | None]:
    """What `kept_video` has kept."""
    picture = what.get("picture")
    return MakeVideo(**what["video"]), Picture(**picture) if picture else None


def orientation_of(word: str | None) -> Literal["portrait", "landscape"] | None:
    """A choice as the catalogue names it."""
    return "portrait" if word == "portrait" else "landscape" if word == "landscape" else None


def fit_of(word: str | None) -> Literal["crop", "pad"] | None:
    """A choice as orders name it."""
    return "crop" if word == "crop" else "pad" if word == "pad" else None
