"""Sessions of the gateway and the WebSockets over which they go."""

from __future__ import annotations

import asyncio
import json
import zlib
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web


@dataclass(eq=False)
class Session:
    """What the bot began with IDENTIFY; it outlives its connections."""

    id: str
    shard: int
    shards: int
    intents: int
    seq: int = 0
    sent: list[tuple[int, str]] = field(default_factory=list)
    """All events, to be told again after a break."""
    connection: Connection | None = None
    ended: bool = False

    @property
    def connected(self) -> bool:
        return self.connection is not None and not self.ended


@dataclass(eq=False)
class Connection:
    """One WebSocket."""

    ws: web.WebSocketResponse
    request: web.Request
    compressed: bool
    out: asyncio.Queue[Any] = field(default_factory=asyncio.Queue)
    session: Session | None = None
    sent_at: list[float] = field(default_factory=list)
    heartbeats: int = 0
    closing: tuple[int, str] | None = None
    """The code and the words with which we close it, once all else was sent."""

    def send(self, op: int, d: Any = None, s: int | None = None, t: str | None = None) -> str:
        """Send a payload, in its turn."""
        text = json.dumps({"op": op, "d": d, "s": s, "t": t})
        self.out.put_nowait(text)
        return text

    def close(self, code: int, words: str = "") -> None:
        """Close once all was sent."""
        self.out.put_nowait((code, words))

    def drop(self) -> None:
        """Break without a word."""
        if self.request.transport is not None:
            self.request.transport.abort()

    async def pump(self) -> None:
        """Send what is to be sent, until the connection is to be closed or cannot send."""
        packer = zlib.compressobj() if self.compressed else None
        while True:
            one = await self.out.get()
            if isinstance(one, tuple):
                self.closing = one
                return
            try:
                if packer is None:
                    await self.ws.send_str(one)
                else:
                    packed = packer.compress(one.encode()) + packer.flush(zlib.Z_SYNC_FLUSH)
                    await self.ws.send_bytes(packed)
            except (ConnectionError, RuntimeError):
                return

    async def part(self) -> None:
        """Close it if we are to, with the bot's own close in answer; nobody may be hearing."""
        if self.closing is not None:
            code, words = self.closing
            await self.ws.close(code=code, message=words.encode())
