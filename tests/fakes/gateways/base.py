"""Base of all fake gateways: a server that fails when it is told to.

`gateway_faults` decides when, and the words of `gateway` say what; here is what then goes out.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import sys
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Self

from aiohttp import web

from tests.fakes.gateways.faults import FaultPlan
from tests.fakes.gateways.responses import (
    drop_connection,
    fastapi_error,
    half_response,
    html_page,
    truncated,
    video_response,
)

LARGEST_PICTURE = 100 << 20
_JSON = "application/json"
_FILM = "video/mp4"


@dataclass
class FakeGatewayBase(ABC):
    """The fake server and its state."""

    render_seconds: float = 0.2
    looks_to_finish: int = 0
    """Finished at this poll, whatever the time; 0: by time."""
    rate: float = 0.0
    cheap: bool = False
    """One tiny film for all jobs."""
    seed: int = 1
    retry_after: str = "0.2"
    port: int = 0
    creates: Counter[str] = field(default_factory=Counter)
    """Prompt -> accepted creates."""
    requests: Counter[str] = field(default_factory=Counter)
    violations: list[str] = field(default_factory=list)
    url: str = ""

    moderated: ClassVar[tuple[str, str]]
    """(code, message) of its refusal of a prompt."""

    def __post_init__(self) -> None:
        self._faults = FaultPlan(self.rate, self.seed)
        self._numbers = itertools.count(1)
        self._runners: list[web.AppRunner] = []

    # --- what each has of its own --------------------------------------------------------

    @abstractmethod
    async def __aenter__(self) -> Self: ...

    @abstractmethod
    def error(self, status: int, code: str, message: str) -> web.Response:
        """An error in its shape."""

    @abstractmethod
    def no_job(self) -> web.Response:
        """What it says of a job that it does not know."""

    @abstractmethod
    def prompts(self) -> dict[str, str]:
        """Job -> its prompt."""

    # --- serving -------------------------------------------------------------------------

    async def serve(self, routes: Sequence[web.RouteDef], port: int = 0) -> str:
        """Serve these until the end; the address."""
        app = web.Application(client_max_size=LARGEST_PICTURE + (1 << 20))
        app.add_routes(routes)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        self._runners.append(runner)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        return f"http://127.0.0.1:{runner.addresses[0][1]}"

    async def __aexit__(self, *_: object) -> None:
        for runner in self._runners:
            await runner.cleanup()

    # --- misbehaving ---------------------------------------------------------------------

    def plan(self, route: str, *faults: str) -> None:
        """Plan these faults for the next requests to a route, in turn."""
        self._faults.plan(route, *faults)

    def _throttled(self) -> web.Response:
        answer = self.error(429, "rate_limit_exceeded", "Rate limit reached.")
        answer.headers["Retry-After"] = self.retry_after
        return answer

    def at_fault(self) -> web.Response:
        """What it says of a fault of its own."""
        return self.error(500, "server_error", "The server had an error.")

    def not_made(self, request: web.Request, fault: str | None) -> web.Response | None:
        """The answer to a create that this fault stops before anything was accepted."""
        match fault:
            case "drop-before":
                return drop_connection(request)
            case "throttle":
                return self._throttled()
            case "error-500":
                return self.at_fault()
            case "html-502":
                return html_page(502)
            case "saturated-503":
                return self.error(503, "upstream_error", "当前分组上游负载已饱和，请稍后再试")
            case "refused-moderated":
                return self.error(400, *self.moderated)
            case "fastapi":
                return fastapi_error()
            case "no-model":
                message = "The model `sora-2` does not exist."
                return self.error(404, "model_not_found", message)
        return None

    async def lost(
        self, request: web.Request, fault: str | None, answer: object
    ) -> web.StreamResponse | None:
        """What this fault makes of the answer to a create that was accepted."""
        match fault:
            case "drop-after":
                return drop_connection(request)
            case "truncated":
                return truncated(answer)
            case "half":
                return await half_response(request, json.dumps(answer).encode(), _JSON)
            case "empty":
                return web.Response(text="", content_type=_JSON)
        return None

    async def unseen(
        self, request: web.Request, fault: str | None, answer: object
    ) -> web.StreamResponse | None:
        """What this fault makes of the answer to a look."""
        match fault:
            case "late" | "vanished":
                return self.no_job()
            case "look-500":
                return self.at_fault()
            case "look-html":
                return html_page(200)
            case "look-drop":
                return drop_connection(request)
            case "look-half":
                return await half_response(request, json.dumps(answer).encode(), _JSON)
            case "look-throttle":
                return self._throttled()
        return None

    async def sent(
        self, request: web.Request, fault: str | None, data: bytes
    ) -> web.StreamResponse:
        """A film, as far as this fault lets it arrive."""
        match fault:
            case "json":
                return web.json_response({"error": {"message": "try again", "code": None}})
            case "clean-short":
                return web.Response(body=data[: len(data) // 2], content_type=_FILM)
            case "short":
                return await half_response(request, data, _FILM)
            case "cut":
                return await half_response(request, data, _FILM, reset=True)
        return video_response(request, data)

    # --- for the one who runs it ---------------------------------------------------------

    def own_routes(self) -> list[web.RouteDef]:
        """`GET /_state` and `POST /_faults`."""
        return [web.get("/_state", self._state), web.post("/_faults", self._plan)]

    async def _state(self, _: web.Request) -> web.Response:
        seen = {"requests": self.requests, "violations": self.violations}
        return web.json_response({"creates": self.creates, "jobs": self.prompts(), **seen})

    async def _plan(self, request: web.Request) -> web.Response:
        planned = await request.json()
        self.plan(planned["route"], *planned["faults"])
        return web.json_response({})


def options() -> argparse.ArgumentParser:
    """The options that every fake takes when it runs by itself."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int)
    parser.add_argument("--render-seconds", type=float)
    parser.add_argument("--looks-to-finish", type=int)
    parser.add_argument("--rate", type=float)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--cheap", action="store_true")
    return parser


def run(made: type[FakeGatewayBase], parser: argparse.ArgumentParser) -> None:
    """Serve until standard input ends; the address is the first line of output."""
    asyncio.run(_run(made, parser.parse_args()))


async def _run(made: type[FakeGatewayBase], arguments: argparse.Namespace) -> None:
    chosen = {name: value for name, value in vars(arguments).items() if value is not None}
    async with made(**chosen) as it:
        sys.stdout.write(f"{it.url}\n")
        sys.stdout.flush()
        # Ends with the process that started it: its end of the pipe closes when it dies.
        await asyncio.to_thread(sys.stdin.read)
