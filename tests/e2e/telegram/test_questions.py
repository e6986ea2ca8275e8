"""Questions of the bot and their answers: what to show, what to change."""

from __future__ import annotations

from tests.e2e.telegram.conftest import RunBot
from tests.fakes.telegram.api_caller import picture
from tests.fakes.telegram.fake import FakeTelegram

QUICK = "--duration 1 --size 480x854"


async def test_command_alone_asks_and_keeps_image_and_options(
    telegram: FakeTelegram, run_bot: RunBot
) -> None:
    """The question opens the reply field; the answer completes the request."""
    ann = telegram.user("Ann")
    async with run_bot():
        await ann.sends_photo(picture(), f"/video {QUICK}")
        question = await ann.chat.shows("What should the video show?")
        assert question.asks
        answer = await ann.says("it flies", reply_to=question)
        video = await ann.chat.shows_video()
    assert video.reply_to is answer
    assert video.text.startswith("it flies\nsandbox, 1 s")
    assert telegram.downloads.total() == 1


async def test_answer_after_a_restart_is_accepted(telegram: FakeTelegram, run_bot: RunBot) -> None:
    """The question was asked by an earlier process."""
    ann = telegram.user("Ann")
    async with run_bot():
        await ann.says(f"/video {QUICK}")
        question = await ann.chat.shows("What should the video show?")
    async with run_bot():
        await ann.says("it flies", reply_to=question)
        video = await ann.chat.shows_video()
    assert video.text.startswith("it flies\nsandbox, 1 s")


async def test_answer_with_an_image_uses_it(telegram: FakeTelegram, run_bot: RunBot) -> None:
    """A photo with a caption gives both."""
    ann = telegram.user("Ann")
    async with run_bot():
        await ann.says(f"/video {QUICK}")
        question = await ann.chat.shows("What should the video show?")
        await ann.sends_photo(picture(), "it flies", reply_to=question)
        video = await ann.chat.shows_video()
    assert video.text.startswith("it flies\n")
    assert telegram.downloads.total() == 1


async def test_plain_message_answers_the_question_in_private(
    telegram: FakeTelegram, run_bot: RunBot
) -> None:
    """Without using the reply field."""
    ann = telegram.user("Ann")
    async with run_bot():
        await ann.sends_photo(picture(), f"/video {QUICK}")
        await ann.chat.shows("What should the video show?")
        await ann.says("it flies")
        draft = await ann.chat.shows("begins with your picture")
        assert "Price: 1 credit;" in draft.text
        await ann.says("something else")
        await ann.chat.shows("Price: 4 credits")
        await ann.presses(draft, "Start")
        video = await ann.chat.shows_video()
    assert video.text.startswith("it flies\nsandbox, 1 s")
    assert telegram.downloads.total() == 1


async def test_new_command_replaces_the_question(telegram: FakeTelegram, run_bot: RunBot) -> None:
    """A user may change their mind."""
    ann = telegram.user("Ann")
    async with run_bot():
        await ann.says("/video")
        question = await ann.chat.shows("What should the video show?")
        await ann.says("/quota", reply_to=question)
        await ann.chat.shows("You can spend 60 credits")


async def test_group_question_is_for_its_user_only(telegram: FakeTelegram, run_bot: RunBot) -> None:
    """Nobody else can answer it."""
    ann, bob = telegram.user("Ann"), telegram.user("Bob")
    group = telegram.supergroup("Films", [ann, bob])
    async with run_bot():
        asked = await ann.says(f"/video {QUICK}", chat=group)
        question = await group.shows("What should the video show?")
        assert question.asked["reply_markup"]["selective"] is True
        assert question.reply_to is asked
        await bob.says("a cat!", reply_to=question)
        await ann.says("it flies", reply_to=question)
        video = await group.shows_video()
        await ann.says("/tasks", chat=group)
        tasks = await group.shows("Your newest tasks:")
        await bob.says("/tasks", chat=group)
        await group.shows("You have no tasks yet.")
    assert video.text.startswith("it flies\n")
    assert len(tasks.text.splitlines()) == 2


async def test_change_it_asks_again_after_an_answer(
    telegram: FakeTelegram, run_bot: RunBot
) -> None:
    """Pressed twice, one question; pressed after the answer, another one."""
    ann = telegram.user("Ann")
    async with run_bot():
        await ann.says(f"/video a red kite {QUICK}")
        video = await ann.chat.shows_video()
        first = await ann.presses(video, "Change it")
        question = await ann.chat.shows("What should be different")
        second = await ann.presses(video, "Change it")
        assert "asked you already" in (await second.answer).text
        assert (await first.answer).text == ""
        assert question.asks
        await ann.says("now green", reply_to=question)
        changed = await ann.chat.shows_video(times=2)
        assert changed.text.startswith("now green\nsandbox, 1 s")
        await ann.presses(video, "Change it")
        await ann.chat.shows("What should be different", times=2)


async def test_change_it_in_a_group_replies_to_the_user(
    telegram: FakeTelegram, run_bot: RunBot
) -> None:
    """The reply field opens for the sender of the message that is replied to."""
    ann, bob = telegram.user("Ann"), telegram.user("Bob")
    group = telegram.supergroup("Films", [ann, bob])
    async with run_bot():
        asked = await ann.says(f"/video a red kite {QUICK}", chat=group)
        video = await group.shows_video()
        await ann.presses(video, "Change it")
        question = await group.shows("What should be different")
        await ann.says("now green", reply_to=question)
        await group.shows_video(times=2)
    assert question.reply_to is asked
