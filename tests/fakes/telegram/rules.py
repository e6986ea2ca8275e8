"""Rules that the description has only in prose, with the real server's messages."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn

from tests.fakes.telegram.api_schema import STYLES
from tests.fakes.telegram.chats import GENERAL, Chat, Topic
from tests.fakes.telegram.messages import Account, Message
from tests.fakes.telegram.state import TelegramState
from tests.fakes.telegram.text import (
    BadText,
    Entity,
    Parsed,
    detect_entities,
    entity_problems,
    parse_html,
    plain_text,
    units,
)
from tests.fakes.telegram.value_checks import Upload

LONGEST_TEXT = 4096
LONGEST_CAPTION = 1024
LONGEST_DATA = 64
TWO_DAYS = 48 * 3600
_ACTIONS_OF_BUTTONS = frozenset(
    {"url", "callback_data", "web_app", "login_url", "switch_inline_query", "callback_game", "pay"}
    | {"switch_inline_query_current_chat", "switch_inline_query_chosen_chat", "copy_text"}
)


class ApiError(Exception):
    """An error response."""

    def __init__(self, code: int, description: str, *, foreseen: bool, **parameters: int) -> None:
        super().__init__(description)
        self.code = code
        self.description = description
        self.foreseen = foreseen
        """A careful bot could have avoided it."""
        self.parameters = parameters


def avoidable_error(description: str) -> NoReturn:
    """An error that a careful bot could have avoided; a violation."""
    raise ApiError(400, f"Bad Request: {description}", foreseen=True)


def unavoidable_error(description: str) -> NoReturn:
    """An error that no bot could have avoided; no violation."""
    raise ApiError(400, f"Bad Request: {description}", foreseen=False)


def forbidden(description: str) -> NoReturn:
    """The error of a chat that does not want the bot."""
    raise ApiError(403, f"Forbidden: {description}", foreseen=False)


@dataclass(slots=True)
class Call:
    """One call of a method, checked against the facts."""

    world: TelegramState
    method: str
    given: Mapping[str, Any]
    files: Mapping[str, Upload]
    time: float
    violations: list[str] = field(default_factory=list)

    def get(self, name: str, default: Any = None) -> Any:
        """A parameter."""
        return self.given.get(name, default)

    def add_violation(self, what: str) -> None:
        """Record a violation that the real server tolerates."""
        self.violations.append(what)


# --- chats -------------------------------------------------------------------------------


def find_chat(call: Call, name: str = "chat_id") -> Chat:
    """The chat of this id or name, whether or not the bot may do anything there."""
    wanted = call.get(name)
    chats = call.world.chats
    if isinstance(wanted, str):
        for chat in chats.values():
            if chat.username and wanted.lower() == f"@{chat.username.lower()}":
                return chat
        avoidable_error("chat not found")
    if wanted in chats:
        return chats[wanted]
    avoidable_error("chat not found")


def open_chat(call: Call, name: str = "chat_id") -> Chat:
    """A chat where the bot may act."""
    chat = find_chat(call, name)
    if chat.kind == "private":
        _open_private(chat)
    elif chat.gone:
        if chat.kind == "group":
            forbidden("the group chat was deleted")
        unavoidable_error("chat not found")
    elif chat.upgraded_to is not None:
        raise ApiError(
            400,
            "Bad Request: group chat was upgraded to a supergroup chat",
            foreseen=False,
            migrate_to_chat_id=chat.upgraded_to.id,
        )
    elif chat.bot_status in {"kicked", "left", "none"}:
        if chat.bot_status == "kicked":
            forbidden(f"bot was kicked from the {chat.kind} chat")
        forbidden(f"bot is not a member of the {chat.kind} chat")
    return chat


def _open_private(chat: Chat) -> None:
    person = chat.person
    assert person is not None
    if person.deactivated:
        forbidden("user is deactivated")
    if chat.blocked:
        forbidden("bot was blocked by the user")
    if not chat.started:
        if any(
            person in known_chat.members and known_chat.bot_status != "none"
            for known_chat in chat.world.chats.values()
        ):
            forbidden("bot can't initiate conversation with a user")
        unavoidable_error("chat not found")


def may_send(chat: Chat, kind: str) -> None:
    """Some chats let members send only some things."""
    if kind in chat.forbidden and chat.bot_status != "administrator":
        named = {"text": "text messages"}.get(kind, f"{kind}s")
        unavoidable_error(f"not enough rights to send {named} to the chat")


def topic_for(call: Call, chat: Chat, reply_to: Message | None) -> Topic | None:
    """The topic into which a message goes."""
    thread = call.get("message_thread_id")
    if not chat.forum:
        if thread is not None:
            avoidable_error("message thread not found")
        return None
    if thread == GENERAL:
        avoidable_error("message thread not found")
    topic = call.world.topic_of(chat, thread)
    if topic is None or topic.deleted:
        unavoidable_error("message thread not found")
    if thread is None and reply_to is not None and reply_to.topic is not None:
        topic = reply_to.topic
    if reply_to is not None and reply_to.topic is not topic:
        call.add_violation(f"a reply in {topic.name} to a message of another topic")
    if topic.closed and chat.bot_status != "administrator":
        unavoidable_error("TOPIC_CLOSED")
    return topic


def replied(call: Call, chat: Chat) -> Message | None:
    """The message to which a new one replies."""
    asked = call.get("reply_parameters")
    if asked is None:
        return None
    if asked.get("chat_id", chat.id) not in {chat.id, f"@{chat.username}"}:
        avoidable_error("replies to other chats are not known to this fake")
    message = chat.history.get(asked["message_id"])
    if message is None or message.deleted:
        if asked.get("allow_sending_without_reply"):
            return None
        unavoidable_error("message to be replied not found")
    return message


# --- words -------------------------------------------------------------------------------


def text_of(call: Call) -> Parsed:
    """The `text` of a call."""
    parsed = _parsed(call, call.get("text", ""), "entities")
    if not parsed.text:
        avoidable_error("message text is empty")
    if units(parsed.text) > LONGEST_TEXT:
        avoidable_error("message is too long")
    return parsed


def caption_of(call: Call) -> Parsed:
    """The `caption` of a call, which may be empty."""
    parsed = _parsed(call, call.get("caption", ""), "caption_entities")
    if units(parsed.text) > LONGEST_CAPTION:
        avoidable_error("message caption is too long")
    return parsed


def _parsed(call: Call, source: str, entities: str) -> Parsed:
    mode = call.get("parse_mode", "")
    if mode and call.get(entities):
        call.add_violation(f"both parse_mode and {entities}")
    match mode.lower():
        case "":
            parsed = plain_text(source)
        case "html":
            parsed = _html(call, source)
        case _:
            avoidable_error(f"unsupported parse_mode {mode!r} (this fake knows HTML)")
    given: list[Entity] = call.get(entities) or []
    if found := entity_problems(parsed.text, given):
        avoidable_error(f"{entities}: {found[0]}")
    return Parsed(parsed.text, detect_entities(parsed.text, [*parsed.entities, *given]))


def _html(call: Call, source: str) -> Parsed:
    try:
        parsed = parse_html(source)
    except BadText as error:
        avoidable_error(f"can't parse entities: {error}")
    if parsed.sloppy:
        call.add_violation(f"a sign that is not escaped in {source[:80]!r}")
    known = call.world.accounts
    entities = [
        {**entity, "user": known[entity["user"]]} if entity["type"] == "text_mention" else entity
        for entity in parsed.entities
        if entity["type"] != "text_mention" or entity["user"] in known
    ]
    return Parsed(parsed.text, entities)


# --- buttons -----------------------------------------------------------------------------


def markup_of(call: Call) -> dict[str, Any] | None:
    """The `reply_markup` of a call."""
    markup: dict[str, Any] | None = call.get("reply_markup")
    if markup is None:
        return None
    rows = markup.get("inline_keyboard", [])
    for row in rows:
        for button in row:
            _check_button(button)
    if "inline_keyboard" in markup:
        if sum(map(len, rows)) > 100:
            avoidable_error("reply markup is too long")
        if any(len(row) > 8 for row in rows):
            call.add_violation("more than eight buttons in a row")
        return {"inline_keyboard": [row for row in rows if row]} if any(rows) else None
    if "keyboard" in markup and not any(markup["keyboard"]):
        avoidable_error("reply keyboard is empty")
    if units(markup.get("input_field_placeholder", "")) > 64:
        avoidable_error("input field placeholder is too long")
    return markup


def _check_button(button: dict[str, Any]) -> None:
    if not button["text"].strip():
        avoidable_error("button text must be non-empty")
    if button.get("style", "primary") not in STYLES:
        avoidable_error(f"button style {button['style']!r} is not known")
    actions = _ACTIONS_OF_BUTTONS & set(button)
    if not actions:
        avoidable_error("text buttons are unallowed in the inline keyboard")
    if len(actions) > 1:
        avoidable_error(f"an inline button does one thing, not {sorted(actions)}")
    if "callback_data" in button and not 1 <= len(button["callback_data"].encode()) <= LONGEST_DATA:
        avoidable_error("BUTTON_DATA_INVALID")
    if "url" in button and not re.match(r"(https?://[^/\s]+\.|https?://localhost|https?://\d|tg://)",
                                        button["url"]):  # fmt: skip
        avoidable_error(f"inline keyboard button URL '{button['url']}' is invalid: Wrong HTTP URL")


# --- messages ----------------------------------------------------------------------------


def own_message(call: Call, chat: Chat) -> Message:
    """The message that is to be edited."""
    message = chat.history.get(call.get("message_id", 0))
    if message is None or message.deleted:
        unavoidable_error("message to edit not found")
    if message.sender is not call.world.bot or message.service:
        avoidable_error("message can't be edited")
    return message


def check_deletable(call: Call, message: Message) -> None:
    """Bots may delete what is theirs, and young."""
    chat = message.chat
    if message.service and ("forum_topic_created" in message.service or chat.kind == "private"):
        avoidable_error("message can't be deleted")
    foreign = message.sender is not call.world.bot
    if foreign and chat.kind != "private" and chat.bot_status != "administrator":
        avoidable_error("message can't be deleted")
    if call.time - message.date > TWO_DAYS and chat.bot_status != "administrator":
        avoidable_error("message can't be deleted for everyone")


def member_status(chat: Chat, account: Account) -> str:
    """How an account stands in a chat."""
    if account is chat.world.bot:
        return "left" if chat.bot_status == "none" else chat.bot_status
    if account in chat.admins:
        return "creator" if account is chat.admins[0] else "administrator"
    return "member" if account in chat.members or account is chat.person else "left"
