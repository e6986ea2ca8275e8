"""Publish files by expiring links, for gateways that download images and for users.

`Links` creates signed links to our own web server; `bucket.py` is the alternative. A signed link
works in every process that has the signing secret and the file: the one that created it, and those
that share its `DATA_DIR`. `PUBLIC_URL` must lead to one of them. Processes that share only the
database need an address each, or a bucket.
"""

from __future__ import annotations

import fcntl
import hmac
import math
import os
import secrets
import stat
from base64 import urlsafe_b64decode, urlsafe_b64encode
from pathlib import Path, PurePath
from typing import Protocol

import structlog

from bot.domain.tasks import Task
from bot.media.storage import Spool
from bot.media.transcoder import Fitter

MEDIA_TYPES = {
    ".jpg": "image/jpeg",
    ".mp4": "video/mp4",
    ".png": "image/png",
    ".webp": "image/webp",
}
"""Extensions of the files that we write; no other file is ever published."""

_RESULT = ".mp4"
_SECRET_BYTES = 32
_SEAL_BYTES = 32
_EXPIRY_BYTES = 8
_PURPOSE = b"media link\n"
"""Prefix of the signed bytes, so that a signature made for another purpose is never valid here."""


class PublishError(Exception):
    """A file cannot be published now; the message is one line without secrets."""


class Publisher(Protocol):
    """Makes files available by links that expire."""

    longest: float
    """Maximum validity of a link, in seconds."""

    async def publish(self, path: Path, now: float, valid_for: float) -> str:
        """Return a link to an image or result, valid for `valid_for` seconds, at most `longest`.

        Raises `PublishError`.
        """
        ...

    async def withdraw(self, file_name: str) -> None:
        """Invalidate all links to this file. Raises `PublishError`."""
        ...

    async def sweep(self, now: float) -> int:
        """Delete published copies that have expired; return how many. Raises `PublishError`."""
        ...


class Links:
    """Creates and verifies signed links. Pure: the time is a parameter, no file is accessed."""

    __slots__ = ("_base_url", "_secret")
    longest = math.inf

    def __init__(self, base_url: str, secret: bytes) -> None:
        """`base_url` is `PUBLIC_URL`, `secret` comes from `secret_of`."""
        if len(secret) < _SECRET_BYTES:
            raise ValueError(f"a secret of {len(secret)} bytes is too short")
        self._base_url = base_url.rstrip("/")
        self._secret = secret

    def link(self, file_name: str, now: float, valid_for: float) -> str:
        """Return a link to an image or result, valid for `valid_for` seconds."""
        check_name(file_name)
        return f"{self._base_url}/media/{self._token(file_name, math.ceil(now + valid_for))}"

    async def publish(self, path: Path, now: float, valid_for: float) -> str:
        """Implement `Publisher` with `link`."""
        return self.link(path.name, now, valid_for)

    async def withdraw(self, file_name: str) -> None:
        """Do nothing: the link stops working when the file is deleted."""

    async def sweep(self, now: float) -> int:
        """Do nothing: no copies are made."""
        return 0

    def opened(self, token: str, now: float) -> str | None:
        """Return the file name in a token; None if it is forged, expired or malformed."""
        try:
            raw = urlsafe_b64decode(token.partition(".")[0] + "==")
            content = raw[_SEAL_BYTES:]
            expires = int.from_bytes(content[:_EXPIRY_BYTES], "big")
            file_name = content[_EXPIRY_BYTES:].decode()
            given, ours = token.encode(), self._token(file_name, expires).encode()
        except ValueError:
            return None
        # Compare the whole token, not only the signature: Base64 can encode bytes in several ways.
        if not hmac.compare_digest(given, ours):
            return None
        return file_name if now < expires else None

    def _token(self, file_name: str, expires: int) -> str:
        content = expires.to_bytes(_EXPIRY_BYTES, "big") + file_name.encode()
        seal = hmac.digest(self._secret, _PURPOSE + content, "sha256")
        text = urlsafe_b64encode(seal + content).rstrip(b"=").decode()
        # Some gateways recognize an image by the extension of its URL.
        return text + PurePath(file_name).suffix


def shown_file(spool: Spool, file_name: str) -> Path | None:
    """Return the path of an image or result; None if it does not exist or may not be published."""
    if not _may_be_shown(file_name):
        return None
    is_result = file_name.endswith(_RESULT)
    path = spool.result(file_name) if is_result else spool.path(file_name)
    try:
        mode = path.lstat().st_mode
    except OSError:
        return None
    return path if stat.S_ISREG(mode) else None


def shown_as(file_name: str) -> tuple[str, str]:
    """Return the Content-Type of a file, and a Content-Disposition with a neutral file name."""
    ending = PurePath(file_name).suffix
    media_type = MEDIA_TYPES[ending]
    return media_type, f'inline; filename="{media_type.partition("/")[0]}{ending}"'


def check_name(file_name: str) -> None:
    """Raise `ValueError` if a file of this name must not be published."""
    if not _may_be_shown(file_name):
        raise ValueError(f"{file_name!r} must not be published")


def secret_of(directory: Path) -> bytes:
    """Return the secret of the processes that share this folder; the first one creates it."""
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    # Read under the lock too: a secret left incomplete by a crashed process was never used, so it
    # can be overwritten. Closing the file releases the lock.
    descriptor = os.open(directory / "links.key", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        secret = os.pread(descriptor, _SECRET_BYTES, 0)
        if len(secret) < _SECRET_BYTES:
            secret = secrets.token_bytes(_SECRET_BYTES)
            os.pwrite(descriptor, secret, 0)
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
    return secret


def _may_be_shown(file_name: str) -> bool:
    name = PurePath(file_name)
    plain = file_name == name.name and file_name.isprintable()
    return plain and name.suffix in MEDIA_TYPES


_log = structlog.get_logger(__name__)


async def remove_files(
    task: Task, spool: Spool, fitter: Fitter | None, publisher: Publisher | None
) -> None:
    """Remove image and result of a task, their transcoded variants and published copies."""
    await spool.remove_of(task)
    if fitter is not None and task.file is not None:
        await fitter.forget(task.file)
    if publisher is None:
        return
    for file_name in filter(None, (task.order.image, task.file)):
        try:
            await publisher.withdraw(file_name)
        except PublishError as error:
            # The copy is deleted anyway when its link expires.
            _log.warning("media_revoke_failed", task=task.id, error=str(error))
