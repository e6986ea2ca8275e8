"""The local Bot API server sends, changes and removes messages as the real one does."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator

import httpx
import pytest
from PIL import Image

from tests.fakes.telegram.api_caller import GO, MP4, Bot, calling, picture
from tests.fakes.telegram.fake import Telegram
from tests.support.fake_clock import FakeClock


@pytest.fixture
async def bot(clock: FakeClock) -> AsyncIterator[Bot]:
    """Someone who calls the server, whose clock stands still."""
    async with calling(clock) as it:
        yield it


@pytest.fixture
def telegram(bot: Bot) -> Telegram:
    """The server."""
    return bot.telegram


async def test_a_file_is_sent_as_what_it_is_not(telegram: Telegram, bot: Bot) -> None:
    """A file's id says of what kind it is; by its id it is sent again without an upload."""
    ann = telegram.person("Ann", started=True)
    how = {"chat_id": ann.id, "width": 1280, "height": 720, "duration": 4}
    sent = await bot(
        "sendVideo",
        {"video": ("a.mp4", MP4), "little": ("t.jpg", picture(320, 180, "JPEG"))},
        **how,
        thumbnail="attach://little",
        supports_streaming=True,
    )
    video = ann.chat.messages[0].video
    assert video is not None
    assert (video.path.read_bytes(), video.shown()) == (MP4, "video 1280x720 4 s")
    assert sent["video"]["thumbnail"]["width"] == 320
    file_id = sent["video"]["file_id"]
    again = await bot("sendVideo", chat_id=ann.id, video=file_id)
    assert again["video"] == sent["video"]
    assert telegram.uploads == {"video": 1, "thumbnail": 1}
    assert telegram.violations == []
    said = await bot("sendDocument", chat_id=ann.id, document=file_id)
    assert said == "Bad Request: can't use file of type Video as Document"
    file = await bot("sendDocument", {"document": ("a.mp4", MP4)}, chat_id=ann.id)
    said = await bot("sendVideo", chat_id=ann.id, video=file["document"]["file_id"])
    assert said == "Bad Request: can't use file of type Document as Video"
    assert len(telegram.violations) == 2


@pytest.mark.parametrize(
    "little",
    [picture(320, 180), picture(400, 200, "JPEG"), b"no picture"],
    ids=["png", "large", "no"],
)
async def test_a_bad_thumbnail_is_shown(telegram: Telegram, bot: Bot, little: bytes) -> None:
    """It is left out, as the real server does, but noted."""
    ann = telegram.person("Ann", started=True)
    files = {"video": ("a.mp4", MP4), "thumbnail": ("t.jpg", little)}
    assert "thumbnail" not in (await bot("sendVideo", files, chat_id=ann.id))["video"]
    assert "thumbnail" in telegram.violations[0]


async def test_more_than_50_mb_get_through(telegram: Telegram, bot: Bot) -> None:
    """Something in front of the server refuses them, with a page."""
    ann = telegram.person("Ann", started=True)
    files = {"document": ("a.bin", bytes(50_000_001))}
    answer = await bot.raw("sendDocument", files, chat_id=ann.id)
    assert answer.status_code == 413
    assert "Request Entity Too Large" in answer.text
    assert len(telegram.violations) == 1
    telegram.world.local = True
    assert (await bot("sendDocument", files, chat_id=ann.id))["document"]["file_size"] == 50_000_001


async def test_a_photo_is_not_kept_in_sizes(telegram: Telegram, bot: Bot) -> None:
    """The largest comes last, and each is downloaded by a path that tells nothing of the token."""
    ann = telegram.person("Ann")
    await ann.sends_photo(picture(3000, 2000), "/video cat")
    message = (await bot.updates())[0]["message"]
    assert [one["width"] for one in message["photo"]] == [90, 320, 800, 1280]
    assert message["caption_entities"][0]["type"] == "bot_command"
    file = await bot("getFile", file_id=message["photo"][-1]["file_id"])
    assert file["file_path"].startswith("photos/file_")
    url = f"{telegram.url}/file/bot{telegram.token}/{file['file_path']}"
    content = (await bot.client.get(url)).content
    assert Image.open(io.BytesIO(content)).size == (1280, 853)
    assert file["file_size"] == len(content)


async def test_a_large_file_is_downloaded(telegram: Telegram, bot: Bot) -> None:
    """More than 20 MB only from a server of one's own, which tells a path on its disk."""
    ann = telegram.person("Ann")
    small = await ann.sends_document(picture(), size=20 << 20)
    large = await ann.sends_document(picture(), size=(20 << 20) + 1)
    assert small.document is not None
    assert large.document is not None
    assert "file_path" in await bot("getFile", file_id=small.document.file_id)
    assert await bot("getFile", file_id=large.document.file_id) == "Bad Request: file is too big"
    telegram.world.local = True
    file = await bot("getFile", file_id=large.document.file_id)
    assert file["file_path"] == str(large.document.path)


