"""From a request to a task: download the image from Discord, place the order."""

from __future__ import annotations

import asyncio
import tempfile
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp

from bot.chat.update_queue import RetryLater
from bot.domain.commands import MakeVideo, Reply
from bot.domain.errors import Refusal
from bot.frontends.discord.context import ChatContext
from bot.frontends.discord.interaction_payload import ImageAttachment, StoredInteraction
from bot.media import images

_CDN_HOSTS = frozenset({"cdn.discordapp.com", "media.discordapp.net"})
"""Hosts of attachments (reference, "CDN endpoints")."""
_OFFICIAL_HOST = "discord.com"
_DOWNLOAD_TIMEOUT = aiohttp.ClientTimeout(total=30)
_CHUNK_BYTES = 1 << 16


async def order_video(
    context: ChatContext,
    stored: StoredInteraction,
    request: MakeVideo,
    image: ImageAttachment | None,
) -> Reply:
    """Place the order. Raises `Refusal`, and `RetryLater` if the image cannot be downloaded now."""
    if image is None:
        return await context.run_command(stored, request)
    with tempfile.TemporaryDirectory(prefix="reelay-") as folder:
        path = Path(folder) / f"picture{Path(image.name).suffix[:8]}"
        await _download(image, path, _hosts(context.app.settings.discord_api_url))
        return await context.run_command(stored, replace(request, image=path))


def _hosts(api: str) -> frozenset[str]:
    """Return the allowed hosts; a local server keeps its files itself."""
    host = urlsplit(api).hostname or ""
    return _CDN_HOSTS if host == _OFFICIAL_HOST else _CDN_HOSTS | {host}


async def _download(image: ImageAttachment, path: Path, hosts: frozenset[str]) -> None:
    if urlsplit(image.url).hostname not in hosts:
        raise Refusal("picture-gone-discord")
    if image.bytes > images.MAX_IMAGE_BYTES:
        raise _too_large(image.bytes)
    try:
        async with (
            aiohttp.ClientSession(timeout=_DOWNLOAD_TIMEOUT) as session,
            session.get(image.url, allow_redirects=False) as answer,
        ):
            if answer.status >= 500 or answer.status == 429:
                raise RetryLater(f"HTTP {answer.status} for a picture")
            if answer.status != 200:
                raise Refusal("picture-gone-discord")
            await _save(answer, path)
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        raise RetryLater(f"a picture could not be fetched: {type(error).__name__}") from None


async def _save(answer: aiohttp.ClientResponse, path: Path) -> None:
    size = 0
    with await asyncio.to_thread(path.open, "wb") as file:
        async for chunk in answer.content.iter_chunked(_CHUNK_BYTES):
            size += len(chunk)
            if size > images.MAX_IMAGE_BYTES:
                raise _too_large(size)
            await asyncio.to_thread(file.write, chunk)


def _too_large(size: int) -> Refusal:
    limit = images.MAX_IMAGE_BYTES >> 20
    return Refusal("image-too-large-bytes", size=f"{size / 1e6:.1f}", limit=limit)
