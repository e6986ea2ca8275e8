"""How a user's app resolves the options of a command before it sends them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.fakes.discord import serializers as shown
from tests.fakes.discord.channels import Channel, Role
from tests.fakes.discord.commands import (
    BOOLEAN,
    CHANNEL,
    FILE,
    GROUP,
    INTEGER,
    MENTIONABLE,
    NUMBER,
    PERSON,
    ROLE,
    STRING,
    SUBCOMMAND,
    Command,
)
from tests.fakes.discord.messages import Account, Attachment
from tests.fakes.discord.state import DiscordState

Json = dict[str, Any]
_NEAREST = {"en-US": "en-GB", "en-GB": "en-US", "es-419": "es-ES"}
"""Languages that stand for one another."""


@dataclass(frozen=True, slots=True)
class ImageFile:
    """A file that someone attaches to a command."""

    content: bytes | Path
    name: str = "picture.png"
    kind: str = ""
    """Its MIME type, if not what its name says."""
    size: int | None = None
    """What Discord says of it, if not the truth."""

    def brought(self, world: DiscordState, place: Channel, **more: Any) -> Attachment:
        """The file on Discord's side."""
        return world.store_file(
            place.id, self.name, self.content, kind=self.kind, size=self.size, **more
        )


@dataclass
class FilledOptions:
    """The options of a command as an interaction tells them."""

    world: DiscordState
    channel: Channel
    locale: str
    resolved: dict[str, Json] = field(default_factory=dict)
    words: list[str] = field(default_factory=list)
    """As a person sees them."""

    def options(
        self, known: list[Json], given: Mapping[str, Any], focused: str | None = None
    ) -> list[Json]:
        """Options with their values; fails for what no app would let through."""
        by_name = {option["name"]: option for option in known}
        unknown = set(given) - set(by_name)
        assert not unknown, f"no option {sorted(unknown)} among {sorted(by_name)}"
        missing = [
            option["name"]
            for option in known
            if option.get("required") and option["name"] not in given
        ]
        assert not missing or focused, f"{missing} must be given"
        return [self._option(by_name[name], value, focused) for name, value in given.items()]

    def _option(self, one: Json, value: Any, focused: str | None) -> Json:
        told: Json = {"name": one["name"], "type": one["type"]}
        if one["name"] == focused:
            assert one.get("autocomplete"), f"{one['name']} offers nothing while one types"
            return told | {"value": str(value), "focused": True}
        told["value"], words = self._value(one, value)
        self.words.append(f"{localized(one, 'name', self.locale)}: {words}")
        return told

    def _value(self, one: Json, value: Any) -> tuple[Any, str]:
        kind, name = one["type"], one["name"]
        if one.get("choices"):
            return self._choice(one, value)
        if kind in {INTEGER, NUMBER}:
            wanted = int if kind == INTEGER else (int, float)
            assert isinstance(value, wanted), f"{name}: {value!r} is no number of this kind"
            assert not isinstance(value, bool), f"{name} is no yes or no"
            least, most = one.get("min_value"), one.get("max_value")
            assert least is None or value >= least, f"{name}: {value} is less than {least}"
            assert most is None or value <= most, f"{name}: {value} is more than {most}"
            return value, str(value)
        if kind == STRING:
            assert isinstance(value, str), f"{name}: {value!r} is no text"
            least, most = one.get("min_length") or 0, one.get("max_length") or 6000
            assert least <= len(value) <= most, f"{name}: not between {least} and {most}"
            return value, value
        if kind == BOOLEAN:
            assert isinstance(value, bool), f"{name}: {value!r} is no yes or no"
            return value, str(value)
        return self._thing(one, value)

    def _choice(self, one: Json, value: Any) -> tuple[Any, str]:
        for choice in one["choices"]:
            seen = localized(choice, "name", self.locale)
            if value in {choice["name"], seen} or value == choice["value"]:
                return choice["value"], seen
        names = [choice["name"] for choice in one["choices"]]
        raise AssertionError(f"{one['name']}: {value!r} is not among {names}")

    def _thing(self, one: Json, value: Any) -> tuple[str, str]:
        kind = one["type"]
        if kind == FILE:
            return self._file(value)
        if isinstance(value, Account) and kind in {PERSON, MENTIONABLE}:
            self._resolve("users", value.id, shown.user(value))
            guild = self.channel.guild
            if guild is not None and value in guild.members:
                rights = {"permissions": str(self.world.rights(self.channel, value))}
                self._resolve("members", value.id, shown.basic_member(guild, value) | rights)
            return str(value.id), f"@{value.name}"
        if isinstance(value, Role) and kind in {ROLE, MENTIONABLE}:
            assert self.channel.guild is not None
            self._resolve("roles", value.id, shown.role(self.channel.guild, value))
            return str(value.id), f"@{value.name}"
        assert isinstance(value, Channel), f"{one['name']}: {value!r} does not fit"
        assert kind == CHANNEL, f"{one['name']} takes no channel"
        kinds = one.get("channel_types") or [value.kind]
        assert value.kind in kinds, f"{one['name']}: no channel of type {value.kind}"
        told = shown.channel(value, permissions=self.world.rights(value, self.world.bot))
        self._resolve("channels", value.id, told)
        return str(value.id), f"#{value.name}"

    def _file(self, value: Any) -> tuple[str, str]:
        picture = value if isinstance(value, ImageFile) else ImageFile(value)
        if isinstance(value, Path):
            picture = ImageFile(value, value.name)
        kept = picture.brought(self.world, self.channel, ephemeral=True)
        self._resolve("attachments", kept.id, shown.attachment(kept, self.channel))
        return str(kept.id), f"⟨{kept.shown()}⟩"

    def _resolve(self, kind: str, number: int, told: Json) -> None:
        self.resolved.setdefault(kind, {})[str(number)] = told


def localized(one: Json, name: str, locale: str) -> str:
    """A name or a description as someone with this language sees it."""
    others = one.get(f"{name}_localizations") or {}
    found: str = others.get(locale) or others.get(_NEAREST.get(locale, "")) or one[name]
    return found


def matches_name(one: Json, word: str, locale: str) -> bool:
    """Whether somebody means this command or option."""
    return word in {one["name"], localized(one, "name", locale)}


def command_data(
    command: Command,
    words: list[str],
    given: Mapping[str, Any],
    filled: FilledOptions,
    focused: str | None = None,
) -> Json:
    """The `data` of an interaction with a command whose further words these are."""
    told: Json = {"id": str(command.id), "name": command.name, "type": command.kind}
    if command.guild is not None:
        told["guild_id"] = str(command.guild)
    known: list[Json] = command.asked.get("options") or []
    place = told
    for word in words:
        found = [option for option in known if matches_name(option, word, filled.locale)]
        assert found, f"no {word!r} among {[option['name'] for option in known]}"
        assert found[0]["type"] in {SUBCOMMAND, GROUP}, f"{word} is no command"
        inner: Json = {"name": found[0]["name"], "type": found[0]["type"]}
        place["options"] = [inner]
        place, known = inner, found[0].get("options") or []
    assert not any(option["type"] in {SUBCOMMAND, GROUP} for option in known), "a word is missing"
    if options := filled.options(known, given, focused):
        place["options"] = options
    if filled.resolved:
        told["resolved"] = filled.resolved
    return told
