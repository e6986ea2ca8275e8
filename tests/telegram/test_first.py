"""What a person gets who writes to the bot alone."""

from __future__ import annotations

from tests.standins.telegram import Telegram
from tests.telegram.conftest import Running


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
