"""The migrations make exactly the tables that the code speaks of, once, whoever else starts."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from io import StringIO
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import inspect, text

from bot.store.connect import open_database
from bot.store.database import Database, DatabaseTooNew, Tx
from bot.store.migrate import FOLDER, HEAD, migrate, version
from bot.store.schema import metadata
from tests.support.notes_table import program


def description(tx: Tx) -> dict[str, list[str]]:
    """All that the database itself says of each of its tables, in an order that does not matter."""
    look = inspect(tx)
    return {
        table: sorted(
            words(fact)
            for facts in (
                look.get_columns(table),
                look.get_indexes(table),
                look.get_check_constraints(table),
                look.get_unique_constraints(table),
                look.get_foreign_keys(table),
                [look.get_pk_constraint(table)],
            )
            for fact in facts
        )
        for table in look.get_table_names()
        if table != "alembic_version"
    }


def words(fact: object) -> str:
    if isinstance(fact, Mapping):
        return ", ".join(sorted(f"{name}={words(value)}" for name, value in fact.items()))
    return str(fact)


async def test_the_migrated_tables_are_those_of_the_code(
    database_url: str, empty_database_url: str
) -> None:
    """A column, key, index or CHECK that the migrations forgot would be missed in production."""
    described = []
    for url in (database_url, empty_database_url):
        database = open_database(url)
        await database.open()
        if url == empty_database_url:
            await database.exclusively(metadata.create_all)
        described.append(await database.read(description))
        await database.close()
    migrated, created = described
    assert migrated.keys() == created.keys() == metadata.tables.keys()
    for table, facts in created.items():
        assert migrated[table] == facts


async def test_a_drafted_migration_has_nothing_to_change(
    database: Database, tmp_path: Path
) -> None:
    """Where the tables of the code have moved on, the failure shows the migration to write."""
    folder = tmp_path / "migrations"
    shutil.copytree(FOLDER, folder, ignore=shutil.ignore_patterns("__pycache__"))
    config = Config(stdout=StringIO())
    config.set_main_option("script_location", str(folder))

    def draft(tx: Tx) -> str:
        config.attributes["connection"] = tx
        command.revision(config, "Draft", autogenerate=True, rev_id="9999")
        return (folder / "versions" / "9999_draft.py").read_text()

    drafted = await database.exclusively(draft)
    assert drafted.rstrip().endswith("pass\n    # ### end Alembic commands ###"), drafted


def test_the_newest_migration_is_the_one_that_the_code_names() -> None:
    """A migration that `HEAD` does not name would never run."""
    config = Config()
    config.set_main_option("script_location", str(FOLDER))
    script = ScriptDirectory.from_config(config)
    assert script.get_heads() == [HEAD]
    numbers = [one.revision for one in script.walk_revisions()][::-1]
    assert numbers == [f"{number:04}" for number in range(1, len(numbers) + 1)]


async def test_a_second_start_changes_nothing(empty_database_url: str) -> None:
    """Only the first start has anything to do, and it says so."""
    database = open_database(empty_database_url)
    await database.open()
    assert await database.read(version) is None
    assert [await migrate(database), await migrate(database)] == [True, False]
    assert await database.read(version) == HEAD
    await database.close()


async def test_a_newer_database_is_left_alone(database: Database) -> None:
    """Old code on new tables would break them; it stops with one line instead."""

    def mark(tx: Tx) -> None:
        tx.execute(text("UPDATE alembic_version SET version_num = '9999'"))

    await database.transact(mark)
    with pytest.raises(DatabaseTooNew, match="newer Reelay: its tables are at 9999") as refusal:
        await migrate(database)
    assert "\n" not in str(refusal.value)
    assert await database.read(version) == "9999"


async def test_a_migration_that_fails_leaves_nothing_half_done(empty_database_url: str) -> None:
    """A table that is in the way stops it; the next try starts from the same place."""
    database = open_database(empty_database_url)
    await database.open()
    await database.exclusively(
        lambda tx: tx.execute(text("CREATE TABLE tasks (id INTEGER)")).close()
    )
    with pytest.raises(Exception, match="tasks"):
        await migrate(database)
    assert await database.read(lambda tx: inspect(tx).get_table_names()) == ["tasks"]
    await database.exclusively(lambda tx: tx.execute(text("DROP TABLE tasks")).close())
    assert await migrate(database)
    await database.close()


_STARTER = """
import asyncio, sys
from bot.store.connect import open_database
from bot.store.migrate import migrate

async def main():
    database = open_database(sys.argv[1])
    await database.open()
    print("ready", flush=True)
    sys.stdin.readline()
    print(await migrate(database))
    await database.close()

asyncio.run(main())
"""


@pytest.mark.parametrize("dialect", ["postgresql"], indirect=True)
def test_processes_that_start_together_migrate_once(empty_database_url: str) -> None:
    """Of several on one PostgreSQL one does it, and the others wait until it is done."""
    starters = [program(_STARTER, empty_database_url) for _ in range(3)]
    for starter in starters:
        assert starter.stdout
        assert starter.stdout.readline() == "ready\n"
    for starter in starters:
        assert starter.stdin
        starter.stdin.write("\n")
        starter.stdin.flush()
    said = sorted(starter.communicate() for starter in starters)
    assert said == [("False\n", ""), ("False\n", ""), ("True\n", "")]


def test_a_start_with_nothing_to_do_does_not_load_alembic(
    migrated_file: Path, tmp_path: Path
) -> None:
    """It would cost every start a quarter of a second."""
    path = shutil.copy(migrated_file, tmp_path)
    starter = program(_STARTER + "assert 'alembic' not in sys.modules", f"sqlite:///{path}")
    assert starter.communicate("\n") == ("ready\nFalse\n", "")