# --- changing ----------------------------------------------------------------------------


async def test_an_edit_changes_nothing_or_what_is_not_ours(telegram: Telegram, bot: Bot) -> None:
    """An edit without buttons takes them away; one that changes nothing is refused."""
    ann = telegram.person("Ann")
    asked = await ann.says("/video cat")
    sent = await bot("sendMessage", chat_id=ann.id, text="1 %", reply_markup=GO)
    here = {"chat_id": ann.id, "message_id": sent["message_id"]}
    edited = await bot("editMessageText", **here, text="2 %")
    assert "reply_markup" not in edited
    message = ann.chat.from_bot[0]
    assert (message.text, message.buttons) == ("2 %", [])
    assert [look.text for look in message.edits] == ["1 %"]
    assert telegram.violations == []
    assert "message is not modified" in await bot("editMessageText", **here, text="2 %")
    assert "no caption in the message" in await bot("editMessageCaption", **here, caption="x")
    here["message_id"] = asked.id
    assert "message can't be edited" in await bot("editMessageText", **here, text="x")
    assert len(telegram.violations) == 3
    here["message_id"] = 9999
    assert "message to edit not found" in await bot("editMessageText", **here, text="x")
    assert len(telegram.violations) == 3


async def test_an_old_message_is_deleted(telegram: Telegram, bot: Bot, clock: FakeClock) -> None:
    """Only in the first 48 hours, and once."""
    ann = telegram.person("Ann", started=True)
    first, second = [
        (await bot("sendMessage", chat_id=ann.id, text=str(one)))["message_id"] for one in range(2)
    ]
    assert await bot("deleteMessage", chat_id=ann.id, message_id=first) is True
    assert "message to delete not found" in await bot(
        "deleteMessage", chat_id=ann.id, message_id=first
    )
    assert telegram.violations == []
    await clock.advance(48 * 3600 + 1)
    assert "can't be deleted" in await bot("deleteMessage", chat_id=ann.id, message_id=second)
    assert len(telegram.violations) == 1


async def test_a_press_is_answered_twice_or_too_late(
    telegram: Telegram, bot: Bot, clock: FakeClock
) -> None:
    """The one is the bot's fault, the other perhaps not."""
    ann = telegram.person("Ann", started=True)
    await bot("sendMessage", chat_id=ann.id, text="x", reply_markup=GO)
    press = await ann.presses(ann.chat.messages[0], "Go")
    told = (await bot.updates())[-1]["callback_query"]
    assert (told["data"], told["message"]["text"], told["from"]["id"]) == ("go", "x", ann.id)
    assert await bot("answerCallbackQuery", callback_query_id=press.id, text="Going") is True
    assert (await press.answer).text == "Going"
    await clock.advance(60)
    late = await ann.presses(ann.chat.messages[0], "Go on")
    await clock.advance(60)
    assert "too old" in await bot("answerCallbackQuery", callback_query_id=late.id)
    assert telegram.violations == []
    assert "too old" in await bot("answerCallbackQuery", callback_query_id=press.id)
    assert len(telegram.violations) == 1


async def test_a_repeat_after_a_lost_answer_counts_as_a_fault(telegram: Telegram, bot: Bot) -> None:
    """Who did not hear the answer may ask the same again."""
    ann = telegram.person("Ann", started=True)
    sent = await bot("sendMessage", chat_id=ann.id, text="1")
    telegram.faults.add("editMessageText", "dropped-after")
    given = {"chat_id": ann.id, "message_id": sent["message_id"], "text": "2"}
    with pytest.raises(httpx.TransportError):
        await bot("editMessageText", **given)
    assert ann.chat.messages[0].text == "2"
    assert "message is not modified" in await bot("editMessageText", **given)
    assert telegram.violations == []


async def test_a_copy_or_a_forward_lacks_something(telegram: Telegram, bot: Bot) -> None:
    """Both bring the file without an upload; a forward tells whose it was."""
    ann, bob = telegram.person("Ann"), telegram.person("Bob", started=True)
    film = await ann.sends_video(MP4, "mine")
    given = {"chat_id": bob.id, "from_chat_id": ann.id, "message_id": film.id}
    copied = await bot("copyMessage", **given, caption="<b>yours</b>", parse_mode="HTML")
    await bot("copyMessage", **given)
    forwarded = await bot("forwardMessage", **given)
    assert [one.text for one in bob.chat.messages] == ["yours", "mine", "mine"]
    assert {one.video for one in bob.chat.messages} == {film.video}
    assert copied == {"message_id": bob.chat.messages[0].id}
    assert forwarded["forward_origin"]["sender_user"]["id"] == ann.id
    assert telegram.uploads == {}
    await ann.deletes(film)
    assert await bot("copyMessage", **given) == "Bad Request: message to copy not found"
    assert telegram.violations == []


