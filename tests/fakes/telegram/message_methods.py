"""Methods that send, edit and delete messages."""

from __future__ import annotations

from typing import Any

from tests.fakes.telegram import serializers as shown
from tests.fakes.telegram.api_schema import ACTIONS, words
from tests.fakes.telegram.media import document_of, photo_of, video_of
from tests.fakes.telegram.messages import Message
from tests.fakes.telegram.rules import (
    Call,
    avoidable_error,
    caption_of,
    check_deletable,
    find_chat,
    markup_of,
    may_send,
    open_chat,
    own_message,
    replied,
    text_of,
    topic_for,
    unavoidable_error,
)
from tests.fakes.telegram.text import Parsed

Json = dict[str, Any]
_SAME = (
    "message is not modified: specified new message content and reply markup are exactly the same "
    "as a current content and reply markup of the message"
)


def send_message(call: Call) -> Json:
    parsed = text_of(call)
    return _posted(call, "text", parsed)


def send_video(call: Call) -> Json:
    return _posted(call, "video", caption_of(call), media=(video_of(call),))


def send_document(call: Call) -> Json:
    return _posted(call, "document", caption_of(call), media=(document_of(call),))


def send_photo(call: Call) -> Json:
    return _posted(call, "photo", caption_of(call), media=photo_of(call))


def copy_message(call: Call) -> Json:
    source = _source(call, "copy")
    parsed = caption_of(call) if "caption" in call.given else _as_it_is(source)
    kind = source.media[-1].kind if source.media else "text"
    posted = _posted(call, kind, parsed, media=source.media)
    return {"message_id": posted["message_id"]}


def forward_message(call: Call) -> Json:
    source = _source(call, "forward")
    if source.sender_chat is None:
        origin: Json = {"type": "user", "sender_user": shown.account(source.sender)}
    else:
        origin = {"type": "chat", "sender_chat": shown.chat(source.sender_chat)}
    extra = {"forward_origin": {**origin, "date": int(source.date)}}
    kind = source.media[-1].kind if source.media else "text"
    return _posted(call, kind, _as_it_is(source), media=source.media, extra=extra)


def _as_it_is(source: Message) -> Parsed:
    return Parsed(source.text, source.entities)


def _source(call: Call, verb: str) -> Message:
    chat = open_chat(call, "from_chat_id")
    message = chat.history.get(call.get("message_id"))
    if message is None or message.deleted:
        unavoidable_error(f"message to {verb} not found")
    if message.service:
        avoidable_error(f"message can't be {'copied' if verb == 'copy' else 'forwarded'}")
    return message


def _posted(call: Call, kind: str, parsed: Parsed, **more: Any) -> Json:
    markup = markup_of(call)
    for name in ("business_connection_id", "direct_messages_topic_id", "allow_paid_broadcast"):
        if call.get(name):
            call.add_violation(f"{name} is for no chat of this fake")
    chat = open_chat(call)
    if call.get("message_effect_id") and chat.kind != "private":
        avoidable_error("message effects are for private chats only")
    may_send(chat, kind)
    reply_to = replied(call, chat)
    topic = topic_for(call, chat, reply_to)
    message = call.world.put(
        chat,
        call.world.bot,
        text=parsed.text,
        entities=parsed.entities,
        markup=markup,
        reply_to=reply_to,
        topic=topic,
        thread=topic.id if topic is not None and topic.root is not None else None,
        spoiler=call.get("has_spoiler", False),
        asked=dict(call.given),
        **more,
    )
    return shown.message(message)


# --- changing ----------------------------------------------------------------------------


def edit_text(call: Call) -> Json:
    parsed = text_of(call)
    message = _to_edit(call)
    if message.media:
        avoidable_error("there is no text in the message to edit")
    return _edited(call, message, parsed)


def edit_caption(call: Call) -> Json:
    parsed = caption_of(call)
    message = _to_edit(call)
    if not message.media:
        avoidable_error("there is no caption in the message to edit")
    return _edited(call, message, parsed)


