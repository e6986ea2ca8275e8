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

from bot.media.links import PublishError, check_name, shown_as

if TYPE_CHECKING:
    from obstore.store import S3Credential, S3Store

LONGEST = 7 * 86400.0
"""Maximum validity of a presigned link, in seconds."""

_FOLDER = "reelay"
_PIECE = 5 << 20
"""Minimum size of a multipart part; the library keeps several copies of it while signing."""
_AT_ONCE = 1
_FILES_AT_ONCE = 2
_PATIENCE = timedelta(minutes=2)
"""Per request, that is per part."""
_CHECKED_FOR = timedelta(minutes=1)
_SHOWN = 300
_STATUS = re.compile(r"status code: (\d{3})")
_CODE = re.compile(r"<Code>(\w{1,80})</Code>")
_OBJECT = re.compile(rf"/?{_FOLDER}/\S*")


@dataclass(frozen=True, slots=True)
class Account:
    """Address of the bucket, and the credentials for it."""

    endpoint: str
    bucket: str
    access_key: str = field(repr=False)
    secret_key: str = field(repr=False)
    region: str = ""


class Bucket:
    """One bucket; a `Publisher`."""

    longest = LONGEST

    def __init__(self, account: Account) -> None:
        self._account = account
        self._store = _store(account)
        self._turns = asyncio.Semaphore(_FILES_AT_ONCE)

    async def publish(self, path: Path, now: float, valid_for: float) -> str:
        """Upload the file in parts and return a presigned link to it."""
        check_name(path.name)
        valid_for = min(valid_for, LONGEST)
        expires = math.ceil(now + valid_for)
        name = f"{_folder(path.name)}/{expires}-{token_urlsafe(24)}{path.suffix}"
        with _explained():
            async with self._turns:
                await self._copy(path, name)
            return await self._link(name, timedelta(seconds=valid_for))

    async def _copy(self, path: Path, name: str) -> None:
        media_type, disposition = shown_as(path.name)
        await self._store.put_async(
            name,
            path,
            attributes={
                "Content-Type": media_type,
                "Content-Disposition": disposition,
                "Cache-Control": "private, no-store",
            },
            chunk_size=_PIECE,
            max_concurrency=_AT_ONCE,
        )

    async def withdraw(self, file_name: str) -> None:
        """Delete all copies of this file. Raises `PublishError`."""
        with _explained():
            await self._remove(_folder(file_name), lambda _: True)

    async def sweep(self, now: float) -> int:
        """Delete objects whose links have expired; return how many. Raises `PublishError`."""
        with _explained():
            return await self._remove(_FOLDER, lambda name: _expires(name) <= now)

    async def check(self) -> str:
        """Test upload, link, list and delete with a tiny object. Raises `PublishError`."""
        name, content = f"{_FOLDER}/check/0-{token_urlsafe(24)}.jpg", token_bytes(64)
        with _explained():
            await self._store.put_async(name, content, attributes={"Content-Type": "image/jpeg"})
            link = await self._link(name, _CHECKED_FOR)
        try:
            await _check_link(link, content)
        finally:
            with _explained():
                gone = await self._remove(_FOLDER, lambda one: one == name)
        if not gone:
            raise PublishError("the test object is missing in the list of objects")
        host = urlsplit(self._account.endpoint).hostname
        return f"{self._account.bucket} at {host}: upload, link, list and delete work"

    async def _link(self, name: str, valid_for: timedelta) -> str:
        from obstore import sign_async  # noqa: PLC0415 - imported only if a bucket is configured

        return await sign_async(self._store, "GET", name, valid_for)

    async def _remove(self, folder: str, gone: Callable[[str], bool]) -> int:
        names = [
            found["path"]
            async for page in self._store.list(folder)
            for found in page
            if gone(found["path"])
        ]
        if names:
            await self._store.delete_async(names)
        return len(names)


def _store(account: Account) -> S3Store:
    from obstore.store import S3Store  # noqa: PLC0415 - imported only if a bucket is configured

    def credential() -> S3Credential:
        return {
            "access_key_id": account.access_key,
            "secret_access_key": account.secret_key,
            "token": None,
            "expires_at": None,
        }

    host = urlsplit(account.endpoint).hostname or ""
    # Set everything that the library would otherwise read from the environment: a token or an
    # address that is meant for another program must not get into our links.
    return S3Store(
        account.bucket,
        endpoint=account.endpoint,
        aws_endpoint_url_s3=account.endpoint,
        region=account.region or "us-east-1",
        credential_provider=credential,
        virtual_hosted_style_request=host.startswith(f"{account.bucket}."),
        skip_signature=False,
        unsigned_payload=False,
        s3_express=False,
        request_payer=False,
        # Not every compatible server supports bulk delete.
        disable_bulk_delete=True,
        client_options={
            "allow_http": account.endpoint.startswith("http:"),
            "timeout": _PATIENCE,
            "connect_timeout": timedelta(seconds=10),
            "user_agent": "reelay",
        },
        # Callers retry on their own and inform the user meanwhile.
        retry_config={"max_retries": 2, "retry_timeout": timedelta(seconds=20)},
    )


def _folder(file_name: str) -> str:
    """Return the key prefix of all copies of a file; the file name cannot be derived from it."""
    return f"{_FOLDER}/{sha256(file_name.encode()).hexdigest()[:32]}"


def _expires(name: str) -> float:
    """Return the expiry of an object in UNIX seconds; infinity if the key is not one of ours."""
    number = name.rpartition("/")[2].partition("-")[0]
    return int(number) if number.isdecimal() else math.inf


async def _check_link(link: str, content: bytes) -> None:
    try:
        async with httpx.AsyncClient(trust_env=False) as client:
            answer = await client.get(link)
    except httpx.HTTPError as error:
        raise PublishError(f"the presigned link cannot be opened: {error!r}") from None
    if answer.content != content:
        raise PublishError(
            f"the presigned link returned status {answer.status_code}, not the uploaded content"
        )


@contextmanager
def _explained() -> Iterator[None]:
    from obstore.exceptions import BaseError  # noqa: PLC0415 - imported only if there is a bucket

    try:
        yield
    except (BaseError, OSError, ValueError) as error:
        raise PublishError(_in_a_line(str(error))) from None


def _in_a_line(error: str) -> str:
    """Return status and code of the server, else the first line of the error without keys."""
    said = [found[1] for found in (_STATUS.search(error), _CODE.search(error)) if found]
    if said:
        return f"the server responded {' '.join(said)}"
    return _OBJECT.sub("/...", error.partition("\n")[0])[:_SHOWN]
