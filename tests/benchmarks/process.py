"""Reelay as a process of its own, started as its users start it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[2]


def environment(folder: Path, **settings: str) -> dict[str, str]:
    """The settings of a process whose data are in this folder."""
    return {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "DATA_DIR": str(folder),
        "DATABASE_URL": f"sqlite:///{folder}/reelay.db",
        "LOG_LEVEL": "error",
        **settings,
    }


@contextmanager
def reelay(folder: Path, **settings: str) -> Iterator[subprocess.Popen[str]]:
    """`reelay run`; killed at the end, as a machine that loses its power would."""
    with subprocess.Popen(
        [sys.executable, "-m", "bot", "run", "--env-file", os.devnull],
        cwd=folder,
        env=environment(folder, **settings),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def cpu_seconds(number: int) -> float:
    """The processor time that a process has used."""
    fields = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_megabytes(number: int) -> float:
    """The memory that a process holds."""
    pages = int(Path(f"/proc/{number}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6
