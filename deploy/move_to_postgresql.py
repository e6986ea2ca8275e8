"""Copy a SQLite backup of Reelay into the empty PostgreSQL that the settings name, all or nothing.

reelay backup before-move.db
python deploy/move_to_postgresql.py before-move.db
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from contextlib import closing
from functools import partial
from pathlib import Path

from sqlalchemy import Connection, Table, create_engine, func, insert, select
from sqlalchemy.pool import NullPool

from bot.config import SettingsError, load_settings
from bot.store.connect import open_database
from bot.store.database import DatabaseError, Tx
from bot.store.migrate import HEAD, current_version, migrate
from bot.store.schema import metadata

_BATCH = 500


class CannotMove(Exception):
    """Nothing was copied; the text says why."""


async def move(file: Path, url: str) -> int:
    """Copy every row of the file; how many there were."""
    target = open_database(url)
    if target.dialect != "postgresql":
        raise CannotMove("DATABASE_URL: is not PostgreSQL; write the address to move to")
    await target.open()
    try:
        await migrate(target)
        return await target.transact(partial(_copy_all, file))
    finally:
        await target.close()


def _copy_all(file: Path, tx: Tx) -> int:
    occupied = [table.name for table in metadata.sorted_tables if _count(tx, table)]
    if occupied:
        raise CannotMove(f"the PostgreSQL database is not empty: there is something in {occupied}")
    engine = create_engine(f"sqlite:///{file}", poolclass=NullPool)
    with engine.connect() as source:
        if current_version(source) != HEAD:
            raise CannotMove(f"{file}: is of another version; start this one with it first")
        return sum(_copy(source, tx, table) for table in metadata.sorted_tables)


def _copy(source: Connection, tx: Tx, table: Table) -> int:
    # A remix refers to an earlier task, so the older ones go first.
    order = [table.c.created_at] if "created_at" in table.c else []
    found = source.execute(select(table).order_by(*order, *table.primary_key.columns))
    with closing(found.mappings()) as rows:
        for batch in rows.partitions(_BATCH):
            tx.execute(insert(table), [dict(row) for row in batch])
    copied = _count(tx, table)
    if copied != _count(source, table):
        raise CannotMove(f"{table.name}: {copied} rows arrived, which is not all")
    serial = table.autoincrement_column
    if serial is not None:
        # The next row gets the number after the highest copied one.
        sequence = func.pg_get_serial_sequence(table.name, serial.name)
        tx.execute(select(func.setval(sequence, func.max(serial))))
    return copied


def _count(tx: Connection, table: Table) -> int:
    return tx.execute(select(func.count()).select_from(table)).scalar_one()


def main() -> int:
    """The exit status, as that of `reelay`."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("file", type=Path, help="a backup that `reelay backup` made")
    parser.add_argument("--env-file", type=Path, help="settings to read instead of .env")
    arguments = parser.parse_args()
    try:
        settings = load_settings(arguments.env_file)
        if not arguments.file.is_file():
            raise CannotMove(f"{arguments.file}: there is no such file")  # noqa: TRY301 - told below
        count = asyncio.run(move(arguments.file, settings.database_url.get_secret_value()))
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    except (CannotMove, DatabaseError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(f"{count} rows are in PostgreSQL now.\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
