"""Tag temporary files with a per-process lock, so that files of crashed processes can be removed.

Several processes may share a data folder. Each one holds a lock on a file named by its tag.
"""

from __future__ import annotations

import fcntl
import os
import re
import secrets
from pathlib import Path

_TAGGED_NAME = re.compile(r"-([0-9a-f]{8})\.[a-z]+(\.part)?$")


class ProcessTag:
    """The tag of this process: a file in a shared folder that is locked while the process runs."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._tag = secrets.token_hex(4)
        self._lock_fd: int | None = None

    def tag(self, name: str) -> str:
        """Return the name with the tag of this process, to which an extension is added."""
        if self._lock_fd is None:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._lock_fd = os.open(self._folder / self._tag, os.O_CREAT | os.O_RDWR, 0o600)
            fcntl.flock(self._lock_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return f"{name}-{self._tag}"

    def close(self) -> None:
        """Release the tag; files that carry it count as orphans from now on."""
        if self._lock_fd is not None:
            (self._folder / self._tag).unlink(missing_ok=True)
            os.close(self._lock_fd)
            self._lock_fd = None

    def is_orphan(self, file_name: str) -> bool:
        """Whether no running process can still be about to register this file in the database."""
        match = _TAGGED_NAME.search(file_name)
        return match is None or not self._is_alive(match.group(1))

    def remove_stale(self) -> None:
        """Remove the lock files of processes that no longer run."""
        if self._folder.is_dir():
            for lock_file in list(self._folder.iterdir()):
                if not self._is_alive(lock_file.name):
                    lock_file.unlink(missing_ok=True)

    def _is_alive(self, tag: str) -> bool:
        if tag == self._tag:
            return self._lock_fd is not None
        try:
            descriptor = os.open(self._folder / tag, os.O_RDWR)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(descriptor)
        return False
