"""What the contract suite needs of each kind of gateway: a bench for it to stand on.

A new kind joins by adding its bench to `BENCHES`.
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
from tests.fakes.gateways import relay_schema
from tests.fakes.gateways.jimmy import FakeJimmyGateway
from tests.fakes.gateways.json_gateway import FakeJsonGateway
from tests.fakes.gateways.jxincm import FakeJxincmGateway
from tests.fakes.gateways.mountsea import FakeMountseaGateway
from tests.fakes.gateways.openai import KEY, FakeOpenAIGateway
from tests.fakes.gateways.webhooks import WEBHOOK_SECRET

Fault = Literal["throttled", "lost", "moderated", "fail", "stuck", "vanished", "broken"]
"""What every gateway can do to us: see the test of each."""


@dataclass(frozen=True)
class Bench:
    """One kind of gateway, ready to be tried."""

    open: Callable[[Mapping[str, object]], Provider]
    """With these options other than usual."""
    request: VideoRequest
    """What it makes fastest."""
    words: Mapping[Fault, str]
    """What in a prompt brings a fault about."""


_WORDS: dict[Fault, str] = {
    "throttled": "!throttle",
    "lost": "!drop-after",
    "moderated": "!moderated",
    "fail": "!failed",
    "stuck": "!stuck",
    "vanished": "!vanished",
    "broken": "!short",
}
"""What brings a fault about at all of our stand-ins."""
OpenBench = Callable[[Path], AbstractAsyncContextManager[Bench]]


def bench_opener(
    kind: str, http: HttpClient, folder: Path, usual: Mapping[str, object]
) -> Callable[[Mapping[str, object]], Provider]:
    """Opens an account of this kind with the usual options and some others."""
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
    """With these options more than usual."""

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
    """The picture in the way that the gateway takes best, as the engine would bring it."""
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
    """Look until the job is over."""
    async with asyncio.timeout(60):
        while isinstance(progress := await provider.poll(remote_id), Pending):
            assert progress.percent is None or 0 <= progress.percent <= 100
            await asyncio.sleep(0.02)
    return progress


async def poll_until_finished(provider: Provider, remote_id: str) -> Finished:
    """The end of a job that goes well."""
    progress = await poll_until_settled(provider, remote_id)
    assert isinstance(progress, Finished), progress
    return progress


async def poll_until_failed(provider: Provider, remote_id: str) -> Failed:
    """The end of a job that does not."""
    progress = await poll_until_settled(provider, remote_id)
    assert isinstance(progress, Failed), progress
    return progress


async def fetch_video(
    provider: Provider, remote_id: str, offset: int = 0
) -> tuple[int, bytes, int | None]:
    """(where it begins, what came, all there is)."""
    done = await poll_until_finished(provider, remote_id)
    async with provider.download(remote_id, done, offset) as download:
        content = b"".join([chunk async for chunk in download.chunks])
        return download.offset, content, download.total_bytes
