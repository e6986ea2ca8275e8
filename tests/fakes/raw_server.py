"""A server at the level of bytes, for responses that no web framework would send."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

ConnectionHandler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def raw_server(talk: ConnectionHandler) -> AsyncIterator[str]:
    """Run a server that hands each connection to the handler."""
    it = await asyncio.start_server(talk, "127.0.0.1", 0)
    async with it:
        yield f"http://127.0.0.1:{it.sockets[0].getsockname()[1]}"


def respond_with(raw: bytes, seen: list[bytes] | None = None) -> ConnectionHandler:
    """Read the head of a request, send these bytes and close."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        if seen is not None:
            seen.append(head)
        writer.write(raw)
        await writer.drain()
        writer.close()

    return talk


def http_response(status: str, body: str = "", *headers: str) -> bytes:
    """A complete response in bytes."""
    data = body.encode()
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(data)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + data
