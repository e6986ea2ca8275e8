"""Groups, topics and comments: the bot reacts to what is meant for it, and answers there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.e2e.telegram.conftest import RunBot
from tests.fakes.telegram.api_caller import picture
from tests.fakes.telegram.chats import Chat
from tests.fakes.telegram.fake import FakeTelegram
from tests.fakes.telegram.messages import Message
from tests.fakes.telegram.users import FakeUser

US = "@reelay_standin_bot"


async def _quota(person: FakeUser, chat: Chat) -> Message:
    """All that somebody wrote before is dealt with."""
    asked = await person.says("/quota", chat=chat)
    return await chat.shows("You can spend", after=asked)


# --- what is heard -----------------------------------------------------------------------


@pytest.mark.parametrize("privacy", [True, False], ids=["privacy", "hears-all"])
async def test_group_talk_is_not_answered(
    telegram: FakeTelegram, run_bot: RunBot, privacy: bool
) -> None:
    """Texts, images, other bots' commands and names, replies among users."""
    telegram.privacy = privacy
    ann, ben = telegram.user("Ann"), telegram.user("Ben", username="ben")
    group = telegram.supergroup("Friends", [ann, ben])
    async with run_bot():
        words = await ben.says("a red kite over the sea", chat=group)
        photo = await ann.sends_photo(picture(), "my kite", chat=group)
        for text in (
            "how nice",
            "look at /video",
            "/video@other_bot a kite",
            "/video@reelay_standin_bot2 a kite",
            "/weather",
            "/weather today",
            "@other_bot a kite",
            "@reelay_standin_bots a kite",
            "write to me@reelay_standin_bot.org",
        ):
            await ann.says(text, chat=group)
            await ann.says(text, reply_to=words)
        await ann.sends_photo(picture(), "/video@other_bot it flies", chat=group)
        await ben.says("where was that?", reply_to=photo)
        await ben.sends_album([picture(), picture()], "our kites", chat=group)
        await ben.sends_sticker(chat=group)
        await ben.joins(telegram.supergroup("Others", [ann]))
        said = [await _quota(person, group) for person in (ann, ben)]
    assert group.from_bot == said
    assert len(telegram.calls_to("sendMessage")) == len(said)
    assert telegram.calls_to("getFile") == []


@pytest.mark.parametrize(
    "text",
    [
        f"{US} a red kite",
        f"a red kite {US}",
        f"a red {US} kite",
        "@Reelay_StandIn_Bot a red kite",
        f"\U0001f600\U0001f1e8\U0001f1f3 {US} a red kite",
    ],
)
async def test_mention_opens_a_draft(telegram: FakeTelegram, run_bot: RunBot, text: str) -> None:
    """Wherever the name is: a draft of the other words, in reply to the message."""
    ann = telegram.user("Ann")
    group = telegram.supergroup("Friends", [ann])
    async with run_bot():
        asked = await ann.says(text, chat=group)
        draft = await group.shows("Price:")
    assert draft.reply_to is asked
    quoted = draft.text.partition("\n")[0]
    assert "eelay" not in quoted.lower()
    assert "a red kite" in quoted


async def test_command_addressed_to_the_bot_is_handled(
    telegram: FakeTelegram, run_bot: RunBot
) -> None:
    """/video@bot in any case is /video; so are the others."""
    ann = telegram.user("Ann")
    group = telegram.group("Friends", [ann])
    async with run_bot():
        for line in (f"/video{US}", "/VIDEO@REELAY_STANDIN_BOT", f"/Video{US}"):
            asked = await ann.says(line, chat=group)
            question = await group.shows("What should the video show?", after=asked)
            assert question.reply_to is asked
        asked = await ann.says(f"/quota{US}", chat=group)
        assert (await group.shows("You can spend")).reply_to is asked


async def test_photo_needs_a_mention_or_command_in_privacy_mode(
    telegram: FakeTelegram, run_with_gateway: RunBot
) -> None:
    """A command or mention in reply to a photo uses it."""
    ann, ben = telegram.user("Ann"), telegram.user("Ben")
    group = telegram.supergroup("Friends", [ann, ben])
    async with run_with_gateway():
        photo = await ben.sends_photo(picture(200, 300), "my kite", chat=group)
        asked = await ann.says("/video it flies", reply_to=photo)
        video = await group.shows_video()
        assert video.reply_to is asked
        assert video.text.startswith("it flies\n")
        asked = await ann.says(f"{US} it falls", reply_to=photo)
        draft = await group.shows("begins with your picture")
        assert draft.reply_to is asked
        asked = await ann.says(f"{US}", reply_to=photo)
        draft = await group.shows("my kite")
        assert "Price:" in draft.text
        assert draft.reply_to is asked
        asked = await ann.sends_photo(picture(), f"it sinks {US}", chat=group)
        draft = await group.shows("it sinks")
        assert draft.reply_to is asked
    assert telegram.downloads.total() == 1


