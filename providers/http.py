"""HTTP client for gateways: timeouts, size limits, and downloads that trust no link.

Nothing here retries: no gateway documents an idempotency key, so only the engine, which knows what
a repeated request would cost, may repeat one.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager
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
from providers.http_errors import Json, shortened
from providers.types import Download

_LARGEST_ANSWER = 4 << 20
_PIECE = 128 << 10
_HOPS = 6
_CONNECTIONS = 1000
_SHORTEST_KEY = 6
"""Shorter keys are not redacted: placeholders like `none` occur in ordinary text."""
_NO_CONNECTION = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)
_BAD_ADDRESS = (httpx.UnsupportedProtocol, httpx.InvalidURL, UnicodeEncodeError)
_BROKEN_OFF = (httpx.HTTPError, httpx.StreamError, aiohttp.ClientError, TimeoutError, UnicodeError)
_WANTED = {
    "accept": "video/mp4, application/octet-stream, application/binary, */*;q=0.5",
    # With compression, Content-Length and ranges would refer to the compressed bytes.
    "accept-encoding": "identity",
}
_Way = Literal["kept", "fresh", "public"]
"""kept: keep-alive connections; fresh: one connection per request; public: keep-alive connections
that resolve to public addresses only."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A successful response: its JSON body, and when the gateway asks to be polled next."""

    body: Json
    check_after: float | None
    """Seconds."""


class Http:
    """The HTTP client of the process: httpx on aiohttp, whose pool handles many connections."""

    def __init__(
        self,
        *,
        connect_timeout: float = 10.0,
        read_timeout: float = 60.0,
        whole_timeout: float = 300.0,
    ) -> None:
        self._timeout = httpx.Timeout(read_timeout, connect=connect_timeout)
        self._whole = whole_timeout
        self._clients: dict[_Way, httpx.AsyncClient] = {}

    def _client(self, way: _Way) -> httpx.AsyncClient:
        if way not in self._clients:
            context = _trusted()
            self._clients[way] = httpx.AsyncClient(
                transport=AiohttpTransport(verify=context, client=lambda: _session(way, context)),
                timeout=self._timeout,
                headers={"user-agent": f"reelay/{version('reelay')}"},
                # Cookies of one account must never be sent for another.
                cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
                follow_redirects=False,
                trust_env=False,
            )
        return self._clients[way]

    async def close(self) -> None:
        """Close every connection."""
        while self._clients:
            _, client = self._clients.popitem()
            await client.aclose()

    async def ask(
        self,
        method: str,
        url: str,
        key: str,
        *,
        paid: bool = False,
        **content: Any,  # noqa: ANN401 - httpx's own keywords
    ) -> Answer:
        """Send one request and return its JSON. Raises `ProviderError` for any other outcome.

        A `paid` request opens a new connection: on a kept one that the server is just closing it
        could fail without a way to know whether it was received.
        """
        headers = {"accept": "application/json", **_authorization(key)}
        way: _Way = "fresh" if paid else "kept"
        with _named():
            # The read timeout starts after the request was sent; this one also covers an upload
            # that stalls.
            async with (
                asyncio.timeout(self._whole),
                self._exchange(way, method, url, headers, **content) as response,
            ):
                body = await _read(response, key)
        http_errors.check_status(response.status_code, response.headers, body)
        return Answer(http_errors.decoded(body), http_errors.check_after(response.headers))

    @asynccontextmanager
    async def download(
        self, url: str, key: str, home: str, offset: int = 0
    ) -> AsyncIterator[Download]:
        """Open a result for reading from `offset` on.

        The key is sent to the origin of `home` only. Other origins must have public addresses,
        unless `home` itself is private: a gateway must not make us read our own network.
        """
        async with self._video(url, key, home, offset) as response:
            start, total = http_errors.extent(response.status_code, response.headers, offset)
            async with aclosing(_pieces(response)) as pieces:
                first = await anext(pieces, b"")
                if start == 0 and first.lstrip()[:1] in {b"{", b"[", b"<"}:
                    raise errors.Malformed(f"not a video: {http_errors.text_of(first)}")
                kind = http_errors.media_type(response.headers)
                yield Download(_put_back(first, pieces), total, kind, start)

    @asynccontextmanager
    async def _video(
        self, url: str, key: str, home: str, offset: int
    ) -> AsyncIterator[httpx.Response]:
        """Follow redirects, by header or in JSON, without sending the key to another origin."""
        for _ in range(_HOPS):
            at_home = _origin(url) == _origin(home)
            headers = {**_WANTED, **(_authorization(key) if at_home else {})}
            if offset:
                headers["range"] = f"bytes={offset}-"
            way: _Way = "kept" if at_home else await _way_to(url, home)
            try:
                async with self._exchange(way, "GET", url, headers) as response:
                    if response.status_code == 416 and offset:
                        # Our partial file does not belong to this video: start over.
                        offset = 0
                        continue
                    target = await _moved_to(response, key)
                    if target is None:
                        yield response
                        return
                    url = _joined(url, target)
            except errors.Misconfigured as error:
                if at_home:
                    raise
                # Another origin never saw our key: 401 or 403 there means an expired link.
                raise errors.NotFound(str(error)) from error
        raise errors.Malformed("too many redirects")

    @asynccontextmanager
    async def _exchange(
        self,
        way: _Way,
        method: str,
        url: str,
        headers: Mapping[str, str],
        **content: Any,  # noqa: ANN401 - as above
    ) -> AsyncIterator[httpx.Response]:
        client = self._client(way)
        with _named():
            async with client.stream(method, url, headers=headers, **content) as response:
                yield response


