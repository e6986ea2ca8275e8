"""What those who manage a server set for it, and the credits that it shares."""

from __future__ import annotations

from tests.e2e.discord.conftest import RunBot
from tests.fakes.discord.fake import FakeDiscord
from tests.fakes.discord.users import FakeUser


async def test_videos_are_made_only_in_allowed_channels(
    discord: FakeDiscord, run_with_gateway: RunBot, ann: FakeUser, bob: FakeUser
) -> None:
    """And their threads; elsewhere the user is told in private where."""
    guild = discord.guild("Kites", [bob, ann])
    general, films = guild.text("general"), guild.text("films")
    async with run_with_gateway():
        await bob.uses("/server", channel=general, allow=films)
        await bob.sees("Here: videos in these channels")
        await ann.uses("/video", channel=general, prompt="a kite")
        refused = await ann.sees("Videos are made in other channels here")
        assert refused.ephemeral
        thread = films.thread("Ideas")
        await ann.uses("/video", channel=thread, prompt="a kite")
        await thread.shows_video()
        await bob.uses("/server", channel=general, forbid=films)
        await bob.sees("channels: not set")
        await ann.uses("/video", channel=general, prompt="a boat")
        await general.shows_video()


async def test_wallet_pays_for_the_allowed_role_only(
    discord: FakeDiscord, run_with_gateway: RunBot, ann: FakeUser, bob: FakeUser
) -> None:
    """An admin fills the wallet; only the role with an allowance uses it; the answers say so."""
    guild = discord.guild("Kites", [bob, ann])
    general, role = guild.text("general"), guild.role("Patrons", [ann])
    async with run_with_gateway(ADMINS=f"discord:{bob.id}"):
        await bob.uses("/admin group", channel=general, credits=20)
        await bob.sees("shares in a day: 20")
        await bob.uses("/server", channel=general, role=role, credits=4)
        await ann.uses("/video", channel=general, prompt="a kite")
        await general.shows("paid from the shared wallet here")
        await general.shows_video()
        await ann.uses("/quota", channel=general)
        told = await ann.sees("Credits in the shared wallet here: 16 of today's 20")
        assert "You may take 0 of them now" in told.text
        use = await bob.uses("/video", channel=general, prompt="a boat")
        status = await use.shows("Task")
        assert "shared wallet" not in status.text


async def test_members_cannot_change_the_server(
    discord: FakeDiscord, run_with_gateway: RunBot, ann: FakeUser, bob: FakeUser
) -> None:
    """The command is offered to managers; where it is shown to others, it refuses them."""
    guild = discord.guild("Kites", [bob, ann])
    general = guild.text("general")
    async with run_with_gateway():
        await bob.uses("/server", channel=general, spoiler=True, language="zh")
        await bob.sees("hidden until somebody clicks them")
        assert "server" not in ann.offered(general)
        guild.opened.add("server")
        await ann.uses("/server", channel=general, spoiler=False)
        await ann.sees("Only those who manage this server")
        await ann.uses("/video", channel=general, prompt="a kite")
        await general.shows("任务")
        video = await general.shows_video()
        assert video.video is not None
        assert video.video.spoiler
