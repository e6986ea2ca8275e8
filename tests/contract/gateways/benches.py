"""Benches of the contract suite: one provider with its fake for each kind of gateway.

Add a new kind to `BENCHES`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from aiohttp import web
from pydantic import SecretStr

from providers import PROVIDERS
from providers.base import Provider, ProviderOptions
from providers.http import HttpClient
from providers.types import (
    Failed,
    Finished,
    ImageTransport,
    Pending,
    Progress,
    ReferenceImage,
    VideoRequest,
)
from tests.fakes.change_signal import PATIENCE_S
from tests.fakes.gateways import relay_schema
from tests.fakes.gateways.jimmy import FakeJimmyGateway
from tests.fakes.gateways.json_gateway import FakeJsonGateway
from tests.fakes.gateways.jxincm import FakeJxincmGateway
from tests.fakes.gateways.mountsea import FakeMountseaGateway
from tests.fakes.gateways.openai import KEY, FakeOpenAIGateway
from tests.fakes.gateways.webhooks import WEBHOOK_SECRET

Fault = Literal["throttled", "lost", "moderated", "fail", "stuck", "vanished", "broken"]
"""Faults that every bench can simulate; see the tests that use them."""


@dataclass(frozen=True)
class Bench:
    """One kind of gateway, ready to be tested."""

    open: Callable[[Mapping[str, object]], Provider]
    """Opens a provider with these options instead of the defaults."""
    request: VideoRequest
    """The request that it finishes fastest."""
    words: Mapping[Fault, str]
    """Fault -> words in a prompt that cause it."""


_WORDS: dict[Fault, str] = {
    "throttled": "!throttle",
    "lost": "!drop-after",
    "moderated": "!moderated",
    "fail": "!failed",
    "stuck": "!stuck",
    "vanished": "!vanished",
    "broken": "!short",
}
"""Words in a prompt that make our fakes simulate a fault."""
OpenBench = Callable[[Path], AbstractAsyncContextManager[Bench]]


def bench_opener(
    kind: str, http: HttpClient, folder: Path, usual: Mapping[str, object]
) -> Callable[[Mapping[str, object]], Provider]:
    """Return a function that opens a provider of this kind, with optional other options."""
    made = PROVIDERS[kind]

    def opened(options: Mapping[str, object]) -> Provider:
        chosen: ProviderOptions = made.options_type.model_validate(
            {"kind": kind, **usual, **options}
        )
        return made(chosen, http, folder)

    return opened


_OFFICIAL = VideoRequest(
    "task1", "sora-2", "a red kite", 4, size="720x1280", width=720, height=1280
)


def _official(kind: relay_schema.Dialect, **more: object) -> OpenBench:
    """Bench of a kind of the OpenAI format, with additional options."""

    @asynccontextmanager
    async def opened(folder: Path) -> AsyncIterator[Bench]:
        http = HttpClient(read_timeout=10)
        async with FakeOpenAIGateway(
            render_seconds=0.1, deletes_abort=True, dialect=kind
        ) as gateway:
            usual = {"base_url": gateway.url, "api_key": SecretStr(KEY), **more}
            yield Bench(bench_opener(kind, http, folder, usual), _OFFICIAL, _WORDS)
            await http.close()
            assert gateway.violations == []

    return opened


def _dialect(kind: str, made: type[FakeJsonGateway], request: VideoRequest) -> OpenBench:
    @asynccontextmanager
    async def opened(folder: Path) -> AsyncIterator[Bench]:
        http = HttpClient(read_timeout=10)
        async with made(render_seconds=0.1) as gateway:
            usual = {"base_url": gateway.url, "api_key": SecretStr(KEY)}
            yield Bench(bench_opener(kind, http, folder, usual), request, _WORDS)
            await http.close()
            assert gateway.violations == []

    return opened


@asynccontextmanager
async def _sandbox(folder: Path) -> AsyncIterator[Bench]:
    http, opened = HttpClient(), []
    usual = bench_opener("sandbox", http, folder, {})

    def remembered(options: Mapping[str, object]) -> Provider:
        opened.append(usual(options))
        return opened[-1]

    faults: list[Fault] = ["throttled", "lost", "moderated", "fail", "stuck", "vanished", "broken"]
    yield Bench(
        open=remembered,
        request=VideoRequest("task1", "sandbox", "a red kite", 1, width=96, height=160),
        words={name: f"[{name}]" for name in faults},
    )
    for provider in opened:
        await provider.close()
    await http.close()


_SMALL = VideoRequest("task1", "sora-2", "a red kite", 10, size="small", width=720, height=1280)
BENCHES: dict[str, OpenBench] = {
    "jimmy": _dialect("jimmy", FakeJimmyGateway, replace(_SMALL, model="sora2-12s", seconds=12)),
    "jxincm": _dialect("jxincm", FakeJxincmGateway, _SMALL),
    "mountsea": _dialect("mountsea", FakeMountseaGateway, _SMALL),
    "openai": _official("openai", cancel=True, webhook_secret=SecretStr(WEBHOOK_SECRET)),
    "relay147": _official("relay147"),
    "sandbox": _sandbox,
    "zenlayer": _official("zenlayer"),
}


@asynccontextmanager
async def carry_image(provider: Provider, picture: ReferenceImage) -> AsyncIterator[ReferenceImage]:
    """Upload or publish the image in the preferred way of the gateway, as the engine does."""
    match provider.capabilities.choose_image_transport(links_available=True):
        case ImageTransport.UPLOAD:
            yield replace(picture, url=await provider.upload_image(picture))
        case ImageTransport.LINK:
            async with _published(picture.path) as url:
                yield replace(picture, url=url)
        case _:
            yield picture


@asynccontextmanager
async def _published(path: Path) -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_static("/", path.parent)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}/{path.name}"
    await runner.cleanup()


async def poll_until_settled(provider: Provider, remote_id: str) -> Progress:
    """Poll until the job has ended, and return its final state."""
    async with asyncio.timeout(PATIENCE_S):
        while isinstance(progress := await provider.poll(remote_id), Pending):
            assert progress.percent is None or 0 <= progress.percent <= 100
            await asyncio.sleep(0.02)
    return progress


async def poll_until_finished(provider: Provider, remote_id: str) -> Finished:
    """Poll until the job has finished successfully."""
    progress = await poll_until_settled(provider, remote_id)
    assert isinstance(progress, Finished), progress
    return progress


async def poll_until_failed(provider: Provider, remote_id: str) -> Failed:
    """Poll until the job has failed."""
    progress = await poll_until_settled(provider, remote_id)
    assert isinstance(progress, Failed), progress
    return progress


async def fetch_video(
    provider: Provider, remote_id: str, offset: int = 0
) -> tuple[int, bytes, int | None]:
    """Return (offset of the content, content, total size) of a download."""
    done = await poll_until_finished(provider, remote_id)
    async with provider.download(remote_id, done, offset) as download:
        content = b"".join([chunk async for chunk in download.chunks])
        return download.offset, content, download.total_bytes