class _named:  # noqa: N801 - reads as a statement
    """Convert exceptions of httpx and aiohttp to `ProviderError`."""

    def __enter__(self) -> None:
        return

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if error is None:
            return
        # Not `repr`: that of aiohttp contains the request headers, and so the key.
        raw = shortened(f"{type(error).__name__}: {error}").removesuffix(":")
        # The transport also reports a connection dropped after the request as ConnectTimeout; only
        # the aiohttp exception shows whether a connection was ever opened.
        if isinstance(error.__cause__, _NO_CONNECTION):
            raise errors.Unreachable(raw) from error
        if isinstance(error, _BAD_ADDRESS):
            raise errors.Misconfigured(raw) from error
        if isinstance(error, _BROKEN_OFF):
            raise errors.Unanswered(raw) from error


# --- connections -------------------------------------------------------------------------


@cache
def _trusted() -> ssl.SSLContext:
    """Trust the certificates of both httpx and the system: either may lack the one needed."""
    context = httpx.create_ssl_context()
    context.load_default_certs()
    return context


def _session(way: _Way, context: ssl.SSLContext) -> aiohttp.ClientSession:
    connector = aiohttp.TCPConnector(
        limit=_CONNECTIONS,
        ssl=context,
        force_close=way == "fresh",
        resolver=_PublicResolver() if way == "public" else None,
    )
    return aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())


class _PublicResolver(aiohttp.ThreadedResolver):
    """Rejects private addresses at connection time, so that DNS rebinding cannot bypass it."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = await super().resolve(host, port, family)
        for one in found:
            _refuse_inner(one["host"])
        return found


async def _way_to(url: str, home: str) -> _Way:
    """A gateway in our own network may link to other hosts there; a public one may not."""
    if await _is_inner(_origin(home)[1]):
        return "kept"
    # A literal IP address is never resolved, so the resolver would not see it.
    _refuse_inner(_origin(url)[1])
    return "public"


def _refuse_inner(host: str) -> None:
    if _is_inner_address(host):
        raise errors.Refused(f"the gateway's link points to a private network: {host}")


def _is_inner_address(host: str) -> bool:
    try:
        return not ipaddress.ip_address(host.partition("%")[0]).is_global
    except ValueError:
        return False


async def _is_inner(host: str) -> bool:
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, None)
    except (OSError, UnicodeError):
        return False
    return any(_is_inner_address(str(entry[4][0])) for entry in found)


def _authorization(key: str) -> dict[str, str]:
    if not (key.isascii() and key.isprintable()):
        raise errors.Misconfigured("the API key contains characters that are not printable ASCII")
    return {"authorization": f"Bearer {key}"} if key else {}


def _origin(url: str) -> tuple[str, str, int]:
    try:
        parts = httpx.URL(url)
        port = parts.port or {"http": 80, "https": 443}[parts.scheme]
        # As the resolver does later: it accepts fewer host names than a URL allows.
        parts.host.encode("idna")
    except (httpx.InvalidURL, KeyError, UnicodeError):
        raise errors.Refused(shortened(f"not a web address: {url}")) from None
    return parts.scheme, parts.host, port


def _joined(url: str, target: str) -> str:
    try:
        return urljoin(url, target)
    except ValueError:
        raise errors.Malformed(shortened(f"not a web address: {target}")) from None


# --- responses ---------------------------------------------------------------------------


async def _read(response: httpx.Response, key: str) -> bytes:
    """Return the body, up to the size limit, with every echo of the key redacted."""
    body = bytearray()
    async for piece in response.aiter_bytes():
        body += piece
        if len(body) > _LARGEST_ANSWER:
            raise errors.Malformed(f"a response of more than {_LARGEST_ANSWER} bytes")
    return bytes(body.replace(key.encode(), b"***") if len(key) >= _SHORTEST_KEY else body)


async def _moved_to(response: httpx.Response, key: str) -> str | None:
    """Return where the response redirects to, None if it is the video itself.

    Raises `ProviderError` for an error response.
    """
    target = response.headers.get("location")
    if response.status_code in {301, 302, 303, 307, 308} and target:
        return str(target)
    kind = http_errors.media_type(response.headers)
    is_text = kind == "application/json" or kind.startswith("text/")
    if response.status_code < 300 and not is_text:
        return None
    body = await _read(response, key)
    http_errors.check_status(response.status_code, response.headers, body)
    return http_errors.link_in(http_errors.decoded(body))


async def _pieces(response: httpx.Response) -> AsyncGenerator[bytes]:
    with _named():
        async for piece in response.aiter_bytes(_PIECE):
            yield piece


async def _put_back(first: bytes, pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for piece in pieces:
        yield piece
