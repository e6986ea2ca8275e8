"""The shortest way to a video in Discord."""

from __future__ import annotations

from tests.e2e.discord.conftest import Running
from tests.fakes.discord.fake import Discord


async def test_a_command_brings_no_video_in_the_end(discord: Discord, bot: Running) -> None:
    """A command in a channel brings one video there, and its status is gone."""
    ann = discord.person("Ann")
    general = discord.guild("Kites", [ann]).text("general")
    async with bot():
        await ann.uses("/video", channel=general, prompt="a red kite", duration=1)
        video = await general.shows_video()
        await general.until(lambda channel: channel.from_bot == [video])
    assert video.pings == [ann]
