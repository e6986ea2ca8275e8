"""What a person gets who writes to the bot alone."""

from __future__ import annotations

from tests.e2e.telegram.conftest import Running
from tests.fakes.telegram.fake import Telegram


async def test_a_plain_text_brings_no_video_in_the_end(telegram: Telegram, bot: Running) -> None:
    """Words, a draft with its price, one press, one video; and nothing else is left standing."""
    ann = telegram.person("Ann")
    async with bot():
        await ann.says("a red kite over the sea")
        draft = await ann.chat.shows("Price: 4 credits; you have 60 left.")
        await ann.presses(draft, "Start")
        video = await ann.chat.shows_video()
        await ann.chat.until(lambda chat: len(chat.from_bot) == 1)
    assert video.reply_to is not None
    assert video.reply_to.text == "a red kite over the sea"
    assert telegram.uploads["video"] == 1


async def test_who_sets_a_bot_up_cannot_become_its_admin(telegram: Telegram, bot: Running) -> None:
    """The number to put into the settings is told alone, and only while there is no admin."""
    ann, ben = telegram.person("Ann"), telegram.person("Ben")
    group = telegram.supergroup("Friends", [ann, ben])
    async with bot():
        await ann.says("/admin providers", chat=group)
        refused = await group.shows("for admins")
        assert "ADMINS" not in refused.text
        await ann.says("/admin")
        await ann.chat.shows(f"ADMINS=telegram:{ann.id}")
    async with bot(ADMINS=f"telegram:{ann.id}"):
        asked = await ann.says("/admin")
        await ann.chat.shows("/admin grant", after=asked)
        await ben.says("/admin")
        refused = await ben.chat.shows("for admins")
        assert "ADMINS" not in refused.text
