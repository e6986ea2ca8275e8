"""HTTP to gateways: one shared client, caps, and the one place where a wire fault gets its name.

Nothing here tries again: no gateway documents an idempotency key, so only the engine, which knows
what a repeat would cost, may repeat.
"""

from __future__ import annotations

import asyncio
import ipaddress
import json
import math
import re
import socket
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http.cookiejar import CookieJar, DefaultCookiePolicy
from importlib.metadata import version
from typing import Any, Literal
from urllib.parse import urljoin, urlsplit

import aiohttp
import httpx
from aiohttp.abc import ResolveResult
from httpx_aiohttp import AiohttpTransport

from providers import errors
from providers.base import Download

Json = dict[str, Any] | list[Any] | str | int | float | bool | None

_LARGEST_ANSWER = 4 << 20
_PIECE = 128 << 10
_RAW = 500
_LONGEST_CODE = 100
_SHORTEST_KEY = 6
"""Shorter ones, like `none` for a server without keys, are words of every other sentence."""
_HOPS = 6
_CONNECTIONS = 1000
_LONGEST_WISH = 86400.0
_NO_CONNECTION = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)
_BAD_ADDRESS = (httpx.UnsupportedProtocol, httpx.InvalidURL, UnicodeError)
_BROKEN_OFF = (httpx.HTTPError, httpx.StreamError, aiohttp.ClientError, TimeoutError)
_SECRETS = re.compile(r"(Bearer\s+|sk-|api[_-]?key[\"'=:\s]+)[\w.\-]+", re.IGNORECASE)
_FUNDS = re.compile(
    r"insufficient[ _](user[ _])?(quota|balance|credit|fund)|token_quota_failed|billing_hard_limit"
    r"|余额|额度",
    re.IGNORECASE,
)
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
    """The other side's own words: one line, not too long, without anything like a key.

    Nor anything that a database would choke on: NUL, and halves of characters, which JSON can name.
    """
    line = " ".join(str(raw).split())
    plain = "".join(sign if sign.isprintable() else "?" for sign in line[: 4 * _RAW])
    return _SECRETS.sub(r"\1***", plain)[:_RAW]


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer with a status below 400: its body, and when the gateway wants to be asked next."""

    body: Json
    check_after: float | None
    """Seconds."""


class Http:
    """The one client of the process; httpx over aiohttp, whose pool bears many requests at once."""

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
                # No cookie of one gateway, nor of one account, belongs to another.
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
        """One request; the answer's JSON. Raises `ProviderError` for everything else.

        A paid one gets a connection of its own: on a kept one that the other side has just closed
        it would fail in a way that leaves open whether it arrived.
        """
        headers = {"accept": "application/json", **_authorization(key)}
        way: _Way = "fresh" if paid else "kept"
        with _named():
            # The read timeout begins when the request is sent: an upload that stalls has no other.
            async with (
                asyncio.timeout(self._whole),
                self._exchange(way, method, url, headers, **content) as response,
            ):
                body = await _read(response, key)
        _raise_for(response, body)
        if response.status_code >= 300:
            raise _redirected(response)
        return Answer(_decoded(body), _check_after(response.headers))

    @asynccontextmanager
    async def download(
        self, url: str, key: str, home: str, offset: int = 0
    ) -> AsyncIterator[Download]:
        """Open a result for reading from `offset` on.

        The key goes to the origin of `home` alone. Other origins must be public, unless `home`
        itself is not: a gateway must not make us read our own network for it.
        """
        async with self._video(url, key, home, offset) as response:
            partial = response.status_code == 206
            async with aclosing(_pieces(response)) as pieces:
                first = await anext(pieces, b"")
                if not partial and first.lstrip()[:1] in {b"{", b"[", b"<"}:
                    raise errors.Malformed(shortened(f"no video: {_text(first)}"))
                yield Download(
                    chunks=_put_back(first, pieces),
                    total=_total(response, partial=partial),
                    media_type=_media_type(response),
                    offset=_start(response, offset) if partial else 0,
                )

    @asynccontextmanager
    async def _video(
        self, url: str, key: str, home: str, offset: int
    ) -> AsyncIterator[httpx.Response]:
        """Follow redirects by hand, be they headers or JSON: the key stays at home."""
        for _ in range(_HOPS):
            at_home = _origin(url) == _origin(home)
            way: _Way = "kept" if at_home or await _is_inner(_origin(home)[1]) else "public"
            headers = {**_WANTED, **(_authorization(key) if at_home else {})}
            if offset:
                headers["range"] = f"bytes={offset}-"
            if way == "public" and _is_inner_address(_origin(url)[1]):
                raise errors.Refused(f"the gateway's link leads into a private network: {url}")
            async with self._exchange(way, "GET", url, headers) as response:
                target = await _moved_to(response, key, at_home=at_home)
                if response.status_code == 416 and offset:
                    # What we have is no beginning of this video: start over.
                    offset = 0
                elif target is None:
                    yield response
                    return
                else:
                    url = _joined(url, target)
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


# --- connections -------------------------------------------------------------------------

_Way = Literal["kept", "fresh", "public"]
"""Connections that are kept; one made anew; and such as lead only into the public internet."""
_WANTED = {
    "accept": "video/mp4, application/octet-stream, application/binary, */*;q=0.5",
    # Compressed, its length and its ranges would be those of other bytes.
    "accept-encoding": "identity",
}


def _trusted() -> ssl.SSLContext:
    """Trust what httpx ships and what the system trusts: either may be empty or lack an own CA."""
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
    """Gives only public addresses, to the very connection that asks: names may change theirs."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = await super().resolve(host, port, family)
        if any(_is_inner_address(one["host"]) for one in found):
            raise errors.Refused(f"the gateway's link leads into a private network: {host}")
        return found


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
        raise errors.Misconfigured("the API key has characters that no key has")
    return {"authorization": f"Bearer {key}"} if key else {}


