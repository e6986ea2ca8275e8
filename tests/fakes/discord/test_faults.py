"""The local Discord fails as the real one does when it is told to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest

from tests.fakes.discord.api_caller import AGENT, GO, MP4, VIDEO, Bot, calling
from tests.fakes.discord.channels import Channel
from tests.fakes.discord.fake import Discord
from tests.fakes.discord.faults import FaultKind, Outage
from tests.support.fake_clock import FakeClock


@pytest.fixture
async def bot(clock: FakeClock) -> AsyncIterator[Bot]:
    """Someone who calls the server, whose clock stands still."""
    async with calling(clock) as it:
        yield it


@pytest.fixture
def discord(bot: Bot) -> Discord:
    """The server."""
    return bot.discord


@pytest.fixture
def general(discord: Discord) -> Channel:
    """A place where the bot is."""
    return discord.guild("Kites", [discord.person("Ann")]).text("general")


async def posted(bot: Bot, channel: Channel) -> httpx.Response:
    """A message, and the bare answer to it."""
    return await bot.raw("POST", f"/channels/{channel.id}/messages", {"content": "x"})


@pytest.mark.parametrize(
    ("kind", "status", "via", "json"),
    [
        ("429", 429, True, True),
        ("429-shared", 429, True, True),
        ("429-global", 429, True, True),
        ("429-cloudflare", 429, False, False),
        ("500", 500, True, True),
        ("502", 502, True, True),
        ("502-html", 502, False, False),
        ("503", 503, False, False),
        ("504", 504, False, False),
        ("garbage-after", 200, False, True),
    ],
)
async def test_a_fault_looks_otherwise(
    discord: Discord,
    bot: Bot,
    general: Channel,
    kind: FaultKind,
    status: int,
    via: bool,
    json: bool,
) -> None:
    """Status, headers and kind of body of each; only what comes after has its effect."""
    discord.faults.add("create_message", kind, retry_after=1.5)
    answer = await posted(bot, general)
    assert answer.status_code == status
    assert ("Via" in answer.headers) is via
    assert (answer.headers["Content-Type"] == "application/json") is json
    if kind.startswith("429-") or kind == "429":
        scope = answer.headers.get("X-RateLimit-Scope")
        assert scope == {"429": "user", "429-shared": "shared", "429-global": "global"}.get(kind)
        assert len(discord.invalid) == (kind != "429-shared")
    if json and status == 429:
        assert answer.json()["retry_after"] == 1.5
        assert answer.json()["global"] is (kind == "429-global")
    assert len(general.messages) == (kind == "garbage-after")
    assert (await posted(bot, general)).status_code == 200
    assert discord.faults.suffered == [("create_message", kind)]
    assert discord.violations == []


async def test_a_call_is_dropped_by_halves(discord: Discord, bot: Bot, general: Channel) -> None:
    """Before it had its effect, or after; what was not heard may be said again."""
    kinds: dict[FaultKind, int] = {"dropped-before": 0, "dropped-after": 1}
    for kind, count in kinds.items():
        discord.faults.add("create_message", kind)
        with pytest.raises(httpx.TransportError):
            await posted(bot, general)
        assert len(general.messages) == count
    assert [one.status for one in discord.called("create_message", general)] == [0, 0]
    ann = discord.person("Bob")
    general.guild.add(ann)  # type: ignore[union-attr] # it has one
    await bot.syncs(VIDEO)
    it = await ann.uses("/video", channel=general, prompt="x", waits=0)
    discord.faults.add("create_interaction_response", "dropped-after")
    with pytest.raises(httpx.TransportError):
        await bot.answers(it, 5)
    assert await bot.answers(it, 5) == 40060
    assert discord.violations == []
    assert await bot.answers(it, 4, {"content": "x"}) == 40060
    assert len(discord.violations) == 1


async def test_a_call_hangs_for_ever(discord: Discord, bot: Bot, general: Channel) -> None:
    """What is held goes on when released; what hangs is then closed."""
    discord.faults.add("create_message", "held")
    discord.faults.add("create_message", "hanging")
    calls = [asyncio.create_task(posted(bot, general)) for _ in range(2)]
    await discord.until(lambda: discord.faults.hanging == 2)
    assert general.messages == []
    discord.faults.release()
    done = await asyncio.gather(*calls, return_exceptions=True)
    assert sum(isinstance(one, httpx.Response) for one in done) == 1
    assert len(general.messages) == 1


async def test_a_fault_befalls_others(discord: Discord, bot: Bot, general: Channel) -> None:
    """Only the operation, the number and the bodies that were named."""
    discord.faults.add("create_message", "500", times=None, when=lambda body: bool(body["tts"]))
    discord.faults.add("*", "503", times=1)
    assert (await bot.raw("GET", "/users/@me")).status_code == 503
    assert (await bot.says(general, "a", tts=False))["content"] == "a"
    for _ in range(3):
        assert await bot.says(general, "b", tts=True) == 0
    discord.faults.clear()
    assert (await bot.says(general, "b", tts=True))["content"] == "b"


async def test_files_fail_as_calls(discord: Discord, bot: Bot, general: Channel) -> None:
    """A download may fail as well."""
    sent = await bot.says(general, files={0: ("a.mp4", MP4)})
    link = sent["attachments"][0]["url"]
    discord.faults.add("download", "503")
    assert (await bot.client.get(link)).status_code == 503
    assert (await bot.client.get(link)).content == MP4
    assert list(discord.world.cdn.downloads.values()) == [1]


async def test_an_outage_ends_badly(discord: Discord, bot: Bot, general: Channel) -> None:
    """For its time nothing goes; then all goes as before, at the same addresses."""
    sent = await bot.says(general, files={0: ("a.mp4", MP4)})
    link = sent["attachments"][0]["url"]
    kinds: tuple[Outage, ...] = ("refused", "dropped")
    for kind in kinds:
        await discord.outage(kind)
        for call in (posted(bot, general), bot.client.get(link)):
            with pytest.raises(httpx.TransportError):
                await call
        await discord.recovered()
        assert (await bot.client.get(link)).content == MP4
    pages: dict[Outage, int] = {"502": 502, "503": 503}
    for kind, status in pages.items():
        await discord.outage(kind)
        assert (await posted(bot, general)).status_code == status
        await discord.recovered()
    assert (await posted(bot, general)).status_code == 200
    assert discord.violations == []


async def test_too_many_failures_are_borne(discord: Discord, bot: Bot, clock: FakeClock) -> None:
    """After so many refusals in ten minutes the address is banned, without a `Via`."""
    discord.most_invalid = 3
    for _ in range(3):
        assert (await bot.raw("GET", "/users/@me", token="wrong")).status_code == 401
    answer = await bot.raw("GET", "/users/@me")
    assert answer.status_code == 429
    assert "Via" not in answer.headers
    await clock.advance(601)
    assert (await bot.raw("GET", "/users/@me")).status_code == 200


async def test_a_flood_is_borne(clock: FakeClock) -> None:
    """Five messages in five seconds for each channel; the headers tell of it beforehand."""
    async with calling(clock, flood=True) as bot:
        discord = bot.discord
        guild = discord.guild("Kites", [discord.person("Ann")])
        one, two = guild.text("one"), guild.text("two")
        for left in (4, 3, 2, 1, 0):
            answer = await posted(bot, one)
            assert answer.headers["X-RateLimit-Remaining"] == str(left)
        answer = await posted(bot, one)
        assert answer.status_code == 429
        assert answer.headers["X-RateLimit-Scope"] == "user"
        assert 0 < answer.json()["retry_after"] <= 5
        assert (await posted(bot, two)).status_code == 200
        discord.limits.overall = 1
        answer = await bot.raw("GET", f"/channels/{one.id}")
        assert answer.json()["global"] is True
        assert answer.headers["X-RateLimit-Global"] == "true"
        hook = await bot.raw("GET", "/webhooks/1/x/messages/@original", token="")
        assert hook.status_code == 404
        assert len(discord.invalid) == 2


async def test_a_body_that_is_no_json_is_read(discord: Discord, bot: Bot, general: Channel) -> None:
    """Broken JSON, parts that nothing asks for, and files without a body."""
    headers = {"User-Agent": AGENT, "Authorization": f"Bot {discord.token}"}
    url = f"{discord.url}/channels/{general.id}/messages"
    broken = {**headers, "Content-Type": "application/json"}
    assert (await bot.client.post(url, headers=broken, content=b"{")).json()["code"] == 50109
    odd = {"picture": ("a.png", b"x")}
    assert (await bot.client.post(url, headers=headers, files=odd)).json()["code"] == 50109
    alone = {"files[0]": ("a.mp4", MP4)}
    answer = await bot.client.post(url, headers=headers, files=alone)
    assert answer.json()["attachments"][0]["filename"] == "a.mp4"
    agentless = {**headers, "User-Agent": "curl/8"}
    assert (await bot.client.post(url, headers=agentless, json={"content": "x"})).is_success
    assert len(discord.violations) == 3


async def test_a_mistake_of_its_own_is_hidden(discord: Discord, bot: Bot, general: Channel) -> None:
    """What goes wrong in the stand-in itself fails the test that waits."""
    await bot.says(general, "x", components=GO)
    general.messages[0].components[0]["surprise"] = 1
    number = general.messages[0].id
    assert await bot("GET", f"/channels/{general.id}/messages/{number}") == 0
    with pytest.raises(AssertionError, match="a wrong answer of the stand-in's own to get_message"):
        await general.shows("x")
    discord.world.mistakes.clear()
