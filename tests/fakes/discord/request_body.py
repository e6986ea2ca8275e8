"""Parse the body of a call in each encoding of Discord; files go to disk."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from aiohttp import BodyPartReader, web

from tests.fakes.discord.cdn import Cdn
from tests.fakes.discord.error_responses import ApiError, Upload

_PIECE = 1 << 18
LARGEST_BODY = 500 << 20
_MOST_JSON = 8 << 20


async def read_body(request: web.Request, cdn: Cdn) -> tuple[Any, Mapping[int, Upload]]:
    """(The body, files by number).

    Raises `ValueError` for what cannot be read.
    """
    if (request.content_length or 0) > LARGEST_BODY:
        raise ApiError(413, 40005, "Request entity too large", foreseen=False)
    if request.content_type == "multipart/form-data":
        return await _parts(request, cdn)
    raw = await request.read()
    if not raw:
        return None, {}
    if request.headers.get("Content-Type") != "application/json":
        # Discord takes others as well, but our clients mean JSON and say so in this very way.
        raise ValueError(f"sent as {request.headers.get('Content-Type')!r}")
    return json.loads(raw), {}


async def _parts(request: web.Request, cdn: Cdn) -> tuple[Any, Mapping[int, Upload]]:
    uploads: dict[int, Upload] = {}
    body: Any = {}
    async for part in await request.multipart():
        if not isinstance(part, BodyPartReader) or part.name is None:
            raise ValueError("a part that has no name")
        if part.name == "payload_json":
            body = json.loads(await part.text())
            continue
        named = re.fullmatch(r"files\[(\d+)\]", part.name)
        if named is None or part.filename is None:
            raise ValueError(f"a part {part.name!r} that nothing asks for")
        uploads[int(named[1])] = await _kept(part, cdn)
    return body, uploads


async def _kept(part: BodyPartReader, cdn: Cdn) -> Upload:
    path, size, digest = cdn.scratch(), 0, sha256()
    with path.open("wb") as file:
        while piece := await part.read_chunk(_PIECE):
            size += len(piece)
            if size > LARGEST_BODY:
                raise ApiError(413, 40005, "Request entity too large", foreseen=False)
            digest.update(piece)
            file.write(piece)
    return Upload(part.name or "", part.filename or "", path, size, digest.hexdigest())
