"""The fake Bot API server sends, edits and deletes messages as the real one does."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator

import httpx
import pytest
from PIL import Image

from tests.fakes.telegram.api_caller import GO_ON_BUTTON, MP4, ApiCaller, api_caller, picture
from tests.fakes.telegram.fake import FakeTelegram
from tests.support.fake_clock import FakeClock


@pytest.fixture
async def caller(clock: FakeClock) -> AsyncIterator[ApiCaller]:
    """An API client; the server's clock stands still."""
    async with api_caller(clock) as it:
        yield it


@pytest.fixture
def telegram(caller: ApiCaller) -> FakeTelegram:
    """The fake server."""
    return caller.telegram


async def test_file_id_works_for_its_kind_only(telegram: FakeTelegram, caller: ApiCaller) -> None:
    """It is sent again without an upload."""
    ann = telegram.user("Ann", started=True)
    how = {"chat_id": ann.id, "width": 1280, "height": 720, "duration": 4}
    sent = await caller(
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
    again = await caller("sendVideo", chat_id=ann.id, video=file_id)
    assert again["video"] == sent["video"]
    assert telegram.uploads == {"video": 1, "thumbnail": 1}
    assert telegram.violations == []
    said = await caller("sendDocument", chat_id=ann.id, document=file_id)
    assert said == "Bad Request: can't use file of type Video as Document"
    file = await caller("sendDocument", {"document": ("a.mp4", MP4)}, chat_id=ann.id)
    said = await caller("sendVideo", chat_id=ann.id, video=file["document"]["file_id"])
    assert said == "Bad Request: can't use file of type Document as Video"
    assert len(telegram.violations) == 2


@pytest.mark.parametrize(
    "little",
    [picture(320, 180), picture(400, 200, "JPEG"), b"no picture"],
    ids=["png", "large", "no"],
)
async def test_invalid_thumbnail_is_dropped_and_recorded(
    telegram: FakeTelegram, caller: ApiCaller, little: bytes
) -> None:
    """As the real server drops it."""
    ann = telegram.user("Ann", started=True)
    files = {"video": ("a.mp4", MP4), "thumbnail": ("t.jpg", little)}
    assert "thumbnail" not in (await caller("sendVideo", files, chat_id=ann.id))["video"]
    assert "thumbnail" in telegram.violations[0]


async def test_upload_over_50_mb_is_refused(telegram: FakeTelegram, caller: ApiCaller) -> None:
    """A proxy in front of the server refuses it, with an HTML page."""
    ann = telegram.user("Ann", started=True)
    files = {"document": ("a.bin", bytes(50_000_001))}
    answer = await caller.raw("sendDocument", files, chat_id=ann.id)
    assert answer.status_code == 413
    assert "Request Entity Too Large" in answer.text
    assert len(telegram.violations) == 1
    telegram.world.local = True
    assert (await caller("sendDocument", files, chat_id=ann.id))["document"][
        "file_size"
    ] == 50_000_001


async def test_photo_is_kept_in_sizes(telegram: FakeTelegram, caller: ApiCaller) -> None:
    """The largest comes last; the download paths contain no token."""
    ann = telegram.user("Ann")
    await ann.sends_photo(picture(3000, 2000), "/video cat")
    message = (await caller.updates())[0]["message"]
    assert [size["width"] for size in message["photo"]] == [90, 320, 800, 1280]
    assert message["caption_entities"][0]["type"] == "bot_command"
    file = await caller("getFile", file_id=message["photo"][-1]["file_id"])
    assert file["file_path"].startswith("photos/file_")
    url = f"{telegram.url}/file/bot{telegram.token}/{file['file_path']}"
    content = (await caller.client.get(url)).content
    assert Image.open(io.BytesIO(content)).size == (1280, 853)
    assert file["file_size"] == len(content)


async def test_download_over_20_mb_needs_a_local_server(
    telegram: FakeTelegram, caller: ApiCaller
) -> None:
    """Which returns a path on its disk."""
    ann = telegram.user("Ann")
    small = await ann.sends_document(picture(), size=20 << 20)
    large = await ann.sends_document(picture(), size=(20 << 20) + 1)
    assert small.document is not None
    assert large.document is not None
    assert "file_path" in await caller("getFile", file_id=small.document.file_id)
    assert await caller("getFile", file_id=large.document.file_id) == "Bad Request: file is too big"
    telegram.world.local = True
    file = await caller("getFile", file_id=large.document.file_id)
    assert file["file_path"] == str(large.document.path)


# --- changing ----------------------------------------------------------------------------


async def test_edit_must_change_an_own_message(telegram: FakeTelegram, caller: ApiCaller) -> None:
    """An edit without buttons removes them; one that changes nothing is refused."""
    ann = telegram.user("Ann")
    asked = await ann.says("/video cat")
    sent = await caller("sendMessage", chat_id=ann.id, text="1 %", reply_markup=GO_ON_BUTTON)
    here = {"chat_id": ann.id, "message_id": sent["message_id"]}
    edited = await caller("editMessageText", **here, text="2 %")
    assert "reply_markup" not in edited
    message = ann.chat.from_bot[0]
    assert (message.text, message.buttons) == ("2 %", [])
    assert [look.text for look in message.edits] == ["1 %"]
    assert telegram.violations == []
    assert "message is not modified" in await caller("editMessageText", **here, text="2 %")
    assert "no caption in the message" in await caller("editMessageCaption", **here, caption="x")
    here["message_id"] = asked.id
    assert "message can't be edited" in await caller("editMessageText", **here, text="x")
    assert len(telegram.violations) == 3
    here["message_id"] = 9999
    assert "message to edit not found" in await caller("editMessageText", **here, text="x")
    assert len(telegram.violations) == 3


async def test_delete_is_limited_to_48_hours(
    telegram: FakeTelegram, caller: ApiCaller, clock: FakeClock
) -> None:
    """And a message is deleted once."""
    ann = telegram.user("Ann", started=True)
    first, second = [
        (await caller("sendMessage", chat_id=ann.id, text=str(number)))["message_id"]
        for number in range(2)
    ]
    assert await caller("deleteMessage", chat_id=ann.id, message_id=first) is True
    assert "message to delete not found" in await caller(
        "deleteMessage", chat_id=ann.id, message_id=first
    )
    assert telegram.violations == []
    await clock.advance(48 * 3600 + 1)
    assert "can't be deleted" in await caller("deleteMessage", chat_id=ann.id, message_id=second)
    assert len(telegram.violations) == 1


async def test_press_is_answered_once_and_in_time(
    telegram: FakeTelegram, caller: ApiCaller, clock: FakeClock
) -> None:
    """A second answer is a violation, a late one may not be."""
    ann = telegram.user("Ann", started=True)
    await caller("sendMessage", chat_id=ann.id, text="x", reply_markup=GO_ON_BUTTON)
    press = await ann.presses(ann.chat.messages[0], "Go")
    told = (await caller.updates())[-1]["callback_query"]
    assert (told["data"], told["message"]["text"], told["from"]["id"]) == ("go", "x", ann.id)
    assert await caller("answerCallbackQuery", callback_query_id=press.id, text="Going") is True
    assert (await press.answer).text == "Going"
    await clock.advance(60)
    late = await ann.presses(ann.chat.messages[0], "Go on")
    await clock.advance(60)
    assert "too old" in await caller("answerCallbackQuery", callback_query_id=late.id)
    assert telegram.violations == []
    assert "too old" in await caller("answerCallbackQuery", callback_query_id=press.id)
    assert len(telegram.violations) == 1


async def test_repeat_after_a_lost_answer_is_no_violation(
    telegram: FakeTelegram, caller: ApiCaller
) -> None:
    """A client that lost the response may send the same again."""
    ann = telegram.user("Ann", started=True)
    sent = await caller("sendMessage", chat_id=ann.id, text="1")
    telegram.faults.add("editMessageText", "dropped-after")
    given = {"chat_id": ann.id, "message_id": sent["message_id"], "text": "2"}
    with pytest.raises(httpx.TransportError):
        await caller("editMessageText", **given)
    assert ann.chat.messages[0].text == "2"
    assert "message is not modified" in await caller("editMessageText", **given)
    assert telegram.violations == []


async def test_copies_and_forwards_are_complete(telegram: FakeTelegram, caller: ApiCaller) -> None:
    """Both carry the file without an upload; a forward names its origin."""
    ann, bob = telegram.user("Ann"), telegram.user("Bob", started=True)
    film = await ann.sends_video(MP4, "mine")
    given = {"chat_id": bob.id, "from_chat_id": ann.id, "message_id": film.id}
    copied = await caller("copyMessage", **given, caption="<b>yours</b>", parse_mode="HTML")
    await caller("copyMessage", **given)
    forwarded = await caller("forwardMessage", **given)
    assert [message.text for message in bob.chat.messages] == ["yours", "mine", "mine"]
    assert {message.video for message in bob.chat.messages} == {film.video}
    assert copied == {"message_id": bob.chat.messages[0].id}
    assert forwarded["forward_origin"]["sender_user"]["id"] == ann.id
    assert telegram.uploads == {}
    await ann.deletes(film)
    assert await caller("copyMessage", **given) == "Bad Request: message to copy not found"
    assert telegram.violations == []


@pytest.mark.parametrize(
    "photo",
    [picture(8000, 2001), picture(2100, 100), b"no picture", bytes(10_000_001), b""],
    ids=["sides", "ratio", "none", "bytes", "empty"],
)
async def test_invalid_photo_is_refused(
    telegram: FakeTelegram, caller: ApiCaller, photo: bytes
) -> None:
    """10 MB, 10,000 for both sides together, and at most twenty times as long as wide."""
    ann = telegram.user("Ann", started=True)
    said = await caller("sendPhoto", {"photo": ("a.png", photo)}, chat_id=ann.id)
    assert said.startswith("Bad Request: ")
    assert len(telegram.violations) == 1


async def test_photo_of_the_bot_can_be_sent_again(
    telegram: FakeTelegram, caller: ApiCaller
) -> None:
    """By the id of any of its sizes."""
    ann = telegram.user("Ann", started=True)
    files = {"photo": ("a.png", picture(400, 300))}
    sent = await caller("sendPhoto", files, chat_id=ann.id, caption="chart")
    for size in sent["photo"]:
        again = await caller("sendPhoto", chat_id=ann.id, photo=size["file_id"])
        assert again["photo"] == sent["photo"]
    assert telegram.uploads == {"photo": 1}
    assert telegram.violations == []


async def test_captions_have_their_own_limit_and_method(
    telegram: FakeTelegram, caller: ApiCaller
) -> None:
    """1024 characters; buttons have a third method."""
    ann = telegram.user("Ann", started=True)
    files = {"document": ("a.bin", b"x")}
    sent = await caller(
        "sendDocument", files, chat_id=ann.id, caption="1", reply_markup=GO_ON_BUTTON
    )
    here = {"chat_id": ann.id, "message_id": sent["message_id"]}
    await caller("editMessageCaption", **here, caption="x" * 1024, reply_markup=GO_ON_BUTTON)
    await caller("editMessageReplyMarkup", **here)
    message = ann.chat.messages[0]
    assert (len(message.text), message.buttons, len(message.edits)) == (1024, [], 2)
    assert telegram.violations == []
    assert "no text in the message" in await caller("editMessageText", **here, text="x")
    assert "too long" in await caller("editMessageCaption", **here, caption="x" * 1025)
    assert "message is not modified" in await caller("editMessageReplyMarkup", **here)
    assert len(telegram.violations) == 3


async def test_delete_needs_the_right_to(telegram: FakeTelegram, caller: ApiCaller) -> None:
    """In groups only as an admin; in private chats always; several at once."""
    ann = telegram.user("Ann")
    group = telegram.group("Kites", [ann])
    asked = await ann.says("/video cat", chat=group)
    here = {"chat_id": group.id, "message_id": asked.id}
    assert await caller("deleteMessage", **here) == "Bad Request: message can't be deleted"
    assert len(telegram.violations) == 1
    await group.promotes_bot()
    assert await caller("deleteMessage", **here) is True
    first, second = await ann.says("a"), await ann.says("b")
    await ann.deletes(first)
    wanted = [first.id, second.id, 9999]
    assert await caller("deleteMessages", chat_id=ann.id, message_ids=wanted) is True
    assert ann.chat.messages == []
    assert len(telegram.violations) == 1


async def test_reaction_must_be_a_listed_one(telegram: FakeTelegram, caller: ApiCaller) -> None:
    """And a bot has one at a time."""
    ann = telegram.user("Ann")
    asked = await ann.says("/video cat")
    here = {"chat_id": ann.id, "message_id": asked.id}
    assert await caller("setMessageReaction", **here, reaction=[{"type": "emoji", "emoji": "👀"}])
    assert asked.reaction == "👀"
    assert await caller("setMessageReaction", **here)
    assert asked.reaction == ""
    assert telegram.violations == []
    for emoji in ("🎬", "x"):
        said = await caller(
            "setMessageReaction", **here, reaction=[{"type": "emoji", "emoji": emoji}]
        )
        assert said == "Bad Request: REACTION_INVALID"
    assert len(telegram.violations) == 2


async def test_chat_information_is_limited_to_what_the_bot_may_know(
    telegram: FakeTelegram, caller: ApiCaller
) -> None:
    """And the bot can leave a chat."""
    ann = telegram.user("Ann", started=True)
    group = telegram.group("Kites", [ann])
    assert (await caller("getChat", chat_id=group.id))["title"] == "Kites"
    await ann.blocks()
    assert (await caller("getChat", chat_id=ann.id))["first_name"] == "Ann"
    assert await caller("leaveChat", chat_id=group.id) is True
    said = await caller("sendMessage", chat_id=group.id, text="x")
    assert said == "Forbidden: bot is not a member of the group chat"
    assert telegram.violations == []
