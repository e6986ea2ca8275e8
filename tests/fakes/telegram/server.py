"""The HTTP server of the fake: checks, faults and limits around each call."""

from __future__ import annotations

import inspect
import json
import shutil
import socket
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, Self

from aiohttp import web

from tests.fakes.telegram.api_schema import METHODS
from tests.fakes.telegram.bot_methods import METHOD_HANDLERS
from tests.fakes.telegram.chats import Chat
from tests.fakes.telegram.error_responses import (
    drop_connection,
    error_response,
    faulty_response,
    flood_error,
    html_page,
)
from tests.fakes.telegram.faults import AFTER, Faults, Outage
from tests.fakes.telegram.flood_limits import FloodLimits
from tests.fakes.telegram.media import LARGEST_LOCAL_UPLOAD, LARGEST_UPLOAD
from tests.fakes.telegram.messages import Account
from tests.fakes.telegram.request_body import TooLarge, read_body
from tests.fakes.telegram.rules import ApiError, Call
from tests.fakes.telegram.state import HasNow, TelegramState
from tests.fakes.telegram.value_checks import answer_problems, params

TOKEN = "5550001111:AAF-standin-0123456789abcdefghijklmno"


class RealTime:
    """The machine's own clock."""

    def now(self) -> float:
        return time.time()


class RecordedCall(NamedTuple):
    """A recorded call."""

    time: float
    method: str
    chat: int | str | None
    params: Mapping[str, Any]


