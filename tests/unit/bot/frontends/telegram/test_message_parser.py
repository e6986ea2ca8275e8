"""What the bot makes of a Telegram message: who sent it, whether it is for the bot, its parts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from telegram import Message, Update
from telegram import User as TelegramUser

from bot.config import Settings, load_settings
from bot.frontends.telegram.message_parser import (
    ImageAttachment,
    IncomingMessage,
    image_of,
    is_anonymous_sender,
    is_from_channel,
    ordering_key_of,
    parse_message,
)

BOT: dict[str, Any] = {"id": 1, "is_bot": True, "first_name": "Reelay", "username": "Reelay_Bot"}
ANN: dict[str, Any] = {"id": 7, "is_bot": False, "first_name": "Ann", "language_code": "zh-hans"}
PRIVATE: dict[str, Any] = {"id": 7, "type": "private"}
GROUP: dict[str, Any] = {"id": -100, "type": "supergroup", "title": "Friends"}
CHANNEL: dict[str, Any] = {"id": -200, "type": "channel", "title": "News"}
PHOTO = [
    {"file_id": "small", "file_unique_id": "a", "width": 90, "height": 60, "file_size": 900},
    {"file_id": "large", "file_unique_id": "b", "width": 1280, "height": 853, "file_size": 90_000},
    {"file_id": "middle", "file_unique_id": "c", "width": 320, "height": 213, "file_size": 9_000},
]


def settings(**environ: str) -> Settings:
    return load_settings(Path("/dev/null"), environ)


def message(chat: dict[str, Any] = PRIVATE, **fields: Any) -> Message:
    """A message of Ann, unless its fields say otherwise."""
    known = {"message_id": 50, "date": 1_800_000_000, "chat": chat, "from": ANN}
    found = Message.de_json({**known, **fields}, None)
    assert found is not None
    return found


def mention(text: str, word: str) -> list[dict[str, Any]]:
    """The entity of a mention in a text."""
    return [{"type": "mention", "offset": text.index(word), "length": len(word)}]


def parse(one: Message, **environ: str) -> IncomingMessage | None:
    me = TelegramUser.de_json(BOT, None)
    assert me is not None
    return parse_message(one, me, settings(**environ))


def parsed(one: Message, **environ: str) -> IncomingMessage:
    found = parse(one, **environ)
    assert found is not None
    return found


def test_private_text_is_for_the_bot() -> None:
    found = parsed(message(text=" a red kite "))
    assert (found.trigger, found.text, found.command) == ("private", "a red kite", None)
    assert (found.user.id, found.user.language) == ("telegram:7", "zh-hans")
    assert (found.image, found.answered, found.other, found.album) == (None, None, False, None)


def test_group_talk_is_not_for_the_bot() -> None:
    assert parse(message(GROUP, text="a red kite")) is None
    assert parse(message(GROUP, photo=PHOTO, caption="a red kite")) is None


def test_message_without_a_sender_is_ignored() -> None:
    assert parse(message(CHANNEL, text="/video a kite", **{"from": None})) is None


@pytest.mark.parametrize(
    ("text", "command"),
    [
        ("/video a kite", "video"),
        ("/VIDEO a kite", "video"),
        ("/video", "video"),
        ("/video\na kite", "video"),
        ("/video@Reelay_Bot a kite", "video"),
        ("/video@reelay_bot a kite", "video"),
    ],
)
@pytest.mark.parametrize("chat", [PRIVATE, GROUP])
def test_command_is_recognised_and_its_line_kept(
    chat: dict[str, Any], text: str, command: str
) -> None:
    found = parsed(message(chat, text=text))
    assert (found.trigger, found.command, found.text) == ("command", command, text)


@pytest.mark.parametrize("chat", [PRIVATE, GROUP])
def test_command_for_another_bot_is_ignored(chat: dict[str, Any]) -> None:
    assert parse(message(chat, text="/video@other_bot a kite")) is None


@pytest.mark.parametrize("text", ["see /video", "/", "//video", "/video-maker a", "/ video"])
def test_slash_elsewhere_is_no_command(text: str) -> None:
    found = parsed(message(text=text))
    assert (found.trigger, found.command) == ("private", None)


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("@Reelay_Bot a red kite", "a red kite"),
        ("a red kite @reelay_bot", "a red kite"),
        ("a red @REELAY_BOT kite", "a red kite"),
    ],
)
def test_mention_in_a_group_is_removed_from_the_text(text: str, left: str) -> None:
    word = next(part for part in text.split() if part.startswith("@"))
    found = parsed(message(GROUP, text=text, entities=mention(text, word)))
    assert (found.trigger, found.text) == ("mention", left)


def test_mention_below_a_photo_counts() -> None:
    caption = "@Reelay_Bot it flies"
    entities = mention(caption, "@Reelay_Bot")
    found = parsed(message(GROUP, photo=PHOTO, caption=caption, caption_entities=entities))
    assert (found.trigger, found.text) == ("mention", "it flies")
    assert found.image == ImageAttachment("large", 90_000, "photo.jpg", 1280, 853)


def test_mention_of_another_bot_is_not_for_the_bot() -> None:
    text = "@reelay_bot2 a red kite"
    assert parse(message(GROUP, text=text, entities=mention(text, "@reelay_bot2"))) is None


def test_reply_to_the_bot_is_an_answer() -> None:
    keyboard = {"inline_keyboard": [[{"text": "Again", "callback_data": "abc123.again"}]]}
    replied = {"message_id": 49, "date": 1, "chat": GROUP, "from": BOT, "text": "What?"}
    found = parsed(
        message(GROUP, text="blue", reply_to_message={**replied, "reply_markup": keyboard})
    )
    assert found.trigger == "answer"
    assert found.answered is not None
    assert (found.answered.ours, found.answered.token, found.answered.text) == (
        True,
        "abc123",
        "What?",
    )
    assert found.answered.user is None


def test_reply_to_a_user_is_not_for_the_bot_without_a_command() -> None:
    replied = {"message_id": 49, "date": 1, "chat": GROUP, "from": {**ANN, "id": 8}, "text": "hi"}
    assert parse(message(GROUP, text="blue", reply_to_message=replied)) is None
    found = parsed(message(GROUP, text="/video", reply_to_message=replied))
    assert found.answered is not None
    assert (found.answered.ours, found.answered.user) == (False, "telegram:8")


def test_first_message_of_a_topic_is_not_replied_to() -> None:
    created = {"name": "Kites", "icon_color": 1}
    root = {"message_id": 3, "date": 1, "chat": GROUP, "from": BOT, "forum_topic_created": created}
    topic = {"message_thread_id": 3, "is_topic_message": True}
    found = parsed(message(GROUP, text="/video a kite", reply_to_message=root, **topic))
    assert found.answered is None
    assert found.target.thread == 3


def test_comment_thread_is_not_used_as_a_topic() -> None:
    found = parsed(message(GROUP, text="/video a kite", message_thread_id=3))
    assert found.target.thread is None


def test_largest_photo_is_used() -> None:
    picture = image_of(message(photo=PHOTO))
    assert picture is not None
    assert (picture.file_id, picture.orientation) == ("large", "landscape")


def test_image_file_is_a_picture_and_other_files_are_not() -> None:
    image = {"file_id": "f", "file_unique_id": "u", "mime_type": "image/png", "file_name": "a.png"}
    found = parsed(message(document=image, caption="a kite"))
    assert found.image == ImageAttachment("f", None, "a.png")
    assert found.image.orientation is None
    other = parsed(message(document={**image, "mime_type": "application/pdf"}))
    assert (other.image, other.other) == (None, True)


def test_album_id_is_kept() -> None:
    assert parsed(message(photo=PHOTO, media_group_id="99")).album == "99"


def test_users_mentioned_without_a_user_name_have_their_ids() -> None:
    text = "/admin grant Bob 5"
    bob = {"id": 8, "is_bot": False, "first_name": "Bob"}
    entity = {"type": "text_mention", "offset": text.index("Bob"), "length": 3, "user": bob}
    assert parsed(message(text=text, entities=[entity])).named == {"Bob": "telegram:8"}


def test_admin_is_known_by_the_settings() -> None:
    assert parsed(message(text="hi"), ADMINS="telegram:7").user.is_admin
    assert not parsed(message(text="hi"), ADMINS="telegram:8").user.is_admin


@pytest.mark.parametrize(
    "fields",
    [{"sender_chat": GROUP}, {"from": {**BOT, "id": 1087968824}}, {"sender_chat": CHANNEL}],
)
def test_anonymous_sender_is_nobody_and_ordered_by_chat(fields: dict[str, Any]) -> None:
    anonymous = message(GROUP, text="/quota", **fields)
    assert is_anonymous_sender(anonymous)
    assert ordering_key_of(Update(1, message=anonymous)) == "chat:-100"


def test_updates_of_a_user_share_one_key() -> None:
    in_private, in_group = message(text="a"), message(GROUP, text="b")
    assert not is_anonymous_sender(in_private)
    assert ordering_key_of(Update(1, message=in_private)) == ordering_key_of(
        Update(2, message=in_group)
    )


def test_update_without_a_user_has_a_key_of_its_own() -> None:
    assert ordering_key_of(Update(1)) == "0"


def test_channel_post_in_its_group_is_recognised() -> None:
    origin = {"type": "channel", "date": 1, "chat": CHANNEL, "message_id": 4}
    copied = message(GROUP, text="/video a", sender_chat=CHANNEL, forward_origin=origin)
    assert is_from_channel(copied)
    assert is_from_channel(message(GROUP, text="/video a", is_automatic_forward=True))
    assert not is_from_channel(message(GROUP, text="/video a", forward_origin=origin))
