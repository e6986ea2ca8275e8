"""Reelay as a process of its own, started as users start it, and killed with SIGKILL."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path
from typing import Self

from tests.fakes.change_signal import PATIENCE_S
from tests.support.migrated_file import copy_migrated

ROOT = Path(__file__).parents[2]


class BotProcess:
    """`reelay run` in a folder, again and again; at the end of the `with` it is killed."""

    def __init__(self, folder: Path, **environ: str) -> None:
        self.folder = folder
        self._environ = {
            "DATA_DIR": str(folder / "data"),
            "DATABASE_URL": f"sqlite:///{folder / 'reelay.db'}",
            "HTTP_PORT": "0",
            "LOG_FORMAT": "json",
            "POLL_MIN_SECONDS": "0.1",
            **environ,
        }
        self._log = folder / "process.log"
        self._running: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        copy_migrated(self.folder / "reelay.db")
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    @property
    def pid(self) -> int:
        """The process id."""
        assert self._running is not None
        return self._running.pid

    @property
    def log_text(self) -> str:
        """Its log, of all starts."""
        return self._log.read_text() if self._log.exists() else ""

    def start(self, **environ: str) -> None:
        """Start it."""
        with self._log.open("ab") as log:
            self._running = subprocess.Popen(
                [sys.executable, "-m", "bot", "run", "--env-file", os.devnull],
                cwd=self.folder,
                env={**os.environ, "PYTHONPATH": str(ROOT), **self._environ, **environ},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def kill(self) -> None:
        """End it with SIGKILL."""
        if self._running is not None:
            self._running.kill()
            self._running.wait()

    async def wait_exit(self, timeout: float = PATIENCE_S) -> int:
        """Wait until it ends by itself; its exit status."""
        assert self._running is not None
        return await asyncio.to_thread(self._running.wait, timeout)
