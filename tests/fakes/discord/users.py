"""Users: they use commands, press buttons, choose, fill in forms, and write."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from tests.fakes.change_signal import PATIENCE_S
from tests.fakes.discord import serializers as shown
from tests.fakes.discord.channels import LIMITS, Channel, Guild, Role
from tests.fakes.discord.command_access import available_commands, context_of, installation_owners
from tests.fakes.discord.commands import CHAT, MESSAGE, USER, Command
from tests.fakes.discord.form_input import modal_data, select_data
from tests.fakes.discord.interactions import (
    COMMAND,
    PRESS,
    SUBMIT,
    TYPING,
    Choice,
    Interaction,
    Modal,
)
from tests.fakes.discord.messages import Account, Message
from tests.fakes.discord.option_input import FilledOptions, ImageFile, command_data, matches_name
from tests.fakes.discord.state import DiscordState

Json = dict[str, Any]
_tokens = count(1)


@dataclass(eq=False, kw_only=True)
class FakeUser(Account):
    """A user of Discord."""

    world: DiscordState
    locale: str = "en-US"
    file_limit: int = LIMITS[0]
    """The largest file that this person may send anywhere; more with Nitro."""

    @property
    def dm(self) -> Channel:
        """With the bot."""
        return self.world.dm(self)

    # --- using the bot -------------------------------------------------------------------

    async def uses(
        self,
        words: str,
        *,
        channel: Channel | None = None,
        waits: float = 10.0,
        options: Mapping[str, Any] | None = None,
        **more: Any,
    ) -> Interaction:
        """Use a slash command as `/admin grant`, by default in direct messages with the bot.

        It waits until the bot has such a command and hears; `waits=0`: whether it hears or not.
        Options are given by name; in `options` those whose names are taken here.
        """
        options = {**more, **(options or {})}
        place = channel or self.dm
        command, rest = await self._command(words, place, waits)
        filled = FilledOptions(self.world, place, self.locale)
        data = command_data(command, rest, options, filled)
        said = " ".join([f"{self.name} uses {words}", ", ".join(filled.words)]).strip()
        return await self._begin(
            COMMAND,
            place,
            data,
            said,
            owners=installation_owners(command, self.world, self, place),
            waits=waits,
        )

    async def types(self, words: str, **options: Any) -> list[Choice]:
        """What is offered while an option of a command is typed; see `starts_typing`."""
        it = await self.starts_typing(words, **options)
        return await it.choices

    async def starts_typing(
        self,
        words: str,
        *,
        channel: Channel | None = None,
        focused: str | None = None,
        waits: float = 10.0,
        options: Mapping[str, Any] | None = None,
        **more: Any,
    ) -> Interaction:
        """Type an option of a command, the last one that is given unless told otherwise."""
        options = {**more, **(options or {})}
        place = channel or self.dm
        command, rest = await self._command(words, place, waits)
        filled = FilledOptions(self.world, place, self.locale)
        data = command_data(command, rest, options, filled, focused or list(options)[-1])
        owners = installation_owners(command, self.world, self, place)
        said = f"{self.name} types {words}"
        return await self._begin(TYPING, place, data, said, owners=owners, waits=waits)

    async def uses_menu(
        self,
        name: str,
        on: Message | Account,
        *,
        channel: Channel | None = None,
        waits: float = 10.0,
    ) -> Interaction:
        """Use a command of the menu of a message or of somebody."""
        place = on.channel if isinstance(on, Message) else channel or self.dm
        kind = MESSAGE if isinstance(on, Message) else USER
        command, _ = await self._command(name, place, waits, kind)
        data: Json = {"id": str(command.id), "name": command.name, "type": kind}
        data["target_id"] = str(on.id)
        told = shown.message(on) if isinstance(on, Message) else shown.user(on)
        data["resolved"] = {"messages" if kind == MESSAGE else "users": {str(on.id): told}}
        whom = on.sender.name if isinstance(on, Message) else on.name
        said = f"{self.name} uses [{name}] on {whom}"
        owners = installation_owners(command, self.world, self, place)
        return await self._begin(COMMAND, place, data, said, owners=owners, waits=waits)

    async def presses(self, message: Message, button: str, *, waits: float = 10.0) -> Interaction:
        """Press a button, named by its label or a part of it."""
        self._may_see(message)
        found = message.button(button)
        assert found.custom_id, f"{found.text!r} opens {found.url}"
        assert not found.disabled, f"{found.text!r} is off"
        data: Json = {"custom_id": found.custom_id, "component_type": 2, "id": found.id}
        said = f"{self.name} presses [{found.text}]"
        return await self._touch(message, data, said, waits)

    async def chooses(
        self, message: Message, *wanted: str | Account | Channel | Role, waits: float = 10.0
    ) -> Interaction:
        """Choose from a list, told by what is seen there."""
        self._may_see(message)
        data, words = select_data(self.world, message, wanted)
        return await self._touch(message, data, f"{self.name} chooses {words}", waits)

    async def submits(self, modal: Modal, *, waits: float = 10.0, **values: Any) -> Interaction:
        """Fill in a form and send it; what is not named stays as it stands there.

        Fields are named by their `custom_id`, or by their label with `_` for spaces.
        """
        before = modal.interaction
        assert before.by is self, f"the form is {before.by.name}'s"
        modal.submitted = True
        data, lines = modal_data(self.world, modal, values)
        said = f"{self.name} fills in {modal.title}: {'; '.join(lines)}"
        return await self._begin(
            SUBMIT,
            before.channel,
            data,
            said,
            owners=before.owners,
            source=before.source,
            before=before,
            waits=waits,
        )

    async def _touch(self, message: Message, data: Json, said: str, waits: float) -> Interaction:
        owners = message.interaction.owners if message.interaction else None
        guild = message.channel.guild
        if owners is None:
            owners = {"0": str(guild.id) if guild else "0"}
        return await self._begin(
            PRESS, message.channel, data, said, owners=owners, source=message, waits=waits
        )

    async def _begin(
        self,
        kind: int,
        channel: Channel,
        data: Json,
        said: str,
        *,
        owners: Json,
        source: Message | None = None,
        before: Interaction | None = None,
        waits: float = 10.0,
    ) -> Interaction:
        world, guild = self.world, channel.guild
        self._may_be(channel)
        if waits:
            words = "the bot does not listen"
            await world.until(lambda: world.listens(guild), waits, channel=channel, what=words)
        now = world.clock.now()
        it = Interaction(
            world=world,
            id=world.ids.at(now),
            token=f"aW50ZXJhY3Rpb246{next(_tokens):08d}{self.id:x}StandInToken",
            kind=kind,
            by=self,
            channel=channel,
            time=now,
            locale=self.locale,
            data=data,
            words=said.removeprefix(f"{self.name} "),
            context=context_of(world, self, channel),
            owners=owners,
            file_limit=max(channel.file_limit, self.file_limit),
            source=source,
            before=before,
        )
        world.interactions[it.token] = it
        if kind != TYPING:
            world.record(channel, "used", [said], by_bot=False)
        it.told = world.hears("INTERACTION_CREATE", it.payload(), guild)
        return it

    # --- which command -------------------------------------------------------------------

    async def _command(
        self, words: str, place: Channel, waits: float, kind: int = CHAT
    ) -> tuple[Command, list[str]]:
        first, *rest = words.removeprefix("/").split() if kind == CHAT else [words]
        self._may_be(place)

        def look() -> Command | None:
            return next((command for command in available_commands(self.world, self, place, kind) if
                         matches_name(command.asked, first, self.locale)), None)  # fmt: skip

        def told() -> str:
            known = [command.name for command in available_commands(self.world, self, place, kind)]
            return f"{self.name} is offered no {words!r} but {known}"

        found = await self.world.until(look, max(waits, 0.01), what=told)
        assert found is not None
        return found, rest

    def offered(self, channel: Channel | None = None) -> list[str]:
        """The slash commands that this person's app offers in a place."""
        return [
            command.name
            for command in available_commands(self.world, self, channel or self.dm, CHAT)
        ]

    def _may_be(self, channel: Channel) -> None:
        assert not channel.gone, f"{channel.name} is gone"
        assert not (channel.archived and channel.locked), f"{channel.name} is locked"
        if channel.guild is None:
            assert self in channel.people, f"{self.name} is not in {channel.name}"
        else:
            assert self in channel.guild.members, f"{self.name} is not in {channel.guild.name}"

    def _may_see(self, message: Message) -> None:
        assert not message.deleted, f"{message.text!r} is gone"
        alone = message.only_for
        assert alone is None or alone is self, f"only {alone.name} sees {message.text!r}"

    # --- writing and looking -------------------------------------------------------------

    async def says(
        self,
        text: str = "",
        *,
        channel: Channel | None = None,
        files: Sequence[ImageFile | bytes | Path] = (),
        reply_to: Message | None = None,
        mentions: Sequence[Account] = (),
    ) -> Message:
        """Write, by default to the bot alone."""
        place = channel or (reply_to.channel if reply_to else self.dm)
        self._may_be(place)
        brought = []
        for file in files:
            it = file if isinstance(file, ImageFile) else ImageFile(file)
            brought.append(it.brought(self.world, place))
        called = [*mentions, *([reply_to.sender] if reply_to else [])]
        return self.world.put(
            place, self, content=text, attachments=brought, reply_to=reply_to, pings=called
        )

    async def deletes(self, message: Message) -> None:
        """Take a message away."""
        self.world.delete(message, by_bot=False)

    async def sees(
        self, text: str, timeout: float = PATIENCE_S, *, after: Message | None = None
    ) -> Message:
        """The newest message of the bot with these words that only this person sees."""
        least = after.id if after else 0

        def look() -> Message | None:
            mine = [
                message for message in self.alone if text in message.text and message.id > least
            ]
            return mine[-1] if mine else None

        found = await self.world.until(look, timeout, what=f"{self.name} sees no {text!r}")
        assert found is not None
        return found

    @property
    def alone(self) -> list[Message]:
        """What the bot said to this person alone, anywhere, and what still stands there."""
        found = []
        for channel in self.world.channels.values():
            own = self.world.dms.get(self) is channel
            found += [
                message
                for message in channel.history.values()
                if message.sender is self.world.bot
                and not message.deleted
                and (message.only_for is self or (own and message.only_for is None))
            ]
        return sorted(found, key=lambda one: one.id)

    async def sees_video(self, timeout: float = PATIENCE_S) -> Message:
        """The newest video of the bot that only this person sees."""

        def look() -> Message | None:
            mine = [message for message in self.alone if message.video]
            return mine[-1] if mine else None

        found = await self.world.until(look, timeout, what=f"{self.name} sees no video")
        assert found is not None
        return found

    # --- coming and going ----------------------------------------------------------------

    def installs(self) -> None:
        """Take the app for oneself, to be used wherever one is."""
        self.world.installed.add(self)

    def uninstalls(self) -> None:
        """Do without it again."""
        self.world.installed.discard(self)

    def closes_dms(self) -> None:
        """Take no messages from the bot."""
        self.world.closed_dms.add(self)

    def opens_dms(self) -> None:
        """Take them again."""
        self.world.closed_dms.discard(self)

    def joins(self, guild: Guild) -> None:
        """Become a member."""
        guild.add(self)

    def leaves(self, guild: Guild) -> None:
        """Be no member any more."""
        guild.leave(self)
