"""Methods about the bot itself, its menu, its updates, and members of chats."""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit

from tests.fakes.telegram import message_methods as sending
from tests.fakes.telegram import serializers as shown
from tests.fakes.telegram.api_schema import UPDATES
from tests.fakes.telegram.chats import Chat
from tests.fakes.telegram.media import LARGEST_DOWNLOAD
from tests.fakes.telegram.messages import Account, Answer, Event
from tests.fakes.telegram.rules import (
    ApiError,
    Call,
    avoidable_error,
    find_chat,
    member_status,
    open_chat,
    unavoidable_error,
)
from tests.fakes.telegram.state import TelegramState
from tests.fakes.telegram.text import units
from tests.fakes.telegram.updates import LONGEST_POLL, PollSuperseded, Webhook

Json = dict[str, Any]
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_PORTS = frozenset({None, 80, 88, 443, 8443})
_TOO_OLD = "query is too old and response timeout expired or query ID is invalid"


# --- updates -----------------------------------------------------------------------------


async def get_updates(call: Call) -> list[Json]:
    updates = call.world.updates
    if updates.webhook is not None:
        raise ApiError(
            409,
            "Conflict: can't use getUpdates method while webhook is active; "
            "use deleteWebhook to delete the webhook first",
            foreseen=True,
        )
    limit, seconds = call.get("limit", 100), call.get("timeout", 0)
    if not 1 <= limit <= 100 or not 0 <= seconds <= LONGEST_POLL:
        call.add_violation(f"a limit of {limit} or a timeout of {seconds} is out of bounds")
    updates.allow(_kinds(call))
    try:
        return await updates.fetch(call.get("offset", 0), max(1, min(limit, 100)), seconds)
    except PollSuperseded:
        raise ApiError(
            409,
            "Conflict: terminated by other getUpdates request; "
            "make sure that only one bot instance is running",
            foreseen=False,
        ) from None


async def set_webhook(call: Call) -> bool:
    url = call.get("url")
    if not url:
        return await delete_webhook(call)
    parts = urlsplit(url)
    if parts.hostname not in _LOOPBACK:
        if parts.scheme != "https":
            avoidable_error("bad webhook: An HTTPS URL must be provided for webhook")
        if parts.port not in _PORTS:
            avoidable_error("bad webhook: Webhook can be set up only on ports 80, 88, 443 or 8443")
    secret, connections = call.get("secret_token", ""), call.get("max_connections", 40)
    if "secret_token" in call.given and not re.fullmatch(r"[A-Za-z0-9_-]{1,256}", secret):
        avoidable_error("secret token contains unallowed characters")
    if not 1 <= connections <= 100:
        call.add_violation(f"{connections} connections")
    updates = call.world.updates
    updates.allow(_kinds(call))
    if call.get("drop_pending_updates"):
        updates.waiting.clear()
    await updates.set_webhook(Webhook(url, secret, max(1, min(connections, 100))))
    return True


async def delete_webhook(call: Call) -> bool:
    if call.get("drop_pending_updates"):
        call.world.updates.waiting.clear()
    await call.world.updates.set_webhook(None)
    return True


def webhook_info(call: Call) -> Json:
    updates = call.world.updates
    webhook = updates.webhook
    info: Json = {
        "url": webhook.url if webhook else "",
        "has_custom_certificate": False,
        "pending_update_count": len(updates.waiting),
    }
    if webhook is not None:
        info["max_connections"] = webhook.connections
    if updates.allowed_as_told:
        info["allowed_updates"] = updates.allowed_as_told
    if updates.last_error:
        info |= {"last_error_date": int(call.time), "last_error_message": updates.last_error}
    return info


def _kinds(call: Call) -> list[str] | None:
    kinds: list[str] | None = call.get("allowed_updates")
    if unknown := set(kinds or []) - UPDATES:
        call.add_violation(f"no updates are {sorted(unknown)}")
    return kinds


def answer_press(call: Call) -> bool:
    text = call.get("text", "")
    if units(text) > 200:
        avoidable_error("MESSAGE_TOO_LONG")
    press = call.world.presses.get(call.get("callback_query_id"))
    if press is None or press.answered is not None:
        avoidable_error(_TOO_OLD)
    if call.time - press.time > call.world.press_lifetime:
        unavoidable_error(_TOO_OLD)
    press.answered = Answer(text, call.get("show_alert", False), call.get("url", ""))
    press.message.chat.log.append(Event(call.time, "answered", True, press.message, text))
    call.world.changed(press.message.chat)
    return True


# --- the bot -----------------------------------------------------------------------------


def get_me(call: Call) -> Json:
    can = {
        "can_join_groups": True,
        "can_read_all_group_messages": not call.world.privacy,
        "supports_inline_queries": False,
        "can_connect_to_business": False,
        "has_main_web_app": False,
        "has_topics_enabled": False,
    }
    return shown.account(call.world.bot) | can


def set_commands(call: Call) -> bool:
    commands = call.get("commands")
    if len(commands) > 100:
        avoidable_error("BOT_COMMANDS_TOO_MUCH")
    for command in commands:
        if not re.fullmatch(r"[a-z0-9_]{1,32}", command["command"]):
            avoidable_error(f"BOT_COMMAND_INVALID: {command['command']!r}")
        if not 1 <= units(command["description"]) <= 256:
            avoidable_error(f"BOT_COMMAND_DESCRIPTION_INVALID: {command['command']!r}")
    if len({command["command"] for command in commands}) < len(commands):
        call.add_violation("a command that stands there twice")
    call.world.commands[_scope(call), _language(call)] = commands
    return True


