"""The state of the fake Discord: accounts, guilds, channels, messages."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Protocol, TypeVar

from tests.fakes.change_signal import ChangeSignal
from tests.fakes.discord import permissions as rights
from tests.fakes.discord import serializers as shown
from tests.fakes.discord.cdn import Cdn
from tests.fakes.discord.channels import DM, GROUP, Channel, Guild, Role
from tests.fakes.discord.commands import Commands
from tests.fakes.discord.interaction_responses import Interactions
from tests.fakes.discord.messages import Account, Attachment, Event, EventKind, Message, Revision
from tests.fakes.discord.snowflakes import Snowflakes
from tests.fakes.discord.transcript import render_message, transcript

T = TypeVar("T")


_OUTSIDE = rights.EMBED_LINKS | rights.ATTACH_FILES | rights.MENTION_EVERYONE
"""What the app may do, by answers alone, where it is for a single person."""


class HasNow(Protocol):
    """What the server asks of a clock."""

    def now(self) -> float:
        """UNIX seconds."""
        ...


EventListener = Callable[[str, dict[str, Any], Guild | None], int]


class DiscordState:
    """The state."""

    def __init__(self, bot: Account, clock: HasNow, shards: int) -> None:
        self.bot = bot
        self.clock = clock
        self.shards = shards
        """How many the gateway advises."""
        self.application = bot.id
        self.ids = Snowflakes()
        self.cdn = Cdn()
        self.watch = ChangeSignal()
        self.mistakes: list[BaseException] = []
        """Internal errors of the fake."""
        self.accounts: dict[int, Account] = {bot.id: bot}
        self.guilds: dict[int, Guild] = {}
        self.channels: dict[int, Channel] = {}
        self.dms: dict[Account, Channel] = {}
        self.closed_dms: set[Account] = set()
        """Who takes no messages from the bot."""
        self.installed: set[Account] = set()
        """Who has the app for themselves, wherever they are."""
        self.first_within = 3.0
        """Seconds in which an interaction must be answered."""
        self.commands = Commands()
        self.interactions = Interactions()
        self.hears: EventListener = lambda *_: 0
        """Tells the bot of an event; how many of its sessions will hear it. The gateway's."""
        self.listens: Callable[[Guild | None], bool] = lambda _: False
        """Whether the bot is there to hear of a guild. The gateway's."""

    # --- waiting -------------------------------------------------------------------------

    async def until(
        self,
        look: Callable[[], T],
        timeout: float,
        *,
        channel: Channel | None = None,
        what: str | Callable[[], str] = "",
    ) -> T:
        """The first true result of `look`. Fails with a transcript of what is there instead."""

        def looked() -> T:
            self.check()
            return look()

        def told() -> str:
            channels = [channel] if channel is not None else list(self.channels.values())
            words = what if isinstance(what, str) else what()
            return "\n".join([words, *(transcript(one) for one in channels)])

        watch = self.watch if channel is None else channel.watch
        return await watch.until(looked, timeout, told)

    def changed(self, channel: Channel | None = None) -> None:
        """Wake those who wait for one channel, or for any."""
        self.watch.changed()
        for one in self.channels.values() if channel is None else [channel]:
            one.watch.changed()

    def check(self) -> None:
        """Raise internal errors of the fake."""
        if self.mistakes:
            raise self.mistakes[0]

    # --- what appears --------------------------------------------------------------------

    def put(self, channel: Channel, sender: Account, **more: Any) -> Message:
        """A new message stands in a channel, and the bot hears of it if all do."""
        now = self.clock.now()
        number = more.pop("id", None) or self.ids.at(now)
        message = Message(channel=channel, id=number, time=now, sender=sender, **more)
        channel.history[number] = message
        self.record_event(message, "sent")
        if message.only_for is None:
            self.send_message_event(message, "MESSAGE_CREATE")
        return message

    def record_event(
        self, message: Message, kind: EventKind, *, by_bot: bool | None = None
    ) -> None:
        """Something happened to a message."""
        own = message.sender is self.bot if by_bot is None else by_bot
        self.record(message.channel, kind, render_message(message), own, message, message.only_for)

    def record(
        self,
        channel: Channel,
        kind: EventKind,
        lines: Iterable[str],
        by_bot: bool,
        message: Message | None = None,
        only_for: Account | None = None,
    ) -> None:
        """Something happened in a channel."""
        now = self.clock.now()
        channel.log.append(Event(now, kind, by_bot, message, tuple(lines), only_for))
        self.changed(channel)

    def change(self, message: Message, **new: Any) -> None:
        """A message says something else."""
        message.edits.append(Revision(self.clock.now(), message.text))
        message.edited = self.clock.now()
        for name, value in new.items():
            setattr(message, name, value)
        self.record_event(message, "edited")
        if message.only_for is None:
            self.send_message_event(message, "MESSAGE_UPDATE")

    def delete(self, message: Message, *, by_bot: bool) -> None:
        """Delete a message and its files."""
        message.deleted = True
        self.cdn.gone |= {attachment.id for attachment in message.attachments}
        self.record_event(message, "deleted", by_bot=by_bot)
        if message.only_for is None:
            told = {"id": str(message.id), "channel_id": str(message.channel.id)}
            if (guild := message.channel.guild) is not None:
                told["guild_id"] = str(guild.id)
            self._tell("MESSAGE_DELETE", told, guild)

    def store_file(self, place: int, name: str, content: Any, **more: Any) -> Attachment:
        """A person's file arrives."""
        path = self.cdn.bring(content)
        return self.cdn.keep(self.ids.at(self.clock.now()), place, name, path, **more)

    # --- places --------------------------------------------------------------------------

    def channel(self, kind: int, **fields: Any) -> Channel:
        """A new channel."""
        it = Channel(world=self, id=self.ids.at(self.clock.now()), kind=kind, **fields)
        self.channels[it.id] = it
        return it

    def dm(self, person: Account) -> Channel:
        """Someone's direct messages with the bot."""
        if person not in self.dms:
            self.dms[person] = self.channel(DM, people=[person])
        return self.dms[person]

    def guild(self, name: str, owner: Account, **fields: Any) -> Guild:
        """A new guild."""
        it = Guild(world=self, id=self.ids.old(), name=name, owner=owner, **fields)
        self.guilds[it.id] = it
        return it

    def shares_guild(self, person: Account) -> bool:
        """Whether the bot meets someone in a guild."""
        return any(guild.has_bot and person in guild.members for guild in self.guilds.values())

    def rights(self, channel: Channel | None, account: Account, guild: Guild | None = None) -> int:
        """What an account may do in a channel, or in a guild as a whole."""
        guild = guild or (channel.guild if channel else None)
        if guild is None:
            return rights.ALL & ~rights.MANAGE_GUILD
        is_bot = account is self.bot
        if is_bot and not guild.has_bot:
            return _OUTSIDE
        if account is guild.owner:
            return rights.ALL
        roles = [guild.bot_role] if is_bot else guild.members.get(account, [])
        found = guild.everyone.permissions
        for role in roles:
            found |= role.permissions
        if found & rights.ADMINISTRATOR:
            return rights.ALL
        if channel is None:
            return found
        place = channel.parent if channel.is_thread and channel.parent else channel
        found &= ~place.denied_all & (~place.denied if is_bot else -1)
        return found if found & rights.VIEW_CHANNEL else 0

    # --- who hears of it -----------------------------------------------------------------

    def send_message_event(self, message: Message, event: str) -> None:
        """Send the event of a message."""
        self._tell(event, shown.message_event(message), message.channel.guild)

    def send_channel_event(self, channel: Channel, event: str, **more: Any) -> None:
        """Send the event of a channel."""
        if channel.kind not in {DM, GROUP}:
            self._tell(event, shown.channel(channel) | more, channel.guild)

    def send_role_event(self, guild: Guild, role: Role) -> None:
        """Send the event of a new role."""
        told = {"guild_id": str(guild.id), "role": shown.role(guild, role)}
        self._tell("GUILD_ROLE_CREATE", told, guild)

    def send_guild_event(self, guild: Guild, event: str) -> None:
        """Send the event of a guild that is added or removed."""
        told = {"GUILD_DELETE": lambda one: {"id": str(one.id)}, "GUILD_UPDATE": shown.guild}
        self.hears(event, told.get(event, shown.guild_create_event)(guild), guild)

    def _tell(self, event: str, told: dict[str, Any], guild: Guild | None) -> None:
        if guild is None or guild.has_bot:
            self.hears(event, told, guild)
