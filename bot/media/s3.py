"""Publish files in an S3-compatible bucket by presigned links that expire.

The key of an object is `reelay/<hash of the file name>/<expiry>-<random token>.<extension>`. So all
copies of a file can be found and deleted, and expired objects are recognized by their key alone,
whichever process created them. The bucket stays private: only a presigned link opens an object.
"""

from __future__ import annotations

import asyncio
import math
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from secrets import token_bytes, token_urlsafe
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import httpx

from bot.media.links import PublishError, check_public_name, content_headers

if TYPE_CHECKING:
    from obstore.store import S3Credential, S3Store

MAX_LINK_VALIDITY_S = 7 * 86400.0
"""Maximum validity of a presigned link, in seconds."""

_PREFIX = "reelay"
_PART_BYTES = 5 << 20
"""Minimum size of a multipart part; the library keeps several copies of it while signing."""
_MAX_CONCURRENT_PARTS = 1
_MAX_CONCURRENT_UPLOADS = 2
_REQUEST_TIMEOUT = timedelta(minutes=2)
"""Per request, that is per part."""
_CHECK_LINK_VALIDITY = timedelta(minutes=1)
_MAX_ERROR_CHARS = 300
_STATUS = re.compile(r"status code: (\d{3})")
_CODE = re.compile(r"<Code>(\w{1,80})</Code>")
_OBJECT_KEY = re.compile(rf"/?{_PREFIX}/\S*")


@dataclass(frozen=True, slots=True)
class S3Settings:
    """Address of the bucket, and the credentials for it."""

    endpoint: str
    bucket: str
    access_key: str = field(repr=False)
    secret_key: str = field(repr=False)
    region: str = ""


class S3Publisher:
    """A `Publisher` that uploads files to one bucket."""

    max_validity_s = MAX_LINK_VALIDITY_S

    def __init__(self, settings: S3Settings) -> None:
        self._settings = settings
        self._store = _open_store(settings)
        self._upload_slots = asyncio.Semaphore(_MAX_CONCURRENT_UPLOADS)

    async def publish(self, path: Path, now: float, valid_for_s: float) -> str:
        """Upload the file in parts and return a presigned link to it."""
        check_public_name(path.name)
        valid_for_s = min(valid_for_s, MAX_LINK_VALIDITY_S)
        expires_at = math.ceil(now + valid_for_s)
        key = f"{_file_prefix(path.name)}/{expires_at}-{token_urlsafe(24)}{path.suffix}"
        with _translate_errors():
            async with self._upload_slots:
                await self._upload(path, key)
            return await self._presign(key, timedelta(seconds=valid_for_s))

    async def _upload(self, path: Path, key: str) -> None:
        media_type, disposition = content_headers(path.name)
        await self._store.put_async(
            key,
            path,
            attributes={
                "Content-Type": media_type,
                "Content-Disposition": disposition,
                "Cache-Control": "private, no-store",
            },
            chunk_size=_PART_BYTES,
            max_concurrency=_MAX_CONCURRENT_PARTS,
        )

    async def revoke(self, file_name: str) -> None:
        """Delete all copies of this file. Raises `PublishError`."""
        with _translate_errors():
            await self._delete_matching(_file_prefix(file_name), lambda _: True)

    async def remove_expired(self, now: float) -> int:
        """Delete objects whose links have expired; return how many. Raises `PublishError`."""
        with _translate_errors():
            return await self._delete_matching(_PREFIX, lambda key: _expiry_of(key) <= now)

    async def check(self) -> str:
        """Test upload, link, list and delete with a tiny object. Raises `PublishError`."""
        key, content = f"{_PREFIX}/check/0-{token_urlsafe(24)}.jpg", token_bytes(64)
        with _translate_errors():
            await self._store.put_async(key, content, attributes={"Content-Type": "image/jpeg"})
            link = await self._presign(key, _CHECK_LINK_VALIDITY)
        try:
            await _check_link(link, content)
        finally:
            with _translate_errors():
                deleted = await self._delete_matching(_PREFIX, lambda listed_key: listed_key == key)
        if not deleted:
            raise PublishError("the test object is missing in the list of objects")
        host = urlsplit(self._settings.endpoint).hostname
        return f"{self._settings.bucket} at {host}: upload, link, list and delete work"

    async def _presign(self, key: str, valid_for: timedelta) -> str:
        from obstore import sign_async  # noqa: PLC0415 - imported only if a bucket is configured

        return await sign_async(self._store, "GET", key, valid_for)

    async def _delete_matching(self, prefix: str, should_delete: Callable[[str], bool]) -> int:
        keys = [
            item["path"]
            async for page in self._store.list(prefix)
            for item in page
            if should_delete(item["path"])
        ]
        if keys:
            await self._store.delete_async(keys)
        return len(keys)


def _open_store(settings: S3Settings) -> S3Store:
    from obstore.store import S3Store  # noqa: PLC0415 - imported only if a bucket is configured

    def credential() -> S3Credential:
        return {
            "access_key_id": settings.access_key,
            "secret_access_key": settings.secret_key,
            "token": None,
            "expires_at": None,
        }

    host = urlsplit(settings.endpoint).hostname or ""
    # Set everything that the library would otherwise read from the environment: a token or an
    # address that is meant for another program must not get into our links.
    return S3Store(
        settings.bucket,
        endpoint=settings.endpoint,
        aws_endpoint_url_s3=settings.endpoint,
        region=settings.region or "us-east-1",
        credential_provider=credential,
        virtual_hosted_style_request=host.startswith(f"{settings.bucket}."),
        skip_signature=False,
        unsigned_payload=False,
        s3_express=False,
        request_payer=False,
        # Not every compatible server supports bulk delete.
        disable_bulk_delete=True,
        client_options={
            "allow_http": settings.endpoint.startswith("http:"),
            "timeout": _REQUEST_TIMEOUT,
            "connect_timeout": timedelta(seconds=10),
            "user_agent": "reelay",
        },
        # Callers retry on their own and inform the user meanwhile.
        retry_config={"max_retries": 2, "retry_timeout": timedelta(seconds=20)},
    )


def _file_prefix(file_name: str) -> str:
    """Return the key prefix of all copies of a file; the file name cannot be derived from it."""
    return f"{_PREFIX}/{sha256(file_name.encode()).hexdigest()[:32]}"


def _expiry_of(key: str) -> float:
    """Return the expiry of an object in UNIX seconds; infinity if the key is not one of ours."""
    expires_at = key.rpartition("/")[2].partition("-")[0]
    return int(expires_at) if expires_at.isdecimal() else math.inf


async def _check_link(link: str, content: bytes) -> None:
    try:
        async with httpx.AsyncClient(trust_env=False) as client:
            response = await client.get(link)
    except httpx.HTTPError as error:
        raise PublishError(f"the presigned link cannot be opened: {error!r}") from None
    if response.content != content:
        raise PublishError(
            f"the presigned link returned status {response.status_code}, not the uploaded content"
        )


@contextmanager
def _translate_errors() -> Iterator[None]:
    from obstore.exceptions import BaseError  # noqa: PLC0415 - imported only if there is a bucket

    try:
        yield
    except (BaseError, OSError, ValueError) as error:
        raise PublishError(_error_summary(str(error))) from None


def _error_summary(error: str) -> str:
    """Return status and code of the server, else the first line of the error without keys."""
    details = [match[1] for match in (_STATUS.search(error), _CODE.search(error)) if match]
    if details:
        return f"the server responded {' '.join(details)}"
    return _OBJECT_KEY.sub("/...", error.partition("\n")[0])[:_MAX_ERROR_CHARS]
