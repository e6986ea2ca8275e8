"""Polling by list at a gateway of the OpenAI format, with many jobs."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import SecretStr

from bot.catalog.catalog import Catalog
from bot.domain.tasks import State
from bot.store.database import Database
from providers import PROVIDERS
from providers.http import HttpClient
from tests.fakes.engine.harness import EngineHarness
from tests.fakes.gateways.openai import KEY, FakeOpenAIGateway
from tests.support.fake_clock import FakeClock

JOBS = 250


@pytest.mark.parametrize("dialect", ["sqlite"], indirect=True)
async def test_many_jobs_are_polled_by_list(
    database: Database, clock: FakeClock, tmp_path: Path
) -> None:
    """Hundreds of jobs on several pages: all found, with fewer requests than jobs."""
    stage = EngineHarness(database, tmp_path / "data", clock)
    http, made = HttpClient(), PROVIDERS["openai"]
    async with FakeOpenAIGateway(render_seconds=60, cheap=True, now=clock.now) as gateway:
        given = {"kind": "openai", "api_key": SecretStr(KEY), "max_concurrent": JOBS}
        options = made.options_type.model_validate({**given, "base_url": gateway.url})
        provider = made(options, http, tmp_path / "p")
        stage.use_providers({"p": provider}, Catalog.load(None, {"p": "openai"}))
        ordered = [
            await stage.accept_task(f"console:{number}", model="sora-2", prompt=f"kite {number}")
            for number in range(JOBS)
        ]
        await stage.run_for(300)
        for task in ordered:
            found = await stage.task(task)
            assert (found.state, found.remote_id is not None) == (State.DONE, True)
            assert (found.finished_at or 0) - (found.submitted_at or 0) < 75
        lists = gateway.requests["GET /videos"]
        looks = gateway.requests["GET /videos/{video_id}"]
        assert lists + looks < JOBS
        assert set(gateway.creates.values()) == {1}
        assert gateway.violations == []
    await http.close()
