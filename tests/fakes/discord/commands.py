"""The synced commands of the bot, and Discord's rules for them."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.fakes.discord.api_schema import words
from tests.fakes.discord.error_responses import Call, Problem, avoidable_error, invalid_form_body

Json = dict[str, Any]
CHAT, USER, MESSAGE = 1, 2, 3
SUBCOMMAND, GROUP = 1, 2
STRING, INTEGER, BOOLEAN, PERSON, CHANNEL, ROLE, MENTIONABLE, NUMBER, FILE = range(3, 12)
MOST = {CHAT: 100, USER: 15, MESSAGE: 15}
LONGEST_IN_ALL = 8000
CREATES_A_DAY = 200
LOCALES = words(
    """ar bg cs da de el en-GB en-US es-419 es-ES fi fr he hi hr hu id it ja ko lt nl no pl pt-BR
    ro ru sv-SE th tr uk vi zh-CN zh-TW"""
)
_NAME = re.compile(r"[-_'\w]{1,32}")


@dataclass(frozen=True, slots=True)
class Command:
    """One command."""

    id: int
    version: int
    guild: int | None
    asked: Json

    @property
    def kind(self) -> int:
        return int(self.asked.get("type") or CHAT)

    @property
    def name(self) -> str:
        return str(self.asked["name"])

    @property
    def needs(self) -> int | None:
        """The permissions that a member needs by default."""
        found = self.asked.get("default_member_permissions")
        return None if found is None else int(found)

    @property
    def contexts(self) -> list[int]:
        """Where it can be used."""
        found = self.asked.get("contexts")
        if found is not None:
            return list(found)
        return [0] if self.asked.get("dm_permission") is False else [0, 1, 2]

    @property
    def installs(self) -> list[int]:
        """0: of a guild, 1: of a person."""
        return list(self.asked.get("integration_types") or [0])

    def told(self, application: int, *, localized: bool = True) -> Json:
        """An `ApplicationCommandResponse`."""
        asked = {name: value for name, value in self.asked.items() if name != "id"}
        needs = self.needs
        told: Json = {
            "dm_permission": 1 in self.contexts,
            "nsfw": False,
            "name_localizations": None,
            "description_localizations": None,
            **asked,
            "id": str(self.id),
            "application_id": str(application),
            "version": str(self.version),
            "type": self.kind,
            "description": self.asked.get("description") or "",
            "default_member_permissions": None if needs is None else str(needs),
            "contexts": self.asked.get("contexts"),
            "integration_types": self.installs,
        }
        if told.get("options") is None:
            told.pop("options", None)
        if self.guild is not None:
            told["guild_id"] = str(self.guild)
        if not localized:
            for name in ("name_localizations", "description_localizations"):
                del told[name]
        return told


@dataclass(frozen=True, slots=True)
class Sync:
    """One sync of all commands."""

    time: float
    guild: int | None
    asked: Sequence[Json]


@dataclass
class Commands:
    """All commands, global ones under None."""

    by_guild: dict[int | None, list[Command]] = field(default_factory=dict)
    syncs: list[Sync] = field(default_factory=list)
    created: list[tuple[float, int | None]] = field(default_factory=list)

    def get(self, call: Call) -> list[Json]:
        """`GET` of all, global or of a guild."""
        localized = bool(call.query.get("with_localizations"))
        return [
            command.told(call.world.application, localized=localized)
            for command in self.by_guild.get(self._scope(call), [])
        ]

    def put(self, call: Call) -> list[Json]:
        """Replace all commands."""
        scope = self._scope(call)
        asked: list[Json] = call.body or []
        check(asked)
        old = {(command.kind, command.name): command for command in self.by_guild.get(scope, [])}
        fresh = [definition for definition in asked if _key(definition) not in old]
        self._count(call, scope, len(fresh))
        self.syncs.append(Sync(call.time, scope, asked))
        self.by_guild[scope] = [
            self._kept(call, scope, definition, old.get(_key(definition))) for definition in asked
        ]
        call.world.changed()
        return [command.told(call.world.application) for command in self.by_guild[scope]]

    def _kept(self, call: Call, scope: int | None, asked: Json, old: Command | None) -> Command:
        if old is not None and json.dumps(old.asked) == json.dumps(asked):
            return old
        new = call.world.ids.at(call.time)
        return Command(old.id if old else new, new, scope, asked)

    def _count(self, call: Call, scope: int | None, fresh: int) -> None:
        today = [
            created_at
            for created_at in self.created
            if created_at[0] > call.time - 86400 and created_at[1] == scope
        ]
        if len(today) + fresh > CREATES_A_DAY:
            words = "Max number of daily application command creates has been reached"
            avoidable_error(30034, f"{words} ({CREATES_A_DAY})")
        self.created += [(call.time, scope)] * fresh

    def _scope(self, call: Call) -> int | None:
        if call.id("application_id") != call.world.application:
            avoidable_error(
                20012, "You are not authorized to perform this action on this application", 403
            )
        if "guild_id" not in call.path:
            return None
        guild = call.world.guilds.get(call.id("guild_id"))
        if guild is None or not guild.has_bot:
            avoidable_error(50001, "Missing Access", 403)
        return guild.id


def _key(asked: Json) -> tuple[int, str]:
    return asked.get("type") or CHAT, asked["name"]


# --- what is minded ----------------------------------------------------------------------


def check(asked: Sequence[Json]) -> None:
    """Refuse commands that break a rule, alone or together."""
    problems: list[Problem] = []
    for kind, most in MOST.items():
        if sum(_key(definition)[0] == kind for definition in asked) > most:
            avoidable_error(30032, f"Maximum number of application commands reached ({most}).")
    names: set[tuple[int, str]] = set()
    for at, one in enumerate(asked):
        if _key(one) in names:
            words = "Application command names must be unique"
            problems.append(
                Problem((str(at), "name"), "APPLICATION_COMMANDS_DUPLICATE_NAME", words)
            )
        names.add(_key(one))
        problems += _of_command(one, (str(at),))
    if problems:
        invalid_form_body(*problems)


def _of_command(one: Json, at: tuple[str, ...]) -> Iterator[Problem]:
    kind = one.get("type") or CHAT
    yield from _of_names(one, at, strict=kind == CHAT)
    if kind == CHAT and not one.get("description"):
        yield Problem((*at, "description"), "BASE_TYPE_REQUIRED", "This field is required")
    if kind != CHAT and (one.get("description") or one.get("options")):
        words = "Context menu commands cannot have description"
        yield Problem((*at, "description"), "APPLICATION_COMMAND_CONTEXT_MENU_DESCRIPTION", words)
    yield from _of_options(one.get("options") or [], at, depth=0)
    if (length := size(one)) > LONGEST_IN_ALL:
        words = f"Command exceeds maximum size ({length} > {LONGEST_IN_ALL})"
        yield Problem(at, "APPLICATION_COMMAND_TOO_LARGE", words)


def _of_names(one: Json, at: tuple[str, ...], *, strict: bool) -> Iterator[Problem]:
    names = {"name": one["name"]} | {
        f"name_localizations.{locale}": name
        for locale, name in (one.get("name_localizations") or {}).items()
    }
    for place, name in names.items():
        if strict and not _is_name(name):
            words = "Command name is invalid"
            yield Problem((*at, *place.split(".")), "APPLICATION_COMMAND_INVALID_NAME", words)
    for field_name in ("name_localizations", "description_localizations"):
        for locale in one.get(field_name) or {}:
            if locale not in LOCALES:
                words = f"Value must be one of {sorted(LOCALES)}."
                yield Problem((*at, field_name, locale), "DICT_TYPE_KEYS_CHOICES", words)


def _is_name(name: str) -> bool:
    """Letters, numbers, `-`, `_` and `'`, all small where there are small ones."""
    plain = "".join(letter for letter in name if not unicodedata.category(letter).startswith("M"))
    return bool(_NAME.fullmatch(plain)) and name == name.lower() and len(name) <= 32


def _of_options(options: Sequence[Json], at: tuple[str, ...], depth: int) -> Iterator[Problem]:
    names: set[str] = set()
    optional = False
    nested = {option["type"] for option in options} & {SUBCOMMAND, GROUP}
    for number, one in enumerate(options):
        here = (*at, "options", str(number))
        yield from _of_names(one, here, strict=True)
        if one["name"] in names:
            words = "Option names must be unique"
            yield Problem(here, "APPLICATION_COMMAND_OPTIONS_NAME_DUPLICATED", words)
        names.add(one["name"])
        if one.get("required") and optional:
            words = "Required options must be placed before non-required options"
            yield Problem(here, "APPLICATION_COMMAND_OPTIONS_REQUIRED_INVALID", words)
        optional = optional or not one.get("required")
        if (nested and one["type"] not in nested | {SUBCOMMAND, GROUP}) or (
            one["type"] == GROUP and depth > 0
        ):
            words = "Sub-command and sub-command group option types are mutually exclusive"
            yield Problem(here, "APPLICATION_COMMAND_OPTIONS_TYPE_INVALID", words)
        yield from _of_values(one, here)
        yield from _of_options(one.get("options") or [], here, depth + 1)


def _of_values(one: Json, at: tuple[str, ...]) -> Iterator[Problem]:
    choices = one.get("choices") or []
    if choices and one.get("autocomplete"):
        words = "Option cannot have both choices and autocomplete"
        yield Problem(at, "APPLICATION_COMMAND_OPTIONS_CHOICES_AUTOCOMPLETE", words)
    names = [choice["name"] for choice in choices]
    if len(set(names)) < len(names):
        words = "Choice names must be unique"
        yield Problem((*at, "choices"), "APPLICATION_COMMAND_OPTIONS_CHOICE_NAME_DUPLICATE", words)
    for low, high in (("min_value", "max_value"), ("min_length", "max_length")):
        least, most = one.get(low), one.get(high)
        if least is not None and most is not None and least > most:
            words = f"Must not be more than {most}"
            yield Problem((*at, low), "APPLICATION_COMMAND_OPTIONS_MIN_MAX_INVALID", words)
    for choice in choices:
        for locale in choice.get("name_localizations") or {}:
            if locale not in LOCALES:
                yield Problem((*at, "choices"), "DICT_TYPE_KEYS_CHOICES", f"{locale} is no locale")


def size(one: Json) -> int:
    """Characters of a command, of 8000 allowed; each text counts in its longest language."""
    total = sum(_longest(one, name) for name in ("name", "description"))
    for choice in one.get("choices") or []:
        total += _longest(choice, "name") + len(str(choice["value"]))
    return total + sum(size(option) for option in one.get("options") or [])


def _longest(one: Mapping[str, Any], name: str) -> int:
    texts = [one.get(name) or "", *(one.get(f"{name}_localizations") or {}).values()]
    return max(len(text) for text in texts)
