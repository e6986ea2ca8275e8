"""Links to one file of ours each, expiring, for gateways that take pictures by link and for people.

`Links` are signed by us and lead to our own web server; `bucket.py` has another place. A link of
ours opens in every process that has the secret it was signed with and the file it names: in the one
that made it, and in those that share its `DATA_DIR`. So `PUBLIC_URL` must lead to one of these;
processes that share nothing but the database each need an address of their own, or a bucket.
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

from bot.media.spool import Spool

MEDIA_TYPES = {
    ".jpg": "image/jpeg",
    ".mp4": "video/mp4",
    ".png": "image/png",
    ".webp": "image/webp",
}
"""The endings that we write ourselves; nothing else is ever shown."""

_RESULT = ".mp4"
_SECRET_BYTES = 32
_SEAL_BYTES = 32
_EXPIRY_BYTES = 8
_PURPOSE = b"media link\n"
"""The secret signs nothing else by accident, should it ever sign something else on purpose."""


class PublishError(Exception):
    """A file could not be published now; the message is one line without secrets."""


class Publisher(Protocol):
    """A place from which the outside can get a file of ours."""

    longest: float
    """Seconds for which a link can be good at the most."""

    async def publish(self, path: Path, now: float, valid_for: float) -> str:
        """A link to a picture or result, good for so many seconds, but at most for `longest`.

        Raises `PublishError`.
        """
        ...

    async def withdraw(self, file_name: str) -> None:
        """No link to this file works any more. Raises `PublishError`."""
        ...

    async def sweep(self, now: float) -> int:
        """Remove what nobody can get any more: how many. Raises `PublishError`."""
        ...


class Links:
    """Makes and opens links. Pure: time is handed in, and no file is looked at."""

    __slots__ = ("_base_url", "_secret")
    longest = math.inf

    def __init__(self, base_url: str, secret: bytes) -> None:
        """`base_url` is `PUBLIC_URL`, `secret` comes from `secret_of`."""
        if len(secret) < _SECRET_BYTES:
            raise ValueError(f"a secret of {len(secret)} bytes can be guessed")
        self._base_url = base_url.rstrip("/")
        self._secret = secret

    def link(self, file_name: str, now: float, valid_for: float) -> str:
        """A link to a picture or result, by its file's name, good for so many seconds."""
        check_name(file_name)
        return f"{self._base_url}/media/{self._token(file_name, math.ceil(now + valid_for))}"

    async def publish(self, path: Path, now: float, valid_for: float) -> str:
        """As `link`; for whoever may also have another `Publisher`."""
        return self.link(path.name, now, valid_for)

    async def withdraw(self, file_name: str) -> None:
        """Nothing is to be done: a link to a file that is gone leads nowhere."""

    async def sweep(self, now: float) -> int:
        """As little: nothing was copied."""
        return 0

    def opened(self, token: str, now: float) -> str | None:
        """The file's name; None if the token is forged, expired or none at all."""
        try:
            raw = urlsafe_b64decode(token.partition(".")[0] + "==")
            content = raw[_SEAL_BYTES:]
            expires = int.from_bytes(content[:_EXPIRY_BYTES], "big")
            file_name = content[_EXPIRY_BYTES:].decode()
            given, ours = token.encode(), self._token(file_name, expires).encode()
        except ValueError:
            return None
        # The whole token, not the seal alone: Base64 has many spellings of the same bytes.
        if not hmac.compare_digest(given, ours):
            return None
        return file_name if now < expires else None

    def _token(self, file_name: str, expires: int) -> str:
        content = expires.to_bytes(_EXPIRY_BYTES, "big") + file_name.encode()
        seal = hmac.digest(self._secret, _PURPOSE + content, "sha256")
        text = urlsafe_b64encode(seal + content).rstrip(b"=").decode()
        # Some gateways tell a picture by the ending of its address.
        return text + PurePath(file_name).suffix


def shown_file(spool: Spool, file_name: str) -> Path | None:
    """Where the picture or result of this name lies; None if there is no such plain file."""
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
    """The media type of a file by its ending, and the disposition that gives it a neutral name."""
    ending = PurePath(file_name).suffix
    media_type = MEDIA_TYPES[ending]
    return media_type, f'inline; filename="{media_type.partition("/")[0]}{ending}"'


def check_name(file_name: str) -> None:
    """Raise `ValueError` unless a file of this name may be shown to the outside."""
    if not _may_be_shown(file_name):
        raise ValueError(f"no link may lead to {file_name!r}")


def secret_of(directory: Path) -> bytes:
    """The secret of the processes that share this folder, made by the first one that asks."""
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    # Read under the lock too: what a writer who died left half done nobody has used, so the next
    # one may write it anew. Closing lets go of the lock.
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
