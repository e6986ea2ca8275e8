"""Whom an admin means: an id, a mention, or whoever has written the message that is replied to."""

from __future__ import annotations

import re

from bot.commands.admin_parser import ADMIN_COMMANDS
from bot.commands.tokens import split_first_word
from bot.domain.errors import Refusal
from bot.frontends.telegram.incoming import Incoming
from bot.frontends.telegram.kit import NAME
from bot.services.account import set_handle
from bot.services.context import AppContext
from bot.services.queries import user_id_by_handle

_ID = re.compile(r"(?:telegram|discord|console):\S+", re.IGNORECASE)
_ABOUT_PEOPLE = {word.name for word in ADMIN_COMMANDS if word.usage.startswith("USER")}


async def remember(desk: AppContext, incoming: Incoming) -> None:
    """Keep how a person is called, so that admins can mean them by it."""
    await set_handle(desk, incoming.person.id, incoming.handle)


async def with_person(desk: AppContext, incoming: Incoming) -> str:
    """The line of `/admin` with the person's id where a mention or a reply stands for it.

    Raises `Refusal` for a mention of somebody who was never seen, and for who is no admin.
    """
    if not incoming.person.is_admin:
        raise _no_admin(desk, incoming)
    command, rest = split_first_word(incoming.text)
    word, rest = split_first_word(rest)
    if word.lower() == "group" and not incoming.spot.private and not _ID.match(rest):
        # Its own number is shown to nobody.
        return f"{command} {word} {NAME}:{incoming.spot.chat} {rest}"
    if word.lower() not in _ABOUT_PEOPLE:
        return incoming.text
    named = next((name for name in incoming.named if rest.startswith(name)), None)
    if named is not None:
        return f"{command} {word} {incoming.named[named]} {rest.removeprefix(named)}"
    who, more = split_first_word(rest)
    if who.startswith("@"):
        person = await user_id_by_handle(desk, NAME, who.removeprefix("@"))
        if person is None:
            raise Refusal("handle-unknown", handle=who)
        return f"{command} {word} {person} {more}"
    answered = incoming.answered
    if answered is not None and answered.person is not None and not _ID.fullmatch(who):
        return f"{command} {word} {answered.person} {rest}"
    return incoming.text


def _no_admin(desk: AppContext, incoming: Incoming) -> Refusal:
    """Who sets a bot up needs a number that Telegram shows nowhere; nobody else is told of it."""
    named = any(admin.startswith(f"{NAME}:") for admin in desk.settings.admins)
    if named or not incoming.spot.private:
        return Refusal("admin-only")
    return Refusal("admin-none-yet", person=incoming.person.id)
