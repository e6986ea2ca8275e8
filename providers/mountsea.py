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
from providers.base import Options, Provider
from providers.fallback_poll import Lookups, Route
from providers.size_words import orientation_of, picture_links, size_word
from providers.types import (
    Capabilities,
    Download,
    Finished,
    Job,
    PictureWay,
    Progress,
    VideoRequest,
)

if TYPE_CHECKING:
    from providers.http import Http

_CREATE = "/sora/video/generate"
_QUERY = "/sora/task/result"
_OTHER_QUERY = "/sora/task"


def _path(text: str) -> str:
    if re.fullmatch(r"(/[\w.-]+)+", text, re.ASCII):
        return text
    raise ValueError("is not a path; write one like /sora/task/result")


class MountseaOptions(Options):
    """What is not documented."""

    query_path: Annotated[str, AfterValidator(_path)] = _QUERY
    """Route for polls. If it returns 404, /sora/task is tried too."""


class Mountsea(Provider):
    """One account at Mountsea."""

    kind: ClassVar[str] = "mountsea"
    options_type: ClassVar[type[Options]] = MountseaOptions
    default_url: ClassVar[str] = "https://api.mountsea.ai"
    capabilities = Capabilities(remix=True, edit_id=True, pictures=(PictureWay.LINK,))

    def __init__(self, options: Options, http: Http, directory: Path) -> None:
        super().__init__(options, http, directory)
        switches = MountseaOptions.model_validate(options.model_dump())
        paths = dict.fromkeys((switches.query_path, _OTHER_QUERY))
        self._lookups = Lookups(http, self.key, [self._route(path) for path in paths])

    def _route(self, path: str) -> Route:
        return lambda remote_id: (self.base_url + path, {"taskId": remote_id})

    async def submit(self, request: VideoRequest) -> Job:
        """POST /sora/video/generate."""
        payload = _payload(request)
        try:
            url = self.base_url + _CREATE
            answer = await self.http.ask("POST", url, self.key, paid=True, json=payload)
            return response_parser.job_of(answer.body, answer.check_after)
        except errors.NotFound as error:
            if request.remix_of and response_parser.is_no_job(str(error)):
                raise
            # The route does not exist: a wrong address, or the API was shut down for good.
            raise errors.ModelUnavailable(str(error), code=error.code) from error

    async def poll(self, remote_id: str) -> Progress:
        """GET /sora/task/result?taskId= or /sora/task?taskId=."""
        return await self._lookups.poll(remote_id)

    def download(
        self, remote_id: str, finished: Finished, offset: int = 0
    ) -> AbstractAsyncContextManager[Download]:
        """GET the link in the response; there is no content route."""
        if finished.url is None:
            raise errors.NoResult("the job succeeded, but its response has no link to the video")
        return self.http.download(finished.url, self.key, self.base_url, offset)

    async def check(self) -> str:
        """Poll a job that cannot exist."""
        return await self._lookups.check()


def _payload(request: VideoRequest) -> dict[str, object]:
    payload: dict[str, object] = {
        "model": request.model,
        "prompt": request.prompt,
        "images": picture_links(request),
        "size": size_word(request),
        "duration": request.seconds,
        "removeWatermark": not request.watermark,
        "storyboard": bool(request.storyboard),
    }
    if shape := orientation_of(request):
        payload["orientation"] = shape
    if request.style:
        payload["styleId"] = request.style
    if request.remix_of:
        payload["editId"] = request.remix_of
    return payload
