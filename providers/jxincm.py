"""Juxin (聚鑫), the "unified video format": a JSON dialect at `https://api.jxincm.cn`.

Sources: its page on creates (on which this module is based), the rest of its documents as
archived by github leon30083/wenjing-aigc, and that project's wire capture and logs of 400 jobs.

Verified in documents and on the wire: create and query of the unified format; `duration` is a
number; ids contain `:`; the same create was answered sometimes in the unified format and sometimes
in the OpenAI format, so both are parsed everywhere. Verified in documents: GET /v1/videos/{id} and
its content route, the remix of a finished video, the upload (its response is not described: any
link in it is used). `watermark` is a string according to one page and a boolean in all examples;
`private` appears on related pages only and is sent only if requested; a private video cannot be
remixed. Inferred from gateways of the same family: the list of models. Unknown: the response for a
failed job, how long links are valid (about six days in an example), limits and prices. There is no
list of jobs, cancel or webhook.
"""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal
from urllib.parse import quote

from providers import errors, response_parser
from providers.base import Options, Provider
from providers.fallback_poll import Lookups
from providers.size_words import orientation_of, picture_links, size_word
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

if TYPE_CHECKING:
    from providers.http import Http


class JxincmOptions(Options):
    """What is not documented, or differs between gateways of this family."""

    query: Literal["auto", "unified", "official"] = "auto"
    """How jobs are polled. auto: the unified route, and the official one if that returns 404."""


class Jxincm(Provider):
    """One account at Juxin, or at a gateway of the same family."""

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
        """The address without `/v1`, which users may write as for other clients."""
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
        return response_parser.stored_link(answer.body, self.base_url)

    async def submit(self, request: VideoRequest) -> Job:
        """POST /v1/video/create, or /v1/videos/{id}/remix for a remix."""
        if request.remix_of:
            url = self._video_url(request.remix_of, "remix")
            return await self._created(url, {"prompt": request.prompt})
        payload = _payload(request)
        try:
            return await self._created(f"{self.base_url}/v1/video/create", payload)
        except errors.NotFound as error:
            # The route does not exist: a wrong address, or the API was shut down for good.
            raise errors.ModelUnavailable(str(error), code=error.code) from error

    async def _created(self, url: str, payload: dict[str, object]) -> Job:
        answer = await self.http.ask("POST", url, self.key, paid=True, json=payload)
        return response_parser.job_of(answer.body, answer.check_after)

    async def poll(self, remote_id: str) -> Progress:
        """GET /v1/video/query?id= or /v1/videos/{id}."""
        return await self._lookups.poll(remote_id)

    def download(
        self, remote_id: str, finished: Finished, offset: int = 0
    ) -> AbstractAsyncContextManager[Download]:
        """GET the link in the response if there is one, else /v1/videos/{id}/content."""
        url = finished.url or self._video_url(remote_id, "content")
        return self.http.download(url, self.key, self.base_url, offset)

    async def check(self) -> str:
        """Poll a job that cannot exist."""
        return await self._lookups.check()

    async def models(self) -> frozenset[str] | None:
        """GET /v1/models, which gateways of the same family support."""
        try:
            answer = await self.http.ask("GET", f"{self.base_url}/v1/models", self.key)
        except (errors.Refused, errors.Malformed):
            return None
        return response_parser.model_names(answer.body)


def _payload(request: VideoRequest) -> dict[str, object]:
    """All fields in every request: the documentation declares them all as required."""
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
