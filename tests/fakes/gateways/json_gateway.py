"""Base of the fake gateways with JSON formats of their own: a local, strict server.

Every request is held to the gateway's table of facts; what breaks it is refused and noted in
`violations`. Creates are counted by prompt. Results and uploaded pictures lie at a second origin,
where an API key is a violation. Reference pictures given as links are fetched, and are what the
film shows. `GET /_state` tells what is remembered, `POST /_faults` plans faults, as at `gateway`,
whose words in a prompt mean the same here. Beyond those and the words of `dialect_jobs`:

    create   !refused (a wrong field) !fastapi (a list for a detail)
    all      !in-200 (errors come with status 200, where the gateway has such)
    content  !content-json (the content route says where the video is)
"""

from __future__ import annotations

import asyncio
import json
import time
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

import aiohttp
from aiohttp import BodyPartReader, web

from tests.fakes.gateways.base import LARGEST_PICTURE, FakeGatewayBase, options, run
from tests.fakes.gateways.faults import fault_words
from tests.fakes.gateways.json_jobs import (
    Job,
    JobRequest,
    JobView,
    resize_image,
    shows_link,
    view_of,
)
from tests.fakes.gateways.json_schema import FieldRule, Given, problems
from tests.fakes.gateways.openai import KEY
from tests.support.sample_videos import sample_video

_JSON = "application/json"
_EXPIRED = "<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>"
_WITH_A_STATUS = {"drop-before", "throttle", "html-502", "saturated-503"}
"""Faults of what stands before a gateway: whatever it does with its own, these have a status."""


