"""The move from SQLite to PostgreSQL copies every row, or none."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import RowMapping, Table, insert, select

from bot.credits import ledger
from bot.domain.tasks import Destination, Order, State
from bot.services.accept_task import NewTask, accept_task
from bot.store.connect import open_database
from bot.store.database import Database, Tx
from bot.store.schema import (
    alerts,
    audit,
    cards,
    deliveries,
    durations,
    entries,
    events,
    groups,
    heard,
    marks,
    metadata,
    notices,
    people,
    providers,
    switched_off,
    tasks,
    updates,
)
from tests.support.credit_limits import CREDIT_LIMITS

ROOT = Path(__file__).parents[2]
AUDITED = 1200
"""More than one batch."""
_CARD = {"front_end": "telegram", "address": "1", "created_at": 1.0, "changed_at": 1.0}


@pytest.fixture
def dialect() -> str:
    """What `database` is here: where the move goes to."""
    return "postgresql"


def _fill(tx: Tx) -> None:
    """Two tasks, the older one with the higher id being the origin of the other, and all else."""
    place = Destination("console")
    for key, at, remix_of in (("zzz", 1.0, None), ("aaa", 2.0, "zzz")):
        order = Order("sandbox", "一只猫", 4, watermark=False, remix_of=remix_of)
        accept_task(tx, NewTask(key, "console:local", place, "zh", order, 4), CREDIT_LIMITS, 9, at)
    done = {"file": "zzz.mp4", "bytes": 5_000_000_000, "state": State.DONE}
    tx.execute(tasks.update().where(tasks.c.id == "zzz").values(**done))
    ledger.settle(tx, "zzz", 3.0)
    rows = {"by": "console:local", "what": "grant"}
    tx.execute(insert(audit), [{"at": float(at), **rows} for at in range(AUDITED)])
    tx.execute(insert(providers), {"name": "local", "paused_until": 5.5})
    measured = {"provider": "local", "remote_model": "m", "seconds": 4, "took": 1.5, "at": 2.0}
    tx.execute(insert(durations), measured)
    for table, row in (
        (deliveries, {"task": "zzz", "front_end": "console", "address": "", "repeated": True}),
        (notices, {"task": "aaa", "state": "failed", "due_at": 3.0}),
        (events, {"task": "zzz", "at": 1.0, "to_state": "queued"}),
        (switched_off, {"provider": "local", "remote_model": "m", "until": 9.5, "raw": "没有"}),
        (
            alerts,
            {"front_end": "console", "sentence": "s", "facts": "{}", "at": 1.0, "due_at": 1.0},
        ),
        (heard, {"identity": "abc", "event": "evt_1", "at": 1.0}),
        (
            updates,
            {
                "front_end": "telegram",
                "id": 2**40,
                "lane": "1",
                "body": "{}",
                "at": 1.0,
                "due_at": 1.0,
            },
        ),
        (cards, {"token": "t", "task": "zzz", "kind": "result", "person": "telegram:1", **_CARD}),
        (groups, {"id": "discord:1", "changed_at": 1.0, "changed_by": "discord:2"}),
        (marks, {"front_end": "telegram", "name": "moved:-5", "value": "-1005"}),
    ):
        if tx.execute(select(table)).first() is None:
            tx.execute(insert(table), row)


@pytest.fixture
async def file(migrated_file: Path, tmp_path: Path) -> Path:
    """A SQLite database with something in each table."""
    path = tmp_path / "before-move.db"
    shutil.copy(migrated_file, path)
    source = open_database(f"sqlite:///{path}")
    await source.open()
    await source.transact(_fill)
    await source.close()
    return path


def _move(file: Path, url: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, ROOT / "deploy" / "move_to_postgresql.py", file],
        cwd=file.parent,
        env=os.environ | {"PYTHONPATH": str(ROOT), "DATABASE_URL": url},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def _rows(tx: Tx, table: Table) -> list[RowMapping]:
    return list(tx.execute(select(table).order_by(*table.primary_key.columns)).mappings())


def _everything(tx: Tx) -> dict[str, list[RowMapping]]:
    return {table.name: _rows(tx, table) for table in metadata.sorted_tables}


async def test_every_row_is_copied_and_sequences_continue(
    file: Path, database: Database, database_url: str
) -> None:
    """Each table is equal on both sides, the ledger is right, and new rows get free numbers."""
    done = _move(file, database_url)
    assert done.returncode == 0, done.stderr
    source = open_database(f"sqlite:///{file}")
    await source.open()
    before = await source.read(_everything)
    await source.close()
    after = await database.read(_everything)
    assert all(before.values())
    assert after == before
    assert await database.read(ledger.verify) == []
    assert done.stdout == f"{sum(map(len, after.values()))} rows are in PostgreSQL now.\n"
    await database.transact(lambda tx: ledger.grant(tx, "console:local", 5, "console:local", 4.0))
    numbers = await database.read(
        lambda tx: tx.execute(select(entries.c.id).order_by(entries.c.id)).scalars().all()
    )
    assert numbers[-1] == numbers[-2] + 1


async def test_database_in_use_is_refused_and_unchanged(
    file: Path, database: Database, database_url: str
) -> None:
    """A second move, or one into the wrong database, is refused."""
    await database.transact(
        lambda tx: tx.execute(insert(people), {"id": "telegram:1", "created_at": 1.0})
    )
    before = await database.read(_everything)
    done = _move(file, database_url)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("the PostgreSQL database is not empty")
    assert await database.read(_everything) == before


def test_wrong_target_or_file_is_reported_in_one_line(file: Path, tmp_path: Path) -> None:
    """One line for each mistake, no traceback."""
    for source, url, line in (
        (file, f"sqlite:///{tmp_path}/other.db", "DATABASE_URL: is not PostgreSQL; "),
        (tmp_path / "nothing.db", "postgresql://u@127.0.0.1:1/n", f"{tmp_path}/nothing.db: there"),
    ):
        done = _move(source, url)
        assert done.returncode == 1
        assert done.stderr.startswith(line)
        assert len(done.stderr.splitlines()) == 1
