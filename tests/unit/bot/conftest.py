"""Fixtures for commands, typed in a chat or in a shell."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from bot.store.database import Database
from tests.fakes.engine.harness import EngineHarness
from tests.fakes.engine.scripted import ScriptedProvider
from tests.support.commands import Commands
from tests.support.fake_clock import FakeClock
from tests.support.paths import ROOT
from tests.support.reelay_command import Run, clean_environment


@pytest.fixture
def run_reelay(tmp_path: Path) -> Run:
    """Run `reelay` as a process in an empty folder; settings by keyword."""

    def run(*arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, "-m", "bot", *arguments],
            cwd=tmp_path,
            env=clean_environment() | {"PYTHONPATH": str(ROOT)} | settings,
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


@pytest.fixture
def commands(database: Database, clock: FakeClock, tmp_path: Path) -> Commands:
    """Commands with a gateway that can cancel and remix."""
    harness = EngineHarness(database, tmp_path / "data", clock)
    harness.use_provider(ScriptedProvider(harness.folder, cancel=True, remix=True))
    return Commands(harness)
