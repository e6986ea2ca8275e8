"""Mountsea: a JSON dialect at `https://api.mountsea.ai`.

Sources: its page on creates (on which this module is based), the SDK of the vendor (github
mountsea-ai/sora-api), and two independent clients of the same create.

Verified in its documents: the create with all its fields, and that its response is only a
`taskId`. The default of `removeWatermark` is true in the schema and false in the text, so it is
always sent. Verified in clients only: the query, at /sora/task/result in two of them and at
/sora/task in the vendor's SDK; the status words; links in `result`, beside the status, or in a
list. Unknown: the documentation of queries, the place of the `editId` that comes "together with
video url" (so it is searched at all levels), the error format (apparently that of NestJS: the
message may be a list), limits, how long links are valid. A remix is a create with an `editId`.
There is no list, cancel, webhook, upload or content route for /sora.
"""

from __future__ import annotations

import re
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import AfterValidator

from providers import errors, response_parser
from providers.base import Provider, ProviderOptions
from providers.fallback_poll import FallbackPoller, Route
from providers.size_words import image_urls, request_orientation, size_word
from providers.types import (
    Capabilities,
    Download,
    Finished,
    ImageTransport,
    Job,
    Progress,
    VideoRequest,
)

if TYPE_CHECKING:
    from providers.http import HttpClient

_CREATE_PATH = "/sora/video/generate"
_QUERY_PATH = "/sora/task/result"
_FALLBACK_QUERY_PATH = "/sora/task"


def _check_path(text: str) -> str:
    if re.fullmatch(r"(/[\w.-]+)+", text, re.ASCII):
        return text
    raise ValueError("is not a path; write one like /sora/task/result")


class MountseaOptions(ProviderOptions):
    """What is not documented."""

    query_path: Annotated[str, AfterValidator(_check_path)] = _QUERY_PATH
    """Route for polls. If it returns 404, /sora/task is tried too."""


class Mountsea(Provider):
    """One account at Mountsea."""

    kind: ClassVar[str] = "mountsea"
    options_type: ClassVar[type[ProviderOptions]] = MountseaOptions
    default_url: ClassVar[str] = "https://api.mountsea.ai"
    capabilities = Capabilities(
        remix=True, remix_by_edit_id=True, image_transports=(ImageTransport.LINK,)
    )

    def __init__(self, options: ProviderOptions, http: HttpClient, directory: Path) -> None:
        super().__init__(options, http, directory)
        mountsea_options = MountseaOptions.model_validate(options.model_dump())
        paths = dict.fromkeys((mountsea_options.query_path, _FALLBACK_QUERY_PATH))
        self._poller = FallbackPoller(http, self.api_key, [self._route(path) for path in paths])

    def _route(self, path: str) -> Route:
        return lambda remote_id: (self.base_url + path, {"taskId": remote_id})

    async def submit(self, request: VideoRequest) -> Job:
        """POST /sora/video/generate."""
        payload = _payload(request)
        try:
            url = self.base_url + _CREATE_PATH
            response = await self.http.request(
                "POST", url, self.api_key, fresh_connection=True, json=payload
            )
            return response_parser.parse_job(response.body, response.poll_after_s)
        except errors.NotFound as error:
            if request.remix_of and response_parser.is_job_not_found(str(error)):
                raise
            # The route does not exist: a wrong address, or the API was shut down for good.
            raise errors.ModelUnavailable(str(error), code=error.code) from error

    async def poll(self, remote_id: str) -> Progress:
        """GET /sora/task/result?taskId= or /sora/task?taskId=."""
        return await self._poller.poll(remote_id)

    def download(
        self, remote_id: str, finished: Finished, offset: int = 0
    ) -> AbstractAsyncContextManager[Download]:
        """GET the link in the response; there is no content route."""
        if finished.url is None:
            raise errors.NoResult("the job succeeded, but its response has no link to the video")
        return self.http.download(finished.url, self.api_key, self.base_url, offset)

    async def check(self) -> str:
        """Poll a job that cannot exist."""
        return await self._poller.check()


def _payload(request: VideoRequest) -> dict[str, object]:
    payload: dict[str, object] = {
        "model": request.model,
        "prompt": request.prompt,
        "images": image_urls(request),
        "size": size_word(request),
        "duration": request.seconds,
        "removeWatermark": not request.watermark,
        "storyboard": bool(request.storyboard),
    }
    if orientation := request_orientation(request):
        payload["orientation"] = orientation
    if request.style:
        payload["styleId"] = request.style
    if request.remix_of:
        payload["editId"] = request.remix_of
    return payload
