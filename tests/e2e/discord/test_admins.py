"""Admins: all their commands with typed options; refused to others, whoever can see them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import pytest

from bot.commands.admin_parser import ADMIN_COMMANDS
from tests.e2e.discord.conftest import RunBot
from tests.fakes.discord.channels import Channel
from tests.fakes.discord.fake import FakeDiscord
from tests.fakes.discord.users import FakeUser
from tests.fakes.gateways.openai import KEY, FakeOpenAIGateway

ENDLESS = 1e9
WORDS = {word.name: word for word in ADMIN_COMMANDS}


@pytest.fixture
def root(discord: FakeDiscord) -> FakeUser:
    """The admin; in no guild anything but a member."""
    return discord.user("Root")


@pytest.fixture
def ben(discord: FakeDiscord) -> FakeUser:
    """Who owns the guild."""
    return discord.user("Ben")


@pytest.fixture
def general(discord: FakeDiscord, root: FakeUser, ben: FakeUser) -> Channel:
    """Where they are, and where the owner shows the commands of admins to all."""
    guild = discord.guild("Kites", [ben, root])
    guild.opened.add("admin")
    return guild.text("general")


@pytest.fixture
async def gateway() -> AsyncIterator[FakeOpenAIGateway]:
    """One that lists no jobs, so that a create without an answer is for admins to judge."""
    async with FakeOpenAIGateway(cheap=True, render_seconds=ENDLESS, dialect="relay147") as gateway:
        yield gateway
    assert gateway.violations == []


@pytest.fixture
def run_with_admin(run_bot: RunBot, root: FakeUser, gateway: FakeOpenAIGateway) -> RunBot:
    """Run a bot with one admin."""
    return partial(
        run_bot,
        ADMINS=f"discord:{root.id}",
        PROVIDERS__LOCAL__KIND="relay147",
        PROVIDERS__LOCAL__API_KEY=KEY,
        PROVIDERS__LOCAL__BASE_URL=gateway.url,
    )


async def _answer(person: FakeUser, line: str, channel: Channel, **options: Any) -> str:
    """What the bot answers, for that person alone."""
    use = await person.uses(line, channel=channel, options=options)
    answer = await use.answer
    assert (answer.kind, answer.ephemeral) == ("thinking", True)
    await channel.until(lambda _: answer.message is not None and not answer.message.thinking)
    return answer.text


def _options(ben: FakeUser, review: str, running: str) -> dict[str, tuple[dict[str, Any], str]]:
    """Word -> its options, and what stands in the answer."""
    person = f"discord:{ben.id}"
    return {
        "grant": ({"user": ben, "credits": 7}, f"Granted to {person}: 7. To spend now: 59."),
        "limit": ({"user": ben, "credits": 9}, f"Daily credits of {person}: 9."),
        "user": ({"user": ben}, f"{person}: to spend"),
        "ban": ({"user": ben, "reason": "too loud"}, f"{person} can make no new videos: too loud"),
        "unban": ({"user": ben}, f"{person} can make videos again."),
        "group": ({"server": "419430400008388608", "credits": 100}, "419430400008388608"),
        "tasks": ({"state": "review"}, f"{review}  review"),
        "task": ({"task": review}, f"task: {review}, review, 4 credits, user {person}"),
        "requeue": ({"task": running}, f"{running} is taken up now."),
        "resolve": (
            {"task": review, "verdict": "refund"},
            f"{review} is closed; its person got 4 credits back.",
        ),
        "providers": ({}, "local (relay147): on, breaker closed"),
        "provider": (
            {"name": "local", "mode": "drain"},
            "local takes nothing new. 1 of its jobs are running",
        ),
        "reload": ({}, "The catalogue is as it was."),
        "audit": ({"count": 3}, f"resolve {review}"),
    }


# --- the words ---------------------------------------------------------------------------


@pytest.mark.parametrize("place", ["guild", "direct messages"])
async def test_every_admin_command_works_and_is_answered_in_private(
    run_with_admin: RunBot, root: FakeUser, ben: FakeUser, general: Channel, place: str
) -> None:
    """Each command does what it says, and only the admin sees the answer."""
    channel = general if place == "guild" else root.dm
    async with run_with_admin():
        await ben.uses("/video", channel=general, prompt="a kite !drop-after")
        word = await general.shows("the gateway stopped answering")
        review = word.embeds[0]["description"].split()[1].rstrip(":")
        await ben.uses("/video", channel=general, prompt="a boat")
        running = (await general.shows("being made")).text.split(":")[0]
        said = _options(ben, review, running)
        assert set(said) == set(WORDS)
        for name, (options, answer) in said.items():
            told = await _answer(root, f"/admin {name}", channel, **options)
            assert answer in told.replace("\\", ""), (name, told)
        assert "/admin shows your commands" in await _answer(root, "/help", channel)
        closed = await general.shows("An admin has closed the review.")
        assert "You got 4 credits back." in closed.text
        assert closed.pings == [ben]


async def test_optional_admin_options_may_be_left_out(
    run_with_admin: RunBot, root: FakeUser, ben: FakeUser, general: Channel
) -> None:
    """What Discord cannot check is refused with a text."""
    async with run_with_admin():
        await _answer(ben, "/quota", general)
        person = f"discord:{ben.id}"
        for line, options, answer in (
            ("ban", {"user": ben}, f"{person} can make no new videos."),
            ("unban", {"user": ben}, f"{person} can make videos again."),
            ("tasks", {}, "No tasks."),
            ("tasks", {"state": "done"}, "No tasks."),
            ("task", {"task": "abcdefgh"}, "You have no task abcdefgh."),
            ("provider", {"name": "nobody", "mode": "on"}, 'No provider is called "nobody".'),
            ("audit", {}, f"unban {person}"),
            ("grant", {"user": ben, "credits": -60}, f"Granted to {person}: "),
        ):
            told = await _answer(root, f"/admin {line}", general, **options)
            assert told.replace("\\", "").startswith(answer) or answer in told, (line, told)


# --- nobody else's -----------------------------------------------------------------------


@pytest.mark.parametrize("place", ["guild", "direct messages"])
async def test_guild_owner_is_no_admin(
    run_with_admin: RunBot, root: FakeUser, ben: FakeUser, general: Channel, place: str
) -> None:
    """Shown or not, each command is refused to users who are not in ADMINS; nothing is done."""
    channel = general if place == "guild" else ben.dm
    async with run_with_admin():
        for name, (options, _) in _options(ben, "abcdefgh", "abcdefgh").items():
            told = await _answer(ben, f"/admin {name}", channel, **options)
            assert told == "This command is for admins.", name
        assert "/admin" not in await _answer(ben, "/help", channel)
        assert "You can spend 60 credits" in await _answer(ben, "/quota", channel)
        assert (await _answer(root, "/admin audit", root.dm)).startswith("Nothing yet.")


async def test_admin_commands_are_hidden_by_default(
    discord: FakeDiscord, run_with_admin: RunBot, root: FakeUser, ben: FakeUser
) -> None:
    """Members see them only if a guild manager shows them; all other commands are visible."""
    cleo = discord.user("Cleo")
    guild = discord.guild("Boats", [ben, cleo, root])
    quiet = guild.text("quiet")
    async with run_with_admin():
        await quiet.until(lambda _: cleo.offered(quiet))
        assert "admin" not in cleo.offered(quiet)
        assert "admin" not in root.offered(quiet)
        guild.manages(cleo)
        assert "admin" not in cleo.offered(quiet)
        assert "admin" in ben.offered(quiet)
        assert "admin" in root.offered()


async def test_user_without_admins_set_is_told_the_setting(
    run_bot: RunBot, ben: FakeUser, general: Channel
) -> None:
    """Where there is no admin yet, the operator reads what to put into the settings."""
    async with run_bot():
        told = await _answer(ben, "/admin providers", general)
        assert f"ADMINS=discord:{ben.id}" in told.replace("\\", "")


async def test_removed_admin_is_refused(
    discord: FakeDiscord, run_with_admin: RunBot, root: FakeUser, ben: FakeUser, general: Channel
) -> None:
    """The current settings count; the same number on another platform is another user."""
    discord.gateway.identify_seconds = 0
    async with run_with_admin():
        assert "local" in await _answer(root, "/admin providers", general)
    async with run_with_admin(ADMINS=f"discord:{ben.id},telegram:{root.id}"):
        told = await _answer(root, "/admin providers", general)
        assert told == "This command is for admins."
        assert "local" in await _answer(ben, "/admin providers", general)
