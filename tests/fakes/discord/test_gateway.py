"""The fake gateway of Discord starts, breaks and resumes sessions as the real one does."""

from __future__ import annotations

import json
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

from tests.fakes.discord.api_caller import VIDEO, ApiCaller, api_caller
from tests.fakes.discord.fake import FakeDiscord
from tests.support.fake_clock import FakeClock

Json = dict[str, Any]
GUILDS, GUILD_MESSAGES, DIRECT_MESSAGES = 1 << 0, 1 << 9, 1 << 12


@pytest.fixture
async def caller(clock: FakeClock) -> AsyncIterator[ApiCaller]:
    """Someone who calls the server, whose clock stands still; any number may begin at once."""
    async with api_caller(clock, shards=2) as it:
        it.discord.gateway.identify_seconds = 0
        yield it


@pytest.fixture
def discord(caller: ApiCaller) -> FakeDiscord:
    """The fake server."""
    return caller.discord


class Wire:
    """One connection to the gateway."""

    def __init__(self, ws: aiohttp.ClientWebSocketResponse, *, packed: bool) -> None:
        self.ws = ws
        self._unpacker = zlib.decompressobj() if packed else None

    async def hears(self) -> Json:
        """The next payload; of a close its code."""
        message = await self.ws.receive(timeout=5)
        if message.type is aiohttp.WSMsgType.TEXT:
            found: Json = json.loads(message.data)
            return found
        if message.type is aiohttp.WSMsgType.BINARY:
            assert self._unpacker is not None
            assert message.data.endswith(b"\0\0\xff\xff")
            unpacked: Json = json.loads(self._unpacker.decompress(message.data))
            return unpacked
        return {"closed": self.ws.close_code}

    async def until(self, event: str) -> Json:
        """The next event of this name; what comes before is left."""
        while (heard := await self.hears())["t"] != event:
            pass
        return heard

    async def says(self, op: int, d: Any) -> None:
        """One payload."""
        await self.ws.send_json({"op": op, "d": d})

    async def identifies(self, token: str, **more: Any) -> None:
        """IDENTIFY."""
        await self.says(2, {"token": token, "properties": {"os": "x"}, "intents": 1, **more})


@asynccontextmanager
async def connected(
    discord: FakeDiscord, *, packed: bool = False, url: str = ""
) -> AsyncIterator[Wire]:
    """A connection that was greeted."""
    async with aiohttp.ClientSession() as session:
        query = "?v=10&encoding=json" + ("&compress=zlib-stream" if packed else "")
        async with session.ws_connect((url or discord.gateway_url) + query) as ws:
            wire = Wire(ws, packed=packed)
            hello = await wire.hears()
            assert hello["op"] == 10
            assert hello["d"]["heartbeat_interval"] == 41250
            yield wire


@pytest.mark.parametrize("packed", [False, True])
async def test_session_begins_in_order(discord: FakeDiscord, packed: bool) -> None:
    """HELLO, IDENTIFY, READY, the guilds of the shard, and acknowledged heartbeats."""
    ann = discord.user("Ann")
    guilds = [discord.guild(f"G{number}", [ann]) for number in range(3)]
    mine = [guild for guild in guilds if guild.shard == 1]
    assert 0 < len(mine) < 3
    async with connected(discord, packed=packed) as wire:
        await wire.says(1, None)
        assert (await wire.hears())["op"] == 11
        await wire.identifies(discord.token, shard=[1, 2])
        ready = await wire.hears()
        assert (ready["t"], ready["s"]) == ("READY", 1)
        assert ready["d"]["guilds"] == [
            {"id": str(own_guild.id), "unavailable": True} for own_guild in mine
        ]
        told = (await wire.hears())["d"]
        assert told["name"] == mine[0].name
        assert told["members"][0]["user"]["id"] == str(discord.bot.id)
    assert discord.violations == []


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ({"op": 2, "d": {"token": "wrong", "properties": {}, "intents": 1}}, 4004),
        ({"op": 2, "d": {"token": "", "properties": {}, "intents": 1 << 40}}, 4013),
        ({"op": 2, "d": {"token": "", "properties": {}, "intents": 1 << 15}}, 4014),
        ({"op": 2, "d": {"token": "", "properties": {}, "intents": 1 << 1}}, 4014),
        ({"op": 2, "d": {"token": "", "properties": {}, "intents": 1, "shard": [2, 2]}}, 4010),
        ({"op": 2, "d": {"token": "", "intents": 1}}, 4002),
        ({"op": 3, "d": {}}, 4003),
        ({"op": 99, "d": {}}, 4001),
        ({"op": 1, "d": "x" * 5000}, 4002),
        ({"op": 6, "d": {"token": "wrong", "session_id": "1", "seq": 1}}, 4004),
        ({"nothing": 1}, 4002),
    ],
)
async def test_invalid_payload_gets_its_close_code(
    discord: FakeDiscord, said: Json, code: int
) -> None:
    """A wrong token or a missing intent is no violation."""
    if said.get("d") and said["op"] == 2 and not said["d"]["token"]:
        said["d"]["token"] = discord.token
    async with connected(discord) as wire:
        await wire.ws.send_json(said)
        assert await wire.hears() == {"closed": code}
    assert discord.gateway.refused[0][0] == code
    assert bool(discord.violations) is (code not in {4004, 4014})


