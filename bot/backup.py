"""A whole copy of the SQLite database, taken while Reelay may be writing to it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

SQLITE_PREFIX = "sqlite:///"


class BackupError(Exception):
    """No copy was made; the text says why, and what to do."""


def backup(database_url: str, target: Path) -> int:
    """Copy the database; the copy's size. `target` is there only once it is whole."""
    if not database_url.startswith(SQLITE_PREFIX):
        raise BackupError(
            "PostgreSQL has its own: pg_dump --format=custom --file=FILE DATABASE_URL"
        )
    source = Path(database_url.removeprefix(SQLITE_PREFIX))
    if not source.is_file():
        raise BackupError(f"{source}: there is no database yet")
    if target.exists():
        raise BackupError(f"{target}: is there already; name a file that is not")
    partial = target.with_name(f"{target.name}.partial")
    try:
        partial.unlink(missing_ok=True)
        # For its owner only from the first byte: people's prompts are in it.
        partial.touch(mode=0o600)
        _copy(source, partial)
        return partial.replace(target).stat().st_size
    except (sqlite3.Error, OSError) as error:
        partial.unlink(missing_ok=True)
        raise BackupError(f"{target}: {getattr(error, 'strerror', None) or error}") from None


def _copy(source: Path, target: Path) -> None:
    # Not opened read-only: that could not read what stands in the write-ahead log.
    with closing(sqlite3.connect(source)) as live, closing(sqlite3.connect(target)) as copy:
        # All pages at once: in steps it would begin anew at each write of the running bot.
        live.backup(copy, pages=-1)