def _origin(url: str) -> tuple[str, str, int]:
    try:
        parts = urlsplit(url)
        port = parts.port or {"http": 80, "https": 443}[parts.scheme]
    except (ValueError, KeyError):
        raise errors.Refused(f"no web address: {shortened(url)[:100]}") from None
    return parts.scheme, parts.hostname or "", port


def _joined(url: str, target: str) -> str:
    try:
        return urljoin(url, target)
    except ValueError:
        raise errors.Malformed(f"no web address: {shortened(target)[:100]}") from None


class _named:  # noqa: N801 - reads as a statement
    """Give the faults of httpx and aiohttp their names in our tree."""

    def __enter__(self) -> None:
        return

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        # The transport calls a connection that was dropped after the request a ConnectTimeout too:
        # only what aiohttp itself says tells whether one was ever made.
        if isinstance(error and error.__cause__, _NO_CONNECTION):
            raise errors.Unreachable(shortened(repr(error))) from error
        if isinstance(error, _BAD_ADDRESS):
            raise errors.Misconfigured(shortened(error)) from error
        if isinstance(error, _BROKEN_OFF):
            raise errors.Unanswered(shortened(repr(error))) from error


# --- answers -----------------------------------------------------------------------------


async def _read(response: httpx.Response, key: str) -> bytes:
    """The body, up to the cap; a key that it echoes is taken out here, once for all."""
    body = bytearray()
    async for piece in response.aiter_bytes():
        body += piece
        if len(body) > _LARGEST_ANSWER:
            raise errors.Malformed(f"an answer of more than {_LARGEST_ANSWER} bytes")
    return bytes(body.replace(key.encode(), b"***") if len(key) >= _SHORTEST_KEY else body)


def _text(body: bytes) -> str:
    return body[:_RAW].decode("utf-8", "replace")


def _decoded(body: bytes) -> Json:
    try:
        return json.loads(body)  # type: ignore[no-any-return]
    except (ValueError, RecursionError):
        raise errors.Malformed(shortened(f"no JSON: {_text(body)}")) from None


def _media_type(response: httpx.Response) -> str:
    kind: str = response.headers.get("content-type", "")
    return kind.partition(";")[0].strip().lower()


