"""The client that the tests of most gateways share."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from providers.http import Http


@pytest.fixture
async def http() -> AsyncIterator[Http]:
    """The client."""
    client = Http(read_timeout=5.0)
    yield client
    await client.close()
