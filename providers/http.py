"""HTTP client for gateways: timeouts, size limits, and downloads that trust no link.

Nothing here retries: no gateway documents an idempotency key, so only the engine, which knows what
a repeated request would cost, may repeat one.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping
from contextlib import aclosing, asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import cache
from http.cookiejar import CookieJar, DefaultCookiePolicy
from importlib.metadata import version
from typing import Any, Literal
from urllib.parse import urljoin

import aiohttp
import httpx
from aiohttp.abc import ResolveResult
from httpx_aiohttp import AiohttpTransport

from providers import errors, http_errors
from providers.http_errors import Json, sanitize
from providers.types import Download

_MAX_RESPONSE_BYTES = 4 << 20
_CHUNK_BYTES = 128 << 10
_MAX_HOPS = 6
_MAX_CONNECTIONS = 1000
_MIN_REDACTED_KEY_LENGTH = 6
"""Shorter keys are not redacted: placeholders like `none` occur in ordinary text."""
_CONNECT_ERRORS = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)
_BAD_URL_ERRORS = (httpx.UnsupportedProtocol, httpx.InvalidURL, UnicodeEncodeError)
_TRANSPORT_ERRORS = (
    httpx.HTTPError,
    httpx.StreamError,
    aiohttp.ClientError,
    TimeoutError,
    UnicodeError,
)
_DOWNLOAD_HEADERS = {
    "accept": "video/mp4, application/octet-stream, application/binary, */*;q=0.5",
    # With compression, Content-Length and ranges would refer to the compressed bytes.
    "accept-encoding": "identity",
}
_ConnectionPolicy = Literal["kept", "fresh", "public"]
"""kept: keep-alive connections; fresh: one connection per request; public: keep-alive connections
that resolve to public addresses only."""


@dataclass(frozen=True, slots=True)
class Response:
    """A successful response: its JSON body, and when the gateway asks to be polled next."""

    body: Json
    poll_after_s: float | None


class HttpClient:
    """The HTTP client of the process: httpx on aiohttp, whose pool handles many connections."""

    def __init__(
        self,
        *,
        connect_timeout: float = 10.0,
        read_timeout: float = 60.0,
        total_timeout: float = 300.0,
    ) -> None:
        self._timeout = httpx.Timeout(read_timeout, connect=connect_timeout)
        self._total_timeout = total_timeout
        self._clients: dict[_ConnectionPolicy, httpx.AsyncClient] = {}

    def _client_for(self, policy: _ConnectionPolicy) -> httpx.AsyncClient:
        if policy not in self._clients:
            ssl_context = _ssl_context()
            self._clients[policy] = httpx.AsyncClient(
                transport=AiohttpTransport(
                    verify=ssl_context, client=lambda: _new_session(policy, ssl_context)
                ),
                timeout=self._timeout,
                headers={"user-agent": f"reelay/{version('reelay')}"},
                # Cookies of one account must never be sent for another.
                cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
                follow_redirects=False,
                trust_env=False,
            )
        return self._clients[policy]

    async def close(self) -> None:
        """Close every connection."""
        while self._clients:
            _, client = self._clients.popitem()
            await client.aclose()

    async def request(
        self,
        method: str,
        url: str,
        api_key: str,
        *,
        fresh_connection: bool = False,
        **content: Any,  # noqa: ANN401 - httpx's own keywords
    ) -> Response:
        """Send one request and return its JSON. Raises `ProviderError` for any other outcome.

        A paid request needs a `fresh_connection`: on a kept one that the server is just closing it
        could fail without a way to know whether it was received.
        """
        headers = {"accept": "application/json", **_authorization(api_key)}
        policy: _ConnectionPolicy = "fresh" if fresh_connection else "kept"
        with _translate_transport_errors():
            # The read timeout starts after the request was sent; this one also covers an upload
            # that stalls.
            async with (
                asyncio.timeout(self._total_timeout),
                self._stream(policy, method, url, headers, **content) as response,
            ):
                body = await _read_body(response, api_key)
        http_errors.raise_for_status(response.status_code, response.headers, body)
        return Response(
            http_errors.parse_json(body), http_errors.parse_poll_after(response.headers)
        )

    @asynccontextmanager
    async def download(
        self, url: str, api_key: str, base_url: str, offset: int = 0
    ) -> AsyncIterator[Download]:
        """Open a result for reading from `offset` on.

        The key is sent to the origin of `base_url` only. Other origins must have public addresses,
        unless `base_url` itself is private: a gateway must not make us read our own network.
        """
        async with self._open_video(url, api_key, base_url, offset) as response:
            start, total_bytes = http_errors.parse_content_range(
                response.status_code, response.headers, offset
            )
            async with aclosing(_chunks(response)) as chunks:
                first_chunk = await anext(chunks, b"")
                if start == 0 and first_chunk.lstrip()[:1] in {b"{", b"[", b"<"}:
                    raise errors.MalformedResponse(
                        f"not a video: {http_errors.body_preview(first_chunk)}"
                    )
                media_type = http_errors.media_type(response.headers)
                yield Download(_prepend(first_chunk, chunks), total_bytes, media_type, start)

    @asynccontextmanager
    async def _open_video(
        self, url: str, api_key: str, base_url: str, offset: int
    ) -> AsyncIterator[httpx.Response]:
        """Follow redirects, by header or in JSON, without sending the key to another origin."""
        for _ in range(_MAX_HOPS):
            same_origin = _origin(url) == _origin(base_url)
            headers = {**_DOWNLOAD_HEADERS, **(_authorization(api_key) if same_origin else {})}
            if offset:
                headers["range"] = f"bytes={offset}-"
            policy: _ConnectionPolicy = "kept" if same_origin else await _policy_for(url, base_url)
            try:
                async with self._stream(policy, "GET", url, headers) as response:
                    if response.status_code == 416 and offset:
                        # Our partial file does not belong to this video: start over.
                        offset = 0
                        continue
                    location = await _redirect_target(response, api_key)
                    if location is None:
                        yield response
                        return
                    url = _join_url(url, location)
            except errors.Misconfigured as error:
                if same_origin:
                    raise
                # Another origin never saw our key: 401 or 403 there means an expired link.
                raise errors.NotFound(str(error)) from error
        raise errors.MalformedResponse("too many redirects")

    @asynccontextmanager
    async def _stream(
        self,
        policy: _ConnectionPolicy,
        method: str,
        url: str,
        headers: Mapping[str, str],
        **content: Any,  # noqa: ANN401 - as above
    ) -> AsyncIterator[httpx.Response]:
        client = self._client_for(policy)
        with _translate_transport_errors():
            async with client.stream(method, url, headers=headers, **content) as response:
                yield response


@contextmanager
def _translate_transport_errors() -> Iterator[None]:
    """Convert exceptions of httpx and aiohttp to `ProviderError`."""
    try:
        yield
    except (*_BAD_URL_ERRORS, *_TRANSPORT_ERRORS) as error:
        # Not `repr`: that of aiohttp contains the request headers, and so the key.
        message = sanitize(f"{type(error).__name__}: {error}").removesuffix(":")
        # The transport also reports a connection dropped after the request as ConnectTimeout; only
        # the aiohttp exception shows whether a connection was ever opened.
        if isinstance(error.__cause__, _CONNECT_ERRORS):
            raise errors.Unreachable(message) from error
        if isinstance(error, _BAD_URL_ERRORS):
            raise errors.Misconfigured(message) from error
        raise errors.Unanswered(message) from error


# --- connections -------------------------------------------------------------------------


@cache
def _ssl_context() -> ssl.SSLContext:
    """Trust the certificates of both httpx and the system: either may lack the one needed."""
    context = httpx.create_ssl_context()
    context.load_default_certs()
    return context


def _new_session(policy: _ConnectionPolicy, ssl_context: ssl.SSLContext) -> aiohttp.ClientSession:
    connector = aiohttp.TCPConnector(
        limit=_MAX_CONNECTIONS,
        ssl=ssl_context,
        force_close=policy == "fresh",
        resolver=_PublicResolver() if policy == "public" else None,
    )
    return aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())


class _PublicResolver(aiohttp.ThreadedResolver):
    """Rejects private addresses at connection time, so that DNS rebinding cannot bypass it."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        addresses = await super().resolve(host, port, family)
        for address in addresses:
            _reject_private(address["host"])
        return addresses


