"""Our web server on a free port, and clients that speak to it, also in bytes of their own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
from aiohttp import web

from bot.web import Web


@asynccontextmanager
async def serving(*routes: web.RouteDef, **limits: float) -> AsyncIterator[Web]:
    """The server, started."""
    it = Web("127.0.0.1", 0, routes, **limits)  # type: ignore[arg-type] # plain numbers
    await it.start()
    try:
        yield it
    finally:
        await it.stop()


@asynccontextmanager
async def asking(*routes: web.RouteDef) -> AsyncIterator[httpx.AsyncClient]:
    """A client of such a server."""
    async with serving(*routes) as it, httpx.AsyncClient(base_url=it.address) as client:
        yield client


@asynccontextmanager
async def connected(
    it: Web,
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A bare connection to it."""
    url = httpx.URL(it.address)
    reader, writer = await asyncio.open_connection(url.host, url.port)
    try:
        yield reader, writer
    finally:
        writer.close()


async def say(it: Web, raw: bytes) -> bytes:
    """What comes back for these very bytes, to the end."""
    async with connected(it) as (reader, writer):
        writer.write(raw)
        try:
            return await reader.read()
        except ConnectionResetError:
            return b""


async def left(reader: asyncio.StreamReader) -> int:
    """How many bytes still come before the end or the break."""
    taken = 0
    try:
        while piece := await reader.read(1 << 20):
            taken += len(piece)
    except ConnectionResetError:
        pass
    return taken


def get(target: str, *headers: str, method: str = "GET") -> bytes:
    """A request as it stands on the wire."""
    lines = [f"{method} {target} HTTP/1.1", "Host: x", "Connection: close", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n"


def parts(raw: bytes) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body of an answer."""
    head, _, body = raw.partition(b"\r\n\r\n")
    status, *lines = head.decode().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines)
    return int(status.split()[1]), headers, body
