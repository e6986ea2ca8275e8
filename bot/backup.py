"""A whole copy of the SQLite database, taken while Reelay may be writing to it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path


class BackupError(Exception):
    """No copy was made; the text says why, and what to do."""


def backup(source: Path, target: Path) -> int:
    """Copy the database file; the copy's size. `target` is there only when it is whole."""
    if not source.is_file():
        raise BackupError(f"{source}: there is no database yet")
    partial = target.with_name(f"{target.name}.partial")
    try:
        # Claimed before anything is written: prompts are in it, and nothing may be overwritten.
        target.touch(mode=0o600, exist_ok=False)
        partial.touch(mode=0o600)
        _copy(source, partial)
        return partial.replace(target).stat().st_size
    except FileExistsError:
        raise BackupError(f"{target}: is there already; name a file that is not") from None
    except (sqlite3.Error, OSError) as error:
        partial.unlink(missing_ok=True)
        target.unlink(missing_ok=True)
        raise BackupError(f"{target}: {getattr(error, 'strerror', None) or error}") from error


def _copy(source: Path, target: Path) -> None:
    # Not a URI with mode=ro: reading a database in WAL mode needs the right to write beside it.
    with closing(sqlite3.connect(source)) as live, closing(sqlite3.connect(target)) as copy:
        # All pages at once: in steps it would begin anew at each write of the running bot.
        live.backup(copy, pages=-1)
