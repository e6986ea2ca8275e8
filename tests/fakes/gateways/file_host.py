"""A file host beside a fake gateway: open to everybody; a key sent to it is a violation."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from aiohttp import web

from tests.fakes.gateways.responses import video_response


class FileHost:
    """Serves `/films/{id}.mp4` as long as it is open."""

    def __init__(self, film: Callable[[str], Awaitable[bytes]], violations: list[str]) -> None:
        """`film` makes the film of a job; `violations` is where a key is noted."""
        self._film = film
        self._violations = violations
        self._runner: web.AppRunner | None = None
        self.url = ""

    async def open(self) -> None:
        app = web.Application()
        app.router.add_get("/films/{id}.mp4", self._get)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def close(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    def link(self, job_id: str) -> str:
        """Where the film of a job is."""
        return f"{self.url}/films/{job_id}.mp4"

    async def _get(self, request: web.Request) -> web.StreamResponse:
        if told := {"Authorization", "X-Api-Key", "Cookie"} & {*request.headers}:
            self._violations.append(f"{request.path}: a stranger was shown {sorted(told)}")
        return video_response(request, await self._film(request.match_info["id"]))
