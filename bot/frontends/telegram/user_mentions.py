"""Which user an admin refers to: an id, a mention, or the author of the replied message."""

from __future__ import annotations

import re

from bot.commands.admin_parser import ADMIN_COMMANDS
from bot.commands.tokens import split_first_word
from bot.domain.errors import Refusal
from bot.frontends.telegram.context import NAME
from bot.frontends.telegram.message_parser import IncomingMessage
from bot.services.account import set_handle
from bot.services.context import AppContext
from bot.services.queries import user_id_by_handle

_ID = re.compile(r"(?:telegram|discord|console):\S+", re.IGNORECASE)
_ABOUT_PEOPLE = {word.name for word in ADMIN_COMMANDS if word.usage.startswith("USER")}


async def store_username(app: AppContext, incoming: IncomingMessage) -> None:
    """Store the username, so that admins can refer to the user by it."""
    await set_handle(app, incoming.user.id, incoming.handle)


async def resolve_user_argument(app: AppContext, incoming: IncomingMessage) -> str:
    """Put the user's id into an `/admin` line in place of a mention or reply.

    Raises `Refusal` for a mention of an unknown user, and for users who are no admins.
    """
    if not incoming.user.is_admin:
        raise _hide_admin_setup(app, incoming)
    command, rest = split_first_word(incoming.text)
    word, rest = split_first_word(rest)
    if word.lower() == "group" and not incoming.target.is_private and not _ID.match(rest):
        # Its own number is shown to nobody.
        return f"{command} {word} {NAME}:{incoming.target.chat} {rest}"
    if word.lower() not in _ABOUT_PEOPLE:
        return incoming.text
    named = next((name for name in incoming.named if rest.startswith(name)), None)
    if named is not None:
        return f"{command} {word} {incoming.named[named]} {rest.removeprefix(named)}"
    user_argument, more = split_first_word(rest)
    if user_argument.startswith("@"):
        user = await user_id_by_handle(app, NAME, user_argument.removeprefix("@"))
        if user is None:
            raise Refusal("handle-unknown", handle=user_argument)
        return f"{command} {word} {user} {more}"
    answered = incoming.answered
    if answered is not None and answered.user is not None and not _ID.fullmatch(user_argument):
        return f"{command} {word} {answered.user} {rest}"
    return incoming.text


def _hide_admin_setup(app: AppContext, incoming: IncomingMessage) -> Refusal:
    """Show the id that the operator needs for `ADMINS` to nobody else once there is an admin."""
    named = any(admin.startswith(f"{NAME}:") for admin in app.settings.admins)
    if named or not incoming.target.is_private:
        return Refusal("admin-only")
    return Refusal("admin-none-yet", person=incoming.user.id)
