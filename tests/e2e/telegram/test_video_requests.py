"""Every way to request a video in private: each makes one, and no second one."""

from __future__ import annotations

from tests.e2e.telegram.conftest import RunBot
from tests.fakes.telegram.api_caller import picture
from tests.fakes.telegram.fake import FakeTelegram

QUICK = "--duration 1 --size 480x854"


async def test_options_in_a_command_are_applied(telegram: FakeTelegram, run_bot: RunBot) -> None:
    """And none of it stands below the video."""
    ann = telegram.user("Ann")
    async with run_bot():
        asked = await ann.says(f"/video a red kite {QUICK}")
        video = await ann.chat.shows_video()
        await ann.chat.until(lambda chat: chat.from_bot == [video])
    assert video.reply_to is asked
    assert video.text.startswith("a red kite\nsandbox, 1 s")
    assert video.video is not None
    assert (video.video.width, video.video.height, video.video.seconds) == (480, 854, 1)
    assert len(telegram.calls_to("sendMessage")) == 1


async def test_photo_with_a_command_begins_the_video(
    telegram: FakeTelegram, run_bot: RunBot
) -> None:
    """The video has the photo's orientation."""
    ann = telegram.user("Ann")
    async with run_bot():
        asked = await ann.sends_photo(picture(200, 300), "/video it moves --duration 1")
        video = await ann.chat.shows_video()
    assert video.reply_to is asked
    assert video.video is not None
    assert (video.video.width, video.video.height) == (720, 1280)
    assert telegram.downloads.total() == 1


async def test_image_sent_as_a_file_is_accepted(telegram: FakeTelegram, run_bot: RunBot) -> None:
    """An image sent as a file is as good as a photo."""
    ann = telegram.user("Ann")
    async with run_bot():
        await ann.sends_document(picture(300, 200), f"/video it moves {QUICK}", name="kite.png")
        await ann.chat.shows_video()
    assert telegram.downloads.total() == 1
    assert all(path.startswith("documents/") for path in telegram.downloads)


async def test_reply_to_a_photo_uses_the_photo(telegram: FakeTelegram, run_bot: RunBot) -> None:
    """Its caption is not needed."""
    ann = telegram.user("Ann")
    async with run_bot(MAX_ACTIVE_PER_USER="1"):
        photo = await ann.sends_photo(picture(300, 200), "my kite")
        await ann.chat.shows("begins with your picture")
        asked = await ann.says(f"/video it falls {QUICK}", reply_to=photo)
        video = await ann.chat.shows_video()
    assert video.reply_to is asked
    assert video.text.startswith("it falls\n")
    assert telegram.downloads.total() == 1


async def test_reply_to_a_text_uses_its_words(telegram: FakeTelegram, run_bot: RunBot) -> None:
    """/video alone in reply to a text makes a video of that text."""
    ann = telegram.user("Ann")
    async with run_bot():
        words = await ann.says("a blue whale in the rain")
        await ann.chat.shows("Price:")
        asked = await ann.says(f"/video {QUICK}", reply_to=words)
        video = await ann.chat.shows_video()
    assert video.reply_to is asked
    assert video.text.startswith("a blue whale in the rain\n")


async def test_reply_to_a_command_uses_its_prompt_only(
    telegram: FakeTelegram, run_bot: RunBot
) -> None:
    """Not `/video` and its options."""
    ann = telegram.user("Ann")
    async with run_bot():
        first = await ann.says(f"/video a blue whale {QUICK}")
        await ann.chat.shows_video()
        await ann.says(f"/video {QUICK}", reply_to=first)
        video = await ann.chat.shows_video(times=2)
    assert video.text.startswith("a blue whale\n")


async def test_reply_to_the_bot_asks_for_words(telegram: FakeTelegram, run_bot: RunBot) -> None:
    """/video alone in reply to a message of the bot."""
    ann = telegram.user("Ann")
    async with run_bot():
        await ann.says("/quota")
        said = await ann.chat.shows("You can spend")
        await ann.says("/video", reply_to=said)
        question = await ann.chat.shows("What should the video show?")
        assert question.asks
    assert not ann.chat.from_bot[-1].video


