"""Parse the body of a call in each encoding of the Bot API; files go to disk."""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from aiohttp import BodyPartReader, web

from tests.fakes.telegram.files import Files
from tests.fakes.telegram.value_checks import Upload

_PIECE = 1 << 18
_AROUND = 1 << 20
"""What there may be besides a file."""


class TooLarge(Exception):
    """More than the proxy lets through."""


async def read_body(
    request: web.Request, files: Files, largest: int
) -> tuple[Mapping[str, Any], Mapping[str, Upload], bool]:
    """(Parameters, files, whether the parameters are texts of a form).

    Raises `TooLarge`, and `ValueError` for what cannot be read.
    """
    if (request.content_length or 0) > largest + _AROUND:
        raise TooLarge
    query = dict(request.query)
    if request.content_type == "application/json" and request.can_read_body:
        body = json.loads(await request.read() or b"{}")
        if not isinstance(body, dict) or query:
            raise ValueError("the body is no JSON object, or there is a query as well")
        return body, {}, False
    if request.content_type == "multipart/form-data":
        return await _parts(request, files, largest, query)
    if request.can_read_body and request.content_type != "application/x-www-form-urlencoded":
        raise ValueError(f"sent as {request.content_type}")
    return query | {name: str(value) for name, value in (await request.post()).items()}, {}, True


async def _parts(
    request: web.Request, files: Files, largest: int, given: dict[str, Any]
) -> tuple[Mapping[str, Any], Mapping[str, Upload], bool]:
    uploads: dict[str, Upload] = {}
    async for part in await request.multipart():
        if not isinstance(part, BodyPartReader) or part.name is None:
            raise ValueError("a part that has no name")
        if part.filename is None:
            given[part.name] = await part.text()
            continue
        uploads[part.name] = await _kept(part, files, largest)
    # What is named as a parameter is one; the others are meant by `attach://`.
    named = {name: one for name, one in uploads.items() if f"attach://{name}" not in given.values()}
    given |= named
    return given, uploads, True


async def _kept(part: BodyPartReader, files: Files, most: int) -> Upload:
    path, size, digest = files.scratch(), 0, sha256()
    with path.open("wb") as file:
        while piece := await part.read_chunk(_PIECE):
            size += len(piece)
            if size > most:
                raise TooLarge
            digest.update(piece)
            file.write(piece)
    return Upload(part.name or "", part.filename or "", path, size, digest.hexdigest())
