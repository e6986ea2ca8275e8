"""Back up the SQLite database, also while Reelay is running."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

SQLITE_PREFIX = "sqlite:///"


class BackupError(Exception):
    """The backup failed; the text says why and what to do."""


def backup(database_url: str, target: Path) -> int:
    """Copy the database. Returns the size in bytes. `target` appears only when it is complete."""
    if not database_url.startswith(SQLITE_PREFIX):
        raise BackupError("for PostgreSQL use pg_dump --format=custom --file=FILE DATABASE_URL")
    source = Path(database_url.removeprefix(SQLITE_PREFIX))
    if not source.is_file():
        raise BackupError(f"{source}: the database does not exist yet")
    if target.exists():
        raise BackupError(f"{target}: already exists; choose another file name")
    partial = target.with_name(f"{target.name}.partial")
    try:
        partial.unlink(missing_ok=True)
        # Readable by its owner only, from the first byte: it contains the prompts of users.
        partial.touch(mode=0o600)
        _copy(source, partial)
        return partial.replace(target).stat().st_size
    except (sqlite3.Error, OSError) as error:
        partial.unlink(missing_ok=True)
        raise BackupError(f"{target}: {getattr(error, 'strerror', None) or error}") from None


def _copy(source: Path, target: Path) -> None:
    # Not opened read-only: that would ignore the write-ahead log.
    with closing(sqlite3.connect(source)) as live, closing(sqlite3.connect(target)) as copy:
        # All pages in one step: otherwise each write of the running bot restarts the copy.
        live.backup(copy, pages=-1)
