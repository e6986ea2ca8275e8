"""The web server on a free port, and clients for it, also at the level of bytes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
from aiohttp import web

from bot.web import WebServer


@asynccontextmanager
async def started_server(*routes: web.RouteDef, **limits: float) -> AsyncIterator[WebServer]:
    """The server, started."""
    it = WebServer("127.0.0.1", 0, routes, **limits)  # type: ignore[arg-type] # plain numbers
    await it.start()
    try:
        yield it
    finally:
        await it.stop()


@asynccontextmanager
async def http_client(*routes: web.RouteDef) -> AsyncIterator[httpx.AsyncClient]:
    """A client of such a server."""
    async with started_server(*routes) as it, httpx.AsyncClient(base_url=it.address) as client:
        yield client


@asynccontextmanager
async def raw_connection(
    it: WebServer,
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A bare connection to it."""
    url = httpx.URL(it.address)
    reader, writer = await asyncio.open_connection(url.host, url.port)
    try:
        yield reader, writer
    finally:
        writer.close()


async def send_raw(it: WebServer, raw: bytes) -> bytes:
    """What comes back for these very bytes, to the end."""
    async with raw_connection(it) as (reader, writer):
        writer.write(raw)
        try:
            return await reader.read()
        except ConnectionResetError:
            return b""


async def count_remaining(reader: asyncio.StreamReader) -> int:
    """How many bytes still come before the end or the break."""
    taken = 0
    try:
        while piece := await reader.read(1 << 20):
            taken += len(piece)
    except ConnectionResetError:
        pass
    return taken


def get_request(target: str, *headers: str, method: str = "GET") -> bytes:
    """A request as it stands on the wire."""
    lines = [f"{method} {target} HTTP/1.1", "Host: x", "Connection: close", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n"


def split_response(raw: bytes) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body of an answer."""
    head, _, body = raw.partition(b"\r\n\r\n")
    status, *lines = head.decode().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines)
    return int(status.split()[1]), headers, body
