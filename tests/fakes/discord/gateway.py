"""Discord's gateway: sessions over WebSockets, and their events."""

from __future__ import annotations

import asyncio
import json
import time
from collections import defaultdict
from itertools import count
from typing import Any

from aiohttp import WSMsgType, web

from tests.fakes.discord import serializers as shown
from tests.fakes.discord.channels import Guild
from tests.fakes.discord.intents import MESSAGE_CONTENT, is_sent_to, strip_content
from tests.fakes.discord.sessions import Connection, Session
from tests.fakes.discord.snowflakes import shard_of
from tests.fakes.discord.state import DiscordState

Json = dict[str, Any]
DISPATCH, HEARTBEAT, IDENTIFY, PRESENCE, VOICE, RESUME, RECONNECT, MEMBERS, INVALID, HELLO, ACK = (
    0, 1, 2, 3, 4, 6, 7, 8, 9, 10, 11
)  # fmt: skip
LARGEST_SENT = 4096
MOST_SENT = 120
"""Payloads in 60 seconds."""
_KNOWN_INTENTS = (1 << 26) - 1
_SETTINGS = frozenset({4004, 4014})
"""A wrong token or a right not granted is the operator's mistake, not the bot's."""
_THEIRS_END, _OURS_END = frozenset({1000, 1001}), frozenset({4007, 4009})
"""After a close with these, by the bot or by us, the session cannot be resumed."""
PRIVILEGED = (1 << 1) | (1 << 8) | MESSAGE_CONTENT


