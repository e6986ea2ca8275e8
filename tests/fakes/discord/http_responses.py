"""HTTP responses, including those of a proxy in front of the server."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from tests.fakes.discord.faults import Fault, Faults
from tests.fakes.telegram.error_responses import drop_connection, html_page

__all__ = [
    "ban_page",
    "drop_connection",
    "faulty_response",
    "html_page",
    "json_response",
    "rate_limit_response",
]


def json_response(status: int, body: Any, headers: Mapping[str, str] | None = None) -> web.Response:
    """A body as Discord sends it: its type is exactly `application/json`."""
    told = {"Content-Type": "application/json", "Via": "1.1 google", **(headers or {})}
    return web.Response(status=status, body=json.dumps(body).encode(), headers=told)


def rate_limit_response(
    seconds: float, scope: str = "user", *, everywhere: bool = False
) -> web.Response:
    """A 429 of Discord itself; `scope`: `user`, `shared` or `global`."""
    headers = {"Retry-After": str(int(seconds) + 1), "X-RateLimit-Scope": scope}
    if everywhere:
        headers["X-RateLimit-Global"] = "true"
    body = {"message": "You are being rate limited.", "retry_after": seconds}
    return json_response(429, {**body, "global": everywhere}, headers)


def ban_page() -> web.Response:
    """A 429 of the proxy in front of Discord."""
    return web.Response(status=429, text="error code: 1015", headers={"Retry-After": "3600"})


async def faulty_response(request: web.Request, fault: Fault, faults: Faults) -> web.Response:
    """The faulty response to a call."""
    match fault.kind:
        case "429":
            return rate_limit_response(fault.retry_after)
        case "429-shared":
            return rate_limit_response(fault.retry_after, "shared")
        case "429-global":
            return rate_limit_response(fault.retry_after, "global", everywhere=True)
        case "429-cloudflare":
            return ban_page()
        case "500":
            return json_response(500, {"message": "500: Internal Server Error", "code": 0})
        case "502":
            return json_response(502, {"message": "502: Bad Gateway", "code": 0})
        case "502-html":
            return html_page(502, "Bad Gateway")
        case "503":
            return web.Response(status=503, text="upstream connect error or disconnect/reset")
        case "504":
            return html_page(504, "Gateway Timeout")
        case "garbage-after":
            told = {"Content-Type": "application/json"}
            return web.Response(body=b'{"id": "12', headers=told)
        case "hanging" | "hanging-after":
            await faults.hold()
    return drop_connection(request)
