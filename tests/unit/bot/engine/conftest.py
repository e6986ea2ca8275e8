"""The engine on each kind of database."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.store.database import Database
from tests.fakes.engine.harness import EngineHarness
from tests.support.fake_clock import FakeClock


@pytest.fixture
def harness(database: Database, clock: FakeClock, tmp_path: Path) -> EngineHarness:
    """The engine with a scripted provider and chat."""
    return EngineHarness(database, tmp_path / "data", clock)
