"""The start: to the first answer of the console; and what an idle process costs."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from tests.benchmarks.figure import Figure
from tests.benchmarks.process import cpu_seconds, reelay, resident_megabytes

ROUNDS = 5
IDLE = 10.0
LIBRARIES = (
    "aiohttp, aiosqlite, asyncio, fluent.runtime, httpx, httpx_aiohttp, pydantic,"
    " pydantic_settings, rapidfuzz, sqlalchemy.ext.asyncio, sqlalchemy.dialects.sqlite, structlog"
)


def run() -> Iterator[Figure]:
    """Goal 10."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        # The first start makes the tables.
        _to_ready(folder)
        rounds = [(_to_ready(folder), _imports(folder)) for _ in range(ROUNDS)]
        yield Figure(
            name="`reelay run` to its first answer",
            value=median(ours for ours, _ in rounds),
            unit="s",
            floor=median(floor for _, floor in rounds),
            floor_name="importing its libraries",
            goal=1.5,
        )
        yield from _idle(folder)


def _to_ready(folder: Path) -> float:
    began = time.perf_counter()
    with reelay(folder, CONSOLE="true") as process:
        assert process.stdin
        assert process.stdout
        process.stdin.write("/help\n")
        process.stdin.flush()
        assert process.stdout.readline()
        return time.perf_counter() - began


def _imports(folder: Path) -> float:
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", f"import {LIBRARIES}"], check=True, cwd=folder)
    return time.perf_counter() - began


def _idle(folder: Path) -> Iterator[Figure]:
    with reelay(folder, CONSOLE="true") as process:
        # The start is over long before.
        time.sleep(3)
        before = cpu_seconds(process.pid)
        time.sleep(IDLE)
        # One that has ended uses nothing either.
        assert process.poll() is None
        used = (cpu_seconds(process.pid) - before) / IDLE
        memory = resident_megabytes(process.pid)
    yield Figure("an idle process, share of a core", used * 100, "%", 0.5, "allowed", 1)
    yield Figure("memory at rest", memory, "MB", 120, "allowed", 1)
