"""What users do in the fake Telegram reaches the bot as the real one sends it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

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


async def test_privacy_mode_hides_group_messages(telegram: FakeTelegram, caller: ApiCaller) -> None:
    """The bot gets commands, mentions, replies to it and service messages."""
    ann, bob = telegram.user("Ann", username="ann"), telegram.user("Bob")
    group = telegram.group("Kites", [ann, bob])
    me = telegram.bot.username
    await caller("sendMessage", chat_id=group.id, text="Hello")
    hello = group.messages[0]
    heard = ["/video a", f"/video@{me} b", f"Hey @{me} c", "d", "Hey you e"]
    await ann.says("not for you", chat=group)
    await ann.says(heard[0], chat=group)
    await ann.says(heard[1], chat=group)
    await ann.says("/video@other_bot x", chat=group)
    await ann.says("one /video x", chat=group)
    await ann.says("@bob x", chat=group)
    await ann.says(heard[2], chat=group)
    await ann.says(heard[3], reply_to=hello)
    await ann.says(heard[4], chat=group, mentions={"you": telegram.bot})
    await ann.sends_album([picture()] * 2, "/video f", chat=group)
    await bob.leaves(group)
    told = [update["message"] for update in await caller.updates()]
    assert [message.get("text") or message.get("caption") for message in told] == [
        *heard,
        "/video f",
        None,
    ]
    assert told[-1]["left_chat_member"]["id"] == bob.id
    telegram.privacy = False
    await ann.says("for all", chat=group)
    telegram.privacy = True
    await group.promotes_bot()
    await ann.says("for admins", chat=group)
    assert [
        update["message"]["text"] for update in (await caller.updates())[-3:] if "message" in update
    ] == [
        "for all",
        "for admins",
    ]


async def test_topic_messages_carry_their_thread(telegram: FakeTelegram, caller: ApiCaller) -> None:
    """And a message that replies to nothing replies to the topic's first message."""
    ann = telegram.user("Ann")
    forum = telegram.supergroup("Films", [ann], forum=True)
    topic = await forum.topic("Old")
    await ann.says("/a", topic=topic)
    await ann.says("/b", topic=forum.general)
    _, a, b = [update["message"] for update in await caller.updates()]
    assert (a["message_thread_id"], a["is_topic_message"]) == (topic.id, True)
    assert a["reply_to_message"]["forum_topic_created"]["name"] == "Old"
    assert a["chat"]["is_forum"] is True
    assert not {"message_thread_id", "is_topic_message", "reply_to_message"} & set(b)
    reply = {"message_id": a["message_id"]}
    sent = await caller("sendMessage", chat_id=forum.id, text="1", reply_parameters=reply)
    assert sent["message_thread_id"] == topic.id
    await caller("sendMessage", chat_id=forum.id, text="2", message_thread_id=topic.id)
    assert [message.text for message in topic.messages] == ["/a", "1", "2"]
    await topic.close()
    here = {"chat_id": forum.id, "text": "3", "message_thread_id": topic.id}
    assert await caller("sendMessage", **here) == "Bad Request: TOPIC_CLOSED"
    await topic.remove()
    assert await caller("sendMessage", **here) == "Bad Request: message thread not found"
    assert telegram.violations == []
    here["message_thread_id"] = 1
    assert await caller("sendMessage", **here) == "Bad Request: message thread not found"
    assert len(telegram.violations) == 1
    assert telegram.transcript(forum) == ("── Films (supergroup, forum)\nAnn · General\n  /b\n")


async def test_comment_thread_is_no_topic(telegram: FakeTelegram, caller: ApiCaller) -> None:
    """Messages below a channel's post reply to it automatically."""
    ann = telegram.user("Ann")
    group = telegram.supergroup("Talk", [ann])
    channel = telegram.channel("News", ann, discussion=group)
    post = await ann.posts(channel, "Big news")
    await ann.says("/video it", reply_to=post)
    told = (await caller.updates())[0]["message"]
    assert (told["message_thread_id"], "is_topic_message" in told) == (post.id, False)
    assert told["reply_to_message"]["is_automatic_forward"] is True
    assert told["reply_to_message"]["sender_chat"]["id"] == channel.id
    assert told["reply_to_message"]["from"]["id"] == 777000
    reply = {"message_id": told["message_id"]}
    sent = await caller("sendMessage", chat_id=group.id, text="1", reply_parameters=reply)
    assert sent["message_thread_id"] == post.id
    assert telegram.violations == []
    wrong = await caller("sendMessage", chat_id=group.id, text="1", message_thread_id=post.id)
    assert wrong == "Bad Request: message thread not found"


async def test_anonymous_senders_use_telegrams_accounts(
    telegram: FakeTelegram, caller: ApiCaller
) -> None:
    """Anonymous admins and channels."""
    ann = telegram.user("Ann")
    group = telegram.supergroup("Talk", [ann])
    channel = telegram.channel("News", ann)
    await ann.says("/a", chat=group, anonymous=True)
    await ann.says("/b", chat=group, as_channel=channel)
    a, b = [update["message"] for update in await caller.updates()]
    assert (a["from"]["id"], a["sender_chat"]["id"]) == (1087968824, group.id)
    assert (b["from"]["username"], b["sender_chat"]["id"]) == ("Channel_Bot", channel.id)


