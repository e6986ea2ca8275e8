"""The web server: health checks, webhooks of gateways, and signed links to files.

The functions `health_routes`, `webhook_routes` and `media_routes` build routes; `WebServer` serves
them with limits on size, time and connections, behind a reverse proxy that terminates TLS. There is
no access log, because URLs contain tokens.
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

from bot.media.links import SignedLinks, content_headers, find_public_file
from bot.media.storage import MediaStorage
from bot.ports import Clock
from bot.store import migrate
from bot.store.database import Database
from providers.base import Provider
from providers.errors import InvalidSignature, ProviderError
from providers.types import WebhookEvent

MAX_BODY_BYTES = 64 << 10
MAX_CONNECTIONS = 512
IDLE_TIMEOUT_S = 30.0
"""How long a connection may stay open without a complete request head, also the first one."""
BODY_TIMEOUT_S = 10.0
CHECK_TIMEOUT_S = 3.0
"""For one readiness check."""
SEND_TIMEOUT_S = 3600.0
"""For sending one file to one client."""

_MAX_HEADERS = 64
_LINGER_S = 5.0
_SHUTDOWN_TIMEOUT_S = 1.0
_RESPONSE_HEADERS = {
    # Set, because aiohttp would reveal its own version and that of Python.
    "Server": "reelay",
    "Cache-Control": "private, no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_SINGLE_RANGE = re.compile(r"bytes=(\d+-\d*|-\d+)", re.ASCII | re.IGNORECASE)

ReadinessCheck = Callable[[], Awaitable[bool]]
EventHandler = Callable[[str, WebhookEvent], Awaitable[None]]
"""Receives a provider's identity and its event: the task of the event should be polled now."""

_log = structlog.get_logger(__name__)


class ListenError(OSError):
    """Listening on the port failed; the message says which port and what to do."""


class WebServer:
    """Serves the given routes on one port."""

    def __init__(
        self,
        host: str,
        port: int,
        routes: Iterable[web.RouteDef],
        *,
        idle_timeout_s: float = IDLE_TIMEOUT_S,
        max_connections: int = MAX_CONNECTIONS,
    ) -> None:
        """Port 0 uses any free port; `address` says which."""
        app = web.Application(client_max_size=MAX_BODY_BYTES, middlewares=[_error_middleware])
        app.add_routes(routes)
        app.on_response_prepare.append(_set_response_headers)
        self.address = ""
        """`http://host:port` while serving, else empty."""
        self._host, self._port = host, port
        self._idle_timeout_s, self._max_connections = idle_timeout_s, max_connections
        self._runner = web.AppRunner(app, shutdown_timeout=_SHUTDOWN_TIMEOUT_S)
        self._listener: asyncio.Server | None = None

    async def start(self) -> None:
        """Start serving. Raises `ListenError`."""
        await self._runner.setup()
        try:
            self._listener = await asyncio.get_running_loop().create_server(
                self._create_protocol, self._host, self._port
            )
        except OSError as error:
            await self._runner.cleanup()
            raise ListenError(
                error.errno,
                f"cannot listen on HTTP_HOST={self._host} HTTP_PORT={self._port}:"
                f" {error.strerror}; use another port, or 0 to disable the server",
            ) from error
        host, port = self._listener.sockets[0].getsockname()[:2]
        self.address = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
        _log.info("web_server_started", address=self.address)

    async def stop(self) -> None:
        """Accept no more requests, wait briefly for the running ones, then close."""
        self.address = ""
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        await self._runner.cleanup()

    @property
    def connection_count(self) -> int:
        """Number of open connections."""
        return len(self._runner.server.connections) if self._runner.server else 0

    def _create_protocol(self) -> asyncio.Protocol:
        server = self._runner.server
        if server is None or self.connection_count >= self._max_connections:
            # Files and gateways need file descriptors too.
            return _RejectedConnection()
        return _Connection(
            server,
            loop=asyncio.get_running_loop(),
            keepalive_timeout=self._idle_timeout_s,
            lingering_time=_LINGER_S,
            max_headers=_MAX_HEADERS,
            # Signatures cover the bytes as sent, and a small body could decompress to a large one.
            auto_decompress=False,
        )


