"""A strict S3 server: one bucket in memory, behind AWS Signature Version 4.

Every request is signed anew here from what came over the wire, in its headers or in the query of a
presigned link, and refused unless the two signatures agree; a link also once its time is over.
Written from Amazon's public description of the protocol. `later` is how far its clock is ahead.
"""

from __future__ import annotations

import hmac
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from typing import Self
from urllib.parse import quote, unquote, unquote_plus
from xml.etree import ElementTree as ET

from aiohttp import web

REGION = "eu-test-1"
BUCKET = "films"
ACCESS_KEY = "AKIDEXAMPLE"
SECRET_KEY = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"

_ALGORITHM = "AWS4-HMAC-SHA256"
_UNSIGNED = "UNSIGNED-PAYLOAD"
_CLOCKS_APART = 900.0
_LONGEST_LINK = 604_800
_LEAST_PART = 5 << 20
_KEPT = ("Content-Type", "Content-Disposition", "Cache-Control")
_NAMESPACE = 'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'


class _Fault(Exception):
    """An answer that is an error, with its status and its code."""

    def __init__(self, status: int, code: str) -> None:
        super().__init__(code)
        self.status = status
        self.code = code


@dataclass(frozen=True)
class StoredObject:
    """One object."""

    content: bytes
    headers: Mapping[str, str]


