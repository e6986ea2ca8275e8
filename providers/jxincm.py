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
from providers.base import Provider, ProviderOptions
from providers.fallback_poll import FallbackPoller
from providers.size_words import image_urls, request_orientation, size_word
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

if TYPE_CHECKING:
    from providers.http import HttpClient


class JxincmOptions(ProviderOptions):
    """What is not documented, or differs between gateways of this family."""

    query: Literal["auto", "unified", "official"] = "auto"
    """How jobs are polled. auto: the unified route, and the official one if that returns 404."""


class Jxincm(Provider):
    """One account at Juxin, or at a gateway of the same family."""

    kind: ClassVar[str] = "jxincm"
    options_type: ClassVar[type[ProviderOptions]] = JxincmOptions
    default_url: ClassVar[str] = "https://api.jxincm.cn"
    capabilities = Capabilities(
        remix=True,
        remix_private=False,
        image_transports=(ImageTransport.UPLOAD, ImageTransport.LINK),
    )

    def __init__(self, options: ProviderOptions, http: HttpClient, directory: Path) -> None:
        super().__init__(options, http, directory)
        jxincm_options = JxincmOptions.model_validate(options.model_dump())
        routes = {"unified": self._unified_route, "official": self._official_route}
        if jxincm_options.query != "auto":
            routes = {jxincm_options.query: routes[jxincm_options.query]}
        self._poller = FallbackPoller(http, self.api_key, [*routes.values()])

    @property
    def base_url(self) -> str:
        """The address without `/v1`, which users may write as for other clients."""
        return super().base_url.removesuffix("/v1")

    def _video_url(self, remote_id: str, *parts: str) -> str:
        return "/".join([f"{self.base_url}/v1/videos", quote(remote_id, safe=""), *parts])

    def _unified_route(self, remote_id: str) -> tuple[str, dict[str, str] | None]:
        return f"{self.base_url}/v1/video/query", {"id": remote_id}

    def _official_route(self, remote_id: str) -> tuple[str, dict[str, str] | None]:
        return self._video_url(remote_id), None

    async def upload_image(self, image: ReferenceImage) -> str:
        """POST /api/upload."""
        file = await asyncio.to_thread(image.path.open, "rb")
        with file:
            parts = {"file": (image.path.name, file, image.media_type)}
            url = f"{self.base_url}/api/upload"
            response = await self.http.request("POST", url, self.api_key, files=parts)
        return response_parser.parse_upload_url(response.body, self.base_url)

    async def submit(self, request: VideoRequest) -> Job:
        """POST /v1/video/create, or /v1/videos/{id}/remix for a remix."""
        if request.remix_of:
            url = self._video_url(request.remix_of, "remix")
            return await self._create(url, {"prompt": request.prompt})
        payload = _payload(request)
        try:
            return await self._create(f"{self.base_url}/v1/video/create", payload)
        except errors.NotFound as error:
            # The route does not exist: a wrong address, or the API was shut down for good.
            raise errors.ModelUnavailable(str(error), code=error.code) from error

    async def _create(self, url: str, payload: dict[str, object]) -> Job:
        response = await self.http.request(
            "POST", url, self.api_key, fresh_connection=True, json=payload
        )
        return response_parser.parse_job(response.body, response.poll_after_s)

    async def poll(self, remote_id: str) -> Progress:
        """GET /v1/video/query?id= or /v1/videos/{id}."""
        return await self._poller.poll(remote_id)

    def download(
        self, remote_id: str, finished: Finished, offset: int = 0
    ) -> AbstractAsyncContextManager[Download]:
        """GET the link in the response if there is one, else /v1/videos/{id}/content."""
        url = finished.url or self._video_url(remote_id, "content")
        return self.http.download(url, self.api_key, self.base_url, offset)

    async def check(self) -> str:
        """Poll a job that cannot exist."""
        return await self._poller.check()

    async def served_models(self) -> frozenset[str] | None:
        """GET /v1/models, which gateways of the same family support."""
        try:
            response = await self.http.request("GET", f"{self.base_url}/v1/models", self.api_key)
        except (errors.Rejected, errors.MalformedResponse):
            return None
        return response_parser.parse_model_ids(response.body)


def _payload(request: VideoRequest) -> dict[str, object]:
    """All fields in every request: the documentation declares them all as required."""
    payload: dict[str, object] = {
        "images": image_urls(request),
        "model": request.model,
        "orientation": request_orientation(request) or "landscape",
        "prompt": request.prompt,
        "size": size_word(request),
        "duration": request.seconds,
        "watermark": request.watermark is not False,
    }
    if request.private is not None:
        payload["private"] = request.private
    return payload
