"""A small table for the tests of databases, also in other processes."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from sqlalchemy import Column, Integer, MetaData, Table, Text, insert, select

from bot.store.connect import open_database
from bot.store.database import Database, Tx

ROOT = Path(__file__).parents[2]
notes = Table("notes", MetaData(), Column("id", Integer, primary_key=True), Column("words", Text))


@asynccontextmanager
async def open_store(url: str) -> AsyncIterator[Database]:
    database = open_database(url)
    await database.open()
    try:
        yield database
    finally:
        await database.close()


def write(tx: Tx, number: int, words: str = "") -> int:
    tx.execute(insert(notes).values(id=number, words=words))
    return number


def numbers(tx: Tx) -> list[int]:
    return list(tx.execute(select(notes.c.id).order_by(notes.c.id)).scalars())


def run_script(script: str, *arguments: str) -> subprocess.Popen[str]:
    """Run a script in another process."""
    return subprocess.Popen(
        [sys.executable, "-c", script, *arguments],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