class _RejectedConnection(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.close()


class _Connection(web.RequestHandler):
    """aiohttp's handler, without quoting the request in logs or responses."""

    __slots__ = ()

    def log_access(
        self, request: web.BaseRequest, response: web.StreamResponse, time: float | None
    ) -> None:
        """Do nothing."""

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = HTTPStatus.INTERNAL_SERVER_ERROR,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Respond to a request that could not be parsed, or that failed before a handler ran."""
        if request.writer.output_size > 0:
            raise ConnectionAbortedError("the answer has begun")
        if exc is not None and status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            _log.error("web_request_failed", **_error_fields(exc))
        text = f"{status}: {HTTPStatus(status).phrase}"
        answer = web.Response(status=status, text=text, headers=_RESPONSE_HEADERS)
        answer.force_close()
        return answer


@web.middleware
async def _error_middleware(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Turn an exception into a plain response and a log line without request data."""
    try:
        return await handler(request)
    except web.HTTPException:
        raise
    except Exception as error:  # noqa: BLE001 - aiohttp would log the message of any error
        resource = request.match_info.route.resource
        _log.error(
            "web_request_failed", route=resource and resource.canonical, **_error_fields(error)
        )
        if request.writer.output_size > 0:
            # A second response would be written into the middle of the first one.
            raise ConnectionAbortedError("the answer has begun") from None
        raise web.HTTPInternalServerError from None


async def _set_response_headers(_: web.Request, response: web.StreamResponse) -> None:
    response.headers.update(_RESPONSE_HEADERS)


def _error_fields(error: BaseException) -> dict[str, str]:
    """Type and place of an error, without its message: that may quote a body or a URL."""
    frames = extract_tb(error.__traceback__)
    at = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "nowhere"
    return {"error": type(error).__name__, "at": at}


# --- health ------------------------------------------------------------------------------


def health_routes(
    checks: Mapping[str, ReadinessCheck], *, timeout_s: float = CHECK_TIMEOUT_S
) -> list[web.RouteDef]:
    """`/healthz`: the process is alive. `/readyz`: the status of each readiness check, by name."""

    async def alive(_: web.Request) -> web.Response:
        return web.Response(text="ok")

    async def ready(_: web.Request) -> web.Response:
        statuses = await asyncio.gather(
            *(_check_status(check, timeout_s) for check in checks.values())
        )
        all_ready = all(status == "ok" for status in statuses)
        return web.json_response(
            {"ready": all_ready, "parts": dict(zip(checks, statuses, strict=True))},
            status=HTTPStatus.OK if all_ready else HTTPStatus.SERVICE_UNAVAILABLE,
        )

    return [web.get("/healthz", alive), web.get("/readyz", ready)]


async def _check_status(check: ReadinessCheck, timeout_s: float) -> str:
    """The status of a check, in words that reveal no details."""
    try:
        async with asyncio.timeout(timeout_s):
            return "ok" if await check() else "not ready"
    except TimeoutError:
        return "no answer"
    except Exception as error:  # noqa: BLE001 - a check may fail in any way
        _log.info("readiness_check_failed", **_error_fields(error))
        return "failed"


def database_checks(database: Database) -> dict[str, ReadinessCheck]:
    """Checks that the database responds and that its schema is up to date."""

    async def answers() -> bool:
        await database.read(migrate.current_version)
        return True

    async def up_to_date() -> bool:
        return await database.read(migrate.current_version) == migrate.HEAD

    return {"database": answers, "migrations": up_to_date}


# --- webhooks of gateways ----------------------------------------------------------------


def webhook_routes(
    providers: Mapping[str, Provider], on_event: EventHandler, *, timeout_s: float = BODY_TIMEOUT_S
) -> list[web.RouteDef]:
    """`/webhooks/<provider>`: only a hint to poll now; nothing in the event is trusted."""
    providers_with_events = {
        name: provider for name, provider in providers.items() if provider.capabilities.webhooks
    }

    async def receive(request: web.Request) -> web.Response:
        name = request.match_info["provider"]
        provider = providers_with_events.get(name)
        if provider is None:
            raise web.HTTPNotFound
        headers = {key.lower(): value for key, value in request.headers.items()}
        event = _parse_event(name, provider, headers, await _read_body(request, timeout_s))
        if event is not None and event.remote_id is not None:
            await on_event(provider.identity, event)
        return web.Response(status=HTTPStatus.NO_CONTENT)

    return [web.post("/webhooks/{provider}", receive)]


def _parse_event(
    provider_name: str, provider: Provider, headers: Mapping[str, str], body: bytes
) -> WebhookEvent | None:
    try:
        return provider.parse_webhook(headers, body)
    except InvalidSignature:
        _log.warning("webhook_signature_invalid", provider=provider_name)
        raise web.HTTPUnauthorized from None
    except ProviderError as error:
        # The signature is valid, so a repetition would be equally unreadable: respond with 204.
        _log.warning("webhook_parse_failed", provider=provider_name, error=type(error).__name__)
        return None


async def _read_body(request: web.Request, timeout_s: float) -> bytes:
    try:
        async with asyncio.timeout(timeout_s):
            return await request.read()
    except TimeoutError:
        raise web.HTTPRequestTimeout from None
    except (ConnectionError, web.RequestPayloadError):
        raise web.HTTPBadRequest from None


# --- signed links to files ---------------------------------------------------------------


def media_routes(
    links: SignedLinks, spool: MediaStorage, clock: Clock, *, timeout_s: float = SEND_TIMEOUT_S
) -> list[web.RouteDef]:
    """`/media/<token>`: serve a file; 404 for everything that is missing or not allowed."""

    async def serve_file(request: web.Request) -> web.StreamResponse:
        file_name = links.resolve_token(request.match_info["token"], clock.now())
        if file_name is None:
            raise web.HTTPNotFound
        path = await asyncio.to_thread(find_public_file, spool, file_name)
        if path is None:
            raise web.HTTPNotFound
        return _TimedFileResponse(path, timeout_s)

    return [web.get("/media/{token}", serve_file)]


class _TimedFileResponse(web.FileResponse):
    """A file under a neutral name, with a limit on the time to send it."""

    def __init__(self, path: Path, timeout_s: float) -> None:
        media_type, disposition = content_headers(path.name)
        super().__init__(
            path, headers={hdrs.CONTENT_TYPE: media_type, hdrs.CONTENT_DISPOSITION: disposition}
        )
        self._timeout_s = timeout_s

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        try:
            async with asyncio.timeout(self._timeout_s):
                return await super().prepare(_drop_unsupported_range(request))
        except TimeoutError:
            if request.transport is not None:
                # Abort, because closing would wait until the client has read everything.
                request.transport.abort()
            raise ConnectionAbortedError("read too slowly") from None


def _drop_unsupported_range(request: web.BaseRequest) -> web.BaseRequest:
    """Drop a `Range` header with several ranges or another unit.

    Sending the whole file is then correct; aiohttp would reject the request.
    """
    range_header = request.headers.get(hdrs.RANGE)
    if range_header is None or _SINGLE_RANGE.fullmatch(range_header.strip()):
        return request
    headers = request.headers.copy()
    del headers[hdrs.RANGE]
    return request.clone(headers=headers)
