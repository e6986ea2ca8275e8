"""A fake of JimmyAI: see `json_gateway`, `json_jobs` and `openai` for its faults.

Its own words in a prompt: `!bare` (no envelope), `!int-code` (codes as numbers), `!relative` (a
link without a host), `!error-msg` (the reason under the name that its questions page has).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from tests.fakes.gateways.json_gateway import FakeJsonGateway, main
from tests.fakes.gateways.json_jobs import Job, JobRequest, JobView, video_size
from tests.fakes.gateways.json_schema import JIMMY, jimmy_problems

ROOT = "/api/open-api/v1"
_CODES = {401: "20001", 400: "20002", 500: "-1", 503: "-1"}
_STATUSES = {
    "queued": "submitted",
    "running": "processing",
    "completed": "completed",
    "failed": "failed",
}


@dataclass
class FakeJimmyGateway(FakeJsonGateway):
    """The fake server and its state."""

    errors_in_200: bool = False
    """Errors that have a code of its own come with status 200."""
    balance: object = 12.5

    def routes(self) -> Sequence[web.RouteDef]:
        return [
            web.post(f"{ROOT}/videos", self._create),
            web.get(f"{ROOT}/videos/{{id}}", self._look),
            web.post(f"{ROOT}/files/upload", self._upload),
            web.get(f"{ROOT}/key/balance", self._balance),
            web.get("/films/{id}/{number}.mp4", self._film_by_link),
        ]

    def error(self, status: int, code: str, message: str) -> web.Response:
        body = {"code": _CODES.get(status, str(status)), "msg": f"{code}: {message}"}
        quiet = self.errors_in_200 and status in {400, 401, 404, 500}
        return web.json_response(body, status=200 if quiet else status)

    async def _create(self, request: web.Request) -> web.StreamResponse:
        self.check(request, "/videos")
        given = await self.body(request, JIMMY, jimmy_problems)
        width, height = video_size(given.get("orientation"))
        picture = await self.referred(given.get("images", []), width, height)
        prompt, model = given["prompt"], given["model"]
        asked = JobRequest(prompt, model, given["duration"], width, height, picture)
        return await self.create_job(request, asked, given)

    async def _look(self, request: web.Request) -> web.StreamResponse:
        self.check(request, "/videos/{id}")
        return await self.poll_job(request, request.match_info["id"])

    async def _upload(self, request: web.Request) -> web.Response:
        self.check(request, "/files/upload")
        link = await self.stored(request)
        return web.json_response({"code": "20000", "msg": "ok", "data": {"url": link}})

    async def _balance(self, request: web.Request) -> web.Response:
        self.check(request, "/key/balance")
        data = {"balance": self.balance}
        return web.json_response({"code": "20000", "msg": "ok", "data": data})

    def accepted(self, job: Job) -> dict[str, Any]:
        model, created = job.asked.model, job.time(job.created)
        data = {"task_id": job.id, "status": "submitted", "model": model, "created_at": created}
        return _enveloped(job, data)

    def shown(self, job: Job, view: JobView) -> dict[str, Any]:
        data: dict[str, Any] = {
            "task_id": job.id,
            "status": view.word or _STATUSES[view.phase],
            "progress": view.progress,
            "model": job.asked.model,
            "created_at": job.time(job.created),
            "completed_at": job.time(job.created + 1) if view.phase == "completed" else 0,
            "result": None,
            "error_message": "",
        }
        if view.link is not None:
            link = view.link
            if "relative" in job.words:
                link = link.removeprefix(f"{self.store_url}/")
            data["result"] = {"video_url": link, "image_url": ""}
        if view.phase == "failed":
            name = "error_msg" if "error-msg" in job.words else "error_message"
            data[name] = " ".join(view.failure).strip()
        return _enveloped(job, data)


def _enveloped(job: Job, data: dict[str, Any]) -> dict[str, Any]:
    if "bare" in job.words:
        return data
    return {"code": 20000 if "int-code" in job.words else "20000", "msg": "ok", "data": data}


if __name__ == "__main__":
    main(FakeJimmyGateway)