class Server:
    """The fake server and its state."""

    def __init__(
        self,
        clock: HasNow | None = None,
        *,
        token: str = TOKEN,
        flood: bool = False,
        local: bool = False,
    ) -> None:
        self.clock = clock or RealTime()
        self.token = token
        self.bot = Account(
            id=int(token.partition(":")[0]),
            is_bot=True,
            first_name="Reelay",
            username="reelay_standin_bot",
        )
        self.world = TelegramState(self.bot, self.clock)
        self.world.local = local
        self.flood = flood
        """Whether floods are refused."""
        self.limits = FloodLimits()
        self.faults = Faults()
        self.calls: list[RecordedCall] = []
        """All calls but polls."""
        self.polls = 0
        self.violations: list[str] = []
        self.throttled: list[RecordedCall] = []
        """What was refused as a flood."""
        self.downloads: Counter[str] = Counter()
        """By path."""
        self.url = ""
        self._down: Outage | None = None
        self._unheard: set[str] = set()
        self._runner: web.AppRunner | None = None
        self._site: web.TCPSite | None = None

    async def __aenter__(self) -> Self:
        self.world.files.folder = Path(tempfile.mkdtemp(prefix="reelay-telegram-"))
        self._port = socket.socket()
        # Bound but never listening: it keeps the port ours while connections are refused.
        self._port.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._port.bind(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._port.getsockname()[1]}"
        app = web.Application(client_max_size=1 << 20)
        app.router.add_route("*", "/bot{token}/{method}", self._answer)
        app.router.add_get("/file/bot{token}/{path:.+}", self._download)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await self._listen()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.faults.release()
        await self.world.updates.stop()
        assert self._runner is not None
        await self._runner.cleanup()
        self._port.close()
        shutil.rmtree(self.world.files.folder, ignore_errors=True)
        if kind is None:
            self.world.check()

    async def _listen(self) -> None:
        assert self._runner is not None
        port = self._port.getsockname()[1]
        self._site = web.TCPSite(self._runner, "127.0.0.1", port, reuse_address=True)
        await self._site.start()

    # --- outages -------------------------------------------------------------------------

    async def outage(self, kind: Outage) -> None:
        """Stop serving: connections are refused, dropped, or answered by a proxy."""
        self._down = kind
        self.world.updates.pause()
        if kind == "refused":
            assert self._site is not None
            await self._site.stop()
        self._cut()

    async def recovered(self) -> None:
        """End the outage, at the same address."""
        if self._down == "refused":
            await self._listen()
        self._down = None
        self.world.updates.resume()

    def _cut(self) -> None:
        """Reset all connections that there are."""
        assert self._runner is not None
        assert self._runner.server is not None
        for connection in self._runner.server.connections:
            if connection.transport is not None:
                connection.transport.abort()

    # --- answering -----------------------------------------------------------------------

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        arrived, name = self.clock.now(), request.match_info["method"]
        if (down := self._unreachable(request)) is not None:
            return down
        if request.match_info["token"] != self.token:
            return error_response(401, "Unauthorized")
        if name not in METHODS:
            self.violations.append(f"{name}: no such method")
            return error_response(404, "Not Found: method not found")
        largest = LARGEST_LOCAL_UPLOAD if self.world.local else LARGEST_UPLOAD
        try:
            given, files, form = await read_body(request, self.world.files, largest)
        except TooLarge:
            self.violations.append(f"{name}: a file of more than {largest} bytes")
            return html_page(413, "Request Entity Too Large")
        except (OSError, web.RequestPayloadError):
            # The client has hung up in the middle.
            return drop_connection(request)
        except ValueError as error:
            self.violations.append(f"{name}: {error}")
            return error_response(400, f"Bad Request: {error}")
        known, problems = params(name, given, files, form=form)
        self._note(RecordedCall(arrived, name, known.get("chat_id"), known))
        fault = self.faults.take(name, known)
        if fault is not None and fault.kind == "held":
            await self.faults.hold()
            fault = None
        if fault is not None and fault.kind not in AFTER:
            if fault.kind == "429" and isinstance(chat := known.get("chat_id"), int):
                self.limits.pause(chat, name, self.clock.now(), fault.retry_after)
            return await faulty_response(request, fault, self.faults)
        key = f"{name} {json.dumps(given, default=str, sort_keys=True)}"
        call = Call(self.world, name, known, files, arrived)
        answer = await self._done(call, problems, key)
        if fault is not None and fault.kind == "held-after":
            await self.faults.hold()
        elif fault is not None:
            self._unheard.add(key)
            return await faulty_response(request, fault, self.faults)
        return answer

    def _note(self, called: RecordedCall) -> None:
        if called.method == "getUpdates":
            self.polls += 1
        else:
            self.calls.append(called)
        self.world.watch.changed()

    def _unreachable(self, request: web.Request) -> web.Response | None:
        match self._down:
            case None:
                return None
            case "502":
                return html_page(502, "Bad Gateway")
        return drop_connection(request)

    async def _done(self, call: Call, problems: list[str], key: str) -> web.Response:
        """The effect of a call, and the answer."""
        where = f"{call.method} {call.get('chat_id', '')}".strip()
        try:
            if problems:
                raise ApiError(400, f"Bad Request: {problems[0]}", foreseen=True)  # noqa: TRY301
            self._bear(call)
            result = METHOD_HANDLERS[call.method](call)
            if inspect.isawaitable(result):
                result = await result
            found = answer_problems(call.method, result)
            assert not found, f"a wrong answer of the fake's own to {where}: {found}"
        except ApiError as refused:
            if refused.foreseen and key not in self._unheard:
                more = "; ".join(problems[1:])
                self.violations.append(f"{where}: {refused.description} {more}".strip())
            return error_response(refused.code, refused.description, refused.parameters)
        except Exception as mistake:  # noqa: BLE001 - told in the test that is running
            self.world.mistakes.append(mistake)
            self.world.changed()
            return error_response(500, "Internal Server Error")
        finally:
            self.violations += [f"{where}: {violation}" for violation in call.violations]
        return web.json_response({"ok": True, "result": result})

    def _bear(self, call: Call) -> None:
        """Refuse what is too much, or comes before the time that was told."""
        chat = self.world.chats.get(call.get("chat_id"))
        if chat is None:
            return
        self._obeyed(call, chat)
        if not self.flood:
            return
        private = chat.kind == "private"
        seconds = self.limits.check(chat.id, call.method, call.time, private=private)
        if seconds is not None:
            self.throttled.append(RecordedCall(call.time, call.method, chat.id, call.given))
            words, parameters = flood_error(seconds)
            raise ApiError(429, words, foreseen=True, **parameters)

    def _obeyed(self, call: Call, chat: Chat) -> None:
        """Refuse again what was told to come later."""
        if (pause := self.limits.paused(chat.id, call.method, call.time)) is not None:
            words, parameters = flood_error(pause.left)
            raise ApiError(429, words, foreseen=pause.known, **parameters)

    async def _download(self, request: web.Request) -> web.StreamResponse:
        if (down := self._unreachable(request)) is not None:
            return down
        if request.match_info["token"] != self.token:
            return error_response(401, "Unauthorized")
        path = request.match_info["path"]
        stored = self.world.files.at(path)
        if stored is None or self.world.local:
            return error_response(404, "Not Found")
        fault = self.faults.take("download", {"path": path})
        if fault is not None:
            return await faulty_response(request, fault, self.faults)
        self.downloads[path] += 1
        return web.FileResponse(stored.path, headers={"Content-Type": "application/octet-stream"})
