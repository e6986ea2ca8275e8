"""The gateway breaks off, or the bot is not wanted: it comes again, or ends with one clear line."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

import discord as library
import pytest
from structlog.testing import capture_logs

from bot.frontends.discord import Discord as FrontEnd
from bot.frontends.discord.client import Client
from bot.frontends.discord.http import InvalidRequestCounter, set_base_url
from tests.e2e.discord.conftest import RunBot
from tests.fakes.change_signal import PATIENCE_S
from tests.fakes.discord import permissions as rights
from tests.fakes.discord.fake import FakeDiscord
from tests.fakes.discord.gateway import Gateway
from tests.fakes.discord.users import FakeUser
from tests.support.bot_in_process import running_bot, settings
from tests.support.bot_process import BotProcess
from tests.support.fake_clock import FakeClock


@pytest.fixture
def ann(discord: FakeDiscord) -> FakeUser:
    """A user with the app."""
    ann = discord.user("Ann")
    discord.guild("Kites", [ann])
    return ann


# --- breaks ------------------------------------------------------------------------------


def _forgotten(gateway: Gateway) -> None:
    gateway.forget()
    gateway.drop()


BREAKS: dict[str, tuple[Callable[[Gateway], None], bool]] = {
    "asked to come again": (lambda gateway: gateway.reconnect(), True),
    "dropped": (lambda gateway: gateway.drop(), True),
    "invalid for a moment": (lambda gateway: gateway.invalidate(resumable=True), True),
    "session lost": (lambda gateway: gateway.invalidate(), False),
    "session timed out": (lambda gateway: gateway.close(4009), False),
    "forgotten": (_forgotten, False),
}
"""What happens, and whether the session goes on after it."""


@pytest.mark.parametrize("what", BREAKS)
async def test_broken_connection_recovers_without_loss(
    discord: FakeDiscord, run_bot: RunBot, ann: FakeUser, what: str
) -> None:
    """Running work is not disturbed, and commands are not synced again."""
    break_off, resumes = BREAKS[what]
    gateway = discord.gateway
    # Sessions may begin only so often, and the first has only just begun.
    gateway.identify_seconds = 0
    async with run_bot():
        made = await ann.uses("/video", prompt="a kite", duration=1)
        await made.answer
        before = len(gateway.resumed) + len(gateway.identified)
        break_off(gateway)
        await discord.until(lambda: len(gateway.resumed) + len(gateway.identified) > before)
        await discord.until(lambda: gateway.listening(None))
        video = await ann.dm.shows_video()
        use = await ann.uses("/quota")
        await use.shows("You can spend")
        await ann.dm.until(lambda dm: dm.from_bot == [video])
    assert bool(gateway.resumed) is resumes
    assert len(discord.world.commands.syncs) == 1


# --- too many refusals -------------------------------------------------------------------


async def test_invalid_requests_are_paused_before_a_ban(
    discord: FakeDiscord, ann: FakeUser
) -> None:
    """Discord allows 10,000 in ten minutes: after a fifth of them the next one waits.

    What others have used up (`shared`) does not count.
    """
    clock = FakeClock()
    refused = InvalidRequestCounter(clock)
    set_base_url(discord.url)
    general = discord.guild("Boats", [ann]).text("general")
    async with Client(refused, None) as client:
        await client.login(discord.token)
        for _ in range(5):
            discord.faults.add("get_channel", "429-shared", retry_after=0.001)
            await client.fetch_channel(general.id)
        assert refused.count == 0
        general.deny(bot=rights.VIEW_CHANNEL)
        while refused.count < 2000:
            with pytest.raises(library.Forbidden):
                await client.fetch_channel(general.id)
        general.deny()
        waiting = client.loop.create_task(client.fetch_channel(general.id))
        await clock.advance(590)
        assert not waiting.done()
        assert len(discord.invalid) == 2000
        await clock.advance(15)
        assert (await waiting).id == general.id


# --- not wanted --------------------------------------------------------------------------


@pytest.fixture
def process(discord: FakeDiscord, tmp_path: Path) -> BotProcess:
    """A process that is not yet started."""
    return BotProcess(tmp_path, DISCORD_BOT_TOKEN=discord.token, DISCORD_API_URL=discord.url)


def _loud(process: BotProcess) -> list[str]:
    """What it said of trouble."""
    lines = [json.loads(line) for line in process.log_text.splitlines()]
    assert "Traceback" not in process.log_text
    return [line["error"] for line in lines if line["level"] in {"error", "critical"}]


async def test_unknown_token_ends_the_process(discord: FakeDiscord, process: BotProcess) -> None:
    """At once, with one line, after one request to Discord."""
    with process:
        process.start(DISCORD_BOT_TOKEN=f"{discord.token}x")
        assert await process.wait_exit() == 1
        (why,) = _loud(process)
        assert why == "Discord does not know it; write what the developer portal gives"
        assert len(discord.invalid) == 1
        assert discord.gateway.identified == []


async def test_revoked_token_ends_the_process(discord: FakeDiscord, process: BotProcess) -> None:
    """Reset while the bot runs (4004): the process ends with one line."""
    with process:
        process.start()
        await discord.until(lambda: discord.gateway.listening(None))
        await discord.until(lambda: discord.world.commands.syncs)
        discord.gateway.token += "-reset"
        discord.gateway.drop()
        assert await process.wait_exit(60) == 1
        why = "Discord no longer knows the token; write what the developer portal gives"
        assert _loud(process)[-1] == why
        assert len(discord.gateway.refused) == 1
        assert len(discord.gateway.identified) == 1


async def test_missing_intent_ends_the_process(discord: FakeDiscord, process: BotProcess) -> None:
    """Discord refuses the intents (4014): the process ends with one line."""
    with process:
        process.start()
        await discord.until(lambda: discord.gateway.listening(None))
        discord.gateway.close(4014, words="Disallowed intent(s).")
        assert await process.wait_exit(60) == 1
        (why,) = _loud(process)
        assert why.startswith("Discord does not let this bot hear of its servers")
        assert len(discord.gateway.identified) == 1


# --- logins ------------------------------------------------------------------------------


class Drowsy(FakeClock):
    """A clock that tells for how long somebody is going to sleep."""

    def __init__(self) -> None:
        super().__init__()
        self.naps: asyncio.Queue[float] = asyncio.Queue()

    async def sleep(self, seconds: float) -> None:
        """See `FakeClock`."""
        self.naps.put_nowait(seconds)
        await super().sleep(seconds)


async def test_login_budget_is_kept_by_waiting(
    discord: FakeDiscord, ann: FakeUser, tmp_path: Path
) -> None:
    """The last logins of a day are not used, which is logged; the next day the bot starts."""
    discord.gateway.starts_left = 5
    clock = Drowsy()
    own = settings(tmp_path, DISCORD_BOT_TOKEN=discord.token, DISCORD_API_URL=discord.url)
    with capture_logs() as logged:
        async with running_bot(own, [FrontEnd(own, clock)]):
            async with asyncio.timeout(PATIENCE_S):
                assert await clock.naps.get() == 86_400
            (line,) = [entry for entry in logged if entry["event"] == "discord_retry"]
            assert line["error"].startswith("only 5 logins are left")
            await clock.advance(86_000)
            assert discord.gateway.identified == []
            await clock.advance(400)
            use = await ann.uses("/quota")
            await use.shows("You can spend")
    assert len(discord.gateway.identified) == 1
