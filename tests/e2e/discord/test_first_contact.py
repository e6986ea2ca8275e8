"""The shortest way to a video in Discord."""

from __future__ import annotations

from tests.e2e.discord.conftest import RunBot
from tests.fakes.discord.fake import FakeDiscord


async def test_command_brings_one_video_and_removes_its_status(
    discord: FakeDiscord, run_bot: RunBot
) -> None:
    """A command in a channel brings one video there, and its status is gone."""
    ann = discord.user("Ann")
    general = discord.guild("Kites", [ann]).text("general")
    async with run_bot():
        await ann.uses("/video", channel=general, prompt="a red kite", duration=1)
        video = await general.shows_video()
        await general.until(lambda channel: channel.from_bot == [video])
    assert video.pings == [ann]
