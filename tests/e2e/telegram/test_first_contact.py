"""A user's first contact with the bot."""

from __future__ import annotations

from tests.e2e.telegram.conftest import RunBot
from tests.fakes.telegram.fake import FakeTelegram


async def test_plain_text_brings_one_video(telegram: FakeTelegram, run_bot: RunBot) -> None:
    """Words, a draft with its price, one press, one video; and nothing else remains."""
    ann = telegram.user("Ann")
    async with run_bot():
        await ann.says("a red kite over the sea")
        draft = await ann.chat.shows("Price: 4 credits; you have 60 left.")
        await ann.presses(draft, "Start")
        video = await ann.chat.shows_video()
        await ann.chat.until(lambda chat: len(chat.from_bot) == 1)
    assert video.reply_to is not None
    assert video.reply_to.text == "a red kite over the sea"
    assert telegram.uploads["video"] == 1


async def test_first_user_learns_the_number_for_the_admins_setting(
    telegram: FakeTelegram, run_bot: RunBot
) -> None:
    """In private, and only while there is no admin."""
    ann, ben = telegram.user("Ann"), telegram.user("Ben")
    group = telegram.supergroup("Friends", [ann, ben])
    async with run_bot():
        await ann.says("/admin providers", chat=group)
        refused = await group.shows("for admins")
        assert "ADMINS" not in refused.text
        await ann.says("/admin")
        await ann.chat.shows(f"ADMINS=telegram:{ann.id}")
    async with run_bot(ADMINS=f"telegram:{ann.id}"):
        asked = await ann.says("/admin")
        await ann.chat.shows("/admin grant", after=asked)
        await ben.says("/admin")
        refused = await ben.chat.shows("for admins")
        assert "ADMINS" not in refused.text
