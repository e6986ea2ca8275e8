"""A process that has imported everything and forks a real process for each run.

Reads one JSON object a line from standard input, forks a child that runs Reelay with those
settings and instrumented seams, waits for it, and answers with its exit status (negative: the
signal that killed it). It stays single-threaded, so that forking is safe.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import traceback
from pathlib import Path
from typing import TypedDict

import aiosqlite  # noqa: F401 - imported here so that no child pays for it
import asyncpg  # noqa: F401
import httpx_aiohttp  # noqa: F401

from bot.app import App, open_components
from bot.config import load_settings
from bot.frontends.console import Console
from bot.store import postgres, sqlite  # noqa: F401
from tests.support.crash_points import CrashPoints, with_crash_points


class RunSpec(TypedDict):
    """One run."""

    settings: dict[str, str]
    stdin: str
    stdout: str
    stderr: str
    points: str
    kill_at: str | None
    timeout: int


async def _run(job: RunSpec) -> int:
    settings = load_settings(None, job["settings"])
    points = CrashPoints(Path(job["points"]), job["kill_at"])
    async with open_components(settings) as parts:
        return await App(settings, with_crash_points(parts, points, settings.data_dir)).run()


def _child(job: RunSpec) -> None:
    for path, flags, number in (
        (job["stdin"], os.O_RDONLY, 0),
        (job["stdout"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 1),
        (job["stderr"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 2),
    ):
        os.dup2(os.open(path, flags, 0o600), number)
    status = 3
    try:
        status = asyncio.run(asyncio.wait_for(_run(job), job["timeout"]))
    except BaseException as error:  # noqa: BLE001 - a child must never return into the zygote
        sys.stderr.write(f"{error!r}\n")
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def main() -> None:
    """Serve until standard input ends."""
    assert Console.name == "console"
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            _child(json.loads(line))
        _, status = os.waitpid(child, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
