"""The command menus by scope and language, and the bot's profile texts."""

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
from bot.frontends.telegram.client import Throttled
from bot.frontends.telegram.context import ChatContext
from bot.frontends.telegram.target import parse_user_id, user_id_of
from bot.presentation.i18n import DEFAULT_LANGUAGE, LANGUAGES, translate

_log = structlog.get_logger(__name__)
_ALL_STATE = "menus"
_ADMIN_COMMAND = "admin"
_MAX_TRIES = 8
_IN_GROUPS = ("video", "remix", "tasks", "cancel", "quota", "models", "help")
"""Commands shown in groups; all work there, but a menu is read on a phone."""
Call = Callable[[], Awaitable[object]]


class CommandMenu:
    """Keeps Telegram's menus and profile texts up to date."""

    def __init__(self, context: ChatContext) -> None:
        self._context = context

    async def sync(self) -> None:
        """Send what changed since the last sync; runs in the background at start."""
        marks = await self._context.interactive_messages.get_state()
        own = self._mark(_ADMIN_COMMAND)
        admins = [int(name.removeprefix(own)) for name in marks if name.startswith(own)]
        calls = self._calls(admins)
        checksum = hashlib.sha256("\n".join(calls).encode()).hexdigest()
        if marks.get(self._mark(_ALL_STATE)) == checksum:
            return
        if all([await self._try_call(call) for call in calls.values()]):
            await self._context.interactive_messages.set_state(self._mark(_ALL_STATE), checksum)

    def user_started(self, user: User) -> None:
        """Set an admin's own menu, which needs a chat with the bot."""
        if user.is_admin:
            self._context.background.run(self._admin_started(parse_user_id(user.id)))

    async def _admin_started(self, user: int) -> None:
        await self._context.interactive_messages.set_state(
            f"{self._mark(_ADMIN_COMMAND)}{user}", "started"
        )
        await self.sync()

    def _mark(self, name: str) -> str:
        return f"{name}:{self._context.me.id if self._context.me else ''}:"

    def _calls(self, admins: Sequence[int]) -> dict[str, Call]:
        """Return key of the content -> the call that sends it."""
        calls: dict[str, Call] = {}
        started_admins = {
            user for user in admins if user_id_of(user) in self._context.app.settings.admins
        }
        for language in LANGUAGES:
            for user in sorted(set(admins) - started_admins):
                calls[f"no more an admin: {user} {language}"] = self._no_menu(user, language)
            for scope, names in _scopes(sorted(started_admins)):
                words = _commands(language, names)
                calls[f"{scope.to_json()} {language} {words}"] = self._menu(scope, language, words)
            for kind in ("about", "about-short"):
                text = translate(language, kind)
                calls[f"{kind} {language} {text}"] = self._description(kind, language, text)
        return calls

    def _menu(self, scope: BotCommandScope, language: str, words: list[tuple[str, str]]) -> Call:
        menu = [BotCommand(name, about) for name, about in words]
        return lambda: self._context.bot.set_my_commands(
            menu, scope=scope, language_code=_code(language)
        )

    def _no_menu(self, user: int, language: str) -> Call:
        return lambda: self._context.bot.delete_my_commands(
            BotCommandScopeChat(user), language_code=_code(language)
        )

    def _description(self, kind: str, language: str, text: str) -> Call:
        bot, code = self._context.bot, _code(language)
        if kind == "about":
            return lambda: bot.set_my_description(text, language_code=code)
        return lambda: bot.set_my_short_description(text, language_code=code)

    async def _try_call(self, call: Call) -> bool:
        """Make one call, with retries for an outage; a rejection is logged.

        Returns False if it was not made and is worth another try at the next start.
        """
        for attempt in range(_MAX_TRIES):
            try:
                await call()
            except Throttled as error:
                await self._context.app.clock.sleep(error.seconds)
            except (BadRequest, Forbidden) as error:
                # An admin who has not started the bot has no chat with it.
                _log.info("command_menu_rejected", error=error.message)
                return True
            except TelegramError:
                await self._context.app.clock.sleep(min(2.0**attempt, 60.0))
            else:
                return True
        return False


def _scopes(admins: Sequence[int]) -> list[tuple[BotCommandScope, tuple[str, ...]]]:
    """Return which scope shows which commands."""
    all_commands = tuple(word.name for word in COMMANDS)
    return [
        (BotCommandScopeDefault(), all_commands),
        (BotCommandScopeAllPrivateChats(), all_commands),
        (BotCommandScopeAllGroupChats(), _IN_GROUPS),
        *((BotCommandScopeChat(admin_id), (*all_commands, _ADMIN_COMMAND)) for admin_id in admins),
    ]


def _commands(language: str, names: tuple[str, ...]) -> list[tuple[str, str]]:
    about = {_ADMIN_COMMAND: translate(language, "menu-admin")}
    return [(name, about.get(name) or translate(language, f"help-{name}")) for name in names]


def _code(language: str) -> str | None:
    """Texts without a language code are for all languages that the bot does not have."""
    return None if language == DEFAULT_LANGUAGE else language
