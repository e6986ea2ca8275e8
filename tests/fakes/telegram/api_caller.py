"""A minimal API client, for the tests of the fake itself."""

from __future__ import annotations

import io
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
from PIL import Image

from tests.fakes.telegram.fake import FakeTelegram
from tests.fakes.telegram.state import HasNow

MP4 = b"\0\0\0\x20ftypisom" + bytes(200)
"""The smallest file that counts as a video."""
GO_ON_BUTTON = {"inline_keyboard": [[{"text": "Go on", "callback_data": "go"}]]}


def picture(width: int = 300, height: int = 200, kind: str = "PNG") -> bytes:
    """A picture in one colour."""
    content = io.BytesIO()
    Image.new("RGB", (width, height), "navy").save(content, kind)
    return content.getvalue()


class ApiCaller:
    """Calls methods as a bot would, by JSON or, with files, by form."""

    def __init__(self, telegram: FakeTelegram, client: httpx.AsyncClient) -> None:
        self.telegram = telegram
        self.client = client

    async def raw(self, method: str, files: Any = None, **given: Any) -> httpx.Response:
        """The bare answer."""
        path = f"{self.telegram.url}/bot{self.telegram.token}/{method}"
        if files is None:
            return await self.client.post(path, json=given)
        texts = {
            name: one if isinstance(one, str) else json.dumps(one) for name, one in given.items()
        }
        return await self.client.post(path, data=texts, files=files)

    async def __call__(self, method: str, files: Any = None, **given: Any) -> Any:
        """The result; an error's description."""
        body = (await self.raw(method, files, **given)).json()
        return body["result"] if body["ok"] else body["description"]

    async def updates(self, offset: int = 0, **given: Any) -> list[dict[str, Any]]:
        """A poll."""
        found: list[dict[str, Any]] = await self("getUpdates", offset=offset, **given)
        return found


@asynccontextmanager
async def api_caller(clock: HasNow) -> AsyncIterator[ApiCaller]:
    """An API client with a fake server of its own."""
    async with FakeTelegram(clock) as telegram, httpx.AsyncClient() as client:
        yield ApiCaller(telegram, client)
