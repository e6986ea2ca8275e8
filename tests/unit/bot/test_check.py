"""`reelay check`: one row for each part, and what to do about a fault."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from bot.store.connect import open_database
from tests.support.reelay_command import Run


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
    verdict = "in use by a running Reelay; up to date; ledger ok (checked a copy)"
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
    wrong = [line for line in done.stdout.splitlines() if " FAILED " in line]
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
    gone = "FAILED  no model is available; disabled or retired: sandbox; see CATALOG_FILE"
    assert gone in rows["catalogue"]
    assert "FAILED" in rows["provider sandbox"]
    assert "has no available model for it; see CATALOG_FILE" in rows["provider sandbox"]


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
    assert "not possible with mountsea (links only)" in rows["pictures"]
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
    assert "ledger errors: account telegram:1" in done.stdout
