"""Juxin (聚鑫), the "unified video format": a JSON dialect at `https://api.jxincm.cn`.

Sources: its page on creates (the seed of this module), the rest of its documents as kept by
github leon30083/wenjing-aigc, and that project's wire capture and logs of 400 jobs.

Verified in documents and on the wire: create and query of the unified format; `duration` is a
number; ids hold `:`; the same create was answered now in the unified shape, now in the official
one, so both are read everywhere. Verified in documents: GET /v1/videos/{id} and its content
route, the change of a finished video, the upload (whose answer is not described: any link in it
will do). `watermark` is called a string on one page and is a boolean in all examples; `private`
stands on sibling pages only and is sent only if asked for; a private video cannot be changed.
Inferred from gateways of the same family: the list of models. Unknown: the answer about a failed
job, how long links live (about six days in an example), limits and prices. There is no list of
jobs, cancel or call.
"""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal
from urllib.parse import quote

from providers import errors, reading
from providers.base import (
    Capabilities,
    Download,
    Finished,
    Job,
    Options,
    PictureWay,
    Progress,
    Provider,
    ReferenceImage,
    VideoRequest,
)
from providers.lookups import Lookups
from providers.shapes import orientation_of, picture_links, size_word

if TYPE_CHECKING:
    from providers.http import Http


class JxincmOptions(Options):
    """What is not known of this gateway, or differs among its relatives."""

    query: Literal["auto", "unified", "official"] = "auto"
    """How a job is looked at. auto: the unified route, and the official one where that says 404."""


class Jxincm(Provider):
    """One account at Juxin, or at a relative of it."""

    kind: ClassVar[str] = "jxincm"
    options_type: ClassVar[type[Options]] = JxincmOptions
    default_url: ClassVar[str] = "https://api.jxincm.cn"
    capabilities = Capabilities(
        remix=True, remix_private=False, pictures=(PictureWay.UPLOAD, PictureWay.LINK)
    )

    def __init__(self, options: Options, http: Http, directory: Path) -> None:
        super().__init__(options, http, directory)
        switches = JxincmOptions.model_validate(options.model_dump())
        routes = {"unified": self._unified, "official": self._official}
        if switches.query != "auto":
            routes = {switches.query: routes[switches.query]}
        self._lookups = Lookups(http, self.key, [*routes.values()])

    @property
    def base_url(self) -> str:
        """Without the `/v1` that people know from other clients."""
        return super().base_url.removesuffix("/v1")

    def _video_url(self, remote_id: str, *parts: str) -> str:
        return "/".join([f"{self.base_url}/v1/videos", quote(remote_id, safe=""), *parts])

    def _unified(self, remote_id: str) -> tuple[str, dict[str, str] | None]:
        return f"{self.base_url}/v1/video/query", {"id": remote_id}

    def _official(self, remote_id: str) -> tuple[str, dict[str, str] | None]:
        return self._video_url(remote_id), None

    async def upload(self, picture: ReferenceImage) -> str:
        """POST /api/upload."""
        file = await asyncio.to_thread(picture.path.open, "rb")
        with file:
            parts = {"file": (picture.path.name, file, picture.media_type)}
            url = f"{self.base_url}/api/upload"
            answer = await self.http.ask("POST", url, self.key, files=parts)
        return reading.stored_link(answer.body, self.base_url)

    async def submit(self, request: VideoRequest) -> Job:
        """POST /v1/video/create, or /v1/videos/{id}/remix for a change."""
        if request.remix_of:
            url = self._video_url(request.remix_of, "remix")
            return await self._created(url, {"prompt": request.prompt})
        payload = _payload(request)
        try:
            return await self._created(f"{self.base_url}/v1/video/create", payload)
        except errors.NotFound as error:
            # There is no such route: the address is wrong, or the API was switched off for good.
            raise errors.ModelUnavailable(str(error), code=error.code) from error

    async def _created(self, url: str, payload: dict[str, object]) -> Job:
        answer = await self.http.ask("POST", url, self.key, paid=True, json=payload)
        return reading.job_of(answer.body, answer.check_after)

    async def poll(self, remote_id: str) -> Progress:
        """GET /v1/video/query?id= or /v1/videos/{id}."""
        return await self._lookups.poll(remote_id)

    def download(
        self, remote_id: str, finished: Finished, offset: int = 0
    ) -> AbstractAsyncContextManager[Download]:
        """GET the link that came with the job, else /v1/videos/{id}/content."""
        url = finished.url or self._video_url(remote_id, "content")
        return self.http.download(url, self.key, self.base_url, offset)

    async def check(self) -> str:
        """Ask for a job that cannot be."""
        return await self._lookups.check()

    async def models(self) -> frozenset[str] | None:
        """GET /v1/models, which relatives of this gateway have."""
        try:
            answer = await self.http.ask("GET", f"{self.base_url}/v1/models", self.key)
        except (errors.Refused, errors.Malformed):
            return None
        return reading.model_names(answer.body)


def _payload(request: VideoRequest) -> dict[str, object]:
    """All fields, always: the document requires each of them."""
    payload: dict[str, object] = {
        "images": picture_links(request),
        "model": request.model,
        "orientation": orientation_of(request) or "landscape",
        "prompt": request.prompt,
        "size": size_word(request),
        "duration": request.seconds,
        "watermark": request.watermark is not False,
    }
    if request.private is not None:
        payload["private"] = request.private
    return payload
