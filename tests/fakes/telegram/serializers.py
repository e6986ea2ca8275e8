"""Accounts, chats and messages in the shapes of the Bot API."""

from __future__ import annotations

from typing import Any

from tests.fakes.telegram.chats import Chat
from tests.fakes.telegram.files import StoredFile
from tests.fakes.telegram.messages import Account, Message
from tests.fakes.telegram.text import Entity

Json = dict[str, Any]


def account(one: Account) -> Json:
    """A `User`."""
    shown = {"id": one.id, "is_bot": one.is_bot, "first_name": one.first_name}
    return shown | _filled(
        last_name=one.last_name, username=one.username, language_code=one.language
    )


def chat(one: Chat) -> Json:
    """A `Chat`."""
    shown: Json = {"id": one.id, "type": one.kind}
    if one.person is not None:
        names = {"first_name": one.person.first_name, "last_name": one.person.last_name}
        return shown | _filled(**names, username=one.person.username)
    return shown | _filled(title=one.title, username=one.username, is_forum=one.forum)


def full_chat(one: Chat) -> Json:
    """A `ChatFullInfo`."""
    gifts = dict.fromkeys(
        ("unlimited_gifts", "limited_gifts", "unique_gifts", "premium_subscription"), True
    )
    more: Json = {"accent_color_id": 0, "max_reaction_count": 11}
    more["accepted_gift_types"] = {**gifts, "gifts_from_channels": True}
    return chat(one) | more | _filled(linked_chat_id=one.linked.id if one.linked else 0)


def member(one: Account, status: str) -> Json:
    """A `ChatMember`."""
    shown: Json = {"status": status, "user": account(one)}
    match status:
        case "creator":
            shown["is_anonymous"] = False
        case "kicked":
            shown["until_date"] = 0
        case "administrator":
            rights = (
                "manage_chat delete_messages manage_video_chats restrict_members promote_members "
                "change_info invite_users post_stories edit_stories delete_stories"
            )
            shown |= {"can_be_edited": False, "is_anonymous": False}
            shown |= {f"can_{right}": True for right in rights.split()}
    return shown


def message(one: Message, *, nested: bool = False) -> Json:
    """A `Message`; a nested one does not tell to what it replies."""
    shown: Json = {
        "message_id": one.id,
        "date": int(one.date),
        "chat": chat(one.chat),
        **_origin(one),
        **_thread(one),
        **{name: _service(value) for name, value in one.service.items()},
        **one.extra,
    }
    if one.edited is not None:
        shown["edit_date"] = int(one.edited)
    if not nested and (replied := _replied(one)) is not None:
        shown["reply_to_message"] = message(replied, nested=True)
    if one.markup and "inline_keyboard" in one.markup:
        shown["reply_markup"] = one.markup
    return shown | _content(one)


def inaccessible(one: Message) -> Json:
    """An `InaccessibleMessage`."""
    return {"message_id": one.id, "date": 0, "chat": chat(one.chat)}


def _origin(one: Message) -> Json:
    shown: Json = {}
    if one.chat.kind != "channel":
        shown["from"] = account(one.sender)
    if one.sender_chat is not None:
        shown["sender_chat"] = chat(one.sender_chat)
    return shown


def _thread(one: Message) -> Json:
    if one.thread is None:
        return {}
    shown: Json = {"message_thread_id": one.thread}
    if one.topic is not None and one.topic.root is not None:
        shown["is_topic_message"] = True
    return shown


def _replied(one: Message) -> Message | None:
    """In a topic what replies to nothing replies to the beginning of it."""
    if one.reply_to is not None:
        return None if one.reply_to.deleted else one.reply_to
    root = one.topic.root if one.topic is not None else None
    return None if root is one else root


def _service(value: Any) -> Any:
    if isinstance(value, Account):
        return account(value)
    if isinstance(value, list):
        return [_service(member_told) for member_told in value]
    return value


def _content(one: Message) -> Json:
    shown: Json = {}
    words, marks = ("caption", "caption_entities") if one.media else ("text", "entities")
    if one.text:
        shown[words] = one.text
        if one.entities:
            shown[marks] = [_entity(entity) for entity in one.entities]
    if one.album:
        shown["media_group_id"] = one.album
    if one.asked.get("protect_content"):
        shown["has_protected_content"] = True
    if one.spoiler:
        shown["has_media_spoiler"] = True
    if one.photo is not None:
        shown["photo"] = [photo_size(size) for size in one.media]
    elif one.media:
        shown[one.media[-1].kind] = media(one.media[-1])
    return shown


def _entity(entity: Entity) -> Entity:
    known = entity.get("user")
    return {**entity, "user": account(known)} if isinstance(known, Account) else entity


def photo_size(stored: StoredFile) -> Json:
    """A `PhotoSize`."""
    sides = {"width": stored.width, "height": stored.height}
    return {**_ids(stored), **sides, "file_size": stored.size}


def media(stored: StoredFile) -> Json:
    """A `Video`, `Document`, `Voice` or `Sticker`."""
    shown = {**_ids(stored), "file_size": stored.size}
    if stored.kind in {"video", "sticker"}:
        shown |= {"width": stored.width, "height": stored.height}
    if stored.kind in {"video", "voice"}:
        shown["duration"] = stored.seconds
    if stored.kind == "sticker":
        return shown | {"type": "regular", "is_animated": False, "is_video": False}
    if stored.kind == "video" and stored.cover is not None:
        shown["cover"] = [photo_size(stored.cover)]
    if stored.thumbnail is not None:
        shown["thumbnail"] = photo_size(stored.thumbnail)
    name = stored.name if stored.kind != "voice" else ""
    return shown | _filled(file_name=name, mime_type=stored.mime)


def _ids(stored: StoredFile) -> Json:
    return {"file_id": stored.file_id, "file_unique_id": stored.unique_id}


def _filled(**fields: object) -> Json:
    """Only those that say something."""
    return {name: value for name, value in fields.items() if value}
