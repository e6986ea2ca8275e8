"""The HTTP server of the fake: checks, faults and limits around each call."""

from __future__ import annotations

import inspect
import json
import shutil
import socket
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from aiohttp import web

from tests.fakes.discord.api_schema import OPERATIONS
from tests.fakes.discord.bot_methods import operation_handlers
from tests.fakes.discord.error_responses import ApiError, Call, Problem
from tests.fakes.discord.faults import AFTER, Fault, Faults, Outage
from tests.fakes.discord.gateway import Gateway
from tests.fakes.discord.http_responses import (
    ban_page,
    drop_connection,
    faulty_response,
    html_page,
    json_response,
    rate_limit_response,
)
from tests.fakes.discord.messages import Account
from tests.fakes.discord.rate_limits import RateLimits
from tests.fakes.discord.request_body import read_body
from tests.fakes.discord.state import DiscordState, HasNow
from tests.fakes.discord.value_checks import answer_problems, body_problems, query_problems
from tests.fakes.telegram.server import RealTime

APPLICATION = 101_010_101_010_101_010
TOKEN = "MTAxMDEwMTAxMDEwMTAxMDEw.GStand.in0123456789abcdefghijklmnopqrstuvwxyz"
_API = "/api/v10"


@dataclass(slots=True)
class RecordedCall:
    """A recorded call."""

    time: float
    operation: str
    path: Mapping[str, str]
    body: Any = None
    status: int = 0
    """How it was answered; 0: it was not."""