async def test_identify_is_limited(discord: FakeDiscord, caller: ApiCaller) -> None:
    """By concurrency in five seconds; by 1000 a day, or the token is reset."""
    discord.gateway.identify_seconds = 5
    discord.gateway.starts_left = 2
    about = await caller("GET", "/gateway/bot")
    assert (about["shards"], about["url"]) == (2, discord.gateway_url)
    assert about["session_start_limit"]["max_concurrency"] == 1
    async with connected(discord) as one, connected(discord) as two:
        await one.identifies(discord.token, shard=[0, 2])
        assert (await one.hears())["t"] == "READY"
        await two.identifies(discord.token, shard=[1, 2])
        assert (await two.hears())["op"] == 9
    assert len(discord.violations) == 1
    discord.gateway.identify_seconds = 0
    for code in ("READY", 4004):
        async with connected(discord) as wire:
            await wire.identifies(discord.token)
            heard = await wire.hears()
            assert heard.get("t", heard.get("closed")) == code
    assert (await caller.raw("GET", "/users/@me", token="wrong")).status_code == 401


async def test_each_shard_gets_its_own_events(discord: FakeDiscord, caller: ApiCaller) -> None:
    """Events of guilds go to their shard, private ones to the first."""
    await caller.syncs(VIDEO)
    ann = discord.user("Ann")
    here, there = (discord.guild(f"G{one}", [ann]).text("general") for one in range(2))
    assert here.guild is not None
    assert there.guild is not None
    assert {here.guild.shard, there.guild.shard} == {0, 1}
    async with connected(discord) as one, connected(discord) as two:
        shards = {0: one, 1: two}
        for number, wire in shards.items():
            await wire.identifies(discord.token, shard=[number, 2])
            await wire.until("GUILD_CREATE")
        for channel, shard in ((there, there.guild.shard), (here, here.guild.shard), (ann.dm, 0)):
            it = await ann.uses("/video", channel=channel, prompt="x")
            assert it.told == 1
            heard = await shards[shard].until("INTERACTION_CREATE")
            assert heard["d"]["token"] == it.token
            assert heard["d"]["channel_id"] == str(channel.id)


async def test_resume_replays_missed_events(discord: FakeDiscord, caller: ApiCaller) -> None:
    """In order, then RESUMED."""
    await caller.syncs(VIDEO)
    ann = discord.user("Ann")
    discord.guild("Kites", [ann])
    async with connected(discord) as wire:
        await wire.identifies(discord.token)
        ready = await wire.hears()
        await wire.until("GUILD_CREATE")
        discord.gateway.drop()
    await discord.until(lambda: not discord.gateway.connections)
    its = [await ann.uses("/video", prompt=f"{number}", waits=0) for number in range(2)]
    assert [interaction.told for interaction in its] == [0, 0]
    resume = {"token": discord.token, "session_id": ready["d"]["session_id"], "seq": 2}
    async with connected(discord, url=ready["d"]["resume_gateway_url"]) as wire:
        await wire.says(6, resume)
        heard = [await wire.hears() for _ in range(3)]
        discord.gateway.drop()
    events = [(payload["t"], payload["s"]) for payload in heard[:2]]
    assert events == [("INTERACTION_CREATE", 3), ("INTERACTION_CREATE", 4)]
    assert heard[2]["t"] == "RESUMED"
    assert [payload["d"]["token"] for payload in heard[:2]] == [
        interaction.token for interaction in its
    ]
    assert discord.gateway.resumed == [0]
    await discord.until(lambda: not discord.gateway.connections)
    async with connected(discord) as wire:
        await wire.says(6, {**resume, "seq": 99})
        assert await wire.hears() == {"closed": 4007}


