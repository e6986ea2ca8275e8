"""Mountsea: a JSON dialect at `https://api.mountsea.ai`.

Sources: its page on creates (the seed of this module), its vendor's own kit (github
mountsea-ai/sora-api), and two independent clients of the same create.

Verified in its documents: the create with all its fields, and that its answer is a `taskId` and
nothing else. `removeWatermark` is true by its schema and false by its text, so it is always said.
Verified in clients only: the query, by /sora/task/result in two of them and by /sora/task in the
vendor's kit; their status words; links under `result`, or beside the status, or in a list.
Unknown: the page on queries itself, where the `editId` stands that comes "together with video
url" (so it is looked for everywhere), the bodies of errors (those of NestJS, by the look of it:
the message may be a list), limits, how long links live. A change is a create with an `editId`.
There is no list, cancel, call, upload or content route for /sora.
"""

from __future__ import annotations

import re
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import AfterValidator

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
    VideoRequest,
)
from providers.lookups import Lookups, Route
from providers.shapes import orientation_of, picture_links, size_word

if TYPE_CHECKING:
    from providers.http import Http

_CREATE = "/sora/video/generate"
_QUERY = "/sora/task/result"
_OTHER_QUERY = "/sora/task"


def _path(text: str) -> str:
    if re.fullmatch(r"(/[\w.-]+)+", text, re.ASCII):
        return text
    raise ValueError("is no path; write one like /sora/task/result")


class MountseaOptions(Options):
    """What is not known of this gateway."""

    query_path: Annotated[str, AfterValidator(_path)] = _QUERY
    """Where a job is looked at. Where that says 404, /sora/task is asked too."""


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
            return reading.job_of(answer.body, answer.check_after)
        except errors.NotFound as error:
            if request.remix_of and reading.is_no_job(str(error)):
                raise
            # There is no such route: the address is wrong, or the API was switched off for good.
            raise errors.ModelUnavailable(str(error), code=error.code) from error

    async def poll(self, remote_id: str) -> Progress:
        """GET /sora/task/result?taskId= or /sora/task?taskId=."""
        return await self._lookups.poll(remote_id)

    def download(
        self, remote_id: str, finished: Finished, offset: int = 0
    ) -> AbstractAsyncContextManager[Download]:
        """GET the link that came with the job; there is no other way."""
        if finished.url is None:
            raise errors.NoResult("the job is done, and its answer has no link to the video")
        return self.http.download(finished.url, self.key, self.base_url, offset)

    async def check(self) -> str:
        """Ask for a job that cannot be."""
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
