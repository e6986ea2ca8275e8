"""A minimal API client, for the tests of the fake itself."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import httpx

from tests.fakes.discord.channels import Channel
from tests.fakes.discord.fake import FakeDiscord
from tests.fakes.discord.interactions import Interaction
from tests.fakes.discord.state import HasNow

AGENT = "DiscordBot (https://example.org, 1)"
VIDEO = {
    "name": "video",
    "description": "Makes a video",
    "name_localizations": {"zh-CN": "视频"},
    "contexts": [0, 1, 2],
    "integration_types": [0, 1],
    "options": [
        {"type": 3, "name": "prompt", "description": "What to see", "required": True,
         "max_length": 100},
        {"type": 11, "name": "image", "description": "How it begins"},
        {"type": 4, "name": "duration", "description": "Seconds", "min_value": 4, "max_value": 15},
        {"type": 3, "name": "size", "description": "How large", "choices": [
            {"name": "Small", "name_localizations": {"zh-CN": "小"}, "value": "480p"},
            {"name": "Large", "value": "720p"}]},
        {"type": 3, "name": "model", "description": "By which", "autocomplete": True},
    ],
}  # fmt: skip
"""A command as a bot would sync it."""
MP4 = b"\0\0\0\x20ftypisom" + bytes(2000)
"""The smallest file that counts as a video."""
GO_ON_BUTTON = [
    {"type": 1, "components": [{"type": 2, "style": 1, "custom_id": "go", "label": "Go on"}]}
]


class ApiCaller:
    """Calls as a bot would, with its token or without."""

    def __init__(self, discord: FakeDiscord, client: httpx.AsyncClient) -> None:
        self.discord = discord
        self.client = client

    async def raw(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        files: Mapping[int, tuple[str, bytes]] | None = None,
        token: str | None = None,
        **query: Any,
    ) -> httpx.Response:
        """The bare answer."""
        key = self.discord.token if token is None else token
        headers = {"User-Agent": AGENT} | ({"Authorization": f"Bot {key}"} if key else {})
        url = f"{self.discord.url}{path}"
        if files is None:
            more = {} if body is None else {"json": body}
            return await self.client.request(method, url, headers=headers, params=query, **more)
        parts = {f"files[{number}]": file for number, file in files.items()}
        return await self.client.request(
            method,
            url,
            headers=headers,
            params=query,
            data={"payload_json": json.dumps(body)},
            files=parts,
        )

    async def __call__(self, method: str, path: str, body: Any = None, **more: Any) -> Any:
        """What was answered; of a refusal its code."""
        answer = await self.raw(method, path, body, **more)
        if answer.status_code == 204:
            return None
        found = answer.json()
        return found if answer.is_success else found["code"]

    async def syncs(self, *commands: Any, guild: int | None = None) -> Any:
        """Replace all commands."""
        return await self("PUT", self.commands(guild), list(commands))

    def commands(self, guild: int | None = None) -> str:
        """The channel."""
        place = "" if guild is None else f"/guilds/{guild}"
        return f"/applications/{self.discord.world.application}{place}/commands"

    async def says(self, channel: Channel, content: str = "", **more: Any) -> Any:
        """A message by the bot's own right."""
        files = more.pop("files", None)
        body = {"content": content, **more}
        return await self("POST", f"/channels/{channel.id}/messages", body, files=files)

    async def answers(self, it: Interaction, kind: int, data: Any = None, **query: Any) -> Any:
        """The first answer to an interaction."""
        body = {"type": kind} | ({} if data is None else {"data": data})
        path = f"/interactions/{it.id}/{it.token}/callback"
        return await self("POST", path, body, token="", **query)

    async def follows(self, it: Interaction, content: str, **more: Any) -> Any:
        """One more message to an interaction."""
        files = more.pop("files", None)
        return await self(
            "POST", self.hook(it), {"content": content, **more}, files=files, token="", wait="true"
        )

    def hook(self, it: Interaction, message: str = "") -> str:
        """Where more is said to an interaction, or where a message of it is."""
        place = f"/webhooks/{self.discord.world.application}/{it.token}"
        return f"{place}/messages/{message}" if message else place


@asynccontextmanager
async def api_caller(clock: HasNow, **settings: Any) -> AsyncIterator[ApiCaller]:
    """An API client with a fake server of its own."""
    async with FakeDiscord(clock, **settings) as discord, httpx.AsyncClient() as client:
        yield ApiCaller(discord, client)
