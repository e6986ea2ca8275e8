"""A fake of Mountsea: see `json_gateway`, `json_jobs` and `openai` for its faults.

Its own words in a prompt: `!flat` (link, text and code beside the status), `!many` (a list of
links), `!wrapped` (all of it under `data`), `!edit-outside` and `!edit-deep` (where the edit id
stands). Its errors are those of NestJS; the message about a wrong field is a list.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from aiohttp import web

from tests.fakes.gateways.json_gateway import FakeJsonGateway, main
from tests.fakes.gateways.json_jobs import Job, JobRequest, JobView, video_size
from tests.fakes.gateways.json_schema import MOUNTSEA, mountsea_problems

CREATE = "/sora/video/generate"
QUERIES = ("/sora/task/result", "/sora/task")
_STATUSES = {
    "queued": "pending",
    "running": "processing",
    "completed": "completed",
    "failed": "failed",
}


@dataclass
class FakeMountseaGateway(FakeJsonGateway):
    """The fake server and its state."""

    query_path: str = QUERIES[0]
    """The one that is there."""

    created_status = 201

    def routes(self) -> Sequence[web.RouteDef]:
        paths = dict.fromkeys((*QUERIES, self.query_path))
        return [web.post(CREATE, self._create), *(web.get(path, self._look) for path in paths)]

    def error(self, status: int, code: str, message: str) -> web.Response:
        text: str | list[str] = message.split("; ") if status == 400 else message
        body = {"statusCode": status, "message": text, "error": HTTPStatus(status).phrase}
        if code in {"model_not_found", "content_policy"}:
            body["code"] = code
        return web.json_response(body, status=status)

    def new_id(self, number: int, asked: JobRequest) -> str:
        return f"0f3c{number:08d}"

    async def _create(self, request: web.Request) -> web.StreamResponse:
        self.check(request, CREATE)
        given = await self.body(request, MOUNTSEA, mountsea_problems)
        original = given.get("editId")
        known = {f"edit-{job.id}" for job in self.jobs.values() if self._is_done(job)}
        if original is not None and original not in known:
            return self.error(400, "invalid_request", "editId is not known")
        width, height = video_size(given.get("orientation"), given.get("size"))
        asked = JobRequest(
            given["prompt"],
            given["model"],
            given.get("duration", 10),
            width,
            height,
            await self.referred(given.get("images", []), width, height),
            original,
        )
        return await self.create_job(request, asked, given)

    def _is_done(self, job: Job) -> bool:
        return job.share(self.render_seconds, self.looks_to_finish) >= 1 and not job.fails()

    async def _look(self, request: web.Request) -> web.StreamResponse:
        if request.path != self.query_path:
            self.requests[f"GET {request.path}"] += 1
            return self.error(404, "not_found", f"Cannot GET {request.path_qs}")
        self.check(request, self.query_path, "taskId")
        return await self.poll_job(request, request.query["taskId"])

    def accepted(self, job: Job) -> dict[str, Any]:
        return {"taskId": job.id}

    def shown(self, job: Job, view: JobView) -> dict[str, Any]:
        answer: dict[str, Any] = {
            "taskId": job.id,
            "traceId": "2b1",
            "status": view.word or _STATUSES[view.phase],
            "createdAt": job.time(job.created, usual="iso"),
            "finishedAt": None,
            "duration": job.asked.seconds,
            "errorMessage": None,
            "errorCode": None,
        }
        if job.asked.remix_of:
            # It echoes what was asked for, edit id included.
            answer["params"] = {"editId": job.asked.remix_of}
        if view.phase in {"queued", "running"}:
            answer["progress"] = view.progress
        if view.phase == "completed":
            answer |= {"finishedAt": job.time(job.created + 1, usual="iso")}
        if view.link is not None:
            answer |= _result(job, view.link)
        if view.phase == "failed":
            answer |= _failure(job, view)
        return {"data": answer} if "wrapped" in job.words else answer


def _result(job: Job, link: str) -> dict[str, Any]:
    edit_id = f"edit-{job.id}"
    result: dict[str, Any] = {"video_url": link, "thumbnail_url": f"{link}.webp"}
    if "many" in job.words:
        result = {"videoUrls": [link]}
    if "edit-deep" in job.words:
        result["videos"] = [{"edit_id": edit_id}]
        return {"result": result}
    if "flat" in job.words or "edit-outside" in job.words:
        outside = {"videoUrl": link} if "flat" in job.words else {"result": result}
        return {**outside, "editId": edit_id}
    return {"result": {**result, "editId": edit_id}}


def _failure(job: Job, view: JobView) -> dict[str, Any]:
    code, message = view.failure
    if "flat" in job.words:
        return {"error": f"{code} {message}".strip()}
    return {"errorMessage": message, "errorCode": 5001}


if __name__ == "__main__":
    main(FakeMountseaGateway)