@dataclass
class FakeJsonGateway(FakeGatewayBase):
    """The fake server and its state."""

    link_seconds: float = 0.0
    """Seconds for which a link works; 0: for ever."""
    jobs: dict[str, Job] = field(default_factory=dict)
    bodies: list[dict[str, Any]] = field(default_factory=list)
    """Bodies of accepted creates."""
    pictures: dict[str, bytes] = field(default_factory=dict)
    """Uploaded images."""
    store_url: str = ""
    """URL of the file host."""

    created_status: ClassVar[int] = 200
    moderated: ClassVar[tuple[str, str]] = ("content_policy", "内容审核未通过 (moderation)")

    # --- what each dialect has of its own ------------------------------------------------

    @abstractmethod
    def routes(self) -> Sequence[web.RouteDef]:
        """The routes of this format."""

    @abstractmethod
    def accepted(self, job: Job) -> dict[str, Any]:
        """The response to a create."""

    @abstractmethod
    def shown(self, job: Job, view: JobView) -> dict[str, Any]:
        """The response to a poll."""

    def new_id(self, number: int, asked: JobRequest) -> str:
        """The id of a new job."""
        return f"task_{number:08d}"

    # --- serving -------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        elsewhere = web.route("*", "/{rest:.*}", self._nowhere)
        self.url = await self.serve([*self.routes(), *self.own_routes(), elsewhere], self.port)
        store = [
            web.get("/films/{id}/{number}.mp4", self._film_by_link),
            web.get("/pictures/{name}", self._picture),
        ]
        self.store_url = await self.serve([*store, elsewhere])
        return self

    async def _nowhere(self, request: web.Request) -> web.Response:
        self.violations.append(f"no such route: {request.method} {request.path}")
        return self.error(404, "not_found", f"Cannot {request.method} {request.path}")

    # --- checking ------------------------------------------------------------------------

    def check(self, request: web.Request, route: str, *query: str) -> None:
        """Check all of a request but its body. Raises the error response."""
        self.requests[f"{request.method} {route}"] += 1
        if request.headers.get("Authorization") != f"Bearer {KEY}":
            raise _raised(self.error(401, "invalid_api_key", "Incorrect API key provided."))
        wrong = [] if sorted(request.query) == sorted(query) else [f"query {request.query_string}"]
        if request.method == "GET" and request.can_read_body:
            wrong.append("a body where none belongs")
        self.refuse(request, wrong)

    def refuse(self, request: web.Request, wrong: Sequence[str]) -> None:
        """Record the violations and raise the error response."""
        if wrong:
            self.violations += [f"{request.method} {request.path}: {problem}" for problem in wrong]
            raise _raised(self.error(400, "invalid_request", "; ".join(wrong)))

    async def body(
        self,
        request: web.Request,
        facts: Mapping[str, FieldRule],
        rules: Callable[[Given], list[str]] = lambda _: [],
    ) -> dict[str, Any]:
        """Return the checked JSON body of a create."""
        if request.content_type != _JSON:
            self.refuse(request, [f"sent as {request.content_type}"])
        try:
            given = json.loads(await request.read())
        except ValueError:
            given = None
        if not isinstance(given, dict):
            self.refuse(request, ["no JSON object"])
        self.refuse(request, problems(facts, given))
        self.refuse(request, rules(given))
        return dict(given)

    async def referred(self, links: Sequence[str], width: int, height: int) -> bytes | None:
        """Fetch a reference image by its link and resize it to the video."""
        if not links:
            return None
        limit = aiohttp.ClientTimeout(total=10)
        try:
            async with aiohttp.ClientSession(timeout=limit) as session, session.get(links[0]) as it:
                it.raise_for_status()
                picture = await _bounded(it.content)
            return await asyncio.to_thread(resize_image, picture, width, height)
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            message = f"[SY_ERR:10] invalid image_urls[1]: fetch failed ({error})"
            raise _raised(self.error(400, "invalid_image", message)) from None

    async def stored(self, request: web.Request) -> str:
        """Store an uploaded image and return its link."""
        if request.content_type != "multipart/form-data":
            self.refuse(request, [f"sent as {request.content_type}"])
        parts: list[str | None] = []
        name = f"{next(self._numbers)}.img"
        async for part in await request.multipart():
            assert isinstance(part, BodyPartReader)
            parts.append(part.name if part.filename else None)
            self.pictures[name] = bytes(await part.read())
        self.refuse(request, [] if parts == ["file"] else [f"parts {parts}"])
        return f"{self.store_url}/pictures/{name}"

    # --- making --------------------------------------------------------------------------

    async def create_job(
        self, request: web.Request, asked: JobRequest, sent: dict[str, Any]
    ) -> web.StreamResponse:
        """Accept a create and respond as the prompt's fault words say."""
        fault = self._faults.fault("create", asked.prompt, asked.prompt)
        if fault == "slow":
            await asyncio.sleep(1.0)
        if (early := self._refused(request, fault, fault_words(asked.prompt))) is not None:
            return early
        number = next(self._numbers)
        job = Job(self.new_id(number, asked), asked)
        self.jobs[job.id] = job
        self.creates[asked.prompt] += 1
        self.bodies.append(sent)
        answer = self.accepted(job)
        if (broken := await self.lost(request, fault, answer)) is not None:
            return broken
        return web.json_response(answer, status=self.created_status)

    def _refused(
        self, request: web.Request, fault: str | None, asked: Sequence[str]
    ) -> web.Response | None:
        """The response to a create that is not accepted."""
        answer = self.not_made(request, fault)
        if "refused" in asked:
            answer = self.error(400, "invalid_request", "The duration is wrong.")
        if answer is not None and "in-200" in asked and fault not in _WITH_A_STATUS:
            answer.set_status(200)
        return answer

    # --- looking -------------------------------------------------------------------------

    def no_job(self) -> web.Response:
        return self.error(404, "not_found", "Task not found.")

    def view(self, job: Job) -> JobView:
        """The job as it is now; counts a poll."""
        view = view_of(job, job.share(self.render_seconds, self.looks_to_finish))
        if shows_link(job, view):
            view.link = self.link(job)
        return view

    async def poll_job(self, request: web.Request, job_id: str) -> web.StreamResponse:
        """Respond to a poll."""
        job = self.jobs.get(job_id)
        if job is None:
            return self.no_job()
        job.looks += 1
        done = view_of(job, job.share(self.render_seconds, self.looks_to_finish)).phase
        job.looks_at_end += done == "completed"
        view = self.view(job)
        fault = self._faults.fault("look", job.asked.prompt, job.id)
        match fault:
            case "unknown-status" if view.phase == "running":
                view.word = "remastering"
            case "falling":
                view.progress = max(0, 90 - int(view.share * 100))
            case "percent":
                view.progress = f"{view.progress}%"
            case "null":
                view.progress = None
        answer = self.shown(job, view)
        if (broken := await self.unseen(request, fault, answer)) is not None:
            return broken
        return web.json_response(answer)

    # --- films ---------------------------------------------------------------------------

    def link(self, job: Job) -> str:
        """The last link to the video, or a new one if that has expired."""
        if not job.links or self._is_dead(job, len(job.links) - 1):
            job.links.append(time.monotonic())
        return f"{self.store_url}/films/{job.id}/{len(job.links) - 1}.mp4"

    def _is_dead(self, job: Job, number: int) -> bool:
        old = self.link_seconds and time.monotonic() - job.links[number] > self.link_seconds
        return number in job.dead or bool(old)

    async def _film_by_link(self, request: web.Request) -> web.StreamResponse:
        self._check_stranger(request)
        job = self.jobs.get(request.match_info["id"])
        number = int(request.match_info["number"])
        if job is None or number >= len(job.links) or self._is_dead(job, number):
            return web.Response(status=403, text=_EXPIRED, content_type="application/xml")
        return await self.film(request, job, number)

    def _check_stranger(self, request: web.Request) -> None:
        shown = {"Authorization", "X-Api-Key", "Cookie"} & {*request.headers}
        if shown and str(request.url.origin()) != self.url:
            self.violations.append(f"{request.path}: a stranger was shown {sorted(shown)}")

    async def film(
        self, request: web.Request, job: Job, link: int | None = None
    ) -> web.StreamResponse:
        """The video, with the faults that the prompt asks for."""
        data = await self._made_film(job)
        fault = self._faults.fault("content", job.asked.prompt, job.id)
        match fault:
            case "expired" if link is not None:
                job.dead.add(link)
                return web.Response(status=403, text=_EXPIRED, content_type="application/xml")
            case "expired":
                return self.error(404, "not_found", "The video has expired.")
            case "gone":
                return web.Response(status=410, text="gone")
            case "content-500":
                return web.Response(status=500, text="error")
        return await self.sent(request, fault, data)

    async def _made_film(self, job: Job) -> bytes:
        asked = job.asked
        if self.cheap:
            return await asyncio.to_thread(sample_video, 1, "64x64")
        size = f"{asked.width}x{asked.height}"
        return await asyncio.to_thread(sample_video, asked.seconds, size, asked.picture)

    async def _picture(self, request: web.Request) -> web.Response:
        self._check_stranger(request)
        content = self.pictures.get(request.match_info["name"])
        return web.Response(status=404) if content is None else web.Response(body=content)

    # --- for the one who runs it ---------------------------------------------------------

    def prompts(self) -> dict[str, str]:
        return {job.id: job.asked.prompt for job in self.jobs.values()}


async def _bounded(content: aiohttp.StreamReader) -> bytes:
    picture = bytearray()
    async for piece in content.iter_chunked(1 << 16):
        picture += piece
        if len(picture) > LARGEST_PICTURE:
            raise ValueError("too large")
    return bytes(picture)


def _raised(answer: web.Response) -> web.HTTPException:
    """A response as an exception."""
    kinds = {400: web.HTTPBadRequest, 401: web.HTTPUnauthorized, 200: web.HTTPOk}
    return kinds[answer.status](text=answer.text, content_type=answer.content_type)


def main(made: type[FakeJsonGateway]) -> None:
    """Serve until standard input ends."""
    parser = options()
    parser.add_argument("--link-seconds", type=float)
    run(made, parser)