async def test_reply_to_the_bot_opens_a_draft(
    telegram: FakeTelegram, run_with_gateway: RunBot
) -> None:
    """Replies to another user's video do nothing."""
    ann, ben = telegram.user("Ann"), telegram.user("Ben")
    group = telegram.supergroup("Friends", [ann, ben])
    async with run_with_gateway():
        said = await _quota(ann, group)
        asked = await ben.says("a red kite", reply_to=said)
        draft = await group.shows("Price:")
        assert draft.reply_to is asked
        await ann.says("/video a blue kite", chat=group)
        video = await group.shows_video()
        await ben.says("how nice!", reply_to=video)
        await _quota(ben, group)
        assert not any("how nice" in message.text for message in group.from_bot)
        asked = await ann.says("now green", reply_to=video)
        changed = await group.shows("This changes your video")
        assert changed.reply_to is asked
        asked = await ben.says(f"{US} a cat", reply_to=video)
        own = await group.shows("a cat")
        assert own.reply_to is asked
        assert "This changes" not in own.text


async def test_command_in_a_channel_post_is_ignored(
    telegram: FakeTelegram, run_with_gateway: RunBot
) -> None:
    """Telegram copies the post into the group of its comments; it is nobody's request."""
    ann = telegram.user("Ann")
    talk = telegram.supergroup("Talk", [ann])
    channel = telegram.channel("News", ann, discussion=talk)
    async with run_with_gateway():
        post = await ann.posts(channel, "/video a kite")
        await ann.posts(channel, f"{US} a kite")
        said = await _quota(ann, talk)
        assert talk.from_bot == [said]
        asked = await ann.says("/video", reply_to=post)
        video = await talk.shows_video()
    assert video.reply_to is asked
    assert video.text.startswith("a kite\n")


async def test_cancel_by_another_user_is_refused(telegram: FakeTelegram, run_bot: RunBot) -> None:
    """/cancel in reply to another's status; its own user may."""
    ann, ben = telegram.user("Ann"), telegram.user("Ben")
    group = telegram.supergroup("Friends", [ann, ben])
    async with run_bot():
        await ann.says("/video a [stuck] kite", chat=group)
        status = await group.shows("being made")
        await ben.says("/cancel", reply_to=status)
        await group.shows("You have no task")
        await _quota(ben, group)
        assert "cancelled" not in status.text
        await ann.says("/cancel", reply_to=status)
        await group.until(lambda _: "is cancelled" in status.text)


# --- where it is answered ----------------------------------------------------------------


async def _plain(telegram: FakeTelegram, kind: str, ann: FakeUser) -> dict[str, Any]:
    group: Chat = getattr(telegram, kind)("Friends", [ann])
    return {"chat": group}


async def _topic(telegram: FakeTelegram, name: str, ann: FakeUser) -> dict[str, Any]:
    forum = telegram.supergroup("Club", [ann], forum=True)
    await forum.topic("Others")
    return {"topic": await forum.topic(name) if name else forum.general}


async def _comments(telegram: FakeTelegram, text: str, ann: FakeUser) -> dict[str, Any]:
    talk = telegram.supergroup("Talk", [ann])
    channel = telegram.channel("News", ann, discussion=talk)
    await ann.posts(channel, "another post")
    return {"reply_to": await ann.posts(channel, text)}


PLACES: dict[str, tuple[Callable[..., Any], str]] = {
    "group": (_plain, "group"),
    "supergroup": (_plain, "supergroup"),
    "topic": (_topic, "Clips"),
    "general": (_topic, ""),
    "comments": (_comments, "the festival begins"),
}


@pytest.mark.parametrize("place", PLACES)
async def test_video_stays_in_its_topic_or_thread(
    telegram: FakeTelegram, run_with_gateway: RunBot, place: str
) -> None:
    """Status and video of a text and of a photo."""
    ann = telegram.user("Ann")
    make, what = PLACES[place]
    where = await make(telegram, what, ann)
    async with run_with_gateway():
        words = await ann.says("/video a kite", **where)
        photo = await ann.sends_photo(picture(300, 200), "/video it flies", **where)
        await words.chat.until(lambda chat: _videos(chat) == 2 and len(chat.from_bot) == 2)
    asked = [words, photo]
    for sent in (event.message for event in words.chat.events("sent")):
        assert sent is not None
        assert sent.reply_to in asked
        assert sent.topic is words.topic
        if place != "general":
            assert (sent.thread is None) is (place == "group")
        if place == "comments":
            assert sent.thread == where["reply_to"].id
    assert {message.reply_to for message in words.chat.from_bot} == set(asked)
    assert telegram.downloads.total() == 1


def _videos(chat: Chat) -> int:
    return len([message for message in chat.from_bot if message.video])


