"""A gateway of the official `/v1/videos` format: a real local server that trusts nobody.

Every request is held to the table of facts; what breaks it is answered 400 and noted in
`violations`. Creates are counted by prompt. Films lie also at a second origin, which must never
see the key. Run it inside a test (`async with Gateway() as it:`)
or as a process of its own (`python -m tests.standins.gateway`, which prints its URL on the first
line and serves until its standard input ends). `GET /_state` tells what it remembers.

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

import argparse
import asyncio
import itertools
import json
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Self

from aiohttp import BodyPartReader, ClientSession, web

from tests.standins.films import film
from tests.standins.gateway_answers import (
    check_picture,
    dropped,
    error,
    fastapi,
    film_from,
    halved,
    invalid,
    listed,
    page,
    referred,
    refusal,
    still,
    truncated,
)
from tests.standins.gateway_faults import Mischief
from tests.standins.gateway_jobs import MODERATED, Job, shown
from tests.standins.gateway_store import Store
from tests.standins.gateway_telling import TELL_SECRET, signed_event
from tests.standins.openai_facts import problems
from tests.standins.relay_facts import DOCUMENTED, Dialect, contradictions, shown_as

KEY = "sk-standin-0123456789abcdef"
_JSON = "application/json"


@dataclass
class Gateway:
    """The server and all that it remembers."""

    render_seconds: float = 0.2
    looks_to_finish: int = 0
    """Finished at this look, whatever the time; 0: by time."""
    rate: float = 0.0
    cheap: bool = False
    """One tiny film for all jobs."""
    seed: int = 1
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
    tell_secret: str = TELL_SECRET
    retry_after: str = "0.2"
    port: int = 0
    jobs: dict[str, Job] = field(default_factory=dict)
    creates: Counter[str] = field(default_factory=Counter)
    """Prompt -> accepted creates."""
    requests: Counter[str] = field(default_factory=Counter)
    violations: list[str] = field(default_factory=list)
    url: str = ""

    def __post_init__(self) -> None:
        self._mischief = Mischief(self.rate, self.seed)
        self._numbers = itertools.count(1)
        self._filming = asyncio.Lock()
        self.store = Store(self._stored, self.violations)
        self._runner: web.AppRunner | None = None
        self._calls: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=64 << 20)
        app.router.add_post("/v1/videos", self._create)
        app.router.add_get("/v1/videos", self._list)
        app.router.add_get("/v1/videos/{video_id}", self._look)
        app.router.add_delete("/v1/videos/{video_id}", self._delete)
        app.router.add_get("/v1/videos/{video_id}/content", self._content)
        app.router.add_post("/v1/videos/{video_id}/remix", self._remix)
        app.router.add_get("/v1/models", self._models)
        app.router.add_get("/_state", self._state)
        app.router.add_post("/_faults", self._plan)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port)
        await site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        await self.store.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        for call in self._calls:
            call.cancel()
        await asyncio.gather(*self._calls, return_exceptions=True)
        await self.store.close()
        if self._runner is not None:
            await self._runner.cleanup()

    # --- misbehaving ---------------------------------------------------------------------

    def plan(self, route: str, *faults: str) -> None:
        """The next requests to a route suffer these, in turn."""
        self._mischief.plan(route, *faults)

    def _throttled(self) -> web.Response:
        answer = error(429, "Rate limit reached.", "rate_limit_exceeded")
        answer.headers["Retry-After"] = self.retry_after
        return answer

    # --- checking ------------------------------------------------------------------------

    def _check(
        self, request: web.Request, path: str, body: dict[str, object] | None = None
    ) -> None:
        """Hold a request to the facts; raises the refusal."""
        self.requests[f"{request.method} {path}"] += 1
        if request.headers.get("Authorization") != f"Bearer {KEY}":
            message = "Incorrect API key provided."
            raise refusal(web.HTTPUnauthorized, message, "invalid_api_key")
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
            raise invalid("; ".join(found))

    async def _body(self, request: web.Request) -> tuple[dict[str, object], bytes | None]:
        """(fields, the uploaded picture)."""
        if request.content_type == _JSON:
            try:
                return dict(json.loads(await request.read())), None
            except (ValueError, TypeError):
                self.violations.append(f"{request.method} {request.path}: no JSON object")
                raise invalid("The body is no JSON object.") from None
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
            raise refusal(web.HTTPNotFound, "Video not found.", "not_found")
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
            raise invalid("Only a completed video can be remixed.")
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
        fault = self._mischief.fault("create", prompt, prompt)
        if fault == "slow":
            await asyncio.sleep(1.0)
        if (early := self._refused(request, fault)) is not None:
            return early
        job = Job(f"video_{next(self._numbers):08d}", body, picture, self.now(), remix_of)
        self.jobs[job.id] = job
        self.creates[prompt] += 1
        if self.tell:
            self._calls.append(asyncio.create_task(self._tell(job)))
        video = self._shown(job)
        match fault:
            case "drop-after":
                return dropped(request)
            case "truncated":
                return truncated(video)
            case "half":
                return await halved(request, json.dumps(video).encode(), _JSON)
            case "empty":
                return web.Response(text="", content_type=_JSON)
        return web.json_response(video)

    def _refused(self, request: web.Request, fault: str | None) -> web.Response | None:
        """Faults of a create before anything was accepted."""
        match fault:
            case "drop-before":
                return dropped(request)
            case "throttle":
                return self._throttled()
            case "error-500":
                return error(500, "The server had an error.", "server_error")
            case "html-502":
                return page(502)
            case "saturated-503":
                return error(503, "当前分组上游负载已饱和，请稍后再试", "upstream_error")
            case "refused-moderated":
                return error(400, MODERATED, "moderation_blocked")
            case "fastapi":
                return fastapi()
            case "no-model":
                return error(404, "The model `sora-2` does not exist.", "model_not_found")
        return None

    # --- looking -------------------------------------------------------------------------

    def _shown(self, job: Job) -> dict[str, Any]:
        """The job as this gateway shows it."""
        share = (self.now() - job.created) / max(self.render_seconds, 1e-9)
        if self.looks_to_finish:
            share = job.looks / self.looks_to_finish
        return shown_as(self.dialect, shown(job, share, self.render_seconds))

    async def _look(self, request: web.Request) -> web.StreamResponse:
        self._check(request, "/videos/{video_id}")
        job = self._job(request)
        job.looks += 1
        video = self._shown(job)
        match self._mischief.fault("look", job.body["prompt"], job.id):
            case "late" | "vanished":
                return error(404, "Video not found.", "not_found")
            case "look-500":
                return error(500, "The server had an error.", "server_error")
            case "look-html":
                return page(200)
            case "look-drop":
                return dropped(request)
            case "look-half":
                return await halved(request, json.dumps(video).encode(), _JSON)
            case "look-throttle":
                return self._throttled()
            case "unknown-status" if video["status"] == "in_progress":
                video["status"] = "video_upsampling"
            case "falling":
                video["progress"] = max(0, 90 - video["progress"])
            case "percent":
                video["progress"] = f"{video['progress']}%"
            case "null":
                video["progress"] = None
        return web.json_response(video)

    async def _list(self, request: web.Request) -> web.StreamResponse:
        self._check(request, "/videos")
        match self._mischief.fault("list"):
            case "list-500":
                return error(500, "The server had an error.", "server_error")
            case "list-drop":
                return dropped(request)
        jobs = [job for job in self.jobs.values() if not job.deleted]
        if request.query.get("order", "desc") == "desc":
            jobs.reverse()
        after, ids = request.query.get("after"), [job.id for job in jobs]
        if after is not None and after not in ids:
            raise invalid(f"No video {after}.")
        start = 0 if after is None else ids.index(after) + 1
        end = start + int(request.query.get("limit", "20"))
        return listed([self._shown(job) for job in jobs[start:end]], more=end < len(jobs))

    async def _delete(self, request: web.Request) -> web.Response:
        self._check(request, "/videos/{video_id}")
        job = self._job(request)
        if self._shown(job)["status"] in {"queued", "in_progress"} and not self.deletes_abort:
            raise invalid("The video is still being processed.")
        job.deleted = True
        return web.json_response({"id": job.id, "deleted": True, "object": "video.deleted"})

    # --- films ---------------------------------------------------------------------------

    async def _film(self, job: Job) -> bytes:
        # One at a time: two that make the same film would write the same file.
        async with self._filming:
            if self.cheap:
                return await asyncio.to_thread(film, 1, "64x64")
            seconds, size = int(job.body["seconds"]), job.body["size"]
            return await asyncio.to_thread(film, seconds, size, job.picture)

    async def _stored(self, job_id: str) -> bytes:
        return await self._film(self.jobs[job_id])

    async def _content(self, request: web.Request) -> web.StreamResponse:
        self._check(request, "/videos/{video_id}/content")
        job = self._job(request)
        if (status := self._shown(job)["status"]) != "completed":
            if self.dialect == "relay147":
                return error(400, f"Task is not completed yet, current status: {status}", "")
            return error(404, "Video is not ready yet.", "not_found")
        if request.query.get("variant") == "thumbnail":
            return web.Response(body=still(job.body["size"]), content_type="image/webp")
        data = await self._film(job)
        match self._mischief.fault("content", job.body["prompt"], job.id):
            case "expired":
                return error(404, "The video has expired.", "not_found")
            case "gone":
                return error(410, "The video has expired.", "gone")
            case "content-500":
                return error(500, "The server had an error.", "server_error")
            case "content-json":
                return web.json_response({"video_url": self.store.link(job.id)})
            case "moved":
                raise web.HTTPFound(self.store.link(job.id))
            case "json":
                return web.json_response({"error": {"message": "try again", "code": None}})
            case "clean-short":
                return web.Response(body=data[: len(data) // 2], content_type="video/mp4")
            case "short":
                return await halved(request, data, "video/mp4")
            case "cut":
                return await halved(request, data, "video/mp4", reset=True)
        return film_from(request, data)

    # --- beside jobs ---------------------------------------------------------------------

    async def _models(self, request: web.Request) -> web.Response:
        """The official list; nothing of it stands in the documents of the relays."""
        if self.dialect != "openai":
            raise web.HTTPNotFound
        if request.headers.get("Authorization") != f"Bearer {KEY}":
            raise refusal(web.HTTPUnauthorized, "Incorrect API key provided.", "invalid_api_key")
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

    async def _state(self, _: web.Request) -> web.Response:
        jobs = {job.id: job.body["prompt"] for job in self.jobs.values()}
        seen = {"requests": self.requests, "violations": self.violations}
        return web.json_response({"creates": self.creates, "jobs": jobs, **seen})

    async def _plan(self, request: web.Request) -> web.Response:
        asked = await request.json()
        self.plan(asked["route"], *asked["faults"])
        return web.json_response({})


async def _serve(arguments: argparse.Namespace) -> None:
    options = {name: value for name, value in vars(arguments).items() if value is not None}
    async with Gateway(**options) as it:
        sys.stdout.write(f"{it.url}\n")
        sys.stdout.flush()
        # Ends with whoever started it: their end of the pipe closes when they die.
        await asyncio.to_thread(sys.stdin.read)


def main() -> None:
    """Serve until standard input ends."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int)
    parser.add_argument("--render-seconds", type=float)
    parser.add_argument("--looks-to-finish", type=int)
    parser.add_argument("--rate", type=float)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--cheap", action="store_true")
    parser.add_argument("--deletes-abort", action="store_true")
    parser.add_argument("--dialect", choices=sorted(DOCUMENTED))
    parser.add_argument("--tell")
    asyncio.run(_serve(parser.parse_args()))


if __name__ == "__main__":
    main()