async def _policy_for(url: str, base_url: str) -> _ConnectionPolicy:
    """A gateway in our own network may link to other hosts there; a public one may not."""
    if await _resolves_to_private(_origin(base_url)[1]):
        return "kept"
    # A literal IP address is never resolved, so the resolver would not see it.
    _reject_private(_origin(url)[1])
    return "public"


def _reject_private(host: str) -> None:
    if _is_private_address(host):
        raise errors.Rejected(f"the gateway's link points to a private network: {host}")


def _is_private_address(host: str) -> bool:
    try:
        return not ipaddress.ip_address(host.partition("%")[0]).is_global
    except ValueError:
        return False


async def _resolves_to_private(host: str) -> bool:
    try:
        addresses = await asyncio.get_running_loop().getaddrinfo(host, None)
    except (OSError, UnicodeError):
        return False
    return any(_is_private_address(str(entry[4][0])) for entry in addresses)


def _authorization(api_key: str) -> dict[str, str]:
    if not (api_key.isascii() and api_key.isprintable()):
        raise errors.Misconfigured("the API key contains characters that are not printable ASCII")
    return {"authorization": f"Bearer {api_key}"} if api_key else {}


def _origin(url: str) -> tuple[str, str, int]:
    try:
        parts = httpx.URL(url)
        port = parts.port or {"http": 80, "https": 443}[parts.scheme]
        # As the resolver does later: it accepts fewer host names than a URL allows.
        parts.host.encode("idna")
    except (httpx.InvalidURL, KeyError, UnicodeError):
        raise errors.Rejected(sanitize(f"not a web address: {url}")) from None
    return parts.scheme, parts.host, port


