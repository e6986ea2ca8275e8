"""The command line: its output, where it goes, and the exit status."""

from __future__ import annotations

import json
import re
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from bot.store.connect import open_database
from tests.support.paths import ROOT
from tests.support.reelay_command import Run, clean_environment

# --- usage -------------------------------------------------------------------------------


def test_version_does_not_load_the_program() -> None:
    """`--version` does not wait for a database library."""
    code = (
        "import sys; from bot.__main__ import main; status = main(['--version']);"
        "print(sorted({'pydantic', 'sqlalchemy', 'httpx', 'asyncio', 'PIL'} & set(sys.modules)));"
        "sys.exit(status)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert re.fullmatch(r"reelay \d+\.\d+\.\d+\n\[\]\n", done.stdout)


@pytest.mark.parametrize(
    "arguments", [[], ["dance"], ["backup"], ["run", "--fast"], ["check", "--env-file"]]
)
def test_wrong_usage_goes_to_standard_error(run_reelay: Run, arguments: list[str]) -> None:
    """Exit status 2, and nothing on standard output."""
    done = run_reelay(*arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    assert "usage: reelay" in done.stderr


def test_each_wrong_setting_is_reported_in_one_line(run_reelay: Run) -> None:
    """Exit status 2, each wrong setting named, no traceback."""
    done = run_reelay("run", HTTP_PORT="x", PROVIDERS__A__KIND="nobody", LOG_LEVEL="loud")
    assert done.returncode == 2
    assert done.stdout == ""
    lines = done.stderr.splitlines()
    assert len(lines) == 3
    assert all(re.match(r"reelay: [A-Z_]+: .+; ", line) for line in lines)


def test_missing_env_file_is_reported(run_reelay: Run) -> None:
    """A file that was named must be there."""
    done = run_reelay("check", "--env-file", "nowhere.env")
    assert done.returncode == 2
    assert done.stderr == (
        "reelay: nowhere.env: No such file or directory; write the path of a file\n"
    )


def test_wrong_catalog_is_reported_as_a_wrong_setting(run_reelay: Run, tmp_path: Path) -> None:
    """The start ends with the line of the catalogue's error."""
    (tmp_path / "own.toml").write_text("models = 5")
    done = run_reelay("run", CATALOG_FILE="own.toml")
    assert done.returncode == 2
    assert done.stderr.startswith("reelay: own.toml: models: ")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.usefixtures("migrated_url")
def test_data_folder_that_cannot_be_made_ends_the_start_in_one_line(
    run_reelay: Run, tmp_path: Path
) -> None:
    """The start says which path and why."""
    (tmp_path / "file").touch()
    done = run_reelay("run", DATA_DIR="file/data", LOG_LEVEL="error")
    assert (done.returncode, done.stdout) == (1, "")
    assert re.fullmatch(r"reelay: .*file/data.*: Not a directory\n", done.stderr)


def test_unexpected_error_is_one_line_with_its_traceback_in_the_log(
    tmp_path: Path, migrated_url: str
) -> None:
    """The traceback is a log line like every other, with secrets hidden."""
    with closing(sqlite3.connect(migrated_url.removeprefix("sqlite:///"))) as connection:
        connection.execute("DROP TABLE durations")
    done = subprocess.run(
        [sys.executable, "-m", "bot", "run"],
        cwd=tmp_path,
        env=clean_environment() | {"PYTHONPATH": str(ROOT), "LOG_FORMAT": "json"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    *log, told = done.stderr.splitlines()
    assert done.returncode == 1
    assert re.fullmatch(r"reelay: internal error \(\w+\); .*", told)
    assert "no such table: durations" in json.loads(log[-1])["exception"]


# --- migrate -----------------------------------------------------------------------------


def test_migrate_makes_the_tables_and_may_be_repeated(run_reelay: Run, tmp_path: Path) -> None:
    """Every run ends with status 0."""
    for _ in range(2):
        done = run_reelay("migrate")
        assert (done.returncode, done.stdout) == (0, "The database is up to date.\n")
    assert (tmp_path / "data" / "reelay.db").is_file()


async def test_second_process_is_refused_in_one_line(run_reelay: Run, migrated_url: str) -> None:
    """Two processes on one SQLite file would hand tasks over twice."""
    database = open_database(migrated_url)
    await database.open()
    try:
        done = run_reelay("migrate")
    finally:
        await database.close()
    assert done.returncode == 1
    assert re.fullmatch(r"reelay: another Reelay is using .*reelay\.db; .*\n", done.stderr)


def test_unreachable_database_is_reported_without_its_password(run_reelay: Run) -> None:
    """One line with the address and the reason."""
    done = run_reelay("migrate", DATABASE_URL="postgresql://reelay:hunter22@127.0.0.1:1/reelay")
    assert done.returncode == 1
    assert re.fullmatch(r"reelay: .*127\.0\.0\.1.*\n", done.stderr)
    assert "hunter22" not in done.stderr


def test_folder_that_cannot_be_made_is_reported_in_one_line(
    run_reelay: Run, tmp_path: Path
) -> None:
    """A file is in the place of the data folder."""
    (tmp_path / "data").touch()
    done = run_reelay("migrate")
    assert done.returncode == 1
    assert re.fullmatch(r"reelay: .*data.*\n", done.stderr)