@pytest.mark.parametrize(
    "photo",
    [picture(8000, 2001), picture(2100, 100), b"no picture", bytes(10_000_001), b""],
    ids=["sides", "ratio", "none", "bytes", "empty"],
)
async def test_a_bad_photo_is_posted(telegram: Telegram, bot: Bot, photo: bytes) -> None:
    """10 MB, 10,000 for both sides together, and no more than twenty times as long as wide."""
    ann = telegram.person("Ann", started=True)
    said = await bot("sendPhoto", {"photo": ("a.png", photo)}, chat_id=ann.id)
    assert said.startswith("Bad Request: ")
    assert len(telegram.violations) == 1


async def test_a_photo_of_the_bot_cannot_be_sent_again(telegram: Telegram, bot: Bot) -> None:
    """By the id of any of its sizes it is the same photo."""
    ann = telegram.person("Ann", started=True)
    files = {"photo": ("a.png", picture(400, 300))}
    sent = await bot("sendPhoto", files, chat_id=ann.id, caption="chart")
    for size in sent["photo"]:
        again = await bot("sendPhoto", chat_id=ann.id, photo=size["file_id"])
        assert again["photo"] == sent["photo"]
    assert telegram.uploads == {"photo": 1}
    assert telegram.violations == []


async def test_a_caption_is_taken_for_a_text(telegram: Telegram, bot: Bot) -> None:
    """A caption has 1024 signs and is edited by a method of its own; buttons by a third."""
    ann = telegram.person("Ann", started=True)
    files = {"document": ("a.bin", b"x")}
    sent = await bot("sendDocument", files, chat_id=ann.id, caption="1", reply_markup=GO)
    here = {"chat_id": ann.id, "message_id": sent["message_id"]}
    await bot("editMessageCaption", **here, caption="x" * 1024, reply_markup=GO)
    await bot("editMessageReplyMarkup", **here)
    message = ann.chat.messages[0]
    assert (len(message.text), message.buttons, len(message.edits)) == (1024, [], 2)
    assert telegram.violations == []
    assert "no text in the message" in await bot("editMessageText", **here, text="x")
    assert "too long" in await bot("editMessageCaption", **here, caption="x" * 1025)
    assert "message is not modified" in await bot("editMessageReplyMarkup", **here)
    assert len(telegram.violations) == 3


async def test_what_others_wrote_is_deleted(telegram: Telegram, bot: Bot) -> None:
    """In groups only by admins; in private chats always; several at once, whether or not there."""
    ann = telegram.person("Ann")
    group = telegram.group("Kites", [ann])
    asked = await ann.says("/video cat", chat=group)
    here = {"chat_id": group.id, "message_id": asked.id}
    assert await bot("deleteMessage", **here) == "Bad Request: message can't be deleted"
    assert len(telegram.violations) == 1
    await group.promotes_bot()
    assert await bot("deleteMessage", **here) is True
    first, second = await ann.says("a"), await ann.says("b")
    await ann.deletes(first)
    wanted = [first.id, second.id, 9999]
    assert await bot("deleteMessages", chat_id=ann.id, message_ids=wanted) is True
    assert ann.chat.messages == []
    assert len(telegram.violations) == 1


async def test_a_reaction_is_any_sign(telegram: Telegram, bot: Bot) -> None:
    """Bots have one at a time, out of a list."""
    ann = telegram.person("Ann")
    asked = await ann.says("/video cat")
    here = {"chat_id": ann.id, "message_id": asked.id}
    assert await bot("setMessageReaction", **here, reaction=[{"type": "emoji", "emoji": "👀"}])
    assert asked.reaction == "👀"
    assert await bot("setMessageReaction", **here)
    assert asked.reaction == ""
    assert telegram.violations == []
    for emoji in ("🎬", "x"):
        said = await bot("setMessageReaction", **here, reaction=[{"type": "emoji", "emoji": emoji}])
        assert said == "Bad Request: REACTION_INVALID"
    assert len(telegram.violations) == 2


async def test_a_chat_is_told_wrongly(telegram: Telegram, bot: Bot) -> None:
    """What the bot may know of a chat, and that it leaves one."""
    ann = telegram.person("Ann", started=True)
    group = telegram.group("Kites", [ann])
    assert (await bot("getChat", chat_id=group.id))["title"] == "Kites"
    await ann.blocks()
    assert (await bot("getChat", chat_id=ann.id))["first_name"] == "Ann"
    assert await bot("leaveChat", chat_id=group.id) is True
    said = await bot("sendMessage", chat_id=group.id, text="x")
    assert said == "Forbidden: bot is not a member of the group chat"
    assert telegram.violations == []
