"""Fixtures for the tests of all gateways."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from providers.http import HttpClient


@pytest.fixture
async def http() -> AsyncIterator[HttpClient]:
    """The HTTP client."""
    client = HttpClient(read_timeout=5.0)
    yield client
    await client.close()
