"""A fake of Juxin: see `json_gateway`, `json_jobs` and `openai` for its faults.

Its own words in a prompt: `!official` (its answers have the official shape), `!detail-link` (the
link stands inside only), `!reason` (a failure is told inside only), `!fail-reason` (beside the
status), `!error-text` (as a plain text).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from tests.fakes.gateways.json_gateway import FakeJsonGateway, main
from tests.fakes.gateways.json_jobs import Job, JobRequest, JobView, video_size
from tests.fakes.gateways.json_schema import JXINCM, REMIX, jxincm_problems

_STATUSES = {
    "queued": "pending",
    "running": "pending",
    "completed": "completed",
    "failed": "failed",
}
_OFFICIAL = {**_STATUSES, "queued": "queued", "running": "in_progress"}


@dataclass
class FakeJxincmGateway(FakeJsonGateway):
    """The fake server and its state."""

    unified: bool = True
    """It has the unified route for looks."""
    official: bool = True
    """It has the official route for looks."""
    store_shape: str = "url"
    """Where the answer to an upload has the link: `url`, `data.url`, `data`, `data.links.url`."""
    listed: tuple[str, ...] | None = ("sora-2", "sora-2-pro")
    """Its models; None: it does not say."""

    def routes(self) -> Sequence[web.RouteDef]:
        return [
            web.post("/v1/video/create", self._create),
            web.get("/v1/video/query", self._unified_look),
            web.get("/v1/videos/{id}", self._official_look),
            web.get("/v1/videos/{id}/content", self._content),
            web.post("/v1/videos/{id}/remix", self._remix),
            web.post("/api/upload", self._upload),
            web.get("/v1/models", self._models),
        ]

    def error(self, status: int, code: str, message: str) -> web.Response:
        text = f"{message} (request id: 2025)"
        inner = {"message": text, "message_zh": "请求有误", "type": code}
        return web.json_response({"error": inner}, status=status)

    def new_id(self, number: int, asked: JobRequest) -> str:
        if "!official" in asked.prompt:
            return f"video_{number:08d}-7b1b"
        return f"{asked.model}:task_01k{number:08d}"

    # --- making --------------------------------------------------------------------------

    async def _create(self, request: web.Request) -> web.StreamResponse:
        self.check(request, "/v1/video/create")
        given = await self.body(request, JXINCM, jxincm_problems)
        width, height = video_size(given["orientation"], given["size"])
        asked = JobRequest(
            given["prompt"],
            given["model"],
            given["duration"],
            width,
            height,
            await self.referred(given["images"], width, height),
            private=given.get("private", False),
        )
        return await self.create_job(request, asked, given)

    async def _remix(self, request: web.Request) -> web.StreamResponse:
        self.check(request, "/v1/videos/{id}/remix")
        given = await self.body(request, REMIX)
        original = self.jobs.get(request.match_info["id"])
        if original is None:
            return self.no_job()
        if original.asked.private or self.view(original).phase != "completed":
            return self.error(400, "invalid_request", "This video cannot be remixed.")
        was = original.asked
        asked = JobRequest(
            given["prompt"],
            was.model,
            was.seconds,
            was.width,
            was.height,
            was.picture,
            original.id,
        )
        return await self.create_job(request, asked, given)

    async def _upload(self, request: web.Request) -> web.Response:
        self.check(request, "/api/upload")
        answer: Any = await self.stored(request)
        for name in reversed(self.store_shape.split(".")):
            answer = {name: answer}
        return web.json_response(answer)

    # --- looking -------------------------------------------------------------------------

    async def _unified_look(self, request: web.Request) -> web.StreamResponse:
        if not self.unified:
            return self.error(404, "invalid_request", "Invalid URL (GET /v1/video/query)")
        self.check(request, "/v1/video/query", "id")
        return await self.poll_job(request, request.query["id"])

    async def _official_look(self, request: web.Request) -> web.StreamResponse:
        if not self.official:
            return self.error(404, "invalid_request", "Invalid URL (GET /v1/videos)")
        self.check(request, "/v1/videos/{id}")
        if request.match_info["id"] not in self.jobs:
            body = {"code": "task_not_exist", "message": "task_not_exist", "data": None}
            return web.json_response(body, status=400)
        return await self.poll_job(request, request.match_info["id"])

    async def _content(self, request: web.Request) -> web.StreamResponse:
        self.check(request, "/v1/videos/{id}/content")
        job = self.jobs.get(request.match_info["id"])
        if job is None:
            return self.no_job()
        if self.view(job).phase != "completed":
            return self.error(400, "invalid_request_error", "Task is not completed yet")
        if "content-json" in job.words:
            return web.json_response({"video_url": self.link(job)})
        return await self.film(request, job)

    async def _models(self, request: web.Request) -> web.Response:
        if self.listed is None:
            return self.error(404, "invalid_request", "Invalid URL (GET /v1/models)")
        self.check(request, "/v1/models")
        listed = [{"id": name, "object": "model"} for name in self.listed]
        return web.json_response({"object": "list", "data": listed})

    # --- answers -------------------------------------------------------------------------

    def accepted(self, job: Job) -> dict[str, Any]:
        if "official" in job.words:
            return self._in_official_shape(job, JobView("queued", 0.0, 0))
        updated = job.time(job.created, usual="ms")
        return {"id": job.id, "status": "pending", "status_update_time": updated}

    def shown(self, job: Job, view: JobView) -> dict[str, Any]:
        if "official" in job.words:
            return self._in_official_shape(job, view)
        status = view.word or _STATUSES[view.phase]
        detail: dict[str, Any] = {"id": job.id, "status": status}
        answer: dict[str, Any] = {
            "id": job.id,
            "status": status,
            "status_update_time": job.time(job.created, usual="ms"),
            "video_url": None if "detail-link" in job.words else view.link,
            "detail": detail,
        }
        if view.phase in {"queued", "running"}:
            detail["pending_info"] = _pending(view)
            if not isinstance(view.progress, int):
                answer["progress"] = view.progress
        if view.phase == "completed":
            detail |= {"url": view.link, "draft_info": {"kind": "sora_draft"}}
        if view.phase == "failed":
            answer |= _failure(job, view)
            detail |= _inner_failure(job, view)
        return answer

    def _in_official_shape(self, job: Job, view: JobView) -> dict[str, Any]:
        answer: dict[str, Any] = {
            "id": job.id,
            "object": "video",
            "model": job.asked.model,
            "status": view.word or _OFFICIAL[view.phase],
            "progress": view.progress,
            "created_at": job.time(job.created),
            "seconds": str(job.asked.seconds),
            "size": f"{job.asked.width}x{job.asked.height}",
        }
        if view.link is not None:
            answer["video_url"] = view.link
        if view.phase == "failed":
            answer |= _failure(job, view)
        return answer


def _pending(view: JobView) -> dict[str, Any]:
    return {
        "status": "processing" if view.phase == "running" else "queued",
        "progress_pct": view.share,
        "failure_reason": None,
        "moderation_result": {"code": None, "type": "passed", "is_output_rejection": False},
        "queue_status_message": None,
    }


def _failure(job: Job, view: JobView) -> dict[str, Any]:
    code, message = view.failure
    if "reason" in job.words:
        return {}
    if "fail-reason" in job.words:
        return {"fail_reason": message}
    if "error-text" in job.words:
        return {"error": message}
    return {"error": {"code": code, "message": message, "message_zh": "生成失败"}}


def _inner_failure(job: Job, view: JobView) -> dict[str, Any]:
    _, message = view.failure
    if "reason" not in job.words:
        return {}
    kind = "sora_content_violation" if "moderated" in job.words else "sora_error"
    info = {"status": "failed", "failure_reason": None}
    return {"pending_info": info, "draft_info": {"kind": kind, "reason_str": message}}


if __name__ == "__main__":
    main(FakeJxincmGateway)
