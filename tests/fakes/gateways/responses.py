"""Responses of fake gateways: errors in the official shape, videos, broken responses."""

from __future__ import annotations

import json
import re
from base64 import b64decode
from io import BytesIO
from typing import Any

from aiohttp import web
from PIL import Image, UnidentifiedImageError


def error(status: int, message: str, code: str) -> web.Response:
    """An error in the official shape."""
    kind = "invalid_request_error" if status < 500 else "server_error"
    body = {"error": {"message": message, "type": kind, "param": None, "code": code}}
    return web.json_response(body, status=status)


def api_error(kind: type[web.HTTPError], message: str, code: str) -> web.HTTPError:
    """The same as an exception."""
    text = error(kind.status_code, message, code).text
    return kind(text=text, content_type="application/json")


def invalid_request(message: str, code: str = "invalid_request") -> web.HTTPError:
    """A validation error as an exception."""
    return api_error(web.HTTPBadRequest, message, code)


def fastapi_error() -> web.Response:
    """A refusal of servers that are made with FastAPI."""
    wrong = {"type": "value_error", "loc": ["body", "prompt"], "msg": "Value error, no"}
    return web.json_response({"detail": [wrong]}, status=422)


def list_page(shown: list[dict[str, Any]], *, more: bool) -> web.Response:
    """A page of a list."""
    ends = {
        "first_id": shown[0]["id"] if shown else None,
        "last_id": shown[-1]["id"] if shown else None,
        "has_more": more,
    }
    return web.json_response({"object": "list", "data": shown, **ends})


def html_page(status: int) -> web.Response:
    """An HTML page of a proxy in front of the gateway."""
    text = "<html><h1>Bad Gateway</h1></html>"
    return web.Response(status=status, text=text, content_type="text/html")


def drop_connection(request: web.Request) -> web.Response:
    """No answer at all: the connection is reset."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


def truncated(shown: object) -> web.Response:
    """Truncated JSON with a correct length."""
    text = json.dumps(shown)
    return web.Response(text=text[: len(text) // 2], content_type="application/json")


async def half_response(
    request: web.Request, data: bytes, kind: str, *, reset: bool = False
) -> web.StreamResponse:
    """Half of what its length promises; then the connection is closed or reset."""
    headers = {"Content-Length": str(len(data)), "Content-Type": kind}
    answer = web.StreamResponse(headers=headers)
    await answer.prepare(request)
    await answer.write(data[: len(data) // 2])
    if request.transport is not None:
        if reset:
            request.transport.abort()
        else:
            request.transport.close()
    return answer


def video_response(request: web.Request, data: bytes) -> web.Response:
    """The film, or what was asked for of it."""
    found = re.fullmatch(r"bytes=(\d+)-", request.headers.get("Range", ""))
    if found is None:
        return web.Response(body=data, content_type="video/mp4")
    start = int(found.group(1))
    if start >= len(data):
        return web.Response(status=416, headers={"Content-Range": f"bytes */{len(data)}"})
    headers = {"Content-Range": f"bytes {start}-{len(data) - 1}/{len(data)}"}
    return web.Response(body=data[start:], status=206, headers=headers, content_type="video/mp4")


def referred(reference: dict[str, object]) -> bytes:
    """The picture that a JSON body carries."""
    found = re.fullmatch(
        r"data:image/(?:jpeg|png|webp);base64,([\w+/]+=*)", str(reference.get("image_url"))
    )
    if found is None:
        raise invalid_request("The image could not be read.", "invalid_image")
    return b64decode(found.group(1))


def check_picture(picture: bytes, size: str) -> None:
    """The official rules: an image of a known kind, and exactly of the video's size."""
    try:
        with Image.open(BytesIO(picture)) as image:
            kind, shape = image.format, "x".join(map(str, image.size))
    except UnidentifiedImageError:
        raise invalid_request("The image could not be read.", "invalid_image") from None
    if kind not in {"JPEG", "PNG", "WEBP"}:
        raise invalid_request("Unsupported image.", "invalid_image")
    if shape != size:
        raise invalid_request("Inpaint image must match the requested width and height", "")


def still_image(size: str) -> bytes:
    """A still picture in the proportions of a video."""
    width, height = (int(side) // 4 for side in size.split("x"))
    content = BytesIO()
    Image.new("RGB", (width, height), "navy").save(content, "WEBP")
    return content.getvalue()