async def test_upgraded_group_gets_a_new_id(telegram: FakeTelegram, caller: ApiCaller) -> None:
    """Both chats report it."""
    ann = telegram.user("Ann")
    group = telegram.group("Kites", [ann])
    new = await group.upgrades()
    old_says, new_says = [update["message"] for update in await caller.updates()]
    assert (old_says["chat"]["id"], old_says["migrate_to_chat_id"]) == (group.id, new.id)
    assert (new_says["chat"]["id"], new_says["migrate_from_chat_id"]) == (new.id, group.id)
    assert (await caller("sendMessage", chat_id=new.id, text="Hi"))["chat"]["type"] == "supergroup"


async def test_blocks_and_kicks_are_sent_as_updates(
    telegram: FakeTelegram, caller: ApiCaller
) -> None:
    """Each with the status before."""
    ann = telegram.user("Ann", started=True)
    group = telegram.group("Kites", [ann])
    await ann.blocks()
    await ann.unblocks()
    await group.kicks_bot(ann)
    await group.adds_bot(ann)
    told = [update.get("my_chat_member") for update in await caller.updates()]
    changes = [
        (
            message["chat"]["id"],
            message["old_chat_member"]["status"],
            message["new_chat_member"]["status"],
        )
        for message in told
        if message
    ]
    assert changes == [
        (ann.id, "member", "kicked"),
        (ann.id, "kicked", "member"),
        (group.id, "member", "kicked"),
        (group.id, "kicked", "member"),
    ]
    assert (await caller("getChatMember", chat_id=group.id, user_id=ann.id))["status"] == "creator"


async def test_every_kind_of_message_has_its_documented_shape(
    telegram: FakeTelegram, caller: ApiCaller
) -> None:
    """Files, stickers, voices, forwards and edits."""
    ann = telegram.user("Ann")
    await ann.sends_document(picture(), "/video", name="kite.png")
    video = await ann.sends_video(MP4, "mine")
    await ann.sends_voice()
    await ann.sends_sticker()
    await ann.forwards(video)
    said = await ann.says("/vidoe")
    await ann.edits(said, "/video")
    file, film, voice, sticker, forward, _, edit = await caller.updates()
    assert file["message"]["document"]["mime_type"] == "image/png"
    assert file["message"]["document"]["thumbnail"]["width"] == 320
    assert film["message"]["video"]["duration"] == 4
    assert "voice" in voice["message"]
    assert "sticker" in sticker["message"]
    assert forward["message"]["forward_origin"]["sender_user"]["id"] == ann.id
    assert edit["edited_message"]["text"] == "/video"
    assert edit["edited_message"]["message_id"] == said.id


async def test_late_press_carries_an_inaccessible_message(
    telegram: FakeTelegram, caller: ApiCaller
) -> None:
    """Of a deleted message the bot gets only its id."""
    ann = telegram.user("Ann", started=True)
    sent = await caller("sendMessage", chat_id=ann.id, text="x", reply_markup=GO_ON_BUTTON)
    message = ann.chat.messages[0]
    await caller("deleteMessage", chat_id=ann.id, message_id=sent["message_id"])
    await ann.presses(message, "Go on", late=True)
    told = (await caller.updates())[0]["callback_query"]["message"]
    assert (told["message_id"], told["date"]) == (message.id, 0)
    assert "text" not in told


async def test_event_log_is_complete(telegram: FakeTelegram, caller: ApiCaller) -> None:
    """Edits, presses, answers and deletions, in order."""
    ann = telegram.user("Ann")
    asked = await ann.says("/video cat")
    reply = {"message_id": asked.id}
    files = {"video": ("a.mp4", MP4)}
    sent = await caller(
        "sendMessage", chat_id=ann.id, text="1 %", reply_markup=GO_ON_BUTTON, reply_parameters=reply
    )
    here = {"chat_id": ann.id, "message_id": sent["message_id"]}
    await caller("editMessageText", **here, text="2 %\nsoon", reply_markup=GO_ON_BUTTON)
    press = await ann.presses(ann.chat.from_bot[0], "Go on")
    await caller("answerCallbackQuery", callback_query_id=press.id, text="Gone")
    await caller("sendChatAction", chat_id=ann.id, action="upload_video")
    sides = {"width": 1280, "height": 720, "duration": 4}
    await caller("sendVideo", files, chat_id=ann.id, caption="cat", has_spoiler=True, **sides)
    await caller("deleteMessage", **here)
    await caller("sendMessage", chat_id=ann.id, text="What?", reply_markup={"force_reply": True})
    assert telegram.event_log(ann.chat).splitlines() == [
        "── Ann (private)",
        "Ann",
        "  /video cat",
        "Reelay ↩ Ann: /video cat",
        "  1 %",
        "  [Go on]",
        "✎ Reelay",
        "  2 %",
        "  soon",
        "  [Go on]",
        "Ann presses [Go on]",
        "  → Gone",
        "… upload_video",
        "Reelay",
        "  ⟨video 1280x720 4 s, hidden⟩",
        "  cat",
        "✗ deleted: Reelay: 2 % soon",
        "Reelay",
        "  What?",
        "  (asks for a reply)",
    ]
    assert telegram.transcript(ann.chat).count("Reelay") == 2
    assert telegram.violations == []
