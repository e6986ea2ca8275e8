"""Publish files by expiring links, for gateways that download images and for users.

`SignedLinks` creates signed links to our own web server; `s3.py` is the alternative. A signed link
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
from bot.media.storage import MediaStorage
from bot.media.transcoder import Transcoder

_log = structlog.get_logger(__name__)

MEDIA_TYPES = {
    ".jpg": "image/jpeg",
    ".mp4": "video/mp4",
    ".png": "image/png",
    ".webp": "image/webp",
}
"""Extensions of the files that we write; no other file is ever published."""

_RESULT_SUFFIX = ".mp4"
_SECRET_BYTES = 32
_SIGNATURE_BYTES = 32
_EXPIRY_BYTES = 8
_SIGNING_CONTEXT = b"media link\n"
"""Prefix of the signed bytes, so that a signature made for another purpose is never valid here."""


class PublishError(Exception):
    """A file cannot be published now; the message is one line without secrets."""


class Publisher(Protocol):
    """Makes files available by links that expire."""

    max_validity_s: float
    """Maximum validity of a link, in seconds."""

    async def publish(self, path: Path, now: float, valid_for_s: float) -> str:
        """Return a link to an image or result, valid for `valid_for_s`, at most `max_validity_s`.

        Raises `PublishError`.
        """
        ...

    async def revoke(self, file_name: str) -> None:
        """Invalidate all links to this file. Raises `PublishError`."""
        ...

    async def remove_expired(self, now: float) -> int:
        """Delete published copies that have expired; return how many. Raises `PublishError`."""
        ...


class SignedLinks:
    """Creates and verifies signed links. Pure: the time is a parameter, no file is accessed."""

    __slots__ = ("_base_url", "_secret")
    max_validity_s = math.inf

    def __init__(self, base_url: str, secret: bytes) -> None:
        """`base_url` is `PUBLIC_URL`, `secret` comes from `load_or_create_secret`."""
        if len(secret) < _SECRET_BYTES:
            raise ValueError(f"a secret of {len(secret)} bytes is too short")
        self._base_url = base_url.rstrip("/")
        self._secret = secret

    def create_link(self, file_name: str, now: float, valid_for_s: float) -> str:
        """Return a link to an image or result, valid for `valid_for_s`."""
        check_public_name(file_name)
        return (
            f"{self._base_url}/media/{self._create_token(file_name, math.ceil(now + valid_for_s))}"
        )

    async def publish(self, path: Path, now: float, valid_for_s: float) -> str:
        """Implement `Publisher` with `create_link`."""
        return self.create_link(path.name, now, valid_for_s)

    async def revoke(self, file_name: str) -> None:
        """Do nothing: the link stops working when the file is deleted."""

    async def remove_expired(self, now: float) -> int:
        """Do nothing: no copies are made."""
        return 0

    def resolve_token(self, token: str, now: float) -> str | None:
        """Return the file name in a token; None if it is forged, expired or malformed."""
        try:
            decoded = urlsafe_b64decode(token.partition(".")[0] + "==")
            content = decoded[_SIGNATURE_BYTES:]
            expires_at = int.from_bytes(content[:_EXPIRY_BYTES], "big")
            file_name = content[_EXPIRY_BYTES:].decode()
            given, expected = token.encode(), self._create_token(file_name, expires_at).encode()
        except ValueError:
            return None
        # Compare the whole token, not only the signature: Base64 can encode bytes in several ways.
        if not hmac.compare_digest(given, expected):
            return None
        return file_name if now < expires_at else None

    def _create_token(self, file_name: str, expires_at: int) -> str:
        content = expires_at.to_bytes(_EXPIRY_BYTES, "big") + file_name.encode()
        signature = hmac.digest(self._secret, _SIGNING_CONTEXT + content, "sha256")
        text = urlsafe_b64encode(signature + content).rstrip(b"=").decode()
        # Some gateways recognize an image by the extension of its URL.
        return text + PurePath(file_name).suffix


def find_public_file(storage: MediaStorage, file_name: str) -> Path | None:
    """Return the path of an image or result; None if it does not exist or may not be published."""
    if not _is_public_name(file_name):
        return None
    is_result = file_name.endswith(_RESULT_SUFFIX)
    path = storage.result_path(file_name) if is_result else storage.image_path(file_name)
    try:
        mode = path.lstat().st_mode
    except OSError:
        return None
    return path if stat.S_ISREG(mode) else None


def content_headers(file_name: str) -> tuple[str, str]:
    """Return the Content-Type of a file, and a Content-Disposition with a neutral file name."""
    suffix = PurePath(file_name).suffix
    media_type = MEDIA_TYPES[suffix]
    return media_type, f'inline; filename="{media_type.partition("/")[0]}{suffix}"'


def check_public_name(file_name: str) -> None:
    """Raise `ValueError` if a file of this name must not be published."""
    if not _is_public_name(file_name):
        raise ValueError(f"{file_name!r} must not be published")


def load_or_create_secret(directory: Path) -> bytes:
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


def _is_public_name(file_name: str) -> bool:
    name = PurePath(file_name)
    is_plain = file_name == name.name and file_name.isprintable()
    return is_plain and name.suffix in MEDIA_TYPES


# --- removal -----------------------------------------------------------------------------


async def remove_task_files(
    task: Task, storage: MediaStorage, transcoder: Transcoder | None, publisher: Publisher | None
) -> None:
    """Remove image and result of a task, their transcoded variants and published copies."""
    await storage.remove_local_files(task)
    if transcoder is not None and task.file is not None:
        await transcoder.remove_outputs(task.file)
    if publisher is None:
        return
    for file_name in filter(None, (task.order.image, task.file)):
        try:
            await publisher.revoke(file_name)
        except PublishError as error:
            # The copy is deleted anyway when its link expires.
            _log.warning("media_revoke_failed", task=task.id, error=str(error))