@dataclass
class FakeS3:
    """The fake server and its state."""

    page: int = 1000
    """Keys in one page of a list."""
    later: float = 0.0
    allowed: int | None = None
    """Requests that are answered before all others are refused; None: no limit."""
    refuse: list[tuple[int, str]] = field(default_factory=list)
    """The next requests get these, in turn: a status and a code."""
    objects: dict[str, StoredObject] = field(default_factory=dict)
    requests: Counter[str] = field(default_factory=Counter)
    refused: list[str] = field(default_factory=list)
    """The codes of what was refused."""
    largest_body: int = 0
    url: str = ""
    _uploads: dict[str, tuple[str, Mapping[str, str], dict[int, bytes]]] = field(
        default_factory=dict
    )
    _runner: web.AppRunner | None = None

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=1 << 30)
        app.router.add_route("*", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._runner is not None
        await self._runner.cleanup()

    @property
    def unfinished(self) -> int:
        """Uploads in parts that were neither completed nor given up."""
        return len(self._uploads)

    def _now(self) -> float:
        return time.time() + self.later

    # --- requests ------------------------------------------------------------------------

    async def _answer(self, request: web.Request) -> web.Response:
        body = await request.read()
        self.largest_body = max(self.largest_body, len(body))
        query = _query(request)
        try:
            check_signature(request, query, body, self._now())
            return self._done(request, query, body)
        except _Fault as fault:
            self.refused.append(fault.code)
            text = f"<Error><Code>{fault.code}</Code><Message>no</Message></Error>"
            return web.Response(status=fault.status, text=text, content_type="application/xml")

    def _done(self, request: web.Request, query: dict[str, str], body: bytes) -> web.Response:
        if self.refuse:
            raise _Fault(*self.refuse.pop(0))
        if self.allowed is not None:
            if not self.allowed:
                raise _Fault(403, "AccessDenied")
            self.allowed -= 1
        bucket, _, key = unquote(request.raw_path.partition("?")[0]).lstrip("/").partition("/")
        if bucket != BUCKET:
            raise _Fault(404, "NoSuchBucket")
        verb = next((name for name in ("uploads", "uploadId", "delete") if name in query), "")
        self.requests[f"{request.method} {verb or ('key' if key else 'bucket')}"] += 1
        match request.method, verb, bool(key):
            case "PUT", "", True:
                self.objects[key] = StoredObject(body, _kept(request))
                return web.Response(headers={"ETag": _tag(body)})
            case "GET" | "HEAD", "", True:
                return self._shown(request, key)
            case "GET", "", False:
                return self._listed(query)
            case "DELETE", "", True:
                self.objects.pop(key, None)
                return web.Response(status=204)
            case "POST", "delete", False:
                return self._deleted(body)
            case _, "uploads" | "uploadId", True:
                return self._in_parts(request, query, key, body)
        raise _Fault(405, "MethodNotAllowed")

    def _shown(self, request: web.Request, key: str) -> web.Response:
        if key not in self.objects:
            raise _Fault(404, "NoSuchKey")
        content, headers = self.objects[key].content, dict(self.objects[key].headers)
        headers |= {"Accept-Ranges": "bytes", "ETag": _tag(content)}
        headers["Last-Modified"] = "Wed, 01 Jan 2025 00:00:00 GMT"
        wanted = request.http_range
        if wanted.start is None and wanted.stop is None:
            return web.Response(body=content, headers=headers)
        start, stop, _ = wanted.indices(len(content))
        if start >= stop:
            raise _Fault(416, "InvalidRange")
        headers["Content-Range"] = f"bytes {start}-{stop - 1}/{len(content)}"
        return web.Response(status=206, body=content[start:stop], headers=headers)

    def _listed(self, query: dict[str, str]) -> web.Response:
        if query.get("list-type") != "2":
            raise _Fault(400, "InvalidRequest")
        after = query.get("continuation-token", query.get("start-after", ""))
        prefix = query.get("prefix", "")
        keys = sorted(key for key in self.objects if key.startswith(prefix) and key > after)
        shown = keys[: self.page]
        rows = "".join(
            f"<Contents><Key>{key}</Key><LastModified>2025-01-01T00:00:00.000Z</LastModified>"
            f"<ETag>{_tag(self.objects[key].content)}</ETag>"
            f"<Size>{len(self.objects[key].content)}</Size></Contents>"
            for key in shown
        )
        more = len(keys) > len(shown)
        token = f"<NextContinuationToken>{shown[-1]}</NextContinuationToken>" if more else ""
        return _xml(
            f"<ListBucketResult {_NAMESPACE}><Name>{BUCKET}</Name><Prefix>{prefix}</Prefix>"
            f"<KeyCount>{len(shown)}</KeyCount><MaxKeys>{self.page}</MaxKeys>"
            f"<IsTruncated>{str(more).lower()}</IsTruncated>{token}{rows}</ListBucketResult>"
        )

    def _deleted(self, body: bytes) -> web.Response:
        elements = ET.fromstring(body).iter()  # noqa: S314 - our own client wrote it
        gone = [element.text or "" for element in elements if element.tag.endswith("Key")]
        for key in gone:
            self.objects.pop(key, None)
        rows = "".join(f"<Deleted><Key>{key}</Key></Deleted>" for key in gone)
        return _xml(f"<DeleteResult {_NAMESPACE}>{rows}</DeleteResult>")

    def _in_parts(
        self, request: web.Request, query: dict[str, str], key: str, body: bytes
    ) -> web.Response:
        upload = query.get("uploadId", "")
        if request.method == "POST" and not upload:
            upload = f"upload-{sum(self.requests.values())}"
            self._uploads[upload] = (key, _kept(request), {})
            return _xml(
                f"<InitiateMultipartUploadResult {_NAMESPACE}><Bucket>{BUCKET}</Bucket>"
                f"<Key>{key}</Key><UploadId>{upload}</UploadId></InitiateMultipartUploadResult>"
            )
        if upload not in self._uploads or self._uploads[upload][0] != key:
            raise _Fault(404, "NoSuchUpload")
        if request.method == "PUT":
            self._uploads[upload][2][int(query["partNumber"])] = body
            return web.Response(headers={"ETag": _tag(body)})
        _, headers, parts = self._uploads.pop(upload)
        if request.method == "DELETE":
            return web.Response(status=204)
        pieces = [parts[number] for number in sorted(parts)]
        if any(len(piece) < _LEAST_PART for piece in pieces[:-1]):
            raise _Fault(400, "EntityTooSmall")
        self.objects[key] = StoredObject(b"".join(pieces), headers)
        tag = _tag(self.objects[key].content)
        return _xml(
            f"<CompleteMultipartUploadResult {_NAMESPACE}><Location>x</Location>"
            f"<Bucket>{BUCKET}</Bucket><Key>{key}</Key><ETag>{tag}</ETag>"
            "</CompleteMultipartUploadResult>"
        )


def _xml(text: str) -> web.Response:
    return web.Response(text=text, content_type="application/xml")


def _kept(request: web.Request) -> dict[str, str]:
    return {name: request.headers[name] for name in _KEPT if name in request.headers}


def _tag(content: bytes) -> str:
    return f'"{sha256(content).hexdigest()[:32]}"'


# --- Signature Version 4 -----------------------------------------------------------------


def check_signature(request: web.Request, query: dict[str, str], body: bytes, now: float) -> None:
    """Raise the refusal unless the request was signed with our key, for now."""
    presigned = "X-Amz-Signature" in query
    given = query if presigned else _authorization(request)
    credential, scope = given.get("X-Amz-Credential", "").partition("/")[::2]
    day = scope.partition("/")[0]
    if credential != ACCESS_KEY:
        raise _Fault(403, "InvalidAccessKeyId")
    if scope != f"{day}/{REGION}/s3/aws4_request" or given.get("X-Amz-Algorithm") != _ALGORITHM:
        raise _Fault(403, "AuthorizationHeaderMalformed")
    stamp = query.get("X-Amz-Date", "") if presigned else request.headers.get("x-amz-date", "")
    _check_time(stamp, day, query.get("X-Amz-Expires") if presigned else None, now)
    payload = _UNSIGNED if presigned else request.headers.get("x-amz-content-sha256", "")
    if payload != _UNSIGNED and payload != sha256(body).hexdigest():
        raise _Fault(400, "XAmzContentSHA256Mismatch")
    names = given.get("X-Amz-SignedHeaders", "").split(";")
    must = {"host"} | {
        name.lower() for name in request.headers if name.lower().startswith("x-amz-")
    }
    if not must <= set(names):
        raise _Fault(403, "AccessDenied")
    text = _string_to_sign(request, query, names, payload, stamp, scope)
    ours = _hmac(_signing_key(day), text).hex()
    if not hmac.compare_digest(ours, given.get("X-Amz-Signature", "")):
        raise _Fault(403, "SignatureDoesNotMatch")


def _check_time(stamp: str, day: str, expires: str | None, now: float) -> None:
    try:
        signed = datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp()
        valid = int(expires) if expires is not None else 0
    except ValueError:
        raise _Fault(403, "AccessDenied") from None
    if not stamp.startswith(day) or signed > now + _CLOCKS_APART:
        raise _Fault(403, "RequestTimeTooSkewed")
    if expires is None:
        if signed < now - _CLOCKS_APART:
            raise _Fault(403, "RequestTimeTooSkewed")
    elif not 0 < valid <= _LONGEST_LINK:
        raise _Fault(400, "AuthorizationQueryParametersError")
    elif now >= signed + valid:
        raise _Fault(403, "AccessDenied")


def _authorization(request: web.Request) -> dict[str, str]:
    """The header in the words of the query."""
    algorithm, _, rest = request.headers.get("Authorization", "").partition(" ")
    if not rest:
        raise _Fault(403, "AccessDenied")
    parts = dict(part.strip().partition("=")[::2] for part in rest.split(","))
    return {"X-Amz-Algorithm": algorithm} | {f"X-Amz-{key}": one for key, one in parts.items()}


def _query(request: web.Request) -> dict[str, str]:
    pairs = request.raw_path.partition("?")[2].split("&")
    return {
        unquote_plus(name): unquote_plus(value)
        for name, _, value in (pair.partition("=") for pair in pairs if pair)
    }


def _string_to_sign(
    request: web.Request,
    query: dict[str, str],
    names: list[str],
    payload: str,
    stamp: str,
    scope: str,
) -> str:
    path = quote(unquote(request.raw_path.partition("?")[0]), safe="/~")
    pairs = sorted(
        (quote(name, safe="~"), quote(value, safe="~"))
        for name, value in query.items()
        if name != "X-Amz-Signature"
    )
    canonical = "\n".join(
        [
            request.method,
            path,
            "&".join(f"{name}={value}" for name, value in pairs),
            *(f"{name}:{' '.join(request.headers.get(name, '').split())}" for name in names),
            "",
            ";".join(names),
            payload,
        ]
    )
    return f"{_ALGORITHM}\n{stamp}\n{scope}\n{sha256(canonical.encode()).hexdigest()}"


def _signing_key(day: str) -> bytes:
    key = f"AWS4{SECRET_KEY}".encode()
    for word in (day, REGION, "s3", "aws4_request"):
        key = _hmac(key, word)
    return key


def _hmac(key: bytes, text: str) -> bytes:
    return hmac.digest(key, text.encode(), "sha256")
