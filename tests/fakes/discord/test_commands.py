"""The fake Discord accepts commands as the real one does, and refuses invalid ones."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.fakes.discord import permissions as rights
from tests.fakes.discord.api_caller import VIDEO, ApiCaller, api_caller
from tests.fakes.discord.commands import size
from tests.fakes.discord.fake import FakeDiscord
from tests.support.fake_clock import FakeClock

Json = dict[str, Any]


@pytest.fixture
async def caller(clock: FakeClock) -> AsyncIterator[ApiCaller]:
    """An API client; the server's clock stands still."""
    async with api_caller(clock) as it:
        yield it


@pytest.fixture
def discord(caller: ApiCaller) -> FakeDiscord:
    """The fake server."""
    return caller.discord


def command(name: str = "video", **more: Any) -> Json:
    """A command with nothing special."""
    return {"name": name, "description": "Makes a video", **more}


def option(name: str = "prompt", kind: int = 3, **more: Any) -> Json:
    """An option with nothing special."""
    return {"type": kind, "name": name, "description": "What to see", **more}


_CHOICE = {"name": "Small", "value": "480p"}


@pytest.mark.parametrize(
    "commands",
    [
        [command("Video")],
        [command("make video")],
        [command("x" * 33)],
        [command("")],
        [{"name": "video"}],
        [command(description="x" * 101)],
        [command(), command()],
        [{"name": "Remix", "type": 3, "description": "x"}],
        [command(name_localizations={"zh": "视频"})],
        [command(name_localizations={"fr": "Vidéo"})],
        [command(description_localizations={"zh-CN": ""})],
        [command(contexts=[])],
        [command(contexts=[0, 3])],
        [command(default_member_permissions="admin")],
        [command(options=[option(), option()])],
        [command(options=[option("Prompt")])],
        [command(options=[option(), option("image", 11, required=True)])],
        [command(options=[option(choices=[_CHOICE] * 26)])],
        [command(options=[option(choices=[_CHOICE] * 2)])],
        [command(options=[option(choices=[_CHOICE], autocomplete=True)])],
        [command(options=[option(choices=[{"name": "Small", "value": 480}])])],
        [command(options=[option(min_length=5, max_length=4)])],
        [command(options=[option(min_value=5)])],
        [command(options=[option("grant", 1), option()])],
        [command(options=[option("a", 1, options=[option("b", 1)])])],
        [command(options=[option(str(number)) for number in range(26)])],
        [command(options=[option(choices=[{"name": f"{number}", "value": "x" * 1000 + f"{number}"}
                                          for number in range(9)])])],
        [command(colour="red")],
    ],
)  # fmt: skip
async def test_invalid_command_is_refused(
    discord: FakeDiscord, caller: ApiCaller, commands: list[Json]
) -> None:
    """Names, texts, options and choices, each alone and all together."""
    assert await caller.syncs(*commands) == 50035
    assert len(discord.violations) == 1
    assert await caller("GET", caller.commands()) == []


async def test_every_kind_of_command_is_accepted(discord: FakeDiscord, caller: ApiCaller) -> None:
    """It is returned as it was given."""
    admin = command("admin", default_member_permissions="0", options=[
        option("grant", 1, options=[option("user", 6, required=True), option("n", 4)]),
        option("provider", 2, options=[option("on", 1), option("off", 1)]),
    ])  # fmt: skip
    menu = {"name": "Remix this video", "type": 3, "name_localizations": {"zh-CN": "改编这个视频"}}
    told = await caller.syncs(
        VIDEO,
        admin,
        menu,
        command("help", nsfw=False, options=None),
        command("room", options=[option("place", 7, channel_types=[15, 16])]),
    )
    assert [one["name"] for one in told] == ["video", "admin", "Remix this video", "help", "room"]
    assert told[0]["options"] == VIDEO["options"]
    assert told[1]["default_member_permissions"] == "0"
    assert "options" not in told[3]
    localized = await caller("GET", caller.commands(), with_localizations="true")
    assert localized == told
    assert "name_localizations" not in (await caller("GET", caller.commands()))[0]
    assert discord.violations == []


