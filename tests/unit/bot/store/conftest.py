"""A database with a table that only the tests of databases know."""

from __future__ import annotations

import pytest

from bot.store.database import Database
from tests.support.notes_table import notes


@pytest.fixture
async def store(database: Database) -> Database:
    """A database with an empty table of notes."""
    await database.run_exclusive(notes.metadata.create_all)
    return database