@pytest.mark.parametrize("name", ["Clips", ""], ids=["topic", "general"])
async def test_conversation_stays_in_its_topic(
    telegram: FakeTelegram, run_with_gateway: RunBot, name: str
) -> None:
    """Draft, start, video, question, answer, another one, a file, a list."""
    ann = telegram.user("Ann")
    where = await _topic(telegram, name, ann)
    topic = where["topic"]
    async with run_with_gateway():
        asked = await ann.says(f"{US} a kite", topic=topic)
        draft = await topic.chat.shows("Price:")
        for turn, button in enumerate(("4 s", "8 s", "Start"), 1):
            await (await ann.presses(draft, button)).answer
            await topic.chat.until(lambda _, turn=turn: len(draft.edits) == turn)
        video = await topic.chat.shows_video()
        assert video.reply_to is asked
        await ann.presses(video, "Again")
        again = await topic.chat.shows_video(times=2)
        assert again.reply_to is video
        await ann.presses(video, "As file")
        await topic.chat.until(
            lambda chat: [message for message in chat.from_bot if message.document]
        )
        await ann.presses(video, "Change it")
        question = await topic.chat.shows("What should be different")
        await ann.says("now green", reply_to=question)
        await topic.chat.shows_video(times=3)
        await ann.says("/tasks", topic=topic)
        await topic.chat.shows("Your newest tasks:")
    assert all(message.topic is topic for message in topic.chat.from_bot)
    sent = [event.message for event in topic.chat.events("sent")]
    assert all(message.topic is topic for message in sent if message is not None)


# --- coming, moving ----------------------------------------------------------------------


@pytest.mark.parametrize("forum", [False, True])
async def test_bot_introduces_itself_once_for_each_join(
    telegram: FakeTelegram, run_bot: RunBot, forum: bool
) -> None:
    """In the language of the user who added it."""
    an = telegram.user("安", language="zh-hans")
    group = telegram.supergroup("Friends", [an], bot=False, forum=forum)
    async with run_bot():
        await group.adds_bot(by=an)
        greeting = await group.shows("/video 海面上的红色风筝")
        assert greeting.reply_to is None
        await group.promotes_bot()
        await group.demotes_bot()
        await group.kicks_bot()
        await an.says("谁在？", chat=group)
        await group.adds_bot(by=an)
        await group.shows("/video 海面上的红色风筝", times=2)
        asked = await an.says("/quota", chat=group)
        await group.shows("60", after=asked)
    assert len(group.from_bot) == 3


async def test_group_without_text_permission_does_not_stop_the_bot(
    telegram: FakeTelegram, run_bot: RunBot
) -> None:
    """It stays silent there, and works elsewhere."""
    ann = telegram.user("Ann")
    quiet = telegram.supergroup("Quiet", [ann], bot=False, forbidden={"text"})
    group = telegram.group("Friends", [ann])
    async with run_bot():
        await quiet.adds_bot(by=ann)
        await ann.says("/quota", chat=quiet)
        await _quota(ann, group)
    assert quiet.from_bot == []


async def test_results_and_buttons_follow_an_upgraded_group(
    telegram: FakeTelegram, run_with_gateway: RunBot
) -> None:
    """Earlier requests arrive in the new chat; buttons of the old one work."""
    ann = telegram.user("Ann")
    old = telegram.group("Friends", [ann])
    async with run_with_gateway():
        await ann.says("/video a kite", chat=old)
        first = await old.shows_video()
        await old.until(lambda chat: chat.from_bot == [first])
        held = telegram.faults.add("sendVideo", "held")
        await ann.says("/video a boat", chat=old)
        await telegram.until(lambda: held.left == 0)
        new = await old.upgrades()
        telegram.faults.release()
        second = await new.shows_video()
        assert second.text.startswith("a boat\n")
        asked = await ann.says("/quota", chat=new)
        said = await new.shows("You can spend", after=asked)
        assert said.reply_to is asked
        await ann.presses(first, "Again")
        third = await new.shows_video(times=2)
        assert third.text.startswith("a kite\n")


async def test_upgrade_during_downtime_is_found(
    telegram: FakeTelegram, run_with_gateway: RunBot
) -> None:
    """The bot was not running, and Telegram has dropped the update."""
    ann = telegram.user("Ann")
    old = telegram.group("Friends", [ann])
    telegram.faults.add("sendVideo", "500", times=None)
    async with run_with_gateway():
        await ann.says("/video a kite", chat=old)
        await telegram.until(lambda: telegram.calls_to("sendVideo"))
    new = await old.upgrades()
    telegram.world.updates.waiting.clear()
    telegram.faults.clear()
    async with run_with_gateway():
        await new.shows_video()
    async with run_with_gateway():
        await _quota(ann, new)
    assert (
        len([call for call in telegram.calls if call.method == "sendVideo" and call.chat == new.id])
        == 1
    )
