"""HTTP to gateways: one shared client, caps, and the one place where a wire fault gets its name.

Nothing here tries again: no gateway documents an idempotency key, so only the engine, which knows
what a repeat would cost, may repeat.
"""

from __future__ import annotations

import ipaddress
import json
import re
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http.cookiejar import CookieJar, DefaultCookiePolicy
from importlib.metadata import version
from typing import Any
from urllib.parse import urljoin, urlsplit

import aiohttp
import anyio.to_thread
import httpx
from httpx_aiohttp import AiohttpTransport

from providers import errors
from providers.base import Download

Json = dict[str, Any] | list[Any] | str | int | float | bool | None

_LARGEST_ANSWER = 4 << 20
_PIECE = 128 << 10
_RAW = 500
_REDIRECTS = 5
_CONNECTIONS = 1000
_NO_CONNECTION = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)
_NOT_VIDEO = ("application/json", "text/")
_SECRETS = re.compile(r"(Bearer\s+|sk-|api[_-]?key[\"'=:\s]+)[\w.\-]+", re.IGNORECASE)
_FUNDS = re.compile(r"insufficient|quota|balance|余额|billing", re.IGNORECASE)
_SATURATED = re.compile(r"saturated|饱和|overloaded|too many requests", re.IGNORECASE)
_MODEL_GONE = re.compile(
    r"model[_ ]not[_ ]found|无可用渠道|no available channel|deprecated|temporarily paused"
    r"|model.{0,60}(does not exist|not exist|not found|not supported|unavailable|no longer)",
    re.IGNORECASE,
)
_MODERATED = re.compile(
    r"moderation|content[_ ]policy|content[_ ]violation|guardrail|safety|sensitive|sentinel_block"
    r"|审核|违规|敏感",
    re.IGNORECASE,
)


def is_moderation(*texts: object) -> bool:
    """Whether a code or a text of a gateway speaks of its rules on content."""
    return any(_MODERATED.search(str(text)) for text in texts if text)


def is_model_gone(*texts: object) -> bool:
    """Whether a code or a text of a gateway says that it no longer serves the model."""
    return any(_MODEL_GONE.search(str(text)) for text in texts if text)


def shortened(raw: object) -> str:
    """The other side's own words: one line, not too long, without anything like a key."""
    return _SECRETS.sub(r"\1***", " ".join(str(raw).split()))[:_RAW]


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer with a status below 400: its body, and when the gateway wants to be asked next."""

    body: Json
    check_after: float | None
    """Seconds."""


class Http:
    """The one client of the process; httpx over aiohttp, whose pool bears many requests at once."""

    def __init__(self, *, read_timeout: float = 60.0) -> None:
        self._timeout = httpx.Timeout(read_timeout, connect=10.0)
        self._clients: dict[bool, httpx.AsyncClient] = {}

    def _client(self, *, fresh: bool) -> httpx.AsyncClient:
        """The client that keeps its connections, or the one that makes each anew."""
        if fresh not in self._clients:
            self._clients[fresh] = httpx.AsyncClient(
                transport=AiohttpTransport(client=lambda: _session(fresh=fresh)),
                timeout=self._timeout,
                headers={"user-agent": f"reelay/{version('reelay')}"},
                # No cookie of one gateway, nor of one account, belongs to another.
                cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
                follow_redirects=False,
                trust_env=False,
            )
        return self._clients[fresh]

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
        """One request; the answer's JSON. Raises `ProviderError` for everything else.

        A paid one gets a connection of its own: on a kept one that the other side has just closed
        it would fail in a way that leaves open whether it arrived.
        """
        headers = {"authorization": f"Bearer {key}", "accept": "application/json"}
        async with self._exchange(method, url, headers, fresh=paid, **content) as response:
            body = await _read(response)
        _raise_for(response, body)
        return Answer(_decoded(body), _check_after(response.headers))

    @asynccontextmanager
    async def download(
        self, url: str, key: str, home: str, offset: int = 0
    ) -> AsyncIterator[Download]:
        """Open a result for reading from `offset` on.

        The key goes to the origin of `home` alone. Other origins must be public, unless `home`
        itself is not: a gateway must not make us read our own network for it.
        """
        headers = {"accept": "video/mp4, application/octet-stream, application/binary, */*;q=0.5"}
        if offset:
            headers["range"] = f"bytes={offset}-"
        async with self._followed(url, key, home, headers) as response:
            if response.status_code >= 400:
                _raise_for(response, await _read(response))
            kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
            if kind.startswith(_NOT_VIDEO):
                raise errors.Malformed(shortened(f"{kind}: {(await _read(response))[:200]!r}"))
            partial = response.status_code == 206
            yield Download(
                chunks=_pieces(response),
                total=_total(response, partial=partial),
                media_type=kind,
                offset=_start(response, offset) if partial else 0,
            )

    @asynccontextmanager
    async def _followed(
        self, url: str, key: str, home: str, headers: Mapping[str, str]
    ) -> AsyncIterator[httpx.Response]:
        """Follow redirects by hand: each hop is checked, and the key stays at home."""
        for _ in range(_REDIRECTS):
            at_home = _origin(url) == _origin(home)
            if not at_home:
                await _refuse_inner(url, home)
            own = dict(headers)
            if at_home and key:
                own["authorization"] = f"Bearer {key}"
            async with self._exchange("GET", url, own) as response:
                target = response.headers.get("location")
                if response.status_code not in {301, 302, 303, 307, 308} or not target:
                    yield response
                    return
                url = urljoin(url, target)
        raise errors.Malformed("too many redirects")

    @asynccontextmanager
    async def _exchange(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        *,
        fresh: bool = False,
        **content: Any,  # noqa: ANN401 - as above
    ) -> AsyncIterator[httpx.Response]:
        client = self._client(fresh=fresh)
        with _named():
            async with client.stream(method, url, headers=headers, **content) as response:
                yield response


def _session(*, fresh: bool) -> aiohttp.ClientSession:
    connector = (
        aiohttp.TCPConnector(limit=_CONNECTIONS, force_close=True)
        if fresh
        else aiohttp.TCPConnector(limit=_CONNECTIONS)
    )
    return aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())


class _named:  # noqa: N801 - reads as a statement
    """Give httpx's faults their names in our tree."""

    def __enter__(self) -> None:
        return

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        # The transport calls a connection that was dropped after the request a ConnectTimeout too:
        # only what aiohttp itself says tells whether one was ever made.
        if isinstance(error and error.__cause__, _NO_CONNECTION):
            raise errors.Unreachable(shortened(repr(error))) from error
        if isinstance(error, httpx.UnsupportedProtocol | httpx.InvalidURL):
            raise errors.Misconfigured(shortened(error)) from error
        if isinstance(error, httpx.HTTPError | httpx.StreamError):
            raise errors.Unanswered(shortened(repr(error))) from error


