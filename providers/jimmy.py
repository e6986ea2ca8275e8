"""JimmyAI, now ViralTok: a JSON dialect with envelopes, at `https://www.jimmyai.cn`.

Sources: its page on creates (on which this module is based), docs.jimmyai.cn on queries, and its
published skill (github ZUCCzwp/jimiskills). Newer documents name `https://api.viraltok.ai`, with
the same paths: set the base URL for that.

Verified in documents: create, query, its status words, `duration` as an integer in every create
(only 12 for `sora2-12s`), one image for that model, links that are valid for three days. Verified
in the skill: the upload, the balance, the codes 20000, 20001, 20002 and -1 (as text or number).
Its pages disagree on whether the response to a query has an envelope, and old responses had links
without a host: both are parsed. Unknown: which HTTP status belongs to which code, the unit of
timestamps, the maximum length of prompts, the format of a balance. There is no list, cancel,
remix, webhook or content route.
"""

from __future__ import annotations

import asyncio
import re
from contextlib import AbstractAsyncContextManager
from typing import ClassVar
from urllib.parse import quote

from providers import errors, response_parser
from providers.base import Provider
from providers.size_words import image_urls, request_orientation
from providers.types import (
    Capabilities,
    Download,
    Finished,
    ImageTransport,
    Job,
    Progress,
    ReferenceImage,
    VideoRequest,
)

_API_PATH = "/api/open-api/v1"
_BALANCE_PATHS = (
    "data.balance",
    "data.key_balance",
    "data.remaining",
    "data.amount",
    "balance",
    "data",
)
_AMOUNT = re.compile(r"-?\d{1,15}(\.\d{1,10})?")


class Jimmy(Provider):
    """One account at JimmyAI."""

    kind: ClassVar[str] = "jimmy"
    default_url: ClassVar[str] = "https://www.jimmyai.cn"
    capabilities = Capabilities(image_transports=(ImageTransport.UPLOAD, ImageTransport.LINK))

    @property
    def base_url(self) -> str:
        """The address without the common path of all routes, which users may write too."""
        return super().base_url.removesuffix(_API_PATH)

    def _url(self, *parts: str) -> str:
        return "/".join([self.base_url + _API_PATH, *(quote(part, safe="") for part in parts)])

    async def upload_image(self, image: ReferenceImage) -> str:
        """POST /files/upload."""
        file = await asyncio.to_thread(image.path.open, "rb")
        with file:
            parts = {"file": (image.path.name, file, image.media_type)}
            response = await self.http.request(
                "POST", self._url("files", "upload"), self.api_key, files=parts
            )
        return response_parser.parse_upload_url(response.body, self.base_url)

    async def submit(self, request: VideoRequest) -> Job:
        """POST /videos."""
        payload = _payload(request)
        try:
            url = self._url("videos")
            response = await self.http.request(
                "POST", url, self.api_key, fresh_connection=True, json=payload
            )
            return response_parser.parse_job(response.body, response.poll_after_s, self.base_url)
        except errors.NotFound as error:
            # The route does not exist: a wrong address, or the API was shut down for good.
            raise errors.ModelUnavailable(str(error), code=error.code) from error

    async def poll(self, remote_id: str) -> Progress:
        """GET /videos/{id}."""
        response = await self.http.request("GET", self._url("videos", remote_id), self.api_key)
        return response_parser.parse_progress(response.body, response.poll_after_s, self.base_url)

    def download(
        self, remote_id: str, finished: Finished, offset: int = 0
    ) -> AbstractAsyncContextManager[Download]:
        """GET the link in the response; there is no content route."""
        if finished.url is None:
            raise errors.NoResult("the job succeeded, but its response has no link to the video")
        return self.http.download(finished.url, self.api_key, self.base_url, offset)

    async def check(self) -> str:
        """GET /key/balance."""
        try:
            response = await self.http.request("GET", self._url("key", "balance"), self.api_key)
            balance = _find_balance(response_parser.unwrap_envelope(response.body))
        except errors.Rejected as error:
            return f"responds, but shows no balance ({str(error)[:100]})"
        return "responds and accepts the key" + (f"; balance {balance}" if balance else "")


def _payload(request: VideoRequest) -> dict[str, object]:
    if request.remix_of:
        raise errors.Unsupported("this gateway cannot remix videos")
    payload: dict[str, object] = {
        "model": request.model,
        "prompt": request.prompt,
        "duration": request.seconds,
    }
    if orientation := request_orientation(request):
        payload["orientation"] = orientation
    if urls := image_urls(request):
        payload["images"] = urls
    return payload


def _find_balance(body: response_parser.Body) -> str:
    for path in _BALANCE_PATHS:
        value = response_parser.value_at(body, path)
        if isinstance(value, str | int | float) and _AMOUNT.fullmatch(str(value)):
            return str(value)
    return ""
