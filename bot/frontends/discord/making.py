"""From a wish to a task: the picture fetched from Discord at once, the order placed."""

from __future__ import annotations

import asyncio
import tempfile
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp

from bot.domain.commands import MakeVideo, Reply
from bot.domain.errors import Refusal
from bot.frontends.discord.asked import Asked, Picture
from bot.frontends.discord.kit import Kit
from bot.inbox import Later
from bot.media import images

_HOSTS = frozenset({"cdn.discordapp.com", "media.discordapp.net"})
"""Where Discord keeps what is attached (reference, "CDN endpoints")."""
_OFFICIAL = "discord.com"
_PATIENCE = aiohttp.ClientTimeout(total=30)
_CHUNK = 1 << 16


async def make(kit: Kit, asked: Asked, wish: MakeVideo, picture: Picture | None) -> Reply:
    """Place the order. Raises `Refusal`, and `Later` where Discord does not give the picture."""
    if picture is None:
        return await kit.ask(asked, wish)
    with tempfile.TemporaryDirectory(prefix="reelay-") as folder:
        path = Path(folder) / f"picture{Path(picture.name).suffix[:8]}"
        await _fetch(picture, path, _hosts(kit.desk.settings.discord_api_url))
        return await kit.ask(asked, replace(wish, image=path))


def _hosts(api: str) -> frozenset[str]:
    """A server of one's own keeps its files itself."""
    host = urlsplit(api).hostname or ""
    return _HOSTS if host == _OFFICIAL else _HOSTS | {host}


async def _fetch(picture: Picture, path: Path, hosts: frozenset[str]) -> None:
    if urlsplit(picture.url).hostname not in hosts:
        raise Refusal("picture-gone-discord")
    if picture.bytes > images.MAX_IMAGE_BYTES:
        raise _too_large(picture.bytes)
    try:
        async with (
            aiohttp.ClientSession(timeout=_PATIENCE) as session,
            session.get(picture.url, allow_redirects=False) as answer,
        ):
            if answer.status >= 500 or answer.status == 429:
                raise Later(f"HTTP {answer.status} for a picture")
            if answer.status != 200:
                raise Refusal("picture-gone-discord")
            await _save(answer, path)
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        raise Later(f"a picture could not be fetched: {type(error).__name__}") from None


async def _save(answer: aiohttp.ClientResponse, path: Path) -> None:
    size = 0
    with await asyncio.to_thread(path.open, "wb") as file:
        async for chunk in answer.content.iter_chunked(_CHUNK):
            size += len(chunk)
            if size > images.MAX_IMAGE_BYTES:
                raise _too_large(size)
            await asyncio.to_thread(file.write, chunk)


def _too_large(size: int) -> Refusal:
    limit = images.MAX_IMAGE_BYTES >> 20
    return Refusal("image-too-large-bytes", size=f"{size / 1e6:.1f}", limit=limit)
