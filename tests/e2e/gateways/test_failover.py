"""One public model on three gateways, at the wire: whoever is down, the person notices nothing."""

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
from providers.http import Http
from tests.fakes.engine.harness import Stage
from tests.fakes.gateways.openai import KEY, Gateway
from tests.fakes.raw_server import answer, server
from tests.support.fake_clock import FakeClock


@pytest.fixture
async def http() -> AsyncIterator[Http]:
    """A client that loses patience soon."""
    it = Http(read_timeout=0.5)
    yield it
    await it.close()


@pytest.fixture
async def gateways() -> AsyncIterator[list[Gateway]]:
    """Two that work."""
    async with AsyncExitStack() as stack:
        yield [
            await stack.enter_async_context(Gateway(render_seconds=0.0, cheap=True))
            for _ in range(2)
        ]


@pytest.fixture
def stage(database: Database, clock: FakeClock, tmp_path: Path) -> Stage:
    """The engine, ready to play."""
    return Stage(database, tmp_path / "data", clock)


def use(stage: Stage, http: Http, *urls: str) -> None:
    """Serve one model by these, asked in this order."""
    made = PROVIDERS["openai"]
    providers: dict[str, Provider] = {}
    for number, url in enumerate(urls):
        name = ("first", "second", "third")[number]
        options = {"kind": "openai", "api_key": SecretStr(KEY), "priority": -number}
        chosen = made.options_type.model_validate({**options, "base_url": url})
        providers[name] = made(chosen, http, stage.folder / name)
    stage.use_all(providers, Catalog.load(None, dict.fromkeys(providers, "openai")))


async def test_a_person_hears_of_gateways_that_are_down(
    stage: Stage, http: Http, gateways: list[Gateway]
) -> None:
    """The first refuses connections, the second answers 429, the third makes the video."""
    busy, good = gateways
    busy.plan("create", "throttle")
    use(stage, http, "http://127.0.0.1:9", busy.url, good.url)
    task = await stage.order(model="sora-2")
    await stage.run(30)
    found = await stage.task(task)
    assert (found.state, found.provider) == (State.DONE, "third")
    assert dict(busy.creates) == {}
    assert dict(good.creates) == {"a red kite": 1}
    assert stage.chat.told_texts == stage.chat.alerts == []
    assert len(stage.chat.posted_texts) == 1


async def test_a_create_that_was_not_answered_is_sent_to_the_next(
    stage: Stage, http: Http, gateways: list[Gateway]
) -> None:
    """A read timeout at the first: review, and one create in all, its own."""
    heads: list[bytes] = []

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        if heads[-1].startswith(b"GET"):
            writer.write(answer("200 OK", '{"object": "list", "data": [], "has_more": false}'))
        else:
            await reader.read()
        writer.close()

    async with server(silent) as url:
        use(stage, http, url, gateways[0].url, gateways[1].url)
        task = await stage.order(model="sora-2")
        await stage.run(3600)
    assert (await stage.task(task)).state is State.REVIEW
    assert sum(head.startswith(b"POST /v1/videos ") for head in heads) == 1
    assert not any(one.creates for one in gateways)