async def _read(response: httpx.Response) -> bytes:
    pieces, size = [], 0
    async for piece in response.aiter_bytes():
        size += len(piece)
        if size > _LARGEST_ANSWER:
            raise errors.Malformed(f"an answer of more than {_LARGEST_ANSWER} bytes")
        pieces.append(piece)
    return b"".join(pieces)


def _decoded(body: bytes) -> Json:
    try:
        return json.loads(body)  # type: ignore[no-any-return]
    except (ValueError, RecursionError):
        raise errors.Malformed(shortened(body[:_RAW].decode("utf-8", "replace"))) from None


def error_fields(body: object) -> tuple[str, str]:
    """(code, message) of an error body, whatever its shape: official, FastAPI, NestJS, envelope."""
    if not isinstance(body, dict):
        return "", shortened(body) if body else ""
    inner = body.get("error")
    source = inner if isinstance(inner, dict) else body
    code = source.get("code") or source.get("type") or ""
    for name in ("message", "detail", "msg", "error", "error_message", "fail_reason"):
        if source.get(name):
            return str(code), shortened(source[name])
    return str(code), ""


def _raise_for(response: httpx.Response, body: bytes) -> None:
    """The one place where a status gets its meaning."""
    status = response.status_code
    if status < 400:
        return
    try:
        code, message = error_fields(json.loads(body))
    except (ValueError, RecursionError):
        code, message = "", shortened(body[:_RAW].decode("utf-8", "replace"))
    raw = shortened(f"HTTP {status} {code} {message}")
    wait = _retry_after(response.headers)
    raise _named_by_status(status, f"{code} {message}")(raw, retry_after=wait, code=code)


def _named_by_status(status: int, text: str) -> type[errors.ProviderError]:
    if status == 429:
        return errors.Misconfigured if "insufficient_quota" in text else errors.Throttled
    if status in {401, 402}:
        return errors.Misconfigured
    if is_moderation(text):
        return errors.Moderated
    if is_model_gone(text) and status < 504:
        return errors.ModelUnavailable
    if status == 403:
        return errors.Misconfigured
    if status in {404, 410}:
        return errors.NotFound
    if status in {408, 425}:
        return errors.Unanswered
    if status == 503 and _SATURATED.search(text):
        return errors.Throttled
    if status >= 500:
        return errors.Upstream
    return errors.Misconfigured if _FUNDS.search(text) else errors.Refused


def _retry_after(headers: httpx.Headers) -> float | None:
    value = headers.get("retry-after", "").strip()
    try:
        return max(float(value), 0.0)
    except ValueError:
        pass
    try:
        return max((parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds(), 0.0)
    except (ValueError, TypeError):
        return None


def _check_after(headers: httpx.Headers) -> float | None:
    """`openai-poll-after-ms` (openai-python's `poll()` obeys it) or Retry-After, in seconds."""
    value = headers.get("openai-poll-after-ms", "")
    return int(value) / 1000 if value.isdigit() else _retry_after(headers)


def _start(response: httpx.Response, asked: int) -> int:
    found = re.match(r"bytes (\d+)-", response.headers.get("content-range", ""))
    return int(found.group(1)) if found else asked


def _total(response: httpx.Response, *, partial: bool) -> int | None:
    if partial:
        found = re.search(r"/(\d+)$", response.headers.get("content-range", ""))
        return int(found.group(1)) if found else None
    length: str = response.headers.get("content-length", "")
    return int(length) if length.isdigit() else None


async def _pieces(response: httpx.Response) -> AsyncIterator[bytes]:
    with _named():
        async for piece in response.aiter_bytes(_PIECE):
            yield piece


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or {"http": 80, "https": 443}.get(parts.scheme)


async def _refuse_inner(url: str, home: str) -> None:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise errors.Refused(f"the gateway's link is no web address: {shortened(url)[:100]}")
    if await _is_inner(parts.hostname) and not await _is_inner(urlsplit(home).hostname or ""):
        raise errors.Refused(f"the gateway's link leads into a private network: {parts.hostname}")


async def _is_inner(host: str) -> bool:
    try:
        found = await anyio.to_thread.run_sync(socket.getaddrinfo, host, None)
    except OSError:
        return False
    addresses = {ipaddress.ip_address(str(entry[4][0]).partition("%")[0]) for entry in found}
    return any(not address.is_global for address in addresses)
