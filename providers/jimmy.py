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
from providers.size_words import orientation_of, picture_links
from providers.types import (
    Capabilities,
    Download,
    Finished,
    Job,
    PictureWay,
    Progress,
    ReferenceImage,
    VideoRequest,
)

_ROOT = "/api/open-api/v1"
_BALANCES = ("data.balance", "data.key_balance", "data.remaining", "data.amount", "balance", "data")
_AMOUNT = re.compile(r"-?\d{1,15}(\.\d{1,10})?")


class Jimmy(Provider):
    """One account at JimmyAI."""

    kind: ClassVar[str] = "jimmy"
    default_url: ClassVar[str] = "https://www.jimmyai.cn"
    capabilities = Capabilities(pictures=(PictureWay.UPLOAD, PictureWay.LINK))

    @property
    def base_url(self) -> str:
        """The address without the common path of all routes, which users may write too."""
        return super().base_url.removesuffix(_ROOT)

    def _url(self, *parts: str) -> str:
        return "/".join([self.base_url + _ROOT, *(quote(part, safe="") for part in parts)])

    async def upload(self, picture: ReferenceImage) -> str:
        """POST /files/upload."""
        file = await asyncio.to_thread(picture.path.open, "rb")
        with file:
            parts = {"file": (picture.path.name, file, picture.media_type)}
            answer = await self.http.ask(
                "POST", self._url("files", "upload"), self.key, files=parts
            )
        return response_parser.stored_link(answer.body, self.base_url)

    async def submit(self, request: VideoRequest) -> Job:
        """POST /videos."""
        payload = _payload(request)
        try:
            url = self._url("videos")
            answer = await self.http.ask("POST", url, self.key, paid=True, json=payload)
            return response_parser.job_of(answer.body, answer.check_after, self.base_url)
        except errors.NotFound as error:
            # The route does not exist: a wrong address, or the API was shut down for good.
            raise errors.ModelUnavailable(str(error), code=error.code) from error

    async def poll(self, remote_id: str) -> Progress:
        """GET /videos/{id}."""
        answer = await self.http.ask("GET", self._url("videos", remote_id), self.key)
        return response_parser.progress_of(answer.body, answer.check_after, self.base_url)

    def download(
        self, remote_id: str, finished: Finished, offset: int = 0
    ) -> AbstractAsyncContextManager[Download]:
        """GET the link in the response; there is no content route."""
        if finished.url is None:
            raise errors.NoResult("the job succeeded, but its response has no link to the video")
        return self.http.download(finished.url, self.key, self.base_url, offset)

    async def check(self) -> str:
        """GET /key/balance."""
        try:
            answer = await self.http.ask("GET", self._url("key", "balance"), self.key)
            balance = _balance(response_parser.object_of(answer.body))
        except errors.Refused as error:
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
    if shape := orientation_of(request):
        payload["orientation"] = shape
    if links := picture_links(request):
        payload["images"] = links
    return payload


def _balance(body: response_parser.Body) -> str:
    for path in _BALANCES:
        found = response_parser.at(body, path)
        if isinstance(found, str | int | float) and _AMOUNT.fullmatch(str(found)):
            return str(found)
    return ""
