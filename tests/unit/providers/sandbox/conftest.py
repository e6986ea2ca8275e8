"""A sandbox for each test, in its own folder and with a fake clock."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from providers.base import ProviderOptions
from providers.http import HttpClient
from providers.sandbox import Sandbox
from tests.support.fake_clock import FakeClock
from tests.support.sandbox_driver import OpenSandbox


@pytest.fixture
async def open_sandbox(tmp_path: Path, clock: FakeClock) -> AsyncIterator[OpenSandbox]:
    """Open the sandbox of this test; another call simulates a restart."""
    async with AsyncExitStack() as stack:
        http = HttpClient()
        stack.push_async_callback(http.close)

        def opened() -> Sandbox:
            sandbox = Sandbox(
                ProviderOptions(kind="sandbox"), http, tmp_path / "sandbox", now=clock.now
            )
            stack.push_async_callback(sandbox.close)
            return sandbox

        yield opened


@pytest.fixture
def sandbox(open_sandbox: OpenSandbox) -> Sandbox:
    """A sandbox in an empty folder."""
    return open_sandbox()
