"""One public model on three gateways: the user does not notice that some are down."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from pydantic import SecretStr

from bot.catalog.catalog import Catalog
from bot.domain.tasks import State
from bot.store.database import Database
from providers import PROVIDERS
from providers.base import Provider
from providers.http import HttpClient
from tests.fakes.engine.harness import EngineHarness
from tests.fakes.gateways.openai import KEY, FakeOpenAIGateway
from tests.fakes.raw_server import http_response, raw_server
from tests.support.fake_clock import FakeClock


@pytest.fixture
async def http() -> AsyncIterator[HttpClient]:
    """A client with a short read timeout."""
    it = HttpClient(read_timeout=0.5)
    yield it
    await it.close()


@pytest.fixture
async def gateways() -> AsyncIterator[list[FakeOpenAIGateway]]:
    """Two working gateways."""
    async with AsyncExitStack() as stack:
        yield [
            await stack.enter_async_context(FakeOpenAIGateway(render_seconds=0.0, cheap=True))
            for _ in range(2)
        ]


@pytest.fixture
def harness(database: Database, clock: FakeClock, tmp_path: Path) -> EngineHarness:
    """The engine with a scripted provider and chat."""
    return EngineHarness(database, tmp_path / "data", clock)


def use(stage: EngineHarness, http: HttpClient, *urls: str) -> None:
    """Offer one model at these gateways, in this order of priority."""
    made = PROVIDERS["openai"]
    providers: dict[str, Provider] = {}
    for number, url in enumerate(urls):
        name = ("first", "second", "third")[number]
        options = {"kind": "openai", "api_key": SecretStr(KEY), "priority": -number}
        chosen = made.options_type.model_validate({**options, "base_url": url})
        providers[name] = made(chosen, http, stage.folder / name)
    stage.use_providers(providers, Catalog.load(None, dict.fromkeys(providers, "openai")))


async def test_failover_is_invisible_to_the_user(
    harness: EngineHarness, http: HttpClient, gateways: list[FakeOpenAIGateway]
) -> None:
    """The first refuses connections, the second returns 429, the third makes the video."""
    busy, good = gateways
    busy.plan("create", "throttle")
    use(harness, http, "http://127.0.0.1:9", busy.url, good.url)
    task = await harness.accept_task(model="sora-2")
    await harness.run_for(30)
    found = await harness.task(task)
    assert (found.state, found.provider) == (State.DONE, "third")
    assert dict(busy.creates) == {}
    assert dict(good.creates) == {"a red kite": 1}
    assert harness.chat.final_messages == harness.chat.alerts == []
    assert len(harness.chat.posted_texts) == 1


async def test_unclear_create_is_not_sent_to_the_next_gateway(
    harness: EngineHarness, http: HttpClient, gateways: list[FakeOpenAIGateway]
) -> None:
    """After a read timeout at the first one the task is in review, with one create in all."""
    heads: list[bytes] = []

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        if heads[-1].startswith(b"GET"):
            writer.write(
                http_response("200 OK", '{"object": "list", "data": [], "has_more": false}')
            )
        else:
            await reader.read()
        writer.close()

    async with raw_server(silent) as url:
        use(harness, http, url, gateways[0].url, gateways[1].url)
        task = await harness.accept_task(model="sora-2")
        await harness.run_for(3600)
    assert (await harness.task(task)).state is State.REVIEW
    assert sum(head.startswith(b"POST /v1/videos ") for head in heads) == 1
    assert not any(one.creates for one in gateways)
