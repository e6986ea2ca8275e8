"""Guilds and channels of the fake Discord, and what a test may do to them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from tests.fakes.change_signal import PATIENCE_S, ChangeSignal
from tests.fakes.discord import permissions as rights
from tests.fakes.discord.messages import Account, Event, Message
from tests.fakes.discord.snowflakes import shard_of

if TYPE_CHECKING:
    from tests.fakes.discord.state import DiscordState

T = TypeVar("T")
TEXT, DM, VOICE, GROUP, NEWS = 0, 1, 2, 3, 5
PUBLIC_THREAD, PRIVATE_THREAD, STAGE, FORUM = 11, 12, 13, 15
THREADS = frozenset({10, PUBLIC_THREAD, PRIVATE_THREAD})
KINDS = {
    TEXT: "text",
    DM: "direct messages",
    VOICE: "voice",
    GROUP: "group",
    NEWS: "news",
    PUBLIC_THREAD: "thread",
    PRIVATE_THREAD: "private thread",
    STAGE: "stage",
    FORUM: "forum",
}
MEGA = 1 << 20
LIMITS = {0: 10 * MEGA, 1: 10 * MEGA, 2: 50 * MEGA, 3: 100 * MEGA}
"""The largest file by boost tier of the guild."""


@dataclass(eq=False, kw_only=True)
class Role:
    """A role of a guild."""

    id: int
    name: str
    permissions: int = 0

    @property
    def mention(self) -> str:
        return f"<@&{self.id}>"


@dataclass(eq=False, kw_only=True)
class Channel:
    """A channel, a thread, a forum post or a private channel."""

    world: DiscordState
    id: int
    kind: int
    name: str = ""
    guild: Guild | None = None
    parent: Channel | None = None
    """The channel of a thread."""
    people: list[Account] = field(default_factory=list)
    """The users of a private channel."""
    owner: Account | None = None
    """The creator of a thread or a group."""
    nsfw: bool = False
    archived: bool = False
    locked: bool = False
    gone: bool = False
    denied: int = 0
    """Permissions that the bot lacks here only."""
    denied_all: int = 0
    """Permissions that only admins have here."""
    history: dict[int, Message] = field(default_factory=dict)
    log: list[Event] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.watch = ChangeSignal()

    # --- looking -------------------------------------------------------------------------

    @property
    def is_thread(self) -> bool:
        return self.kind in THREADS

    @property
    def mention(self) -> str:
        return f"<#{self.id}>"

    @property
    def file_limit(self) -> int:
        """The largest file that the bot may post here, in bytes."""
        return LIMITS[self.guild.tier if self.guild else 0]

    @property
    def messages(self) -> list[Message]:
        """Public messages, oldest first."""
        return [
            message
            for message in self.history.values()
            if not message.deleted and message.only_for is None
        ]

    @property
    def from_bot(self) -> list[Message]:
        """Public messages of the bot."""
        return [message for message in self.messages if message.sender is self.world.bot]

    def rights_of_bot(self) -> int:
        """What the bot may do here."""
        return self.world.rights(self, self.world.bot)

    async def until(self, look: Callable[[Channel], T], timeout: float = PATIENCE_S) -> T:
        """The first true result of `look`, called after each change here."""
        return await self.world.until(lambda: look(self), timeout, channel=self)

    async def shows(
        self,
        text: str,
        timeout: float = PATIENCE_S,
        *,
        times: int = 1,
        after: Message | None = None,
    ) -> Message:
        """Wait until the bot has posted this text `times` times; the newest message."""
        least = after.id if after else 0

        def look() -> Message | None:
            found = [
                message for message in self.from_bot if text in message.text and message.id > least
            ]
            return found[-1] if len(found) >= times else None

        found = await self.world.until(look, timeout, channel=self, what=f"no {text!r}")
        assert found is not None
        return found

    async def shows_video(self, timeout: float = PATIENCE_S, *, times: int = 1) -> Message:
        """Wait until the bot has posted `times` videos; the newest message."""

        def look() -> Message | None:
            found = [message for message in self.from_bot if message.video]
            return found[-1] if len(found) >= times else None

        found = await self.world.until(look, timeout, channel=self, what="no video")
        assert found is not None
        return found

    # --- doing ---------------------------------------------------------------------------

    def thread(self, name: str, by: Account | None = None, *, private: bool = False) -> Channel:
        """A new thread of a text channel, or a post of a forum."""
        assert self.guild is not None
        kind = PRIVATE_THREAD if private else PUBLIC_THREAD
        sender = by or self.guild.owner
        it = self.world.channel(
            kind, name=name, guild=self.guild, parent=self, owner=sender, nsfw=self.nsfw
        )
        self.world.send_channel_event(it, "THREAD_CREATE", newly_created=True)
        if self.kind == FORUM:
            self.world.put(it, sender, content=name, id=it.id)
        return it

    def deny(self, *, bot: int = 0, everyone: int = 0) -> None:
        """Take permissions here from the bot or from everyone; 0 restores them."""
        self.denied, self.denied_all = bot, everyone
        self._update()

    def archive(self, *, locked: bool = False) -> None:
        """Archive a thread; a locked one opens only for members who manage threads."""
        self.archived, self.locked = True, locked
        self._update()

    def open(self) -> None:
        """Unarchive a thread."""
        self.archived = self.locked = False
        self._update()

    def remove(self) -> None:
        """Delete it with all its messages."""
        self.gone = True
        for message in self.history.values():
            message.deleted = True
        self.world.send_channel_event(self, "THREAD_DELETE" if self.is_thread else "CHANNEL_DELETE")
        self.world.changed(self)

    def _update(self) -> None:
        self.world.send_channel_event(self, "THREAD_UPDATE" if self.is_thread else "CHANNEL_UPDATE")
        self.world.changed(self)


@dataclass(eq=False, kw_only=True)
class Guild:
    """One server, as people call it."""

    world: DiscordState
    id: int
    name: str
    owner: Account
    members: dict[Account, list[Role]] = field(default_factory=dict)
    locale: str = "en-US"
    tier: int = 0
    """Of boosts, 0 to 3."""
    has_bot: bool = True
    roles: list[Role] = field(default_factory=list)
    channels: list[Channel] = field(default_factory=list)
    gone: bool = False
    opened: set[str] = field(default_factory=set)
    """Commands that the owner shows to all members, whatever their default permissions."""

    def __post_init__(self) -> None:
        self.everyone = Role(id=self.id, name="@everyone", permissions=rights.USUAL)
        self.bot_role = Role(id=self.id + 1, name="Reelay", permissions=rights.USUAL)
        self.roles[:0] = [self.everyone, self.bot_role]

    @property
    def shard(self) -> int:
        """The shard that gets its events."""
        return shard_of(self.id, self.world.shards)

    def text(self, name: str, **more: Any) -> Channel:
        """A new text channel."""
        return self._channel(TEXT, name, **more)

    def voice(self, name: str, **more: Any) -> Channel:
        """A new voice channel, whose chat takes messages as well."""
        return self._channel(VOICE, name, **more)

    def forum(self, name: str, **more: Any) -> Channel:
        """A new forum; its `thread` makes posts."""
        return self._channel(FORUM, name, **more)

    def news(self, name: str, **more: Any) -> Channel:
        """A new channel for announcements."""
        return self._channel(NEWS, name, **more)

    def role(self, name: str, members: Sequence[Account] = (), permissions: int = 0) -> Role:
        """A new role, given to these members."""
        it = Role(id=self.world.ids.at(self.world.clock.now()), name=name, permissions=permissions)
        self.roles.append(it)
        for member in members:
            self.members[member].append(it)
        self.world.send_role_event(self, it)
        return it

    def manages(self, person: Account) -> None:
        """Make a member a manager of the guild."""
        self.role(f"Managers {person.name}", [person], rights.MANAGE_GUILD)

    def add(self, person: Account) -> None:
        """Someone joins."""
        self.members[person] = []

    def leave(self, person: Account) -> None:
        """Someone leaves."""
        del self.members[person]

    def boosts(self, tier: int) -> None:
        """Set the boost tier."""
        self.tier = tier
        self.world.send_guild_event(self, "GUILD_UPDATE")

    def kicks_bot(self) -> None:
        """Remove the bot."""
        self.has_bot = False
        self.world.send_guild_event(self, "GUILD_DELETE")

    def adds_bot(self) -> None:
        """Add the bot, for the first time or again."""
        self.has_bot = True
        self.world.send_guild_event(self, "GUILD_CREATE")

    def _channel(self, kind: int, name: str, **more: Any) -> Channel:
        it = self.world.channel(kind, name=name, guild=self, **more)
        self.channels.append(it)
        self.world.send_channel_event(it, "CHANNEL_CREATE")
        return it
