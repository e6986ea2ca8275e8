"""Files of ours in an S3-compatible bucket, each behind a presigned link that expires.

An object's name is `reelay/<which file>/<when it may go>-<what nobody can guess>.<ending>`: so the
copies of one file can be found and removed, and everything that has expired is swept by its name
alone, whoever put it there. The bucket stays private; only a link opens an object.
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

from bot.media.publish import PublishError, check_name, shown_as

if TYPE_CHECKING:
    from obstore.store import S3Credential, S3Store

LONGEST = 7 * 86400.0
"""A presigned link cannot be good for longer."""

_FOLDER = "reelay"
_PIECE = 5 << 20
"""The least that a server takes as a part; the library holds it several times while it signs."""
_AT_ONCE = 1
_FILES_AT_ONCE = 2
_PATIENCE = timedelta(minutes=2)
"""For one request, that is for one piece."""
_CHECKED_FOR = timedelta(minutes=1)
_SHOWN = 300
_STATUS = re.compile(r"status code: (\d{3})")
_CODE = re.compile(r"<Code>(\w{1,80})</Code>")
_OBJECT = re.compile(rf"/?{_FOLDER}/\S*")


@dataclass(frozen=True, slots=True)
class Account:
    """Where the bucket is, and the key to it."""

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
        """Copy the file there, in pieces; a link to the copy."""
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
        """Remove all copies of this file."""
        with _explained():
            await self._remove(_folder(file_name), lambda _: True)

    async def sweep(self, now: float) -> int:
        """Remove the copies whose links have expired: how many."""
        with _explained():
            return await self._remove(_FOLDER, lambda name: _expires(name) <= now)

    async def check(self) -> str:
        """Try all that is needed with a tiny object. Raises `PublishError`."""
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
            raise PublishError("what was written is not in the list")
        host = urlsplit(self._account.endpoint).hostname
        return f"{self._account.bucket} at {host}: writes, links, lists and removes"

    async def _link(self, name: str, valid_for: timedelta) -> str:
        from obstore import sign_async  # noqa: PLC0415 - loaded with the store

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
    from obstore.store import S3Store  # noqa: PLC0415 - costs only those who have a bucket

    def credential() -> S3Credential:
        return {
            "access_key_id": account.access_key,
            "secret_access_key": account.secret_key,
            "token": None,
            "expires_at": None,
        }

    host = urlsplit(account.endpoint).hostname or ""
    # Everything is said here that the library would else look up in the environment: a token or an
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
        # Not every compatible server can remove several at once.
        disable_bulk_delete=True,
        client_options={
            "allow_http": account.endpoint.startswith("http:"),
            "timeout": _PATIENCE,
            "connect_timeout": timedelta(seconds=10),
            "user_agent": "reelay",
        },
        # Whoever publishes tries again by himself, and tells people meanwhile.
        retry_config={"max_retries": 2, "retry_timeout": timedelta(seconds=20)},
    )


def _folder(file_name: str) -> str:
    """The folder of all copies of a file; its name tells nothing of the file's."""
    return f"{_FOLDER}/{sha256(file_name.encode()).hexdigest()[:32]}"


def _expires(name: str) -> float:
    """When an object may go; one that is not of ours never may."""
    number = name.rpartition("/")[2].partition("-")[0]
    return int(number) if number.isdecimal() else math.inf


async def _check_link(link: str, content: bytes) -> None:
    try:
        async with httpx.AsyncClient(trust_env=False) as client:
            answer = await client.get(link)
    except httpx.HTTPError as error:
        raise PublishError(f"its link cannot be opened: {error!r}") from None
    if answer.content != content:
        raise PublishError(f"its link answers {answer.status_code} and not what was written")


@contextmanager
def _explained() -> Iterator[None]:
    from obstore.exceptions import BaseError  # noqa: PLC0415 - loaded with the store

    try:
        yield
    except (BaseError, OSError, ValueError) as error:
        raise PublishError(_in_a_line(str(error))) from None


def _in_a_line(error: str) -> str:
    """The server's own word, or the library's first line without the names of objects."""
    said = [found[1] for found in (_STATUS.search(error), _CODE.search(error)) if found]
    if said:
        return f"the server says {' '.join(said)}"
    return _OBJECT.sub("/...", error.partition("\n")[0])[:_SHOWN]