class Gateway:
    """All sessions, and how a test can disturb them."""

    def __init__(self, world: DiscordState, token: str, violations: list[str]) -> None:
        self.world = world
        self.token = token
        self.violations = violations
        self.url = ""
        self.heartbeat = 41.25
        """Seconds between heartbeats."""
        self.max_concurrency = 1
        self.identify_seconds = 5.0
        """Seconds in which as many shards of one bucket may identify as the concurrency allows."""
        self.starts_left = 1000
        """Session starts left today."""
        self.privileged = 0
        """The privileged intents that the bot was granted."""
        self.sessions: list[Session] = []
        self.connections: set[Connection] = set()
        self.identified: list[tuple[float, int, int]] = []
        """(Time, shard, shards) of each session that began."""
        self.refused: list[tuple[int, str]] = []
        """(Close code, why) of connections that were closed for what the bot did."""
        self.resumed: list[int] = []
        """Shards whose sessions went on after a break."""
        self.deaf = False
        """Heartbeats are not answered, as on a connection that is dead without a word."""
        self._numbers = count(1)
        self._begun: defaultdict[int, list[float]] = defaultdict(list)
        world.hears, world.listens = self.dispatch, self.listening

    # --- telling -------------------------------------------------------------------------

    def dispatch(self, event: str, told: Json, guild: Guild | None) -> int:
        """Send an event to all sessions that may get it; their number."""
        heard = 0
        for session in self.sessions:
            mine = session.shard == shard_of(guild.id if guild else None, session.shards)
            if not session.ended and mine and is_sent_to(event, told, session.intents):
                self._dispatch(
                    session, event, strip_content(event, told, session.intents, self.world)
                )
                heard += session.connected
        return heard

    def listening(self, guild: Guild | None) -> bool:
        """Whether a session gets the events of a guild."""
        return any(
            session.connected
            and session.shard == shard_of(guild.id if guild else None, session.shards)
            for session in self.sessions
        )

    def _dispatch(self, session: Session, event: str, told: Any) -> None:
        session.seq += 1
        text = json.dumps({"op": DISPATCH, "d": told, "s": session.seq, "t": event})
        session.sent.append((session.seq, text))
        if session.connection is not None:
            session.connection.out.put_nowait(text)

    # --- what a test may do --------------------------------------------------------------

    def live_connections(self, shard: int | None = None) -> list[Connection]:
        """Connections with a session, of one shard or all."""
        return [
            connection
            for connection in self.connections
            if connection.session is not None and shard in {None, connection.session.shard}
        ]

    def reconnect(self, shard: int | None = None) -> None:
        """Ask the bot to reconnect, as before a restart of the server (op 7)."""
        for connection in self.live_connections(shard):
            connection.send(RECONNECT)

    def invalidate(self, shard: int | None = None, *, resumable: bool = False) -> None:
        """Invalidate the session (op 9)."""
        for connection in self.live_connections(shard):
            assert connection.session is not None
            connection.session.ended = not resumable
            connection.send(INVALID, resumable)

    def close(self, code: int, shard: int | None = None, words: str = "") -> None:
        """Close connections with a code."""
        for connection in self.live_connections(shard):
            connection.close(code, words)

    def drop(self, shard: int | None = None) -> None:
        """Break connections without a close."""
        for connection in self.live_connections(shard):
            connection.drop()

    def forget(self) -> None:
        """Forget all sessions: none can be resumed."""
        for session in self.sessions:
            session.ended = True

    # --- serving -------------------------------------------------------------------------

    def about(self) -> Json:
        """A `GatewayBotResponse`."""
        limit = {"total": 1000, "remaining": self.starts_left, "reset_after": 86_400_000}
        limit["max_concurrency"] = self.max_concurrency
        return {"url": self.url, "shards": self.world.shards, "session_start_limit": limit}

    async def serve(self, request: web.Request) -> web.WebSocketResponse:
        """One connection, to its end."""
        ws = web.WebSocketResponse(max_msg_size=1 << 20, compress=False)
        await ws.prepare(request)
        if request.query.get("v") != "10" or request.query.get("encoding") != "json":
            self.violations.append(f"gateway: asked for {request.query_string}")
        it = Connection(ws, request, request.query.get("compress") == "zlib-stream")
        self.connections.add(it)
        it.send(HELLO, {"heartbeat_interval": int(self.heartbeat * 1000), "_trace": []})
        pump, hears = asyncio.create_task(it.pump()), asyncio.create_task(self._hear(it))
        code: int | None = None
        try:
            await asyncio.wait({pump, hears}, return_when=asyncio.FIRST_COMPLETED)
            if hears.done():
                code = hears.result()
        finally:
            for running in (pump, hears):
                running.cancel()
            await asyncio.gather(pump, hears, return_exceptions=True)
            self._left(it, code)
            # Once nobody else hears: it waits for the bot's own close, which then finds us there.
            await it.part()
            self.connections.discard(it)
            self.world.changed()
        return ws

    async def _hear(self, it: Connection) -> int | None:
        """Hear until the bot is gone; the code with which it closed."""
        while True:
            message = await it.ws.receive()
            match message.type:
                case WSMsgType.TEXT:
                    self._heard(it, message.data)
                case WSMsgType.CLOSE:
                    return int(message.data)
                case WSMsgType.CLOSED | WSMsgType.CLOSING | WSMsgType.ERROR:
                    return None

    async def stop(self) -> None:
        """Close all that is open."""
        for connection in list(self.connections):
            connection.drop()

    def _left(self, it: Connection, code: int | None) -> None:
        """Nothing goes over it any more; the bot closed it with this code, or did not."""
        session = it.session
        if session is not None and session.connection is it:
            session.connection = None
            if it.closing[0] in _OURS_END if it.closing else code in _THEIRS_END:
                session.ended = True
        self.world.changed()

    def _heard(self, it: Connection, text: str) -> None:
        now = time.monotonic()
        it.sent_at = [*(moment for moment in it.sent_at if moment > now - 60), now]
        if len(text.encode()) > LARGEST_SENT:
            return self._refuse(it, 4002, "a payload of more than 4096 bytes")
        if len(it.sent_at) > MOST_SENT:
            return self._refuse(it, 4008, "more than 120 payloads in a minute")
        try:
            said = json.loads(text)
            op, d = said["op"], said.get("d")
        except (ValueError, KeyError, TypeError):
            return self._refuse(it, 4002, "what it sent cannot be read")
        match op:
            case 1:
                it.heartbeats += 1
                if not self.deaf:
                    it.send(ACK)
            case 2 if it.session is not None:
                self._refuse(it, 4005, "IDENTIFY twice")
            case 2:
                self._identify(it, d)
            case 6:
                self._resume(it, d)
            case 3 | 4 | 8 if it.session is None:
                self._refuse(it, 4003, f"op {op} before IDENTIFY")
            case 8:
                self._members(it, d)
            case 3 | 4:
                pass
            case _:
                self._refuse(it, 4001, f"unknown op {op}")
        return None

    def _refuse(self, it: Connection, code: int, words: str) -> None:
        self.refused.append((code, words))
        if code not in _SETTINGS:
            self.violations.append(f"gateway: {words}")
        it.close(code, words)

    def _identify(self, it: Connection, d: Json) -> None:
        now = time.monotonic()
        shard, shards = d.get("shard") or [0, 1]
        if d.get("token") != self.token:
            return self._refuse(it, 4004, "Authentication failed.")
        if not 0 <= shard < shards:
            return self._refuse(it, 4010, "Invalid shard.")
        if not isinstance(d.get("properties"), dict) or not isinstance(d.get("intents"), int):
            return self._refuse(it, 4002, "IDENTIFY without properties or intents")
        intents: int = d["intents"]
        if intents & ~_KNOWN_INTENTS:
            return self._refuse(it, 4013, "Invalid intent(s).")
        if intents & PRIVILEGED & ~self.privileged:
            return self._refuse(it, 4014, "Disallowed intent(s).")
        recent = self._begun[shard % self.max_concurrency]
        recent[:] = [moment for moment in recent if moment > now - self.identify_seconds]
        if recent:
            self.violations.append("gateway: IDENTIFY again within 5 seconds")
            it.send(INVALID, False)
            return None
        recent.append(now)
        if self.starts_left <= 0:
            self.token += "-reset"
            return self._refuse(it, 4004, "over 1000 IDENTIFY in a day: the token was reset")
        self.starts_left -= 1
        session = Session(f"session{next(self._numbers):06d}", shard, shards, intents)
        self.sessions.append(session)
        self.identified.append((self.world.clock.now(), shard, shards))
        it.session, session.connection = session, it
        self._ready(session)
        return None

    def _ready(self, session: Session) -> None:
        world = self.world
        guilds = [guild for guild in world.guilds.values() if guild.has_bot and not guild.gone]
        mine = [guild for guild in guilds if shard_of(guild.id, session.shards) == session.shard]
        self._dispatch(
            session,
            "READY",
            {
                "v": 10,
                "user": shown.user(world.bot) | {"verified": True, "mfa_enabled": False},
                "guilds": [{"id": str(own_guild.id), "unavailable": True} for own_guild in mine],
                "session_id": session.id,
                "session_type": "normal",
                "resume_gateway_url": self.url.replace("gateway-ws", "resume-ws"),
                "shard": [session.shard, session.shards],
                "application": {"id": str(world.application), "flags": 1 << 19},
                "private_channels": [],
                "relationships": [],
                "user_settings": {},
                "_trace": [],
            },
        )
        if session.intents & 1:
            for own_guild in mine:
                self._dispatch(session, "GUILD_CREATE", shown.guild_create_event(own_guild))
        world.changed()

    def _resume(self, it: Connection, d: Json) -> None:
        if d.get("token") != self.token:
            return self._refuse(it, 4004, "Authentication failed.")
        found = [one for one in self.sessions if one.id == d.get("session_id") and not one.ended]
        if not found:
            it.send(INVALID, False)
            return None
        session, seq = found[0], d.get("seq") or 0
        if seq > session.seq:
            return self._refuse(it, 4007, "Invalid seq")
        if session.connection is not None:
            session.connection.close(4000, "taken over")
        it.session, session.connection = session, it
        for number, text in session.sent:
            if number > seq:
                it.out.put_nowait(text)
        self._dispatch(session, "RESUMED", {"_trace": []})
        self.resumed.append(session.shard)
        self.world.changed()
        return None

    def _members(self, it: Connection, d: Json) -> None:
        assert it.session is not None
        guild = self.world.guilds[int(d["guild_id"])]
        wanted = {int(user_id) for user_id in d.get("user_ids") or []}
        if not wanted and not it.session.intents & (1 << 1):
            return self._refuse(it, 4014, "all members without the intent")
        found = [member for member in guild.members if member.id in wanted or not wanted]
        told: Json = {"guild_id": str(guild.id), "chunk_index": 0, "chunk_count": 1}
        told["members"] = [shown.member(guild, member) for member in found]
        told["not_found"] = [str(one) for one in wanted - {member.id for member in found}]
        if "nonce" in d:
            told["nonce"] = d["nonce"]
        self._dispatch(it.session, "GUILD_MEMBERS_CHUNK", told)
        return None
