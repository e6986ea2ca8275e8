"""The fake Discord fails as the real one does when a test asks for it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest

from tests.fakes.discord.api_caller import AGENT, GO_ON_BUTTON, MP4, VIDEO, ApiCaller, api_caller
from tests.fakes.discord.channels import Channel
from tests.fakes.discord.fake import FakeDiscord
from tests.fakes.discord.faults import FaultKind, Outage
from tests.support.fake_clock import FakeClock


@pytest.fixture
async def caller(clock: FakeClock) -> AsyncIterator[ApiCaller]:
    """An API client; the server's clock stands still."""
    async with api_caller(clock) as it:
        yield it


@pytest.fixture
def discord(caller: ApiCaller) -> FakeDiscord:
    """The fake server."""
    return caller.discord


@pytest.fixture
def general(discord: FakeDiscord) -> Channel:
    """A channel with the bot."""
    return discord.guild("Kites", [discord.user("Ann")]).text("general")


async def posted(bot: ApiCaller, channel: Channel) -> httpx.Response:
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
async def test_each_fault_has_its_status_headers_and_body(
    discord: FakeDiscord,
    caller: ApiCaller,
    general: Channel,
    kind: FaultKind,
    status: int,
    via: bool,
    json: bool,
) -> None:
    """Only faults after the call have its effect."""
    discord.faults.add("create_message", kind, retry_after=1.5)
    answer = await posted(caller, general)
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
    assert (await posted(caller, general)).status_code == 200
    assert discord.faults.suffered == [("create_message", kind)]
    assert discord.violations == []


async def test_dropped_call_counts_before_or_after_its_effect(
    discord: FakeDiscord, caller: ApiCaller, general: Channel
) -> None:
    """After a lost response the call may be repeated."""
    kinds: dict[FaultKind, int] = {"dropped-before": 0, "dropped-after": 1}
    for kind, count in kinds.items():
        discord.faults.add("create_message", kind)
        with pytest.raises(httpx.TransportError):
            await posted(caller, general)
        assert len(general.messages) == count
    assert [call.status for call in discord.calls_to("create_message", general)] == [0, 0]
    ann = discord.user("Bob")
    general.guild.add(ann)  # type: ignore[union-attr] # it has one
    await caller.syncs(VIDEO)
    it = await ann.uses("/video", channel=general, prompt="x", waits=0)
    discord.faults.add("create_interaction_response", "dropped-after")
    with pytest.raises(httpx.TransportError):
        await caller.answers(it, 5)
    assert await caller.answers(it, 5) == 40060
    assert discord.violations == []
    assert await caller.answers(it, 4, {"content": "x"}) == 40060
    assert len(discord.violations) == 1


async def test_held_call_continues_and_hanging_call_is_closed(
    discord: FakeDiscord, caller: ApiCaller, general: Channel
) -> None:
    """When the test releases them."""
    discord.faults.add("create_message", "held")
    discord.faults.add("create_message", "hanging")
    calls = [asyncio.create_task(posted(caller, general)) for _ in range(2)]
    await discord.until(lambda: discord.faults.hanging == 2)
    assert general.messages == []
    discord.faults.release()
    done = await asyncio.gather(*calls, return_exceptions=True)
    assert sum(isinstance(result, httpx.Response) for result in done) == 1
    assert len(general.messages) == 1


async def test_fault_hits_only_the_named_calls(
    discord: FakeDiscord, caller: ApiCaller, general: Channel
) -> None:
    """Only the named operation, number and bodies."""
    discord.faults.add("create_message", "500", times=None, when=lambda body: bool(body["tts"]))
    discord.faults.add("*", "503", times=1)
    assert (await caller.raw("GET", "/users/@me")).status_code == 503
    assert (await caller.says(general, "a", tts=False))["content"] == "a"
    for _ in range(3):
        assert await caller.says(general, "b", tts=True) == 0
    discord.faults.clear()
    assert (await caller.says(general, "b", tts=True))["content"] == "b"


