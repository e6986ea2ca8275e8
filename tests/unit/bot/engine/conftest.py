"""An engine; on PostgreSQL too if a test depends on what the database does."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.store.database import Database
from tests.fakes.engine.harness import EngineHarness
from tests.support.fake_clock import FakeClock

BOTH_DATABASES = pytest.mark.parametrize("dialect", ["sqlite", "postgresql"], indirect=True)
"""For tests of claims, leases and credits, and of values that only one database rejects."""


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.long)])
def dialect(request: pytest.FixtureRequest) -> str:
    """The engine does the same on both, and the tests of the store run on both."""
    kind: str = request.param
    return kind


@pytest.fixture
def harness(database: Database, clock: FakeClock, tmp_path: Path) -> EngineHarness:
    """The engine with a scripted provider and chat."""
    return EngineHarness(database, tmp_path / "data", clock)
