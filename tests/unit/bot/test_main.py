"""The command line: its output, where it goes, and the exit status."""

from __future__ import annotations

import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from bot.config import SETTING_NAMES
from bot.store.connect import open_database
from bot.store.migrate import HEAD, current_version
from tests.support.paths import ROOT

Run = Callable[..., subprocess.CompletedProcess[str]]


def _clean_environment() -> dict[str, str]:
    """The environment without settings of Reelay that the one who tests may have."""
    return {
        name: value
        for name, value in os.environ.items()
        if name.upper() not in SETTING_NAMES and not name.upper().startswith("PROVIDERS_")
    }


@pytest.fixture
def run_reelay(tmp_path: Path) -> Run:
    """Run `reelay` as a process in an empty folder; settings by keyword."""

    def run(*arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, "-m", "bot", *arguments],
            cwd=tmp_path,
            env=_clean_environment() | {"PYTHONPATH": str(ROOT)} | settings,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert "Traceback" not in done.stdout + done.stderr
        return done

    return run


@pytest.fixture
def migrated_url(tmp_path: Path, migrated_file: Path) -> str:
    """A database with all its tables, where the default settings look for it."""
    folder = tmp_path / "data"
    folder.mkdir()
    shutil.copy(migrated_file, folder / "reelay.db")
    return f"sqlite:///{folder}/reelay.db"


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
        env=_clean_environment() | {"PYTHONPATH": str(ROOT), "LOG_FORMAT": "json"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    *log, told = done.stderr.splitlines()
    assert done.returncode == 1
    assert re.fullmatch(r"reelay: stopped by a fault of Reelay's own \(\w+\); .*", told)
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


# --- backup ------------------------------------------------------------------------------


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
        ("there.db", {}, "reelay: there.db: is there already; name a file that is not"),
        ("no/copy.db", {}, "reelay: no/copy.db: No such file or directory"),
        (
            "copy.db",
            {"DATABASE_URL": "sqlite:///nothing.db"},
            "reelay: nothing.db: there is no database yet",
        ),
        (
            "copy.db",
            {"DATABASE_URL": "sqlite:///there.db"},
            "reelay: copy.db: file is not a database",
        ),
        (
            "copy.db",
            {"DATABASE_URL": "postgresql://u:hunter22@h/n"},
            "reelay: PostgreSQL has its own: pg_dump --format=custom --file=FILE DATABASE_URL",
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


# --- check -------------------------------------------------------------------------------


def test_check_passes_with_the_embedded_defaults(run_reelay: Run, tmp_path: Path) -> None:
    """In an empty folder every row is ok, and the check makes no file."""
    done = run_reelay("check")
    assert done.returncode == 0, done.stdout
    names = [line.split("  ")[0] for line in done.stdout.splitlines() if line[0] != " "]
    assert names == [
        "settings",
        "catalogue",
        "data folder",
        "disk",
        "database",
        "ffmpeg",
        "provider sandbox",
    ]
    assert "ffmpeg version" in done.stdout
    assert list(tmp_path.iterdir()) == []


async def test_check_verifies_the_ledger_while_the_bot_runs(
    run_reelay: Run, migrated_url: str
) -> None:
    """The database may be in use."""
    database = open_database(migrated_url)
    await database.open()
    try:
        done = run_reelay("check")
    finally:
        await database.close()
    assert done.returncode == 0, done.stdout
    verdict = "in use by a running Reelay; up to date, the ledger is sound (in a copy)"
    assert verdict in done.stdout


def test_check_reports_each_fault_and_goes_on(run_reelay: Run, tmp_path: Path) -> None:
    """A broken database and an unreachable provider are two rows; the others follow; status 1."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "reelay.db").write_text("this is no database at all" * 100)
    done = run_reelay(
        "check",
        PROVIDERS__LOCAL__KIND="openai",
        PROVIDERS__LOCAL__API_KEY="sk-verysecretindeed",
        PROVIDERS__LOCAL__BASE_URL="http://127.0.0.1:1/v1",
    )
    assert done.returncode == 1
    wrong = [line for line in done.stdout.splitlines() if " WRONG " in line]
    assert [line.split("  ")[0] for line in wrong] == ["database", "provider local"]
    assert "ffmpeg version" in done.stdout
    assert "sk-verysecretindeed" not in done.stdout + done.stderr


def test_check_names_models_that_cannot_be_requested(run_reelay: Run, tmp_path: Path) -> None:
    """Disabled and retired models are named, and providers that serve none."""
    (tmp_path / "catalog.toml").write_text("""
[[models]]
name = "sandbox"
retire_at = 2026-01-01
durations = [4]
sizes = [{ name = "1280x720", price = 1 }]
offers = [{ kind = "sandbox", model = "sandbox" }]
""")
    done = run_reelay("check", CATALOG_FILE="catalog.toml")
    assert done.returncode == 1
    rows = {line.split("  ")[0]: line for line in done.stdout.splitlines()}
    gone = "WRONG  no model can be asked for; switched off or retired: sandbox; see CATALOG_FILE"
    assert gone in rows["catalogue"]
    assert "WRONG" in rows["provider sandbox"]
    assert "serves no model that can be asked for; see CATALOG_FILE" in rows["provider sandbox"]


def test_check_explains_how_images_reach_link_only_gateways(run_reelay: Run) -> None:
    """For a gateway that takes links only, the row says how it gets them, or that it cannot."""
    mountsea = {
        "PROVIDERS__MOUNTSEA__API_KEY": "sk-verysecretindeed",
        "PROVIDERS__MOUNTSEA__BASE_URL": "http://127.0.0.1:1",
    }
    rows = {
        line.split("  ")[0]: line for line in run_reelay("check", **mountsea).stdout.splitlines()
    }
    assert " ok " in rows["pictures"]
    assert "not to mountsea" in rows["pictures"]
    assert "set PUBLIC_URL" in rows["pictures"]
    with_links = run_reelay("check", PUBLIC_URL="https://video.example.org", **mountsea)
    assert "pictures" not in with_links.stdout


@pytest.mark.usefixtures("migrated_url")
def test_check_reports_a_wrong_ledger(run_reelay: Run, tmp_path: Path) -> None:
    """A balance without entries is an alarm, not a detail."""
    with closing(sqlite3.connect(tmp_path / "data" / "reelay.db")) as connection, connection:
        connection.execute(
            "INSERT INTO accounts (id, daily, granted, held) VALUES ('telegram:1', 0, 7, 0)"
        )
    done = run_reelay("check")
    assert done.returncode == 1
    assert "the ledger is not sound: account telegram:1" in done.stdout
