"""discord.py's HTTP: base URL, count of invalid requests, and mapping of errors."""

from __future__ import annotations

import asyncio
import re
from collections import deque
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import TypeVar

import aiohttp
import discord
import structlog
import yarl

from bot.ports import Clock, DeliveryError, DeliveryOutcomeUnknown

_log = structlog.get_logger(__name__)
_T = TypeVar("_T")
_WINDOW_S = 600.0
_MAX_INVALID_REQUESTS = 2000
"""Invalid requests in ten minutes; Discord bans an address after 10,000 (topics/rate-limits)."""
_MAX_TRIES = 3
_INVALID_STATUSES = frozenset({401, 403, 429})
_REASONS = {
    10003: "chat-gone",
    10004: "chat-gone",
    50001: "blocked",
    50013: "blocked",
    50007: "blocked",
    50083: "blocked",
    160005: "blocked",
    10015: "answer-expired",
    10062: "answer-expired",
    50027: "answer-expired",
    40094: "answer-expired",
    40005: "too-large",
}
"""Discord's error code -> reason shown to users (topics/opcodes-and-status-codes)."""
_NOT_SENT = (
    aiohttp.ClientConnectorError,
    aiohttp.ConnectionTimeoutError,
    # What aiohttp raises where the session was closed, as discord.py does for good.
    RuntimeError,
)
_HTTP_TOO_LARGE = 413
_HTTP_UNAUTHORIZED = 401
_BY_INTERACTION = re.compile(r"/(?:webhooks|interactions)/")
"""Calls with an interaction token, which Discord rejects after its expiry."""


class ResponseLost(Exception):
    """A send failed with a server error: it may have been done."""


def set_base_url(api: str, gateway: str | None = None) -> None:
    """Set the base URL of discord.py, which it reads from its classes only."""
    discord.http.Route.BASE = api.rstrip("/")
    if gateway is not None:
        discord.gateway.DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(gateway)


class InvalidRequestCounter:
    """Counts rejected requests and pauses all requests long before the ban."""

    def __init__(self, clock: Clock, most: int = _MAX_INVALID_REQUESTS) -> None:
        self._clock = clock
        self._most = most
        self._times: deque[float] = deque()
        self._told = False
        self.unknown = asyncio.Event()
        """Set when Discord has rejected the bot's token."""

    @property
    def count(self) -> int:
        """Rejected requests of the last ten minutes."""
        since = self._clock.now() - _WINDOW_S
        while self._times and self._times[0] <= since:
            self._times.popleft()
        return len(self._times)

    def trace(self, *, once: bool = False) -> aiohttp.TraceConfig:
        """Return the trace config of a session.

        `once`: do not let discord.py resend after a server error.
        """
        config = aiohttp.TraceConfig()
        config.on_request_start.append(self._before)
        config.on_request_end.append(self._after)
        if once:
            config.on_request_end.append(_not_again)
        return config

    async def _before(
        self, session: aiohttp.ClientSession, context: SimpleNamespace, params: object
    ) -> None:
        del session, context, params
        while self.count >= self._most:
            if not self._told:
                self._told = True
                reason = f"Discord has refused {self.count} requests in ten minutes"
                _log.error(
                    "discord_requests_paused", error=f"{reason}; the bot waits before it is banned"
                )
            await self._clock.sleep(1.0)
        self._told = False

    async def _after(
        self,
        session: aiohttp.ClientSession,
        context: SimpleNamespace,
        params: aiohttp.TraceRequestEndParams,
    ) -> None:
        del session, context
        answer = params.response
        shared = answer.headers.get("X-RateLimit-Scope") == "shared"
        if answer.status in _INVALID_STATUSES and not shared:
            self._times.append(self._clock.now())
        if answer.status == _HTTP_UNAUTHORIZED and not _BY_INTERACTION.search(params.url.path):
            self.unknown.set()


async def _not_again(
    session: aiohttp.ClientSession,
    context: SimpleNamespace,
    params: aiohttp.TraceRequestEndParams,
) -> None:
    del session, context
    if params.method == "POST" and params.response.status >= 500:
        raise ResponseLost(f"HTTP {params.response.status}")


def map_error(error: Exception) -> DeliveryError | DeliveryOutcomeUnknown:
    """Map an error to a `DeliveryError` or `DeliveryOutcomeUnknown`."""
    if isinstance(error, discord.RateLimited):
        return DeliveryError("throttled", "Discord asks to wait", retry_after=error.retry_after)
    # Of a connection that does not come the text would show the whole address, token and all.
    if isinstance(error, _NOT_SENT):
        return DeliveryError("unreachable", "no connection")
    if not isinstance(error, discord.HTTPException) or error.status >= 500:
        return DeliveryOutcomeUnknown(f"{type(error).__name__}: {error}"[:200])
    if error.status == 429:
        return DeliveryError("throttled", "Discord asks to wait")
    if error.status == _HTTP_TOO_LARGE:
        return DeliveryError("too-large", error.text)
    reason = _REASONS.get(error.code)
    if reason == "too-large":
        return DeliveryError("too-large", error.text)
    if reason is None and error.status == 401:
        # A refused token; the operator will mend that.
        return DeliveryError("unreachable", error.text)
    return DeliveryError(reason or "unknown", f"{error.code} {error.text}", is_permanent=True)


async def retry_idempotent(
    call: Callable[[], Awaitable[_T]],
    clock: Clock,
    seconds: float,
    tries: int = _MAX_TRIES,
    *,
    outcome_unknown_possible: bool = False,
) -> _T:
    """Make an idempotent call, with retries where discord.py has none. Raises as `call_once`.

    discord.py does not retry a 503 and, on Linux, a dropped connection. `outcome_unknown_possible`:
    the call is idempotent only for a while, so the outcome may stay unknown
    (`DeliveryOutcomeUnknown`).
    """
    lost: DeliveryOutcomeUnknown | None = None
    for attempt in range(tries):
        try:
            return await call_once(call, seconds)
        except DeliveryOutcomeUnknown as error:
            lost = error
        except DeliveryError as error:
            if error.reason != "unreachable" or (attempt == tries - 1 and lost is None):
                raise
        if attempt < tries - 1:
            await clock.sleep(2.0**attempt / 2)
    assert lost is not None  # noqa: S101 - or it was raised as it came
    raise lost if outcome_unknown_possible else DeliveryError("unreachable", str(lost))


async def call_once(call: Callable[[], Awaitable[_T]], seconds: float) -> _T:
    """Make one call within some seconds. Raises `DeliveryError`, `DeliveryOutcomeUnknown`."""
    try:
        async with asyncio.timeout(seconds):
            return await call()
    except (
        discord.DiscordException,
        aiohttp.ClientError,
        ResponseLost,
        OSError,
        RuntimeError,
        TimeoutError,
        # An answer that breaks off in its middle is no JSON.
        ValueError,
    ) as error:
        raise map_error(error) from None
