"""Processes for crash tests: a server that forks Reelay, and a gateway that outlives it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

ROOT = Path(__file__).parents[2]


@dataclass
class ForkServer:
    """Runs Reelay in a new real process for each job."""

    process: subprocess.Popen[str]

    def run(self, job: dict[str, Any]) -> int:
        """Run a job and return its exit status; negative is the signal that ended it."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(job) + "\n")
        self.process.stdin.flush()
        return int(self.process.stdout.readline())


@dataclass
class RemoteGateway:
    """The fake gateway in a process of its own."""

    url: str

    def state(self) -> dict[str, Any]:
        """The gateway's state: accepted creates, jobs, requests and violations."""
        found: dict[str, Any] = httpx.get(f"{self.url}/_state").json()
        return found


def _started(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", *arguments],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def _ended(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.close()
    process.wait(20)
    process.stdout.close()


@pytest.fixture(scope="session")
def fork_server() -> Iterator[ForkServer]:
    """One fork server for all tests of this worker: importing everything costs more than a run."""
    process = _started("tests.support.fork_server")
    yield ForkServer(process)
    _ended(process)


@pytest.fixture(scope="session")
def remote_gateway() -> Iterator[RemoteGateway]:
    """One gateway for all tests of this worker; prompts keep their jobs apart."""
    process = _started("tests.fakes.gateways.openai", "--render-seconds", "0.15", "--cheap")
    assert process.stdout is not None
    yield RemoteGateway(process.stdout.readline().strip())
    _ended(process)
