"""A gateway of the official `/v1/videos` format: a real local server that trusts nobody.

Every request is held to the table of facts; what breaks it is answered 400 and noted in
`violations`. Creates are counted by prompt. Run it inside a test (`async with Gateway() as it:`)
or as a process of its own (`python -m tests.standins.gateway`, which prints its URL).

Words in a prompt make it misbehave for that job, once unless said otherwise:

    create   !slow !drop-before !drop-after !throttle !error-500 !html-502 !saturated-503
             !truncated !empty !refused-moderated !no-model
    look     !unknown-status (always) !falling (always) !percent (always) !null (always)
             !failed (always) !moderated (always) !stuck (always) !late (404 twice)
             !look-500 !look-html !look-drop !look-throttle !vanished (always 404)
    content  !expired !gone (always) !short !clean-short !json !cut !content-500

`rate` makes each request misbehave with that probability, by a seeded chance.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import re
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from io import BytesIO
from random import Random
from typing import Any, Self

from aiohttp import BodyPartReader, web
from PIL import Image

from tests.standins.films import film
from tests.standins.openai_facts import OPERATIONS, VIDEO_FIELDS, problems

KEY = "sk-standin-0123456789abcdef"
_AT_CREATE = ["drop-before", "drop-after", "throttle", "error-500", "html-502", "truncated"]
_AT_LOOK = ["unknown-status", "late", "look-500", "look-html", "look-drop", "look-throttle"]
_AT_CONTENT = ["expired", "short", "clean-short", "json", "cut", "content-500"]
_ALWAYS = {"unknown-status", "falling", "percent", "null", "failed", "moderated", "stuck"}
_ALWAYS |= {"gone", "vanished"}
_OFTEN = {"late": 2}


@dataclass
class Job:
    """One accepted create."""

    id: str
    body: dict[str, str]
    picture: bytes | None
    born: float
    remix_of: str | None = None
    looks: int = 0
    deleted: bool = False


@dataclass
class Gateway:
    """The server and all that it remembers."""

    render_seconds: float = 0.2
    rate: float = 0.0
    cheap: bool = False
    """One tiny film for all jobs."""
    seed: int = 1
    deletes_abort: bool = False
    """As vLLM-Omni: DELETE stops a running job."""
    retry_after: str = "0.2"
    port: int = 0
    jobs: dict[str, Job] = field(default_factory=dict)
    creates: Counter[str] = field(default_factory=Counter)
    """Prompt -> accepted creates."""
    requests: Counter[str] = field(default_factory=Counter)
    violations: list[str] = field(default_factory=list)
    url: str = ""

    def __post_init__(self) -> None:
        self.chance = Random(self.seed)
        self._numbers = itertools.count(1)
        self._done: Counter[tuple[str, str]] = Counter()
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=64 << 20)
        app.router.add_post("/v1/videos", self._create)
        app.router.add_get("/v1/videos", self._list)
        app.router.add_get("/v1/videos/{video_id}", self._look)
        app.router.add_delete("/v1/videos/{video_id}", self._delete)
        app.router.add_get("/v1/videos/{video_id}/content", self._content)
        app.router.add_post("/v1/videos/{video_id}/remix", self._remix)
        app.router.add_get("/_state", self._state)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port)
        await site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    # --- misbehaving ---------------------------------------------------------------------

    def _misbehaves(self, prompt: str, faults: list[str], key: str) -> str | None:
        """Which of these faults this request suffers."""
        for name in re.findall(r"!([a-z0-9-]+)", prompt):
            often = _OFTEN.get(name, 1)
            if name in faults and (name in _ALWAYS or self._done[key, name] < often):
                self._done[key, name] += 1
                return str(name)
        if self.rate and self.chance.random() < self.rate:
            return self.chance.choice([name for name in faults if name in _AT_ANY])
        return None

    # --- checking ------------------------------------------------------------------------

    def _check(self, request: web.Request, path: str, body: dict[str, object] | None) -> None:
        """Hold a request to the facts; raises the refusal."""
        self.requests[f"{request.method} {path}"] += 1
        if request.headers.get("Authorization") != f"Bearer {KEY}":
            raise _refusal(web.HTTPUnauthorized, "Incorrect API key provided.", "invalid_api_key")
        operation = OPERATIONS[request.method.lower(), path]
        found = problems(operation.query, dict(request.query))
        if body is not None:
            fields = operation.bodies.get(request.content_type)
            found += problems(fields, body) if fields else [f"sent as {request.content_type}"]
        elif request.can_read_body and request.content_length:
            found.append("a body where none belongs")
        if found:
            self.violations += [f"{request.method} {path}: {problem}" for problem in found]
            raise _refusal(web.HTTPBadRequest, "; ".join(found), "invalid_request")

    async def _body(self, request: web.Request) -> tuple[dict[str, object], bytes | None]:
        """(fields, the uploaded picture)."""
        if request.content_type == "application/json":
            return dict(await request.json()), None
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

    # --- routes --------------------------------------------------------------------------

    async def _create(self, request: web.Request) -> web.StreamResponse:
        body, picture = await self._body(request)
        self._check(request, "/videos", body)
        prompt = str(body["prompt"])
        size = str(body.get("size", "720x1280"))
        if picture is not None:
            _check_picture(picture, size)
        fault = self._misbehaves(prompt, [*_AT_CREATE, *_AT_CREATE_BY_WORD], prompt)
        if (early := await self._refused(request, fault)) is not None:
            return early
        words = {
            "prompt": prompt,
            "model": str(body.get("model", "sora-2")),
            "seconds": str(body.get("seconds", "4")),
            "size": size,
        }
        job = self._accept(words, picture)
        return await self._answered(request, fault, self._shown(job))

    def _accept(self, body: dict[str, str], picture: bytes | None, of: str | None = None) -> Job:
        job = Job(f"video_{next(self._numbers):08d}", body, picture, time.monotonic(), of)
        self.jobs[job.id] = job
        self.creates[body["prompt"]] += 1
        return job

    async def _refused(self, request: web.Request, fault: str | None) -> web.Response | None:
        """Faults of a create before anything was accepted."""
        match fault:
            case "slow":
                await asyncio.sleep(1.0)
            case "drop-before":
                return _dropped(request)
            case "throttle":
                return self._throttled()
            case "error-500":
                return _error(500, "The server had an error.", "server_error")
            case "html-502":
                return web.Response(status=502, text="<html>Bad Gateway</html>")
            case "saturated-503":
                return _error(503, "当前分组上游负载已饱和，请稍后再试", "upstream_error")
            case "refused-moderated":
                return _error(
                    400, "Your request was blocked by our moderation system.", "moderation_blocked"
                )
            case "no-model":
                return _error(404, "The model `sora-2` does not exist.", "model_not_found")
        return None

    async def _answered(
        self, request: web.Request, fault: str | None, shown: dict[str, Any]
    ) -> web.Response:
        """Faults of a create after it was accepted."""
        match fault:
            case "drop-after":
                return _dropped(request)
            case "truncated":
                return web.Response(text=json.dumps(shown)[:40], content_type="application/json")
            case "empty":
                return web.Response(text="", content_type="application/json")
        return web.json_response(shown)

    def _throttled(self) -> web.Response:
        answer = _error(429, "Rate limit reached.", "rate_limit_exceeded")
        answer.headers["Retry-After"] = self.retry_after
        return answer

    def _job(self, request: web.Request) -> Job:
        job = self.jobs.get(request.match_info["video_id"])
        if job is None or job.deleted:
            raise _refusal(web.HTTPNotFound, "Video not found.", "not_found")
        return job

    def _shown(self, job: Job) -> dict[str, Any]:
        """The job as the official format shows it."""
        share = min((time.monotonic() - job.born) / max(self.render_seconds, 1e-9), 1.0)
        words = set(re.findall(r"!([a-z0-9-]+)", job.body["prompt"]))
        status = "queued" if share < 0.1 else "in_progress" if share < 1 else "completed"
        error = None
        if "stuck" in words:
            share, status = min(share, 0.5), "in_progress"
        if status == "completed" and words & {"failed", "moderated"}:
            status = "failed"
            error = {"code": "internal_error", "message": "The render failed."}
            if "moderated" in words:
                error = {
                    "code": "moderation_blocked",
                    "message": "Your request was blocked by our moderation system.",
                }
        now = int(time.time())
        shown: dict[str, Any] = {
            "id": job.id,
            "object": "video",
            "status": status,
            "progress": int(share * 100),
            "created_at": now - int(time.monotonic() - job.born),
            "completed_at": now if status == "completed" else None,
            "expires_at": now + 3600 if status == "completed" else None,
            "remixed_from_video_id": job.remix_of,
            "error": error,
            **job.body,
        }
        assert set(shown) == VIDEO_FIELDS
        return shown

    async def _look(self, request: web.Request) -> web.StreamResponse:
        self._check(request, "/videos/{video_id}", None)
        job = self._job(request)
        job.looks += 1
        shown = self._shown(job)
        fault = self._misbehaves(job.body["prompt"], [*_AT_LOOK, *_AT_LOOK_BY_WORD], job.id)
        match fault:
            case "late" | "vanished":
                return _error(404, "Video not found.", "not_found")
            case "look-500":
                return _error(500, "The server had an error.", "server_error")
            case "look-html":
                return web.Response(text="<html>maintenance</html>", content_type="text/html")
            case "look-drop":
                return _dropped(request)
            case "look-throttle":
                return self._throttled()
            case "unknown-status" if shown["status"] == "in_progress":
                shown["status"] = "video_upsampling"
            case "falling":
                shown["progress"] = max(0, 90 - shown["progress"])
            case "percent":
                shown["progress"] = f"{shown['progress']}%"
            case "null":
                shown["progress"] = None
        return web.json_response(shown)

    async def _list(self, request: web.Request) -> web.Response:
        self._check(request, "/videos", None)
        jobs = [job for job in self.jobs.values() if not job.deleted]
        if request.query.get("order", "desc") == "desc":
            jobs.reverse()
        ids = [job.id for job in jobs]
        start = ids.index(request.query["after"]) + 1 if "after" in request.query else 0
        end = start + int(request.query.get("limit", "20"))
        page = [self._shown(job) for job in jobs[start:end]]
        return web.json_response(
            {
                "object": "list",
                "data": page,
                "first_id": page[0]["id"] if page else None,
                "last_id": page[-1]["id"] if page else None,
                "has_more": end < len(jobs),
            }
        )

    async def _delete(self, request: web.Request) -> web.Response:
        self._check(request, "/videos/{video_id}", None)
        job = self._job(request)
        if self._shown(job)["status"] in {"queued", "in_progress"} and not self.deletes_abort:
            return _error(400, "The video is still being processed.", "invalid_request")
        job.deleted = True
        return web.json_response({"id": job.id, "deleted": True, "object": "video.deleted"})

    async def _remix(self, request: web.Request) -> web.Response:
        body, _ = await self._body(request)
        self._check(request, "/videos/{video_id}/remix", body)
        original = self._job(request)
        job = self._accept(
            {**original.body, "prompt": str(body["prompt"])}, original.picture, original.id
        )
        return web.json_response(self._shown(job))

    def _film(self, job: Job) -> bytes:
        if self.cheap:
            return film(1, "64x64")
        return film(int(job.body["seconds"]), job.body["size"], job.picture)

    async def _content(self, request: web.Request) -> web.StreamResponse:
        self._check(request, "/videos/{video_id}/content", None)
        job = self._job(request)
        if self._shown(job)["status"] != "completed":
            return _error(404, "Video is not ready yet.", "not_found")
        data = await asyncio.to_thread(self._film, job)
        match self._misbehaves(job.body["prompt"], [*_AT_CONTENT, "gone"], job.id):
            case "expired":
                return _error(404, "The video has expired.", "not_found")
            case "gone":
                return _error(410, "The video has expired.", "gone")
            case "content-500":
                return _error(500, "The server had an error.", "server_error")
            case "json":
                return web.json_response({"error": {"message": "try again", "code": None}})
            case "clean-short":
                return web.Response(body=data[: len(data) // 2], content_type="video/mp4")
            case "short" | "cut":
                return await _cut_off(request, data)
        return _ranged(request, data)

    async def _state(self, _: web.Request) -> web.Response:
        return web.json_response(
            {
                "creates": self.creates,
                "requests": self.requests,
                "violations": self.violations,
                "jobs": {job.id: job.body["prompt"] for job in self.jobs.values()},
            }
        )


_AT_CREATE_BY_WORD = ["slow", "saturated-503", "empty", "refused-moderated", "no-model"]
_AT_LOOK_BY_WORD = ["falling", "percent", "null", "vanished"]
_AT_ANY = {*_AT_CREATE, *_AT_LOOK, *_AT_CONTENT}


def _error(status: int, message: str, code: str) -> web.Response:
    kind = "invalid_request_error" if status < 500 else "server_error"
    body = {"error": {"message": message, "type": kind, "param": None, "code": code}}
    return web.json_response(body, status=status)


def _refusal(kind: type[web.HTTPError], message: str, code: str) -> web.HTTPError:
    body = {"error": {"message": message, "type": "invalid_request_error", "code": code}}
    return kind(text=json.dumps({**body}), content_type="application/json")


def _check_picture(picture: bytes, size: str) -> None:
    with Image.open(BytesIO(picture)) as image:
        if "x".join(map(str, image.size)) != size:
            message = "Inpaint image must match the requested width and height"
            raise _refusal(web.HTTPBadRequest, message, "")
        if image.format not in {"JPEG", "PNG", "WEBP"}:
            raise _refusal(web.HTTPBadRequest, "Unsupported image.", "invalid_image")


def _dropped(request: web.Request) -> web.Response:
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


async def _cut_off(request: web.Request, data: bytes) -> web.StreamResponse:
    answer = web.StreamResponse(
        headers={"Content-Length": str(len(data)), "Content-Type": "video/mp4"}
    )
    await answer.prepare(request)
    await answer.write(data[: len(data) // 2])
    if request.transport is not None:
        request.transport.close()
    return answer


def _ranged(request: web.Request, data: bytes) -> web.Response:
    found = re.fullmatch(r"bytes=(\d+)-", request.headers.get("Range", ""))
    start = int(found.group(1)) if found else 0
    if found is None:
        return web.Response(body=data, content_type="video/mp4")
    if start >= len(data):
        headers = {"Content-Range": f"bytes */{len(data)}"}
        return web.Response(status=416, headers=headers)
    headers = {"Content-Range": f"bytes {start}-{len(data) - 1}/{len(data)}"}
    return web.Response(body=data[start:], status=206, headers=headers, content_type="video/mp4")


@asynccontextmanager
async def gateway(**options: Any) -> AsyncIterator[Gateway]:
    """A running gateway."""
    async with Gateway(**options) as it:
        yield it


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
    parser.add_argument("--render-seconds", dest="render_seconds", type=float)
    parser.add_argument("--rate", type=float)
    parser.add_argument("--cheap", action="store_true")
    asyncio.run(_serve(parser.parse_args()))


if __name__ == "__main__":
    main()
