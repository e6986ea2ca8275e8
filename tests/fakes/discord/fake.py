"""A strict fake of Discord, with its users, guilds and channels.

Every call is held to the table of facts and to the rules that the description has only in prose.
What breaks them is refused as Discord refuses it. What a careful bot could have foreseen (a wrong
field, a text too long, an answer after three seconds or a second one, a token that has ended) is
noted in `violations` as well; what it could not (no access, closed direct messages, a message
that is gone, a file that is too large) is not.

    async with Discord() as discord:
        # The bot calls `discord.url` with `discord.token`; the gateway is at `discord.gateway_url`.
        ann = discord.person("Ann", locale="en-US")
        general = discord.guild("Kites", [ann]).text("general")
        use = await ann.uses("/video", channel=general, prompt="a kite", image=Picture(png))
        assert (await use.answer).kind == "thinking"
        video = await general.shows_video()
        press = await ann.presses(video, "Again")
        await ann.submits(await press.modal, prompt="a blue kite")
        note = await ann.sees("You have 60 credits")
    assert discord.violations == []

Without a channel people use commands in their direct messages with the bot. `uses`, `types`,
`uses_menu`, `presses`, `chooses` and `submits` wait until the bot has the command and listens;
with `waits=0` they do not. What people do they do through their app: it knows only the commands
that the bot has synced, and lets through only options, choices and values that they allow.

A place where the app is not installed but for the person: `ann.installs()`, and a guild made with
`bot=False` or `discord.group([ann, bob])`. All times (three seconds, fifteen minutes, nonces,
links) go by the clock that is given to `FakeDiscord`; heartbeats and floods go by the machine's.

`discord.faults.add("create_message", "dropped-after")` and `outage` let calls fail;
`discord.gateway` has what may happen to sessions; `discord.story(channel)` tells all that happened
somewhere in words, for golden files.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from tests.fakes.change_signal import PATIENCE_S
from tests.fakes.discord.channels import GROUP, Channel, Guild
from tests.fakes.discord.interactions import Interaction
from tests.fakes.discord.messages import Account
from tests.fakes.discord.option_input import ImageFile
from tests.fakes.discord.server import TOKEN, RecordedCall, Server
from tests.fakes.discord.transcript import event_log, transcript
from tests.fakes.discord.users import FakeUser

__all__ = ["TOKEN", "FakeDiscord", "ImageFile", "RecordedCall"]

T = TypeVar("T")


class FakeDiscord(Server):
    """The fake server and its users."""

    # --- people and places ---------------------------------------------------------------

    def user(self, name: str, *, locale: str = "en-US", **more: Any) -> FakeUser:
        """Add a user."""
        number = more.pop("id", None) or self.world.ids.old()
        username = more.pop("username", name.lower().replace(" ", "."))
        it = FakeUser(
            world=self.world, id=number, username=username, display=name, locale=locale, **more
        )
        self.world.accounts[number] = it
        return it

    def guild(
        self, name: str, members: Sequence[Account], *, bot: bool = True, **more: Any
    ) -> Guild:
        """A new guild; its first member owns it. `tier`: of boosts; `locale`: its language."""
        it = self.world.guild(
            name, members[0], members={member: [] for member in members}, has_bot=bot, **more
        )
        if bot:
            self.world.send_guild_event(it, "GUILD_CREATE")
        return it

    def group(self, members: Sequence[Account], name: str = "") -> Channel:
        """A private group without the bot, where only user-installed apps work."""
        return self.world.channel(GROUP, people=list(members), name=name, owner=members[0])

    # --- looking -------------------------------------------------------------------------

    @property
    def interactions(self) -> list[Interaction]:
        """All interactions, in order."""
        return list(self.world.interactions.values())

    @property
    def unanswered(self) -> list[Interaction]:
        """Interactions that the bot has not answered."""
        return [
            interaction
            for interaction in self.interactions
            if interaction.told and interaction.answered is None
        ]

    @property
    def late_responses(self) -> list[Interaction]:
        """Responses that came too late."""
        return self.world.interactions.late

    def calls_to(self, operation: str, channel: Channel | None = None) -> list[RecordedCall]:
        """All calls of an operation, into one channel or any."""
        wanted = None if channel is None else str(channel.id)
        return [
            call
            for call in self.calls
            if call.operation == operation and wanted in {None, call.path.get("channel_id")}
        ]

    async def until(self, look: Callable[[], T], timeout: float = PATIENCE_S) -> T:
        """The first true result of `look`, called after each change."""
        return await self.world.until(look, timeout)

    def transcript(self, channel: Channel, viewer: Account | None = None) -> str:
        """A channel as text; with a viewer also what only they see."""
        return transcript(channel, viewer)

    def event_log(self, channel: Channel) -> str:
        """Every event of a channel as text, private ones included."""
        return event_log(channel)
