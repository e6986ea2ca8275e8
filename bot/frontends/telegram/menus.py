"""The menus of commands, by scope and language, and what Telegram shows of the bot itself."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Sequence

import structlog
from telegram import (
    BotCommand,
    BotCommandScope,
    BotCommandScopeAllGroupChats,
    BotCommandScopeAllPrivateChats,
    BotCommandScopeChat,
    BotCommandScopeDefault,
)
from telegram.error import BadRequest, Forbidden, TelegramError

from bot.commands.parser import COMMANDS
from bot.domain.users import User
from bot.frontends.telegram.kit import Kit
from bot.frontends.telegram.spot import person_id, user_of
from bot.frontends.telegram.wire import Throttled
from bot.presentation.i18n import DEFAULT_LANGUAGE, LANGUAGES, translate

_log = structlog.get_logger(__name__)
_ALL = "menus"
_ADMIN = "admin"
_TRIES = 8
_IN_GROUPS = ("video", "remix", "tasks", "cancel", "quota", "models", "help")
"""What fits a group; everything works there, but a menu is read on a phone."""
Call = Callable[[], Awaitable[object]]


class Menus:
    """Keeps what Telegram shows true to what the bot can do."""

    def __init__(self, kit: Kit) -> None:
        self._kit = kit

    async def announce(self) -> None:
        """Say what has changed since it was last said; at a start, beside everything else."""
        marks = await self._kit.cards.marks()
        own = self._mark(_ADMIN)
        admins = [int(name.removeprefix(own)) for name in marks if name.startswith(own)]
        calls = self._calls(admins)
        known = hashlib.sha256("\n".join(calls).encode()).hexdigest()
        if marks.get(self._mark(_ALL)) == known:
            return
        if all([await self._tried(call) for call in calls.values()]):
            await self._kit.cards.set_mark(self._mark(_ALL), known)

    def person_started(self, person: User) -> None:
        """An admin's own menu can be set only once they have a chat with the bot."""
        if person.is_admin:
            self._kit.beside(self._admin_started(user_of(person.id)))

    async def _admin_started(self, user: int) -> None:
        await self._kit.cards.set_mark(f"{self._mark(_ADMIN)}{user}", "started")
        await self.announce()

    def _mark(self, name: str) -> str:
        return f"{name}:{self._kit.me.id if self._kit.me else ''}:"

    def _calls(self, admins: Sequence[int]) -> dict[str, Call]:
        """What is said (all of it in the key) -> the call that says it."""
        calls: dict[str, Call] = {}
        those = {user for user in admins if person_id(user) in self._kit.desk.settings.admins}
        for language in LANGUAGES:
            for user in sorted(set(admins) - those):
                calls[f"no more an admin: {user} {language}"] = self._no_menu(user, language)
            for scope, names in _scopes(sorted(those)):
                words = _commands(language, names)
                calls[f"{scope.to_json()} {language} {words}"] = self._menu(scope, language, words)
            for kind in ("about", "about-short"):
                text = translate(language, kind)
                calls[f"{kind} {language} {text}"] = self._about(kind, language, text)
        return calls

    def _menu(self, scope: BotCommandScope, language: str, words: list[tuple[str, str]]) -> Call:
        menu = [BotCommand(name, about) for name, about in words]
        return lambda: self._kit.bot.set_my_commands(
            menu, scope=scope, language_code=_code(language)
        )

    def _no_menu(self, user: int, language: str) -> Call:
        return lambda: self._kit.bot.delete_my_commands(
            BotCommandScopeChat(user), language_code=_code(language)
        )

    def _about(self, kind: str, language: str, text: str) -> Call:
        bot, code = self._kit.bot, _code(language)
        if kind == "about":
            return lambda: bot.set_my_description(text, language_code=code)
        return lambda: bot.set_my_short_description(text, language_code=code)

    async def _tried(self, call: Call) -> bool:
        """One call, often enough for an outage; what Telegram refuses is told to the log.

        False: it was not said, and is worth another try at the next start.
        """
        for attempt in range(_TRIES):
            try:
                await call()
            except Throttled as error:
                await self._kit.desk.clock.sleep(error.seconds)
            except (BadRequest, Forbidden) as error:
                # An admin who has not started the bot has no chat with it.
                _log.info("menu_refused", why=error.message)
                return True
            except TelegramError:
                await self._kit.desk.clock.sleep(min(2.0**attempt, 60.0))
            else:
                return True
        return False


def _scopes(admins: Sequence[int]) -> list[tuple[BotCommandScope, tuple[str, ...]]]:
    """Who sees which commands."""
    every = tuple(word.name for word in COMMANDS)
    return [
        (BotCommandScopeDefault(), every),
        (BotCommandScopeAllPrivateChats(), every),
        (BotCommandScopeAllGroupChats(), _IN_GROUPS),
        *((BotCommandScopeChat(one), (*every, _ADMIN)) for one in admins),
    ]


def _commands(language: str, names: tuple[str, ...]) -> list[tuple[str, str]]:
    about = {_ADMIN: translate(language, "menu-admin")}
    return [(name, about.get(name) or translate(language, f"help-{name}")) for name in names]


def _code(language: str) -> str | None:
    """What is said without a language is for all that we do not speak."""
    return None if language == DEFAULT_LANGUAGE else language