def get_commands(call: Call) -> list[Json]:
    return call.world.commands.get((_scope(call), _language(call)), [])


def delete_commands(call: Call) -> bool:
    call.world.commands.pop((_scope(call), _language(call)), None)
    return True


def _scope(call: Call) -> str:
    scope = call.get("scope") or {"type": "default"}
    if "chat_id" in scope:
        inner = Call(call.world, call.method, {"chat_id": scope["chat_id"]}, {}, call.time)
        _known_chat(inner)
    return scope_key(scope)


def scope_key(scope: Json) -> str:
    """A scope as a key."""
    return json.dumps(scope, sort_keys=True)


def _language(call: Call) -> str:
    code: str = call.get("language_code", "")
    if not re.fullmatch(r"[a-z]{2}|", code):
        avoidable_error(f"language code {code!r} has not two letters")
    return code


def menu(world: TelegramState, person: Account, chat: Chat) -> list[Json]:
    """The commands that a person's app offers in a chat."""
    admin = member_status(chat, person) in {"creator", "administrator"}
    here: Json = {"chat_id": chat.id}
    if chat.kind == "private":
        scopes: list[Json] = [{"type": "chat", **here}, {"type": "all_private_chats"}]
    else:
        scopes = [{"type": "chat_member", **here, "user_id": person.id}]
        scopes += [{"type": "chat_administrators", **here}] if admin else []
        scopes += [{"type": "chat", **here}]
        scopes += [{"type": "all_chat_administrators"}] if admin else []
        scopes += [{"type": "all_group_chats"}]
    for scope in [*scopes, {"type": "default"}]:
        for code in (person.language[:2], ""):
            if found := world.commands.get((scope_key(scope), code)):
                return found
    return []


def _setting(name: str, longest: int) -> tuple[Callable[[Call], bool], Callable[[Call], Json]]:
    """How a text about the bot is set and read."""

    def write(call: Call) -> bool:
        text = call.get(name, "")
        if units(text) > longest:
            avoidable_error(f"{name} is too long")
        call.world.about[name, _language(call)] = text
        return True

    def read(call: Call) -> Json:
        about, code = call.world.about, _language(call)
        return {name: about.get((name, code)) or about.get((name, ""), "")}

    return write, read


_SET_NAME, _GET_NAME = _setting("name", 64)
_SET_LONG, _GET_LONG = _setting("description", 512)
_SET_SHORT, _GET_SHORT = _setting("short_description", 120)


# --- files and chats ---------------------------------------------------------------------


def get_file(call: Call) -> Json:
    stored = call.world.files.named(call.get("file_id"))
    if stored is None:
        avoidable_error("invalid file_id")
    if stored.size > LARGEST_DOWNLOAD and not call.world.local:
        avoidable_error("file is too big")
    path = str(stored.path) if call.world.local else stored.file_path
    ids = {"file_id": stored.file_id, "file_unique_id": stored.unique_id}
    return {**ids, "file_size": stored.size, "file_path": path}


def _known_chat(call: Call) -> Chat:
    """A chat of which the bot may know something, although it may be blocked there."""
    chat = find_chat(call)
    if chat.kind != "private":
        return open_chat(call)
    if not chat.started:
        unavoidable_error("chat not found")
    return chat


def get_chat(call: Call) -> Json:
    return shown.full_chat(_known_chat(call))


def get_member(call: Call) -> Json:
    chat = _known_chat(call)
    account = call.world.accounts.get(call.get("user_id"))
    if account is None:
        avoidable_error("invalid user_id specified")
    return shown.member(account, member_status(chat, account))


METHOD_HANDLERS: dict[str, Callable[[Call], Any | Awaitable[Any]]] = {
    "getMe": get_me,
    "getUpdates": get_updates,
    "setWebhook": set_webhook,
    "deleteWebhook": delete_webhook,
    "getWebhookInfo": webhook_info,
    "answerCallbackQuery": answer_press,
    "setMyCommands": set_commands,
    "getMyCommands": get_commands,
    "deleteMyCommands": delete_commands,
    "setMyName": _SET_NAME,
    "getMyName": _GET_NAME,
    "setMyDescription": _SET_LONG,
    "getMyDescription": _GET_LONG,
    "setMyShortDescription": _SET_SHORT,
    "getMyShortDescription": _GET_SHORT,
    "getFile": get_file,
    "getChat": get_chat,
    "getChatMember": get_member,
    "leaveChat": sending.leave_chat,
    "sendMessage": sending.send_message,
    "sendVideo": sending.send_video,
    "sendDocument": sending.send_document,
    "sendPhoto": sending.send_photo,
    "sendChatAction": sending.chat_action,
    "copyMessage": sending.copy_message,
    "forwardMessage": sending.forward_message,
    "editMessageText": sending.edit_text,
    "editMessageCaption": sending.edit_caption,
    "editMessageReplyMarkup": sending.edit_markup,
    "deleteMessage": sending.delete_message,
    "deleteMessages": sending.delete_messages,
    "setMessageReaction": sending.set_reaction,
}
"""What each method does."""
