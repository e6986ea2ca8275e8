"""Error responses, including those of a proxy in front of the server."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiohttp import web

from tests.fakes.telegram.faults import Fault, Faults


def error_response(
    code: int, description: str, parameters: Mapping[str, int] | None = None
) -> web.Response:
    """A refusal."""
    body: dict[str, Any] = {"ok": False, "error_code": code, "description": description}
    if parameters:
        body["parameters"] = dict(parameters)
    return web.json_response(body, status=code)


def html_page(code: int, words: str) -> web.Response:
    """What a proxy says."""
    title = f"{code} {words}"
    text = (
        f"<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n"
        f"<center><h1>{title}</h1></center>\r\n<hr><center>nginx/1.18.0</center>\r\n"
        "</body>\r\n</html>\r\n"
    )
    return web.Response(status=code, text=text, content_type="text/html")


def drop_connection(request: web.Request) -> web.Response:
    """No answer at all."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


async def faulty_response(request: web.Request, fault: Fault, faults: Faults) -> web.Response:
    """The faulty response to a call."""
    match fault.kind:
        case "429":
            return error_response(429, *flood_error(fault.retry_after))
        case "500":
            return error_response(500, "Internal Server Error")
        case "503":
            return error_response(503, "Service Unavailable")
        case "504":
            return error_response(504, "Gateway Timeout")
        case "502-html":
            return html_page(502, "Bad Gateway")
        case "garbage" | "garbage-after":
            return web.Response(text='{"ok": tr', content_type="application/json")
        case "hanging" | "hanging-after":
            await faults.hold()
    return drop_connection(request)


def flood_error(seconds: int) -> tuple[str, Mapping[str, int]]:
    """What is said of a flood: (words, parameters)."""
    return f"Too Many Requests: retry after {seconds}", {"retry_after": seconds}
