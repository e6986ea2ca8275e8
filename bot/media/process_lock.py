"""Tag temporary files with a per-process lock, so that files of crashed processes can be removed.

Several processes may share a data folder. Each one holds a lock on a file named by its tag.
"""

from __future__ import annotations

import fcntl
import os
import re
import secrets
from pathlib import Path

_OWNED = re.compile(r"-([0-9a-f]{8})\.[a-z]+(\.part)?$")


class Living:
    """The tag of this process: a file in a shared folder that is locked while the process runs."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._name = secrets.token_hex(4)
        self._lock: int | None = None

    def owned(self, name: str) -> str:
        """Return the name with the tag of this process, to which an extension is added."""
        if self._lock is None:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._lock = os.open(self._folder / self._name, os.O_CREAT | os.O_RDWR, 0o600)
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return f"{name}-{self._name}"

    def close(self) -> None:
        """Release the tag; files that carry it count as orphans from now on."""
        if self._lock is not None:
            (self._folder / self._name).unlink(missing_ok=True)
            os.close(self._lock)
            self._lock = None

    def may_go(self, file: str) -> bool:
        """Whether no running process can still be about to register this file in the database."""
        found = _OWNED.search(file)
        return found is None or not self._lives(found.group(1))

    def bury(self) -> None:
        """Remove the lock files of processes that no longer run."""
        if self._folder.is_dir():
            for mark in list(self._folder.iterdir()):
                if not self._lives(mark.name):
                    mark.unlink(missing_ok=True)

    def _lives(self, name: str) -> bool:
        if name == self._name:
            return self._lock is not None
        try:
            lock = os.open(self._folder / name, os.O_RDWR)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(lock)
        return False