async def test_unchanged_command_keeps_its_id(discord: FakeDiscord, caller: ApiCaller) -> None:
    """And its version; a command left out is deleted; each sync is recorded."""
    first = await caller.syncs(command(), command("help"))
    second = await caller.syncs(command(), command("help", nsfw=True), command("quota"))
    assert [one["id"] for one in second[:2]] == [one["id"] for one in first]
    assert second[0]["version"] == first[0]["version"]
    assert second[1]["version"] != first[1]["version"]
    await caller.syncs(command("quota"))
    assert [one["name"] for one in await caller("GET", caller.commands())] == ["quota"]
    assert [len(sync.asked) for sync in discord.world.commands.syncs] == [2, 3, 1]


async def test_creates_are_limited(
    discord: FakeDiscord, caller: ApiCaller, clock: FakeClock
) -> None:
    """200 new names a day, 100 commands at once."""
    assert await caller.syncs(*(command(f"a{number}") for number in range(101))) == 30032
    for first in range(0, 200, 100):
        await caller.syncs(*(command(f"a{number}") for number in range(first, first + 100)))
    assert await caller.syncs(command("more")) == 30034
    await clock.advance(86_401)
    assert len(await caller.syncs(command("more"))) == 1
    assert len(discord.violations) == 2


def test_command_size_counts_the_longest_language() -> None:
    """Each name, text and value counts in its longest language."""
    assert size(command("abc", name_localizations={"zh-CN": "x" * 10})) == 10 + 13
    assert size(command("abc", options=[option("p", choices=[_CHOICE])])) == 3 + 13 + 1 + 11 + 9


async def test_commands_of_others_are_refused(discord: FakeDiscord, caller: ApiCaller) -> None:
    """The bot sets only its own, and only in its guilds."""
    assert await caller("PUT", "/applications/5/commands", []) == 20012
    ann = discord.user("Ann")
    away = discord.guild("Away", [ann], bot=False)
    assert await caller.syncs(command(), guild=away.id) == 50001
    assert len(discord.violations) == 2


async def test_commands_are_offered_by_place_install_and_permission(
    discord: FakeDiscord, caller: ApiCaller
) -> None:
    """By channel kind, installation and permission."""
    ann, bob, cid = (discord.user(name) for name in ("Ann", "Bob", "Cid"))
    guild = discord.guild("Kites", [ann, bob, cid])
    general = guild.text("general")
    guild.manages(bob)
    await caller.syncs(
        command("video", contexts=[0, 1, 2], integration_types=[0, 1]),
        command("settings", contexts=[0], default_member_permissions=str(rights.MANAGE_GUILD)),
        command("admin", contexts=[0, 1], default_member_permissions="0"),
        command("alone", contexts=[1, 2], integration_types=[1]),
    )
    assert ann.offered(general) == ["video", "settings", "admin"]
    assert bob.offered(general) == ["video", "settings"]
    assert cid.offered(general) == ["video"]
    assert cid.offered() == ["video", "admin"]
    cid.installs()
    assert cid.offered() == ["video", "admin", "alone"]
    assert cid.offered(discord.group([cid, ann])) == ["video", "alone"]
    guild.opened.add("admin")
    assert cid.offered(general) == ["video", "admin"]
    general.deny(everyone=rights.USE_APPLICATION_COMMANDS)
    assert cid.offered(general) == []
    other = guild.text("other")
    await caller.syncs(command("video", description="Its own"), guild=guild.id)
    assert cid.offered(other) == ["video", "admin"]
    it = await cid.uses("/video", channel=other, waits=0)
    assert it.data["guild_id"] == str(guild.id)
    assert discord.user("Dan").offered() == []