async def test_ended_session_cannot_be_resumed(discord: FakeDiscord) -> None:
    """After a close by the client, or an invalidation, a new session begins."""
    for end in (None, "invalid", "forgotten"):
        async with connected(discord) as wire:
            await wire.identifies(discord.token)
            ready = await wire.hears()
            if end == "invalid":
                discord.gateway.invalidate()
                assert await wire.hears() == {"op": 9, "d": False, "s": None, "t": None}
            if end is None:
                await wire.ws.close(code=1000)
            else:
                discord.gateway.forget()
                await wire.ws.close(code=4000)
        await discord.until(lambda: not discord.gateway.connections)
        async with connected(discord) as wire:
            resume = {"token": discord.token, "session_id": ready["d"]["session_id"], "seq": 1}
            await wire.says(6, resume)
            assert (await wire.hears())["op"] == 9
    assert discord.violations == []


@pytest.mark.parametrize(("code", "over"), [(4000, False), (4007, True), (4009, True)])
async def test_close_echo_does_not_end_the_session(
    discord: FakeDiscord, code: int, over: bool
) -> None:
    """Whatever code the echo has; and a late close still counts."""
    async with connected(discord) as wire:
        await wire.identifies(discord.token)
        ready = await wire.hears()
        discord.gateway.close(code)
        await discord.until(lambda: not discord.gateway.listening(None))
        assert len(discord.gateway.connections) == 1
        assert await wire.hears() == {"closed": code}
    await discord.until(lambda: not discord.gateway.connections)
    async with connected(discord) as wire:
        resume = {"token": discord.token, "session_id": ready["d"]["session_id"], "seq": 1}
        await wire.says(6, resume)
        heard = await wire.hears()
        assert heard["op"] == 9 if over else heard["t"] == "RESUMED"


async def test_session_can_be_disturbed(discord: FakeDiscord) -> None:
    """Op 7, op 9 for a session that is still good, close codes and plain breaks."""
    gateway = discord.gateway
    async with connected(discord) as wire:
        await wire.identifies(discord.token)
        await wire.hears()
        gateway.reconnect()
        assert (await wire.hears())["op"] == 7
        gateway.invalidate(resumable=True)
        assert (await wire.hears())["d"] is True
        gateway.deaf = True
        await wire.says(1, 1)
        gateway.close(4900)
        assert await wire.hears() == {"closed": 4900}
    async with connected(discord) as wire:
        await wire.identifies(discord.token)
        await wire.hears()
        gateway.drop()
        assert await wire.hears() == {"closed": 1006}
    assert len(gateway.identified) == 2


async def test_content_is_hidden_without_the_intent(discord: FakeDiscord) -> None:
    """Messages of others in guilds are empty, unless they mention the bot."""
    ann = discord.user("Ann")
    general = discord.guild("Kites", [ann]).text("general")
    intents = GUILDS | GUILD_MESSAGES | DIRECT_MESSAGES
    async with connected(discord) as wire:
        await wire.identifies(discord.token, intents=intents)
        await wire.until("GUILD_CREATE")
        await ann.says("secret", channel=general)
        assert (await wire.until("MESSAGE_CREATE"))["d"]["content"] == ""
        await ann.says("for you", channel=general, mentions=[discord.bot])
        assert (await wire.until("MESSAGE_CREATE"))["d"]["content"] == "for you"
        message = await ann.says("private")
        heard = (await wire.until("MESSAGE_CREATE"))["d"]
        assert heard["content"] == "private"
        assert "guild_id" not in heard
        await ann.deletes(message)
        assert (await wire.until("MESSAGE_DELETE"))["d"]["id"] == str(message.id)
    async with connected(discord) as wire:
        await wire.identifies(discord.token, intents=GUILDS)
        await wire.until("GUILD_CREATE")
        await ann.says("unheard", channel=general)
        thread = general.thread("Ideas")
        heard = await wire.hears()
        assert (heard["t"], heard["d"]["id"]) == ("THREAD_CREATE", str(thread.id))


async def test_guild_channel_and_role_changes_are_sent(discord: FakeDiscord) -> None:
    """Threads as well."""
    ann = discord.user("Ann")
    async with connected(discord) as wire:
        await wire.identifies(discord.token, shard=[0, 1])
        await wire.hears()
        guild = discord.guild("Kites", [ann])
        general = guild.text("general")
        guild.role("Patrons", [ann])
        thread = general.thread("Ideas")
        general.deny(bot=1 << 10)
        thread.archive()
        thread.remove()
        general.remove()
        guild.kicks_bot()
        guild.adds_bot()
        heard = [(await wire.hears())["t"] for _ in range(10)]
    assert heard == [
        "GUILD_CREATE",
        "CHANNEL_CREATE",
        "GUILD_ROLE_CREATE",
        "THREAD_CREATE",
        "CHANNEL_UPDATE",
        "THREAD_UPDATE",
        "THREAD_DELETE",
        "CHANNEL_DELETE",
        "GUILD_DELETE",
        "GUILD_CREATE",
    ]