class Server:
    """The fake server and its state."""

    def __init__(
        self,
        clock: HasNow | None = None,
        *,
        token: str = TOKEN,
        shards: int = 1,
        flood: bool = False,
    ) -> None:
        self.clock = clock or RealTime()
        self.bot = Account(id=APPLICATION, username="reelay", display="Reelay", is_bot=True)
        self.world = DiscordState(self.bot, self.clock, shards)
        self.violations: list[str] = []
        self.gateway = Gateway(self.world, token, self.violations)
        self.faults = Faults()
        self.limits = RateLimits(on=flood)
        self.calls: list[RecordedCall] = []
        self.invalid: list[RecordedCall] = []
        """Calls answered by 401, 403 or 429; Discord bans an address after too many."""
        self.most_invalid = 10_000
        """In ten minutes; then the address is banned."""
        self.url = ""
        """Of the API, for `discord.http.Route.BASE`."""
        self._down: Outage | None = None
        self._unheard: set[str] = set()
        self._doers = operation_handlers(self.world, self.gateway)
        self._runners: list[web.AppRunner] = []
        self._sockets: list[socket.socket] = []

    @property
    def token(self) -> str:
        """The bot's, which is another one after too many sessions in a day."""
        return self.gateway.token

    @property
    def gateway_url(self) -> str:
        """For `discord.gateway.DiscordWebSocket.DEFAULT_GATEWAY`."""
        return self.gateway.url

    @property
    def cdn_url(self) -> str:
        """Where files come from; another port than the API's."""
        return self.world.cdn.url

    async def __aenter__(self) -> Self:
        self.world.cdn.folder = Path(tempfile.mkdtemp(prefix="reelay-discord-"))
        app = web.Application(client_max_size=1 << 23)
        for name, one in sorted(
            OPERATIONS.items(), key=lambda item: "{message_id}" in item[1].path
        ):
            app.router.add_route(one.method, _API + one.path, self._serve, name=name)
        app.router.add_get("/gateway-ws/", self._connect)
        app.router.add_get("/resume-ws/", self._connect)
        app.router.add_route("*", "/{any:.*}", self._nowhere)
        cdn = web.Application()
        cdn.router.add_get("/{any:.*}", self._download)
        for web_app in (app, cdn):
            runner = web.AppRunner(web_app, access_log=None, shutdown_timeout=0.1)
            await runner.setup()
            self._runners.append(runner)
            port = socket.socket()
            # Bound but never listening: it keeps the port ours while connections are refused.
            port.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            port.bind(("127.0.0.1", 0))
            self._sockets.append(port)
        host, files = (f"127.0.0.1:{one.getsockname()[1]}" for one in self._sockets)
        self.url, self.gateway.url = f"http://{host}{_API}", f"ws://{host}/gateway-ws/"
        self.world.cdn.url = f"http://{files}"
        await self._listen()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.faults.release()
        await self.gateway.stop()
        for runner in self._runners:
            await runner.cleanup()
        for port in self._sockets:
            port.close()
        shutil.rmtree(self.world.cdn.folder, ignore_errors=True)
        if kind is None:
            self.world.check()

    async def _listen(self) -> None:
        for runner, port in zip(self._runners, self._sockets, strict=True):
            number = port.getsockname()[1]
            await web.TCPSite(runner, "127.0.0.1", number, reuse_address=True).start()

    # --- outages -------------------------------------------------------------------------

    async def outage(self, kind: Outage = "refused") -> None:
        """Stop serving calls, the gateway and files until `recovered`."""
        self._down = kind
        if kind == "refused":
            for runner in self._runners:
                for site in list(runner.sites):
                    await site.stop()
        self.gateway.drop()
        self.faults.release()

    async def recovered(self) -> None:
        """End the outage."""
        if self._down == "refused":
            await self._listen()
        self._down = None

    def _unreachable(self, request: web.Request) -> web.Response | None:
        match self._down:
            case None:
                return None
            case "502":
                return html_page(502, "Bad Gateway")
            case "503":
                return web.Response(status=503, text="upstream connect error")
        return drop_connection(request)

    # --- serving -------------------------------------------------------------------------

    async def _connect(self, request: web.Request) -> web.StreamResponse:
        if (down := self._unreachable(request)) is not None:
            return down
        return await self.gateway.serve(request)

    async def _nowhere(self, request: web.Request) -> web.StreamResponse:
        if (down := self._unreachable(request)) is not None:
            return down
        self.violations.append(f"{request.method} {request.path}: no such call")
        return json_response(404, {"message": "404: Not Found", "code": 0})

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        now = self.clock.now()
        name = request.match_info.route.name or ""
        if (down := self._unreachable(request)) is not None:
            return down
        if self._is_banned(now):
            return ban_page()
        where = " ".join([name, *request.match_info.values()])
        called = RecordedCall(now, name, dict(request.match_info))
        self.calls.append(called)
        key = request.headers.get("Authorization", "" if OPERATIONS[name].open else "none")
        if key not in {"", f"Bot {self.token}"}:
            return self._noted(
                called, json_response(401, {"message": "401: Unauthorized", "code": 0})
            )
        agent = request.headers.get("User-Agent", "")
        if not OPERATIONS[name].open and not agent.startswith("DiscordBot ("):
            self.violations.append(f"{where}: the User-Agent names no bot")
        try:
            body, files = await read_body(request, self.world.cdn)
        except (OSError, web.RequestPayloadError):
            # The client has hung up in the middle.
            return drop_connection(request)
        except ValueError as error:
            self.violations.append(f"{where}: {error}")
            told = {"message": "The request body contains invalid JSON.", "code": 50109}
            return self._noted(called, json_response(400, told))
        except ApiError as refused:
            return self._noted(called, json_response(refused.status, refused.body))
        called.body = body
        self.world.watch.changed()
        if (wait := self.limits.check(name, called.path, time.monotonic())) is not None:
            return self._noted(
                called, rate_limit_response(wait.seconds, everywhere=wait.everywhere)
            )
        fault = self.faults.take(name, body)
        if fault is not None and fault.kind == "held":
            await self.faults.hold()
            fault = None
        if fault is not None and fault.kind not in AFTER:
            return self._noted(called, await faulty_response(request, fault, self.faults), fault)
        query, problems = query_problems(name, request.query)
        problems += body_problems(name, body)
        call = Call(self.world, name, called.path, query, {} if body is None else body, files, now)
        key = f"{where} {json.dumps(body, default=str, sort_keys=True)}"
        answer = await self._done(call, problems, key, where)
        if fault is not None and fault.kind == "held-after":
            await self.faults.hold()
        elif fault is not None:
            self._unheard.add(key)
            return self._noted(called, await faulty_response(request, fault, self.faults), fault)
        answer.headers.update(self.limits.headers(name, called.path, time.monotonic()))
        return self._noted(called, answer)

    def _noted(
        self, called: RecordedCall, answer: web.Response, fault: Fault | None = None
    ) -> web.Response:
        heard = fault is None or not fault.kind.startswith(("dropped", "hanging"))
        called.status = answer.status if heard else 0
        shared = answer.headers.get("X-RateLimit-Scope") == "shared"
        if called.status in {401, 403, 429} and not shared:
            self.invalid.append(called)
        self.world.watch.changed()
        return answer

    def _is_banned(self, now: float) -> bool:
        return sum(call.time > now - 600 for call in self.invalid) >= self.most_invalid

    async def _done(
        self, call: Call, problems: list[Problem], key: str, where: str
    ) -> web.Response:
        """The effect of a call, and the answer."""
        try:
            if problems:
                raise ApiError(  # noqa: TRY301
                    400, 50035, "Invalid Form Body", foreseen=True, problems=problems
                )
            result = self._doers[call.route](call)
            if inspect.isawaitable(result):
                result = await result
            found = answer_problems(call.route, result)
            assert not found, f"a wrong answer of the fake's own to {where}: {found[:3]}"
        except ApiError as refused:
            if refused.foreseen and key not in self._unheard:
                more = "; ".join(str(problem) for problem in refused.problems)
                self.violations.append(f"{where}: {refused.code} {refused.words} {more}".strip())
            return json_response(refused.status, refused.body)
        except Exception as mistake:  # noqa: BLE001 - told in the test that is running
            self.world.mistakes.append(mistake)
            self.world.changed()
            return json_response(500, {"message": "500: Internal Server Error", "code": 0})
        finally:
            self.violations += [f"{where}: {violation}" for violation in call.violations]
        if result is None:
            return web.Response(status=204, headers={"Via": "1.1 google"})
        return json_response(200, result)

    async def _download(self, request: web.Request) -> web.StreamResponse:
        if (down := self._unreachable(request)) is not None:
            return down
        cdn = self.world.cdn
        stored = cdn.found(request.path, request.query, self.clock.now())
        if stored is None:
            return web.Response(status=404, text="This content is no longer available.")
        if (fault := self.faults.take("download", None)) is not None:
            return await faulty_response(request, fault, self.faults)
        cdn.downloads[stored.id] += 1
        kind = stored.kind or "application/octet-stream"
        return web.FileResponse(stored.path, headers={"Content-Type": kind})