async def test_downloads_can_fail(
    discord: FakeDiscord, caller: ApiCaller, general: Channel
) -> None:
    """A download may fail as well."""
    sent = await caller.says(general, files={0: ("a.mp4", MP4)})
    link = sent["attachments"][0]["url"]
    discord.faults.add("download", "503")
    assert (await caller.client.get(link)).status_code == 503
    assert (await caller.client.get(link)).content == MP4
    assert list(discord.world.cdn.downloads.values()) == [1]


async def test_outage_ends_at_the_same_addresses(
    discord: FakeDiscord, caller: ApiCaller, general: Channel
) -> None:
    """During it nothing gets through; then everything works as before."""
    sent = await caller.says(general, files={0: ("a.mp4", MP4)})
    link = sent["attachments"][0]["url"]
    kinds: tuple[Outage, ...] = ("refused", "dropped")
    for kind in kinds:
        await discord.outage(kind)
        for call in (posted(caller, general), caller.client.get(link)):
            with pytest.raises(httpx.TransportError):
                await call
        await discord.recovered()
        assert (await caller.client.get(link)).content == MP4
    pages: dict[Outage, int] = {"502": 502, "503": 503}
    for kind, status in pages.items():
        await discord.outage(kind)
        assert (await posted(caller, general)).status_code == status
        await discord.recovered()
    assert (await posted(caller, general)).status_code == 200
    assert discord.violations == []


async def test_too_many_failures_bring_a_ban(
    discord: FakeDiscord, caller: ApiCaller, clock: FakeClock
) -> None:
    """After too many refusals in ten minutes the address is banned, without a `Via`."""
    discord.most_invalid = 3
    for _ in range(3):
        assert (await caller.raw("GET", "/users/@me", token="wrong")).status_code == 401
    answer = await caller.raw("GET", "/users/@me")
    assert answer.status_code == 429
    assert "Via" not in answer.headers
    await clock.advance(601)
    assert (await caller.raw("GET", "/users/@me")).status_code == 200


async def test_flood_is_refused_and_announced_in_headers(clock: FakeClock) -> None:
    """Five messages in five seconds for each channel."""
    async with api_caller(clock, flood=True) as bot:
        discord = bot.discord
        guild = discord.guild("Kites", [discord.user("Ann")])
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


async def test_malformed_body_is_refused(
    discord: FakeDiscord, caller: ApiCaller, general: Channel
) -> None:
    """Broken JSON, unknown parts, and files without a body."""
    headers = {"User-Agent": AGENT, "Authorization": f"Bot {discord.token}"}
    url = f"{discord.url}/channels/{general.id}/messages"
    broken = {**headers, "Content-Type": "application/json"}
    assert (await caller.client.post(url, headers=broken, content=b"{")).json()["code"] == 50109
    odd = {"picture": ("a.png", b"x")}
    assert (await caller.client.post(url, headers=headers, files=odd)).json()["code"] == 50109
    alone = {"files[0]": ("a.mp4", MP4)}
    answer = await caller.client.post(url, headers=headers, files=alone)
    assert answer.json()["attachments"][0]["filename"] == "a.mp4"
    agentless = {**headers, "User-Agent": "curl/8"}
    assert (await caller.client.post(url, headers=agentless, json={"content": "x"})).is_success
    assert len(discord.violations) == 3


async def test_internal_error_fails_the_waiting_test(
    discord: FakeDiscord, caller: ApiCaller, general: Channel
) -> None:
    """An exception inside the fake fails the test."""
    await caller.says(general, "x", components=GO_ON_BUTTON)
    general.messages[0].components[0]["surprise"] = 1
    number = general.messages[0].id
    assert await caller("GET", f"/channels/{general.id}/messages/{number}") == 0
    with pytest.raises(AssertionError, match="a wrong answer of the fake's own to get_message"):
        await general.shows("x")
    discord.world.mistakes.clear()
