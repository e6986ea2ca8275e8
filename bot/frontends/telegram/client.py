"""The connection to the Bot API, and what its errors mean: sent, not sent, or unknown.

python-telegram-bot over httpx over aiohttp. Telegram has no idempotency key, and the library raises
`TimedOut` or `NetworkError` in all three cases. A 5xx is taken to mean that nothing was done
(inferred: a server that is down answers everything with it), except 504, where a proxy stopped
waiting for the response.
"""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Iterator, Sequence
from functools import cache
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

import aiohttp
import httpx
from httpx_aiohttp import AiohttpTransport
from telegram import Bot
from telegram.error import NetworkError, TelegramError
from telegram.request import HTTPXRequest, RequestData

from bot.config import Settings

POLL = 30
"""Long-polling timeout in seconds; Telegram caps it at 50."""
_CONNECTIONS = 256
_CONNECT = 10.0
_READ = 60.0
"""Telegram answers an upload after processing it, which takes time."""
_PLAIN = 40.0
"""Timeout in seconds for a request without a file."""
_UPLOAD = 900.0
_NO_CONNECTION = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, httpx.PoolTimeout)


class NotSent(NetworkError):
    """The request had certainly no effect."""


class OutcomeUnknown(NetworkError):
    """The request may have had an effect: its response was lost."""


class TooLarge(NetworkError):
    """The server accepts no upload of this size."""


class Throttled(TelegramError):
    """429: no effect; nothing may be sent to this chat for some seconds."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"flood control: retry after {seconds:g} s")
        self.seconds = seconds


@cache
def _trusted() -> ssl.SSLContext:
    """Trust the certificates of both httpx and the system: either may lack the one needed."""
    context = httpx.create_ssl_context()
    context.load_default_certs()
    return context


class _Request(HTTPXRequest):
    """HTTP requests with a total timeout whose errors say whether they had an effect."""

    def __init__(self, *, read_timeout: float, whole: float) -> None:
        context = _trusted()
        super().__init__(
            connect_timeout=_CONNECT,
            read_timeout=read_timeout,
            pool_timeout=_PLAIN,
            httpx_kwargs={
                "transport": AiohttpTransport(verify=context, client=lambda: _session(context)),
                "trust_env": False,
                "follow_redirects": False,
            },
        )
        self._whole = whole

    async def do_request(
        self,
        url: str,
        method: str,
        request_data: RequestData | None = None,
        read_timeout: Any = HTTPXRequest.DEFAULT_NONE,  # noqa: ANN401 - the library's own types
        write_timeout: Any = HTTPXRequest.DEFAULT_NONE,  # noqa: ANN401 - the library's own types
        connect_timeout: Any = HTTPXRequest.DEFAULT_NONE,  # noqa: ANN401 - the library's own types
        pool_timeout: Any = HTTPXRequest.DEFAULT_NONE,  # noqa: ANN401 - the library's own types
    ) -> tuple[int, bytes]:
        timeouts = (read_timeout, write_timeout, connect_timeout, pool_timeout)
        has_files = request_data is not None and request_data.contains_files
        try:
            async with asyncio.timeout(_UPLOAD if has_files else self._whole):
                code, payload = await super().do_request(url, method, request_data, *timeouts)
        except (TimeoutError, NetworkError) as error:
            raise _classify(error) from error
        _check(code, payload, is_file=method == "GET")
        return code, payload

    @staticmethod
    def parse_json_payload(payload: bytes) -> dict[str, Any]:
        """Return Telegram's response. Raises `OutcomeUnknown` if it is cut off."""
        try:
            content: dict[str, Any] = json.loads(payload.decode(errors="replace"))
        except ValueError as error:
            raise OutcomeUnknown("the answer of Telegram was cut off") from error
        return content


def _check(code: int, payload: bytes, *, is_file: bool) -> None:
    if code == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        raise TooLarge(f"HTTP {code}")
    if code == HTTPStatus.GATEWAY_TIMEOUT:
        raise OutcomeUnknown(f"HTTP {code}")
    if code >= HTTPStatus.INTERNAL_SERVER_ERROR:
        raise NotSent(f"HTTP {code}")
    if code == HTTPStatus.TOO_MANY_REQUESTS:
        raise Throttled(_retry_after(payload))
    if is_file or payload.lstrip().startswith(b"{"):
        return
    # A refusal of whoever stands before Telegram, or of somebody else altogether.
    raise (OutcomeUnknown if code == HTTPStatus.OK else NotSent)(f"HTTP {code} without JSON")


def _retry_after(payload: bytes) -> float:
    try:
        seconds = _Request.parse_json_payload(payload)["parameters"]["retry_after"]
        return max(float(seconds), 1.0)
    except (TelegramError, KeyError, TypeError, ValueError):
        return 5.0


def _classify(error: BaseException) -> NetworkError:
    if any(isinstance(cause, _NO_CONNECTION) for cause in _causes(error)):
        return NotSent("Telegram cannot be reached")
    return OutcomeUnknown("the answer of Telegram was lost")


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__


def _session(context: ssl.SSLContext) -> aiohttp.ClientSession:
    connector = aiohttp.TCPConnector(limit=_CONNECTIONS, ssl=context)
    return aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())


class _Bot(Bot):
    """The library's bot, with a repr that hides the token."""

    def __repr__(self) -> str:
        return "Bot[token=***]"


class BotClient:
    """The bot of the configured token and its connections, not yet connected."""

    def __init__(self, settings: Settings) -> None:
        url = settings.telegram_api_url.rstrip("/")
        self._requests = (
            _Request(read_timeout=_READ, whole=_PLAIN),
            _Request(read_timeout=POLL + 15.0, whole=POLL + 30.0),
        )
        self.bot: Bot = _Bot(
            settings.telegram_bot_token.get_secret_value(),
            base_url=f"{url}/bot",
            base_file_url=f"{url}/file/bot",
            request=self._requests[0],
            get_updates_request=self._requests[1],
        )

    async def updates(
        self, offset: int | None, kinds: Sequence[str], limit: int
    ) -> list[dict[str, Any]]:
        """Return the next updates as raw JSON; an offset confirms all before it.

        The library's own method returns none of them if it cannot parse one.
        """
        parameters = {"timeout": POLL, "limit": limit, "allowed_updates": json.dumps(kinds)}
        if offset is not None:
            parameters["offset"] = offset
        url = f"{self.bot.base_url}/getUpdates?{urlencode(parameters)}"
        updates = await self._requests[1].post(url)
        return updates if isinstance(updates, list) else []

    async def close(self) -> None:
        """Close every connection."""
        for request in self._requests:
            await request.shutdown()
