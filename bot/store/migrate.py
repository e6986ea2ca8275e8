"""Upgrade the tables at start, under a lock, with the migrations in this package."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import inspect, text

from bot.store.database import Database, DatabaseTooNew, Tx

FOLDER = Path(__file__).parent / "migrations"
HEAD = "0004"
"""The newest migration; a test compares it with the folder.

Named here because asking Alembic takes a quarter of the start time, mostly for nothing.
"""


async def migrate(database: Database) -> bool:
    """Upgrade the tables. Returns whether anything was to do. Raises `DatabaseTooNew`."""
    if await database.read(current_version) == HEAD:
        return False
    return await database.run_exclusive(_upgrade)


def current_version(tx: Tx) -> str | None:
    """Return the version of the tables; None for an empty database."""
    if not inspect(tx).has_table("alembic_version"):
        return None
    return tx.execute(text("SELECT version_num FROM alembic_version")).scalar()


def _upgrade(tx: Tx) -> bool:
    current = current_version(tx)
    if current == HEAD:
        # Another process was faster.
        return False
    from alembic import command  # noqa: PLC0415 - see HEAD
    from alembic.config import Config  # noqa: PLC0415 - as above
    from alembic.script import ScriptDirectory  # noqa: PLC0415 - as above

    config = Config()
    config.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    known_versions = {
        script.revision for script in ScriptDirectory.from_config(config).walk_revisions()
    }
    if current is not None and current not in known_versions:
        raise DatabaseTooNew(
            f"the database was written by a newer Reelay: its tables are at {current}, this one"
            f" knows {HEAD}; start that version again, or restore a backup"
        )
    config.attributes["connection"] = tx
    command.upgrade(config, "head")
    return True
