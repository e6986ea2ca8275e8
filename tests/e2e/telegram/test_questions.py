"""Questions that the bot asks: what should it show, what should be different; and the answers."""

from __future__ import annotations

from tests.e2e.telegram.conftest import Running
from tests.fakes.telegram.api_caller import picture
from tests.fakes.telegram.fake import Telegram

QUICK = "--duration 1 --size 480x854"


async def test_a_command_alone_forgets_its_picture_and_options(
    telegram: Telegram, bot: Running
) -> None:
    """The question opens the field to answer in, and the answer makes what was asked for."""
    ann = telegram.person("Ann")
    async with bot():
        await ann.sends_photo(picture(), f"/video {QUICK}")
        question = await ann.chat.shows("What should the video show?")
        assert question.asks
        answer = await ann.says("it flies", reply_to=question)
        video = await ann.chat.shows_video()
    assert video.reply_to is answer
    assert video.text.startswith("it flies\nsandbox, 1 s")
    assert telegram.downloads.total() == 1


async def test_an_answer_may_not_come_after_a_restart(telegram: Telegram, bot: Running) -> None:
    """A question asked in one life of the process is answered in the next."""
    ann = telegram.person("Ann")
    async with bot():
        await ann.says(f"/video {QUICK}")
        question = await ann.chat.shows("What should the video show?")
    async with bot():
        await ann.says("it flies", reply_to=question)
        video = await ann.chat.shows_video()
    assert video.text.startswith("it flies\nsandbox, 1 s")


async def test_an_answer_with_a_picture_loses_it(telegram: Telegram, bot: Running) -> None:
    """Who answers with a photo and words gets a video of both."""
    ann = telegram.person("Ann")
    async with bot():
        await ann.says(f"/video {QUICK}")
        question = await ann.chat.shows("What should the video show?")
        await ann.sends_photo(picture(), "it flies", reply_to=question)
        video = await ann.chat.shows_video()
    assert video.text.startswith("it flies\n")
    assert telegram.downloads.total() == 1


async def test_an_answer_beside_the_field_forgets_the_picture(
    telegram: Telegram, bot: Running
) -> None:
    """In private many just type: what follows the question is its answer all the same."""
    ann = telegram.person("Ann")
    async with bot():
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


async def test_another_command_answers_the_question(telegram: Telegram, bot: Running) -> None:
    """Who changes their mind and types a command gets that."""
    ann = telegram.person("Ann")
    async with bot():
        await ann.says("/video")
        question = await ann.chat.shows("What should the video show?")
        await ann.says("/quota", reply_to=question)
        await ann.chat.shows("You can spend 60 credits")


async def test_the_field_opens_for_the_whole_group(telegram: Telegram, bot: Running) -> None:
    """In a group the question is for who asked, and nobody else can answer it."""
    ann, bob = telegram.person("Ann"), telegram.person("Bob")
    group = telegram.supergroup("Films", [ann, bob])
    async with bot():
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


async def test_a_change_is_asked_for_once_and_never_again(telegram: Telegram, bot: Running) -> None:
    """Pressed twice, one question; answered, and pressed again, another one."""
    ann = telegram.person("Ann")
    async with bot():
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


async def test_in_a_group_the_field_for_a_change_opens_for_nobody(
    telegram: Telegram, bot: Running
) -> None:
    """The field opens for who has sent the message that the question replies to: so theirs."""
    ann, bob = telegram.person("Ann"), telegram.person("Bob")
    group = telegram.supergroup("Films", [ann, bob])
    async with bot():
        asked = await ann.says(f"/video a red kite {QUICK}", chat=group)
        video = await group.shows_video()
        await ann.presses(video, "Change it")
        question = await group.shows("What should be different")
        await ann.says("now green", reply_to=question)
        await group.shows_video(times=2)
    assert question.reply_to is asked
