"""The web server: whether we live and are ready, what gateways call to say, our files by link.

Routes are made one by one (`health`, `webhooks`, `media`) and handed to `Web`, which knows only how
to serve: within limits, behind a reverse proxy that speaks TLS, and without an access log, for
addresses hold tokens.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from http import HTTPStatus
from pathlib import Path
from traceback import extract_tb

import structlog
from aiohttp import hdrs, web
from aiohttp.abc import AbstractStreamWriter

from bot.media.links import Links, shown_as, shown_file
from bot.media.storage import Spool
from bot.ports import Clock
from bot.store import migrate
from bot.store.database import Database
from providers.base import Provider
from providers.errors import ProviderError, Untrusted
from providers.types import Event

LARGEST_BODY = 64 << 10
MOST_CONNECTIONS = 512
IDLE_SECONDS = 30.0
"""How long a connection may stay without a whole request head, the first one included."""
BODY_SECONDS = 10.0
PART_SECONDS = 3.0
"""How long one part may take to say whether it is ready."""
SEND_SECONDS = 3600.0
"""How long one reader may take over one file."""

_HEADER_LINES = 64
_LINGER_SECONDS = 5.0
_SHUTDOWN_SECONDS = 1.0
_HEADERS = {
    # Named, because aiohttp would tell its own version and Python's.
    "Server": "reelay",
    "Cache-Control": "private, no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_ONE_RANGE = re.compile(r"bytes=(\d+-\d*|-\d+)", re.ASCII | re.IGNORECASE)

Check = Callable[[], Awaitable[bool]]
Hint = Callable[[str, Event], Awaitable[None]]
"""Takes a provider's identity and what it called to say: the task should be looked at now."""

_log = structlog.get_logger(__name__)


class CannotListen(OSError):
    """The port cannot be had; the message says which and what to do."""


class Web:
    """One port with the given routes."""

    def __init__(
        self,
        host: str,
        port: int,
        routes: Iterable[web.RouteDef],
        *,
        idle: float = IDLE_SECONDS,
        most_connections: int = MOST_CONNECTIONS,
    ) -> None:
        """Port 0 takes any that is free; `address` tells which."""
        app = web.Application(client_max_size=LARGEST_BODY, middlewares=[_guarded])
        app.add_routes(routes)
        app.on_response_prepare.append(_mark)
        self.address = ""
        """`http://host:port` while it serves."""
        self._host, self._port = host, port
        self._idle, self._most = idle, most_connections
        self._runner = web.AppRunner(app, shutdown_timeout=_SHUTDOWN_SECONDS)
        self._listener: asyncio.Server | None = None

    async def start(self) -> None:
        """Serve from now on. Raises `CannotListen`."""
        await self._runner.setup()
        try:
            self._listener = await asyncio.get_running_loop().create_server(
                self._connection, self._host, self._port
            )
        except OSError as error:
            await self._runner.cleanup()
            raise CannotListen(
                error.errno,
                f"HTTP_HOST={self._host} HTTP_PORT={self._port} cannot be listened on:"
                f" {error.strerror}; write another port, or 0 for none",
            ) from error
        host, port = self._listener.sockets[0].getsockname()[:2]
        self.address = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
        _log.info("web_started", address=self.address)

    async def stop(self) -> None:
        """Take no more requests, give those under way a moment, then close."""
        self.address = ""
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        await self._runner.cleanup()

    @property
    def connections(self) -> int:
        """How many are open."""
        return len(self._runner.server.connections) if self._runner.server else 0

    def _connection(self) -> asyncio.Protocol:
        server = self._runner.server
        if server is None or self.connections >= self._most:
            # Files and gateways need descriptors too.
            return _TurnedAway()
        return _Connection(
            server,
            loop=asyncio.get_running_loop(),
            keepalive_timeout=self._idle,
            lingering_time=_LINGER_SECONDS,
            max_headers=_HEADER_LINES,
            # Signatures are over the bytes as sent, and a small body could unfold to a large one.
            auto_decompress=False,
        )