async def test_reply_to_a_finished_video_remixes_it(
    telegram: FakeTelegram, run_bot: RunBot
) -> None:
    """Where its gateway can."""
    ann = telegram.user("Ann")
    async with run_bot():
        await ann.says(f"/video a red kite {QUICK}")
        first = await ann.chat.shows_video()
        asked = await ann.says("/video but green", reply_to=first)
        second = await ann.chat.shows_video(times=2)
        task = first.text.split()[-1]
        await ann.says(f"/fetch {task}")
        await ann.chat.shows_video(times=3)
    assert second.reply_to is asked
    assert second.text.startswith("but green\nsandbox, 1 s")
    assert second.video is not None
    assert (second.video.width, second.video.height) == (480, 854)


async def test_edited_command_starts_no_second_task(
    telegram: FakeTelegram, run_bot: RunBot
) -> None:
    """A user who corrects a command does not pay twice."""
    ann = telegram.user("Ann")
    async with run_bot():
        asked = await ann.says(f"/video a red kite {QUICK}")
        await ann.chat.shows("Task")
        await ann.edits(asked, f"/video a green kite {QUICK}")
        await ann.chat.shows_video()
        await ann.says("/tasks")
        tasks = await ann.chat.shows("Your newest tasks:")
    assert len(tasks.text.splitlines()) == 2


async def test_repeated_update_makes_one_video(telegram: FakeTelegram, run_bot: RunBot) -> None:
    """Whatever its result was."""
    ann = telegram.user("Ann")
    async with run_bot():
        await ann.says(f"/video a red kite {QUICK}")
        await ann.says("a plain text")
        await ann.chat.shows("Price:")
        await ann.chat.shows_video()
        for update in telegram.updates[:2]:
            telegram.redeliver_update(update)
        await ann.says("/tasks")
        tasks = await ann.chat.shows("Your newest tasks:")
    assert len(tasks.text.splitlines()) == 2
    assert len([message for message in ann.chat.from_bot if "Price:" in message.text]) == 1


async def test_invalid_image_is_refused_without_charge(
    telegram: FakeTelegram, run_bot: RunBot
) -> None:
    """Files that are no images, empty, or too large."""
    ann = telegram.user("Ann")
    async with run_bot():
        await ann.sends_document(b"%PDF-1.7 words", "/video it moves", name="kite.png")
        await ann.chat.shows("is not a picture; it looks like a PDF.")
        await ann.sends_document(
            picture(300, 200), "/video it moves", name="large.png", size=30 << 20
        )
        await ann.chat.shows("The picture has 31.5 MB; at most 20 MB are taken.")
        await ann.says("/quota")
        await ann.chat.shows("You can spend 60 credits")
    assert telegram.downloads.total() == 1


async def test_unsupported_media_is_answered(telegram: FakeTelegram, run_bot: RunBot) -> None:
    """Voices, stickers, videos and other files: the answer says what is accepted."""
    ann = telegram.user("Ann")
    async with run_bot():
        await ann.sends_voice()
        await ann.chat.shows("I take words and pictures")
        await ann.sends_sticker()
        await ann.chat.shows("I take words and pictures", times=2)
        await ann.sends_document(b"words", name="kite.txt")
        await ann.chat.shows("I take words and pictures", times=3)


async def test_mistyped_command_is_answered_with_a_correction(
    telegram: FakeTelegram, run_bot: RunBot
) -> None:
    """Commands, options and values."""
    ann = telegram.user("Ann")
    async with run_bot():
        for wrong, answer in {
            "/vidoe a kite": "Did you mean /video?",
            "/video a kite --modle sandbox": "Did you mean --model?",
            "/video a kite --model sandbx": "Did you mean sandbox?",
            "/video a kite --duration 99": "makes no videos of 99 s",
            "/video a kite \u2014duration 1 --portrait --landscape": "exclude each other",
            "/video a kite --image /etc/passwd": "Attach the picture itself",
            "/cancel": "Which task?",
            "/cancel nobody": "no task nobody",
        }.items():
            asked = await ann.says(wrong)
            said = await ann.chat.shows(answer)
            assert said.reply_to is asked
    assert telegram.calls_to("sendVideo") == []
