"""Interactions are acknowledged in time, whatever happens on the way."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from tests.e2e.discord.conftest import RunBot
from tests.fakes.discord.fake import FakeDiscord
from tests.fakes.discord.faults import FaultKind
from tests.fakes.discord.interactions import Interaction
from tests.fakes.discord.users import FakeUser
from tests.fakes.gateways.openai import FakeOpenAIGateway
from tests.support.discord_bot import running_bot
from tests.support.jumpable_clock import JumpableClock

ACKNOWLEDGE = "create_interaction_response"


@pytest.fixture
def ann(discord: FakeDiscord) -> FakeUser:
    """A user with the app."""
    ann = discord.user("Ann")
    discord.guild("Kites", [ann])
    return ann


def _in_time(use: Interaction) -> bool:
    assert use.answered is not None
    return use.answered.time - use.time < 3.0


@pytest.mark.parametrize(
    "kind",
    ["dropped-before", "dropped-after", "garbage-after", "500", "502-html", "503", "429"],
)
async def test_failed_acknowledgement_is_repeated_in_time(
    discord: FakeDiscord, run_bot: RunBot, ann: FakeUser, kind: FaultKind
) -> None:
    """It is said once more, in time; that it was said already is no harm. What was asked is done.

    Of commands, buttons and forms alike.
    """
    async with run_bot():
        discord.faults.add(ACKNOWLEDGE, kind)
        use = await ann.uses("/forgetme")
        card = await use.shows("This deletes")
        assert _in_time(use)
        discord.faults.add(ACKNOWLEDGE, kind)
        press = await ann.presses(card, "Keep it")
        await use.shows("Nothing was changed.")
        assert _in_time(press)
        made = await ann.uses("/video", prompt="a kite", duration=1)
        video = await ann.dm.shows_video()
        assert made.answered
        discord.faults.add(ACKNOWLEDGE, kind)
        again = await ann.presses(video, "Again")
        modal = await again.modal
        discord.faults.add(ACKNOWLEDGE, kind)
        form = await ann.submits(modal)
        await ann.dm.shows_video(times=2)
        assert _in_time(form)
    assert len(discord.faults.suffered) == 4
    assert discord.unanswered == []


@pytest.mark.parametrize("kind", ["hanging", "429-cloudflare"])
async def test_unacknowledged_interaction_does_not_block_others(
    discord: FakeDiscord, run_bot: RunBot, ann: FakeUser, kind: FaultKind
) -> None:
    """It has no effect; other interactions are handled meanwhile and afterwards."""
    bob = discord.user("Bob")
    bob.installs()
    async with run_bot():
        stopped = discord.faults.add(ACKNOWLEDGE, kind)
        lost = await ann.uses("/video", prompt="a kite", duration=1)
        await discord.until(lambda: stopped.left == 0)
        await bob.uses("/quota")
        await bob.sees("You can spend")
        if kind == "hanging":
            # It may have been acknowledged; then it must not seem to be thought about for ever.
            await discord.until(lambda: discord.calls_to("execute_webhook"))
            discord.faults.release()
            await discord.until(lambda: discord.violations)
            (told,) = discord.violations
            assert told.endswith("10015 Unknown Webhook")
            discord.violations.clear()
        again = await ann.uses("/quota")
        await again.shows("You can spend")
        tasks = await ann.uses("/tasks")
        await tasks.shows("no tasks")
    assert discord.unanswered == [lost]


async def test_expired_interaction_is_dropped(tmp_path: Path) -> None:
    """Discord no longer knows it (10062): nothing is made, as nobody would see it."""
    clock = JumpableClock()
    async with (
        FakeDiscord(clock) as discord,
        FakeOpenAIGateway(cheap=True, now=clock.now) as gateway,
        running_bot(clock, discord, gateway, tmp_path),
    ):
        ann = discord.user("Ann")
        ann.installs()
        discord.faults.add(ACKNOWLEDGE, "dropped-before")
        lost = await ann.uses("/video", prompt="a kite")
        await discord.until(lambda: discord.faults.suffered)
        clock.jump(3.5)
        await discord.until(lambda: discord.late_responses)
        tasks = await ann.uses("/tasks")
        await tasks.shows("no tasks")
        assert lost.answered is None
        assert gateway.creates.total() == 0
    assert len(discord.violations) == 1
    assert "10062" in discord.violations[0]


# --- the database ------------------------------------------------------------------------


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Somebody else writes, and does not come to an end."""
    with closing(sqlite3.connect(folder / "reelay.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE").close()
        yield


async def test_interactions_are_acknowledged_before_they_are_stored(
    discord: FakeDiscord, run_bot: RunBot, ann: FakeUser, tmp_path: Path
) -> None:
    """With a slow database commands, buttons and forms are acknowledged first, then handled."""
    async with run_bot():
        await ann.uses("/video", prompt="a red kite", duration=1)
        video = await ann.dm.shows_video()
        use = await ann.uses("/forgetme")
        card = await use.shows("This deletes")
        with _locked(tmp_path):
            uses = [
                await ann.uses("/quota"),
                await ann.presses(card, "Keep it"),
                await ann.uses("/video", prompt="a blue kite", duration=1),
                again := await ann.presses(video, "Again"),
            ]
            await discord.until(lambda: all(one.answered for one in uses))
            form = await ann.submits(await again.modal, prompt="a green kite")
            await form.answer
            typing = await ann.starts_typing("/video", prompt="x", model="so")
            await typing.answer
            assert all(_in_time(interaction) for interaction in (*uses, form, typing))
        await ann.dm.shows_video(times=3)
        await uses[0].shows("You can spend")
        await use.shows("Nothing was changed.")


async def test_unavailable_database_is_reported_to_the_user(
    discord: FakeDiscord, run_bot: RunBot, ann: FakeUser, tmp_path: Path
) -> None:
    """Nothing could be stored: the user is told so in the acknowledged response."""
    async with run_bot():
        general = discord.guild("Kites", [ann]).text("general")
        quota = await ann.uses("/quota")
        await quota.shows("You can spend")
        with _locked(tmp_path):
            video = await ann.uses("/video", channel=general, prompt="a kite", duration=1)
            quota = await ann.uses("/quota", channel=general)
            await video.shows("I cannot write anything down right now.")
            told = await quota.shows("I cannot write anything down right now.")
            assert told.ephemeral
        quota = await ann.uses("/quota")
        await quota.shows("You can spend")
