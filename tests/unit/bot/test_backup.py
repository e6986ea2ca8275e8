"""`reelay backup`: a copy of a database in use."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from bot.store.connect import open_database
from bot.store.migrate import HEAD, current_version
from tests.support.reelay_command import Run


async def test_backup_is_complete_while_the_database_is_in_use(
    run_reelay: Run, migrated_url: str, tmp_path: Path
) -> None:
    """The copy has what was committed last, even if only in the write-ahead log."""
    database = open_database(migrated_url)
    await database.open()
    try:
        await database.transact(
            lambda tx: tx.exec_driver_sql("CREATE TABLE marker AS SELECT 'last' AS word")
        )
        done = run_reelay("backup", "copy.db")
    finally:
        await database.close()
    copy = tmp_path / "copy.db"
    assert (done.returncode, done.stdout) == (0, f"copy.db: {copy.stat().st_size:,} bytes\n")
    with closing(sqlite3.connect(copy)) as connection:
        assert connection.execute("SELECT word FROM marker").fetchall() == [("last",)]
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


@pytest.mark.usefixtures("migrated_url")
async def test_backup_can_be_started_from(run_reelay: Run, tmp_path: Path) -> None:
    """A restored copy works like the original, and is private to its owner."""
    assert run_reelay("backup", "copy.db").returncode == 0
    copy = open_database(f"sqlite:///{tmp_path}/copy.db")
    await copy.open()
    try:
        assert await copy.read(current_version) == HEAD
    finally:
        await copy.close()
    assert (tmp_path / "copy.db").stat().st_mode & 0o077 == 0


@pytest.mark.usefixtures("migrated_url")
@pytest.mark.parametrize(
    ("file", "settings", "line"),
    [
        ("there.db", {}, "reelay: there.db: already exists; choose another file name"),
        ("no/copy.db", {}, "reelay: no/copy.db: No such file or directory"),
        (
            "copy.db",
            {"DATABASE_URL": "sqlite:///nothing.db"},
            "reelay: nothing.db: the database does not exist yet",
        ),
        (
            "copy.db",
            {"DATABASE_URL": "sqlite:///there.db"},
            "reelay: copy.db: file is not a database",
        ),
        (
            "copy.db",
            {"DATABASE_URL": "postgresql://u:hunter22@h/n"},
            "reelay: for PostgreSQL use pg_dump --format=custom --file=FILE DATABASE_URL",
        ),
    ],
)
def test_failed_backup_leaves_everything_unchanged(
    run_reelay: Run, tmp_path: Path, file: str, settings: dict[str, str], line: str
) -> None:
    """One line, exit status 1, no file overwritten and none left behind."""
    there = tmp_path / "there.db"
    there.write_text("precious, and longer than the header of a database would ever be" * 20)
    before = sorted(tmp_path.iterdir())
    done = run_reelay("backup", file, **settings)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", f"{line}\n")
    assert there.read_text().startswith("precious")
    assert sorted(tmp_path.iterdir()) == before
