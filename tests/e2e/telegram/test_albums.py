"""Albums: several images at once become one video that begins with the first."""

from __future__ import annotations

from tests.e2e.telegram.conftest import RunBot
from tests.fakes.telegram.api_caller import picture
from tests.fakes.telegram.fake import FakeTelegram
from tests.fakes.telegram.messages import Message
from tests.fakes.telegram.users import FakeUser

QUICK = "--duration 1 --size 480x854"
THREE = [picture(300, 200 + 10 * number) for number in range(3)]


async def test_album_with_a_command_makes_one_task(telegram: FakeTelegram, run_bot: RunBot) -> None:
    """The user is told which image is used."""
    ann = telegram.user("Ann")
    async with run_bot():
        album = await ann.sends_album(THREE, f"/video they fly {QUICK}")
        await ann.chat.shows("only the first is used")
        video = await ann.chat.shows_video()
        await ann.says("/quota")
        await ann.chat.shows("You can spend 59 credits")
        await ann.chat.until(lambda chat: len(chat.from_bot) == 2)
    assert video.reply_to is album[0]
    assert telegram.downloads.total() == 1
    assert len(telegram.calls_to("sendMessage")) == 2


async def test_album_with_words_makes_one_draft(telegram: FakeTelegram, run_bot: RunBot) -> None:
    """An album with a caption and no command is one draft."""
    ann = telegram.user("Ann")
    async with run_bot():
        album = await ann.sends_album(THREE, "they fly")
        draft = await ann.chat.shows("Price: 4 credits")
        await ann.says("/quota")
        await ann.chat.shows("You can spend")
        assert len(ann.chat.from_bot) == 2
    assert draft.reply_to is album[0]
    assert "they fly" in draft.text
    assert "only the first is used" in draft.text


async def test_words_below_a_later_image_complete_the_draft(
    telegram: FakeTelegram, run_bot: RunBot
) -> None:
    """Some people write below the last image: the draft takes the words."""
    ann = telegram.user("Ann")
    async with run_bot():
        first, _ = await _album(ann, "", "they fly")
        draft = await ann.chat.shows("they fly")
        assert "Price: 4 credits" in draft.text
        assert "only the first is used" in draft.text
        assert draft.reply_to is first
        await ann.presses(draft, "Start")
        await ann.chat.shows_video()
    assert len(telegram.calls_to("sendMessage")) == 1


async def _album(person: FakeUser, *captions: str) -> list[Message]:
    """Pictures with a caption each."""
    return [
        await person.sends_photo(one, caption, album="77")
        for one, caption in zip(THREE, captions, strict=False)
    ]


async def test_command_below_a_later_image_makes_one_task(
    telegram: FakeTelegram, run_bot: RunBot
) -> None:
    """From the first image, and without a draft."""
    ann = telegram.user("Ann")
    async with run_bot():
        await _album(ann, "", f"/video they fly {QUICK}")
        video = await ann.chat.shows_video()
        await ann.chat.until(lambda chat: chat.from_bot == [video])
        await ann.says("/quota")
        await ann.chat.shows("You can spend 59 credits")
    assert telegram.downloads.total() == 1


async def test_album_without_words_asks_once(telegram: FakeTelegram, run_bot: RunBot) -> None:
    """The next text answers it."""
    ann = telegram.user("Ann")
    async with run_bot():
        await ann.sends_album(THREE)
        card = await ann.chat.shows("What should the video show?")
        await ann.says("they fly")
        await ann.chat.until(lambda _: "Price: 4 credits" in card.text)
    assert len(telegram.calls_to("sendMessage")) == 1


async def test_album_in_a_group_makes_one_task(telegram: FakeTelegram, run_bot: RunBot) -> None:
    """As a member the bot gets only the captioned image, as an admin all of them."""
    ann = telegram.user("Ann")
    group = telegram.supergroup("Films", [ann])
    async with run_bot():
        await ann.sends_album(THREE, f"/video they fly {QUICK}", chat=group)
        await group.shows_video()
        await group.promotes_bot()
        await ann.sends_album(THREE, f"/video they fall {QUICK}", chat=group)
        await group.shows_video(times=2)
        await ann.says("/quota", chat=group)
        await group.shows("You can spend 58 credits")
    assert len(telegram.calls_to("sendMessage")) == 3