class _TurnedAway(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.close()


class _Connection(web.RequestHandler):
    """aiohttp's own, but neither its log nor its answers quote what was sent."""

    __slots__ = ()

    def log_access(
        self, request: web.BaseRequest, response: web.StreamResponse, time: float | None
    ) -> None:
        """Not at all."""

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = HTTPStatus.INTERNAL_SERVER_ERROR,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """What could not be parsed, and what broke before a handler was found."""
        if request.writer.output_size > 0:
            raise ConnectionAbortedError("the answer has begun")
        if exc is not None and status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            _log.error("web_request_failed", **_fault(exc))
        text = f"{status}: {HTTPStatus(status).phrase}"
        answer = web.Response(status=status, text=text, headers=_HEADERS)
        answer.force_close()
        return answer


@web.middleware
async def _guarded(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """A fault becomes a plain answer and a log line that quotes nothing of the request."""
    try:
        return await handler(request)
    except web.HTTPException:
        raise
    except Exception as error:  # noqa: BLE001 - whatever it is, aiohttp would log its words
        resource = request.match_info.route.resource
        _log.error("web_request_failed", route=resource and resource.canonical, **_fault(error))
        if request.writer.output_size > 0:
            # A second answer would land in the middle of the first.
            raise ConnectionAbortedError("the answer has begun") from None
        raise web.HTTPInternalServerError from None


async def _mark(_: web.Request, response: web.StreamResponse) -> None:
    response.headers.update(_HEADERS)


def _fault(error: BaseException) -> dict[str, str]:
    """What broke and where, without its message: that may quote a body or an address."""
    frames = extract_tb(error.__traceback__)
    at = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "nowhere"
    return {"error": type(error).__name__, "at": at}


# --- do we live, are we ready? -----------------------------------------------------------


def health(parts: Mapping[str, Check], *, patience: float = PART_SECONDS) -> list[web.RouteDef]:
    """`/healthz`: the process lives. `/readyz`: every part is ready, by its name."""

    async def alive(_: web.Request) -> web.Response:
        return web.Response(text="ok")

    async def ready(_: web.Request) -> web.Response:
        words = await asyncio.gather(*(_word(check, patience) for check in parts.values()))
        all_ready = all(word == "ok" for word in words)
        return web.json_response(
            {"ready": all_ready, "parts": dict(zip(parts, words, strict=True))},
            status=HTTPStatus.OK if all_ready else HTTPStatus.SERVICE_UNAVAILABLE,
        )

    return [web.get("/healthz", alive), web.get("/readyz", ready)]


async def _word(check: Check, patience: float) -> str:
    """How a part is, in words that tell an outsider nothing."""
    try:
        async with asyncio.timeout(patience):
            return "ok" if await check() else "not ready"
    except TimeoutError:
        return "no answer"
    except Exception as error:  # noqa: BLE001 - a part may fail in any way
        _log.info("part_not_ready", **_fault(error))
        return "failed"


def database_parts(database: Database) -> dict[str, Check]:
    """Whether the database answers, and whether its tables are those that this program knows."""

    async def answers() -> bool:
        await database.read(migrate.version)
        return True

    async def up_to_date() -> bool:
        return await database.read(migrate.version) == migrate.HEAD

    return {"database": answers, "migrations": up_to_date}


# --- what gateways call to say -----------------------------------------------------------


def webhooks(
    providers: Mapping[str, Provider], hint: Hint, *, patience: float = BODY_SECONDS
) -> list[web.RouteDef]:
    """`/webhooks/<provider>`: only ever a hint to look now, so nothing of it is believed."""
    calling = {name: one for name, one in providers.items() if one.capabilities.events}

    async def take(request: web.Request) -> web.Response:
        name = request.match_info["provider"]
        provider = calling.get(name)
        if provider is None:
            raise web.HTTPNotFound
        headers = {key.lower(): value for key, value in request.headers.items()}
        event = _heard(name, provider, headers, await _body(request, patience))
        if event is not None and event.remote_id is not None:
            await hint(provider.identity, event)
        return web.Response(status=HTTPStatus.NO_CONTENT)

    return [web.post("/webhooks/{provider}", take)]


def _heard(name: str, provider: Provider, headers: Mapping[str, str], body: bytes) -> Event | None:
    try:
        return provider.heard(headers, body)
    except Untrusted:
        _log.warning("webhook_refused", provider=name)
        raise web.HTTPUnauthorized from None
    except ProviderError as error:
        # Certainly the gateway's: it would only say the same again.
        _log.warning("webhook_not_understood", provider=name, error=type(error).__name__)
        return None


async def _body(request: web.Request, patience: float) -> bytes:
    try:
        async with asyncio.timeout(patience):
            return await request.read()
    except TimeoutError:
        raise web.HTTPRequestTimeout from None
    except (ConnectionError, web.RequestPayloadError):
        raise web.HTTPBadRequest from None


# --- our files by link -------------------------------------------------------------------


def media(
    links: Links, spool: Spool, clock: Clock, *, patience: float = SEND_SECONDS
) -> list[web.RouteDef]:
    """`/media/<token>`: one file of ours; one answer for all that is not there or not allowed."""

    async def show(request: web.Request) -> web.StreamResponse:
        file_name = links.opened(request.match_info["token"], clock.now())
        if file_name is None:
            raise web.HTTPNotFound
        path = await asyncio.to_thread(shown_file, spool, file_name)
        if path is None:
            raise web.HTTPNotFound
        return _File(path, patience)

    return [web.get("/media/{token}", show)]


class _File(web.FileResponse):
    """A file under a neutral name, sent within a time."""

    def __init__(self, path: Path, patience: float) -> None:
        media_type, disposition = shown_as(path.name)
        super().__init__(
            path, headers={hdrs.CONTENT_TYPE: media_type, hdrs.CONTENT_DISPOSITION: disposition}
        )
        self._patience = patience

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        try:
            async with asyncio.timeout(self._patience):
                return await super().prepare(_with_one_range(request))
        except TimeoutError:
            if request.transport is not None:
                # To close would wait for what is still to be read.
                request.transport.abort()
            raise ConnectionAbortedError("read too slowly") from None


def _with_one_range(request: web.BaseRequest) -> web.BaseRequest:
    """The request without a `Range` that asks for several pieces or in other units.

    To send the whole file is right then; aiohttp would refuse.
    """
    wanted = request.headers.get(hdrs.RANGE)
    if wanted is None or _ONE_RANGE.fullmatch(wanted.strip()):
        return request
    headers = request.headers.copy()
    del headers[hdrs.RANGE]
    return request.clone(headers=headers)
