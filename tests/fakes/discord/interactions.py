"""Interactions of the fake Discord: what users did, and the bot's responses."""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from tests.fakes.change_signal import PATIENCE_S
from tests.fakes.discord import serializers as shown
from tests.fakes.discord.messages import Account, Attachment, Message, flat
from tests.fakes.discord.permissions import USE_EXTERNAL_APPS

if TYPE_CHECKING:
    from tests.fakes.discord.channels import Channel
    from tests.fakes.discord.state import DiscordState

Json = dict[str, Any]
COMMAND, PRESS, TYPING, SUBMIT = 2, 3, 4, 5
TOKEN_LIFETIME = 15 * 60.0
"""Lifetime of its token in seconds."""
MOST_FOLLOW_UPS = 5
"""Where the bot is not installed but for the person alone."""
AnswerKind = Literal["message", "thinking", "update", "nothing yet", "choices", "modal"]


@dataclass(frozen=True, slots=True)
class Choice:
    """What is offered while someone types."""

    name: str
    value: Any


@dataclass(frozen=True, slots=True)
class Field:
    """One thing to fill in."""

    label: str
    custom_id: str
    part: Json
    """As the bot sent it."""

    @property
    def value(self) -> str:
        """What stands there before anybody types."""
        return self.part.get("value") or ""


@dataclass(eq=False, kw_only=True)
class Modal:
    """A form that the bot has opened for somebody."""

    interaction: Interaction
    title: str
    custom_id: str
    components: list[Json]
    submitted: bool = False

    @property
    def fields(self) -> list[Field]:
        """All that can be filled in."""
        found = []
        for component in self.components:
            for part in flat([component]):
                if "custom_id" in part:
                    label = part.get("label") or component.get("label") or part["custom_id"]
                    found.append(Field(label, part["custom_id"], part))
        return found


@dataclass(eq=False, kw_only=True)
class Answer:
    """The first response to an interaction."""

    kind: AnswerKind
    time: float
    message: Message | None = None
    modal: Modal | None = None
    choices: list[Choice] = field(default_factory=list)

    @property
    def text(self) -> str:
        """All words of the message."""
        return self.message.text if self.message else ""

    @property
    def ephemeral(self) -> bool:
        return self.message is not None and self.message.ephemeral


@dataclass(eq=False, kw_only=True)
class Interaction:
    """One command, press, choice, form or moment of typing."""

    world: DiscordState
    id: int
    token: str
    kind: int
    by: Account
    channel: Channel
    time: float
    locale: str
    data: Json
    words: str
    """What the person did, for transcripts."""
    context: int
    """0 a guild, 1 direct messages with the bot, 2 other private ones."""
    owners: Json
    """Where the app is installed that it can be used here."""
    file_limit: int
    source: Message | None = None
    """The message with the button or list."""
    before: Interaction | None = None
    """Of a form the interaction that opened it."""
    told: int = 0
    """How many sessions of the bot were told."""
    answered: Answer | None = None
    original: Message | None = None
    """What `@original` means."""
    said: list[Message] = field(default_factory=list)
    """All messages that the bot sent by it."""
    follow_ups: int = 0

    # --- for tests -----------------------------------------------------------------------

    @property
    def answer(self) -> Awaitable[Answer]:
        """Wait for the first response."""
        return self._until(lambda: self.answered, "nothing")

    @property
    def modal(self) -> Awaitable[Modal]:
        """Wait for the form that the bot opens."""
        return self._until(lambda: self.answered and self.answered.modal, "no form")

    @property
    def choices(self) -> Awaitable[list[Choice]]:
        """Wait for the choices that the bot offers."""

        async def offered() -> list[Choice]:
            return (await self.answer).choices

        return offered()

    @property
    def failed(self) -> bool:
        """Whether the user saw that the app did not respond."""
        return (
            self.answered is None and self.world.clock.now() > self.time + self.world.first_within
        )

    @property
    def messages(self) -> list[Message]:
        """What the bot said by it and what still stands there."""
        changed = [self.original] if self.original else []
        return [message for message in dict.fromkeys([*changed, *self.said]) if not message.deleted]

    @property
    def files(self) -> list[Attachment]:
        """What the person attached."""
        known = self.data.get("resolved", {}).get("attachments", {})
        return [self.world.cdn.files[int(number)] for number in known]

    async def shows(self, text: str, timeout: float = PATIENCE_S) -> Message:
        """The newest message by this interaction with these words, once there is one."""

        def look() -> Message | None:
            found = [message for message in self.messages if text in message.text]
            return found[-1] if found else None

        found: Message = await self._until(look, f"no {text!r}", timeout)
        return found

    async def _until(self, look: Any, what: str, timeout: float = PATIENCE_S) -> Any:
        words = f"{what} to {self.by.name} {self.words}; the bot was told {self.told} times"
        return await self.world.until(look, timeout, channel=self.channel, what=words)

    # --- for the server ------------------------------------------------------------------

    @property
    def user_only(self) -> bool:
        """Whether the app is here for this person alone."""
        return set(self.owners) == {"1"}

    @property
    def unwanted(self) -> bool:
        """Whether all must not see what an app says that only this person has brought."""
        may = self.world.rights(self.channel, self.by) & USE_EXTERNAL_APPS
        return self.user_only and self.channel.guild is not None and not may

    def metadata(self, message: Message) -> Json:
        """The interaction metadata of a message."""
        told: Json = {
            "id": str(self.id),
            "type": self.kind,
            "user": shown.user(self.by),
            "authorizing_integration_owners": self.owners,
        }
        if self.original is not None and message is not self.original:
            told["original_response_message_id"] = str(self.original.id)
        if self.kind == COMMAND and "target_id" in self.data:
            told["target_message_id"] = self.data["target_id"]
        if self.kind == PRESS and self.source is not None:
            told["interacted_message_id"] = str(self.source.id)
        if self.kind == SUBMIT and self.before is not None:
            told["triggering_interaction_metadata"] = self.before.metadata(message)
        return told

    def payload(self) -> Json:
        """What INTERACTION_CREATE tells."""
        world, channel = self.world, self.channel
        guild = channel.guild
        told: Json = {
            "version": 1,
            "id": str(self.id),
            "application_id": str(world.application),
            "type": self.kind,
            "token": self.token,
            "data": self.data,
            "channel_id": str(channel.id),
            "channel": shown.channel(channel, permissions=world.rights(channel, self.by)),
            "app_permissions": str(world.rights(channel, world.bot)),
            "locale": self.locale,
            "entitlements": [],
            "entitlement_sku_ids": [],
            "authorizing_integration_owners": self.owners,
            "context": self.context,
            "attachment_size_limit": self.file_limit,
        }
        if guild is None:
            told["user"] = shown.user(self.by)
        else:
            rights = {"permissions": str(world.rights(channel, self.by))}
            told |= {"guild_id": str(guild.id), "guild_locale": guild.locale}
            told["guild"] = {"id": str(guild.id), "locale": guild.locale, "features": []}
            told["member"] = shown.member(guild, self.by) | rights
        if self.source is not None:
            told["message"] = shown.message(self.source)
        return told