def edit_markup(call: Call) -> Json:
    message = _to_edit(call)
    return _edited(call, message, _as_it_is(message))


def _to_edit(call: Call) -> Message:
    if "inline_message_id" in call.given:
        avoidable_error("MESSAGE_ID_INVALID")
    if "chat_id" not in call.given:
        avoidable_error("chat_id is empty")
    if "message_id" not in call.given:
        avoidable_error("message identifier is not specified")
    return own_message(call, open_chat(call))


def _edited(call: Call, message: Message, parsed: Parsed) -> Json:
    markup = markup_of(call)
    if message.markup is not None and "inline_keyboard" not in message.markup:
        avoidable_error("message can't be edited")
    if (parsed.text, parsed.entities, markup) == (message.text, message.entities, message.markup):
        avoidable_error(_SAME)
    call.world.change(message)
    message.text, message.entities, message.markup = parsed.text, parsed.entities, markup
    message.edited = call.world.clock.now()
    call.world.record_event(message, "edited", by_bot=True)
    return shown.message(message)


# --- removing ----------------------------------------------------------------------------


def delete_message(call: Call) -> bool:
    message = open_chat(call).history.get(call.get("message_id"))
    if message is None or message.deleted:
        unavoidable_error("message to delete not found")
    check_deletable(call, message)
    call.world.delete(message, by_bot=True)
    return True


def delete_messages(call: Call) -> bool:
    chat, wanted = open_chat(call), call.get("message_ids")
    if not 1 <= len(wanted) <= 100:
        avoidable_error("message identifiers must be from 1 to 100")
    found = [chat.history[wanted_id] for wanted_id in wanted if wanted_id in chat.history]
    for message in found:
        if not message.deleted:
            check_deletable(call, message)
            call.world.delete(message, by_bot=True)
    return True


# --- signs -------------------------------------------------------------------------------


def chat_action(call: Call) -> bool:
    if call.get("action") not in ACTIONS:
        avoidable_error("wrong parameter action in request")
    chat = open_chat(call)
    thread = call.get("message_thread_id")
    if thread is not None and not chat.forum:
        avoidable_error("message thread not found")
    call.world.act(chat, call.get("action"), thread)
    return True


_REACTIONS = words(
    """
👍 👎 ❤ 🔥 🥰 👏 😁 🤔 🤯 😱 🤬 😢 🎉 🤩 🤮 💩 🙏 👌 🕊 🤡 🥱 🥴 😍 🐳 ❤‍🔥 🌚 🌭 💯 🤣 ⚡ 🍌 🏆
💔 🤨 😐 🍓 🍾 💋 🖕 😈 😴 😭 🤓 👻 👨‍💻 👀 🎃 🙈 😇 😨 🤝 ✍ 🤗 🫡 🎅 🎄 ☃ 💅 🤪 🗿 🆒 💘 🙉 🦄
😘 💊 🙊 😎 👾 🤷‍♂ 🤷 🤷‍♀ 😡
"""
)
"""All with which a bot may react."""


def set_reaction(call: Call) -> bool:
    wanted = call.get("reaction") or []
    if len(wanted) > 1 or any(wanted_id.get("emoji") not in _REACTIONS for wanted_id in wanted):
        avoidable_error("REACTION_INVALID")
    message = open_chat(call).history.get(call.get("message_id"))
    if message is None or message.deleted:
        unavoidable_error("message to react not found")
    message.reaction = wanted[0]["emoji"] if wanted else ""
    call.world.record_event(message, "reaction", by_bot=True)
    return True


def leave_chat(call: Call) -> bool:
    chat = find_chat(call)
    if chat.kind == "private":
        avoidable_error("chat member status can't be changed in private chats")
    open_chat(call)
    call.world.bot_becomes(chat, "left", call.world.bot)
    return True
