"""A strict fake of a gateway of the official `/v1/videos` format.

Every request is held to the table of facts; what breaks it is answered 400 and noted in
`violations`. Creates are counted by prompt. Films lie also at a second origin, which must never
see the key. Run it inside a test (`async with Gateway() as it:`)
or as a process of its own (`python -m tests.fakes.gateways.openai`, which prints its URL on the
first line and serves until its standard input ends). `GET /_state` tells what it remembers.

Words in a prompt make it misbehave for that job, once unless said otherwise:

    create   !slow !drop-before !drop-after !throttle !error-500 !html-502 !saturated-503
             !truncated !half !empty !refused-moderated !no-model !fastapi (a list for a detail)
    look     !unknown-status !falling !percent !null (always) !late (404 twice) !vanished (always)
             !look-500 !look-html !look-drop !look-half !look-throttle
    render   !failed !moderated !stuck (always)
    content  !expired !gone (always) !short !clean-short !json !cut !content-500
             !content-json (says where the film is) !moved (redirects there)
    list     none by words, see below: !list-500 !list-drop

`plan("create", "drop-after")`, or `POST /_faults {"route": "create", "faults": ["drop-after"]}`,
makes the next request to a route misbehave whatever its prompt; `rate` makes each request do so
with that probability, by a seeded chance, with faults that pass.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

from aiohttp import BodyPartReader, ClientSession, web

from tests.fakes.gateways.base import FakeGatewayBase, options, run
from tests.fakes.gateways.file_host import FileHost
from tests.fakes.gateways.openai_jobs import MODERATED, Job, render_job
from tests.fakes.gateways.openai_schema import problems
from tests.fakes.gateways.relay_schema import DOCUMENTED, Dialect, contradictions, render_job_as
from tests.fakes.gateways.responses import (
    api_error,
    check_picture,
    drop_connection,
    error,
    invalid_request,
    list_page,
    referred,
    still_image,
)
from tests.fakes.gateways.webhooks import WEBHOOK_SECRET, signed_event
from tests.support.sample_videos import sample_video

KEY = "sk-standin-0123456789abcdef"
_JSON = "application/json"


@dataclass
class FakeOpenAIGateway(FakeGatewayBase):
    """The fake server and its state."""

    deletes_abort: bool = False
    """As vLLM-Omni: DELETE stops a running job."""
    dialect: Dialect = "openai"
    """The official description, or the documents of a relay."""
    models: tuple[str, ...] = ("sora-2", "sora-2-pro")
    """What GET /v1/models lists."""
    now: Callable[[], float] = time.time
    """By which jobs are made."""
    tell: str = ""
    """Where to call when a job is over (`--tell`)."""
    tell_secret: str = WEBHOOK_SECRET
    jobs: dict[str, Job] = field(default_factory=dict)

    moderated: ClassVar[tuple[str, str]] = ("moderation_blocked", MODERATED)

    def __post_init__(self) -> None:
        super().__post_init__()
        self._filming = asyncio.Lock()
        self.store = FileHost(self._stored, self.violations)
        self._calls: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        routes = [
            web.post("/v1/videos", self._create),
            web.get("/v1/videos", self._list),
            web.get("/v1/videos/{video_id}", self._look),
            web.delete("/v1/videos/{video_id}", self._delete),
            web.get("/v1/videos/{video_id}/content", self._content),
            web.post("/v1/videos/{video_id}/remix", self._remix),
            web.get("/v1/models", self._models),
        ]
        self.url = await self.serve([*routes, *self.own_routes()], self.port)
        await self.store.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        for call in self._calls:
            call.cancel()
        await asyncio.gather(*self._calls, return_exceptions=True)
        await self.store.close()
        await super().__aexit__()

    def error(self, status: int, code: str, message: str) -> web.Response:
        return error(status, message, code)

    def no_job(self) -> web.Response:
        return self.error(404, "not_found", "Video not found.")

    # --- checking ------------------------------------------------------------------------

    def _check(
        self, request: web.Request, path: str, body: dict[str, object] | None = None
    ) -> None:
        """Check a request. Raises the error response."""
        self.requests[f"{request.method} {path}"] += 1
        if request.headers.get("Authorization") != f"Bearer {KEY}":
            message = "Incorrect API key provided."
            raise api_error(web.HTTPUnauthorized, message, "invalid_api_key")
        operation = DOCUMENTED[self.dialect].get((request.method.lower(), path))
        if operation is None:
            self.violations.append(f"{request.method} {path}: not documented")
            raise web.HTTPNotFound
        found = problems(operation.query, dict(request.query))
        if body is not None:
            fields = operation.bodies.get(request.content_type)
            found += problems(fields, body) if fields else [f"sent as {request.content_type}"]
            found += contradictions(self.dialect, body)
        elif request.can_read_body and request.content_length:
            found.append("a body where none belongs")
        if found:
            self.violations += [f"{request.method} {path}: {problem}" for problem in found]
            raise invalid_request("; ".join(found))

    async def _body(self, request: web.Request) -> tuple[dict[str, object], bytes | None]:
        """(fields, the uploaded picture)."""
        if request.content_type == _JSON:
            try:
                return dict(json.loads(await request.read())), None
            except (ValueError, TypeError):
                self.violations.append(f"{request.method} {request.path}: no JSON object")
                raise invalid_request("The body is no JSON object.") from None
        fields: dict[str, object] = {}
        picture = None
        if request.content_type == "multipart/form-data":
            async for part in await request.multipart():
                assert isinstance(part, BodyPartReader)
                if part.filename:
                    picture = bytes(await part.read())
                    fields[part.name or ""] = picture
                else:
                    fields[part.name or ""] = await part.text()
        return fields, picture

    def _job(self, request: web.Request) -> Job:
        job = self.jobs.get(request.match_info["video_id"])
        if job is None or job.deleted:
            raise api_error(web.HTTPNotFound, "Video not found.", "not_found")
        return job

    # --- making --------------------------------------------------------------------------

    async def _create(self, request: web.Request) -> web.StreamResponse:
        body, picture = await self._body(request)
        self._check(request, "/videos", body)
        size = str(body.get("size", "720x1280"))
        if isinstance(reference := body.get("input_reference"), dict):
            picture = referred(reference)
        if picture is not None:
            check_picture(picture, size)
        fields = {
            "prompt": str(body["prompt"]),
            "model": str(body.get("model", "sora-2")),
            "seconds": str(body.get("seconds", "4")),
            "size": size,
        }
        return await self._made(request, fields, picture)

    async def _remix(self, request: web.Request) -> web.StreamResponse:
        body, _ = await self._body(request)
        self._check(request, "/videos/{video_id}/remix", body)
        original = self._job(request)
        if self._shown(original)["status"] != "completed":
            raise invalid_request("Only a completed video can be remixed.")
        fields = {**original.body, "prompt": str(body["prompt"])}
        return await self._made(request, fields, original.picture, original.id)

    async def _made(
        self,
        request: web.Request,
        body: dict[str, str],
        picture: bytes | None,
        remix_of: str | None = None,
    ) -> web.StreamResponse:
        prompt = body["prompt"]
        fault = self._faults.fault("create", prompt, prompt)
        if fault == "slow":
            await asyncio.sleep(1.0)
        if (early := self.not_made(request, fault)) is not None:
            return early
        job = Job(f"video_{next(self._numbers):08d}", body, picture, self.now(), remix_of)
        self.jobs[job.id] = job
        self.creates[prompt] += 1
        if self.tell:
            self._calls.append(asyncio.create_task(self._tell(job)))
        video = self._shown(job)
        if (broken := await self.lost(request, fault, video)) is not None:
            return broken
        return web.json_response(video)

    # --- looking -------------------------------------------------------------------------

    def _shown(self, job: Job) -> dict[str, Any]:
        """The job as this gateway shows it."""
        share = (self.now() - job.created) / max(self.render_seconds, 1e-9)
        if self.looks_to_finish:
            share = job.looks / self.looks_to_finish
        return render_job_as(self.dialect, render_job(job, share, self.render_seconds))

    async def _look(self, request: web.Request) -> web.StreamResponse:
        self._check(request, "/videos/{video_id}")
        job = self._job(request)
        job.looks += 1
        video = self._shown(job)
        fault = self._faults.fault("look", job.body["prompt"], job.id)
        match fault:
            case "unknown-status" if video["status"] == "in_progress":
                video["status"] = "video_upsampling"
            case "falling":
                video["progress"] = max(0, 90 - video["progress"])
            case "percent":
                video["progress"] = f"{video['progress']}%"
            case "null":
                video["progress"] = None
        if (broken := await self.unseen(request, fault, video)) is not None:
            return broken
        return web.json_response(video)

    async def _list(self, request: web.Request) -> web.StreamResponse:
        self._check(request, "/videos")
        match self._faults.fault("list"):
            case "list-500":
                return self.at_fault()
            case "list-drop":
                return drop_connection(request)
        jobs = [job for job in self.jobs.values() if not job.deleted]
        if request.query.get("order", "desc") == "desc":
            jobs.reverse()
        after, ids = request.query.get("after"), [job.id for job in jobs]
        if after is not None and after not in ids:
            raise invalid_request(f"No video {after}.")
        start = 0 if after is None else ids.index(after) + 1
        end = start + int(request.query.get("limit", "20"))
        return list_page([self._shown(job) for job in jobs[start:end]], more=end < len(jobs))

    async def _delete(self, request: web.Request) -> web.Response:
        self._check(request, "/videos/{video_id}")
        job = self._job(request)
        if self._shown(job)["status"] in {"queued", "in_progress"} and not self.deletes_abort:
            raise invalid_request("The video is still being processed.")
        job.deleted = True
        return web.json_response({"id": job.id, "deleted": True, "object": "video.deleted"})

    # --- films ---------------------------------------------------------------------------

    async def _film(self, job: Job) -> bytes:
        # One at a time: two that make the same film would write the same file.
        async with self._filming:
            if self.cheap:
                return await asyncio.to_thread(sample_video, 1, "64x64")
            seconds, size = int(job.body["seconds"]), job.body["size"]
            return await asyncio.to_thread(sample_video, seconds, size, job.picture)

    async def _stored(self, job_id: str) -> bytes:
        return await self._film(self.jobs[job_id])

    async def _content(self, request: web.Request) -> web.StreamResponse:
        self._check(request, "/videos/{video_id}/content")
        job = self._job(request)
        if (status := self._shown(job)["status"]) != "completed":
            if self.dialect == "relay147":
                message = f"Task is not completed yet, current status: {status}"
                return self.error(400, "", message)
            return self.error(404, "not_found", "Video is not ready yet.")
        if request.query.get("variant") == "thumbnail":
            return web.Response(body=still_image(job.body["size"]), content_type="image/webp")
        data = await self._film(job)
        fault = self._faults.fault("content", job.body["prompt"], job.id)
        match fault:
            case "expired":
                return self.error(404, "not_found", "The video has expired.")
            case "gone":
                return self.error(410, "gone", "The video has expired.")
            case "content-500":
                return self.at_fault()
            case "content-json":
                return web.json_response({"video_url": self.store.link(job.id)})
            case "moved":
                raise web.HTTPFound(self.store.link(job.id))
        return await self.sent(request, fault, data)

    # --- beside jobs ---------------------------------------------------------------------

    async def _models(self, request: web.Request) -> web.Response:
        """The official list; nothing of it stands in the documents of the relays."""
        if self.dialect != "openai":
            raise web.HTTPNotFound
        if request.headers.get("Authorization") != f"Bearer {KEY}":
            raise api_error(web.HTTPUnauthorized, "Incorrect API key provided.", "invalid_api_key")
        listed = [{"id": name, "object": "model", "owned_by": "standin"} for name in self.models]
        return web.json_response({"object": "list", "data": listed})

    async def _tell(self, job: Job) -> None:
        """Call, signed, twice, as the guide says that it may happen."""
        while (status := self._shown(job)["status"]) in {"queued", "in_progress"}:
            await asyncio.sleep(0.02)
        body, headers = signed_event(f"video.{status}", job.id, self.tell_secret)
        async with ClientSession() as session:
            for _ in range(2):
                async with session.post(self.tell, data=body, headers=headers) as answer:
                    self.requests[f"told {answer.status}"] += 1

    # --- for the one who runs it ---------------------------------------------------------

    def prompts(self) -> dict[str, str]:
        return {job.id: job.body["prompt"] for job in self.jobs.values()}


def main() -> None:
    """Serve until standard input ends."""
    parser = options()
    parser.add_argument("--deletes-abort", action="store_true")
    parser.add_argument("--dialect", choices=sorted(DOCUMENTED))
    parser.add_argument("--tell")
    run(FakeOpenAIGateway, parser)


if __name__ == "__main__":
    main()