def _join_url(url: str, location: str) -> str:
    try:
        return urljoin(url, location)
    except ValueError:
        raise errors.MalformedResponse(sanitize(f"not a web address: {location}")) from None


# --- responses ---------------------------------------------------------------------------


async def _read_body(response: httpx.Response, api_key: str) -> bytes:
    """Return the body, up to the size limit, with every echo of the key redacted."""
    body = bytearray()
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) > _MAX_RESPONSE_BYTES:
            raise errors.MalformedResponse(f"a response of more than {_MAX_RESPONSE_BYTES} bytes")
    return bytes(
        body.replace(api_key.encode(), b"***") if len(api_key) >= _MIN_REDACTED_KEY_LENGTH else body
    )


async def _redirect_target(response: httpx.Response, api_key: str) -> str | None:
    """Return where the response redirects to, None if it is the video itself.

    Raises `ProviderError` for an error response.
    """
    location = response.headers.get("location")
    if response.status_code in {301, 302, 303, 307, 308} and location:
        return str(location)
    media_type = http_errors.media_type(response.headers)
    is_text = media_type == "application/json" or media_type.startswith("text/")
    if response.status_code < 300 and not is_text:
        return None
    body = await _read_body(response, api_key)
    http_errors.raise_for_status(response.status_code, response.headers, body)
    return http_errors.video_url_in_body(http_errors.parse_json(body))


async def _chunks(response: httpx.Response) -> AsyncGenerator[bytes]:
    with _translate_transport_errors():
        async for chunk in response.aiter_bytes(_CHUNK_BYTES):
            yield chunk


async def _prepend(first_chunk: bytes, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first_chunk
    async for chunk in chunks:
        yield chunk