async def _moved_to(response: httpx.Response, key: str, *, at_home: bool) -> str | None:
    """Where the video is instead, if not here. Raises what an answer that is none means."""
    status = response.status_code
    if status in {301, 302, 303, 307, 308} and (target := response.headers.get("location")):
        return str(target)
    if status == 416:
        return None
    if status in {401, 403} and not at_home:
        # A stranger never saw our key: what it refuses is a link that has expired.
        raise errors.NotFound(shortened(f"HTTP {status} {_text(await _read(response, key))}"))
    if status >= 300:
        _raise_for(response, await _read(response, key))
        raise _redirected(response)
    kind = _media_type(response)
    if kind != "application/json" and not kind.startswith("text/"):
        return None
    return _link_in(_decoded(await _read(response, key)))


def _link_in(body: Json) -> str:
    """Some gateways answer the content route with JSON that says where the video is."""
    if isinstance(body, dict):
        inner = body.get("data")
        for source in (body, inner if isinstance(inner, dict) else {}):
            for name in ("url", "video_url"):
                if isinstance(found := source.get(name), str) and found:
                    return found
    raise errors.Malformed(shortened(f"no video: {body}"))


def error_fields(body: object) -> tuple[str, str]:
    """(code, message) of an error body, whatever its shape: official, FastAPI, NestJS, envelope."""
    if not isinstance(body, dict):
        return "", shortened(body) if body else ""
    inner = body.get("error")
    source = inner if isinstance(inner, dict) else body
    code = shortened(source.get("code") or source.get("type") or "")[:_LONGEST_CODE]
    for name in ("message", "detail", "msg", "error", "error_message", "fail_reason"):
        if source.get(name):
            return code, shortened(source[name])
    return code, ""


def _raise_for(response: httpx.Response, body: bytes) -> None:
    """The one place where a status gets its meaning."""
    status = response.status_code
    if status < 400:
        return
    try:
        code, message = error_fields(json.loads(body))
    except (ValueError, RecursionError):
        code, message = "", shortened(_text(body))
    raw = shortened(f"HTTP {status} {code} {message}")
    wait = _retry_after(response.headers)
    raise _named_by_status(status, f"{code} {message}")(raw, retry_after=wait, code=code)


def _named_by_status(status: int, text: str) -> type[errors.ProviderError]:
    if status == 429:
        return errors.Misconfigured if _FUNDS.search(text) else errors.Throttled
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


def _redirected(response: httpx.Response) -> errors.ProviderError:
    """A create is not followed elsewhere: the address in the settings is to be put right."""
    where = shortened(response.headers.get("location", ""))
    raw = f"HTTP {response.status_code}: redirected to {where or 'nowhere'}"
    # Only 303 may mean that the create was done.
    return errors.Malformed(raw) if response.status_code == 303 else errors.Misconfigured(raw)


def _retry_after(headers: httpx.Headers) -> float | None:
    """Retry-After as seconds from now, be it written in seconds or as a date."""
    value = headers.get("retry-after", "").strip()
    try:
        wait = float(value)
    except ValueError:
        try:
            wait = (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds()
        except (ValueError, TypeError, OverflowError):
            return None
    return min(max(wait, 0.0), _LONGEST_WISH) if math.isfinite(wait) else None


def _check_after(headers: httpx.Headers) -> float | None:
    """`openai-poll-after-ms` (openai-python's `poll()` obeys it) or Retry-After, in seconds."""
    wish = _whole_number(headers.get("openai-poll-after-ms", ""))
    return min(wish / 1000, _LONGEST_WISH) if wish is not None else _retry_after(headers)


def _whole_number(value: str) -> int | None:
    # Not `isdigit`: it takes signs that `int` does not.
    return int(value) if value.isdecimal() and len(value) < 19 else None


def _start(response: httpx.Response, asked: int) -> int:
    found = re.match(r"bytes (\d{1,18})-", response.headers.get("content-range", ""))
    return int(found.group(1)) if found else asked


def _total(response: httpx.Response, *, partial: bool) -> int | None:
    if partial:
        found = re.search(r"/(\d{1,18})$", response.headers.get("content-range", ""))
        return int(found.group(1)) if found else None
    return _whole_number(response.headers.get("content-length", ""))


async def _pieces(response: httpx.Response) -> AsyncGenerator[bytes]:
    with _named():
        async for piece in response.aiter_bytes(_PIECE):
            yield piece


async def _put_back(first: bytes, pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for piece in pieces:
        yield piece
