"""What the contract suite needs of each kind of gateway: a bench for it to stand on.

A new kind joins by adding its bench to `BENCHES`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import SecretStr

from providers import PROVIDERS
from providers.base import Failed, Finished, Options, Pending, Progress, Provider, VideoRequest
from providers.http import Http
from tests.standins.gateway import KEY, Gateway

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


OpenBench = Callable[[Path], AbstractAsyncContextManager[Bench]]


def _opener(
    kind: str, http: Http, folder: Path, usual: Mapping[str, object]
) -> Callable[[Mapping[str, object]], Provider]:
    made = PROVIDERS[kind]

    def opened(options: Mapping[str, object]) -> Provider:
        chosen: Options = made.options_type.model_validate({"kind": kind, **usual, **options})
        return made(chosen, http, folder)

    return opened


@asynccontextmanager
async def _openai(folder: Path) -> AsyncIterator[Bench]:
    http = Http(read_timeout=10)
    async with Gateway(render_seconds=0.1, deletes_abort=True) as gateway:
        usual = {"base_url": gateway.url, "api_key": SecretStr(KEY), "cancel": True}
        yield Bench(
            open=_opener("openai", http, folder, usual),
            request=VideoRequest(
                "task1", "sora-2", "a red kite", 4, size="720x1280", width=720, height=1280
            ),
            words={
                "throttled": "!throttle",
                "lost": "!drop-after",
                "moderated": "!moderated",
                "fail": "!failed",
                "stuck": "!stuck",
                "vanished": "!vanished",
                "broken": "!short",
            },
        )
        await http.close()
        assert gateway.violations == []


@asynccontextmanager
async def _sandbox(folder: Path) -> AsyncIterator[Bench]:
    http, opened = Http(), []
    opener = _opener("sandbox", http, folder, {})

    def remembered(options: Mapping[str, object]) -> Provider:
        opened.append(opener(options))
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


BENCHES: dict[str, OpenBench] = {"openai": _openai, "sandbox": _sandbox}


async def end_of(provider: Provider, remote_id: str) -> Progress:
    """Look until the job is over."""
    async with asyncio.timeout(60):
        while isinstance(progress := await provider.poll(remote_id), Pending):
            assert progress.percent is None or 0 <= progress.percent <= 100
            await asyncio.sleep(0.02)
    return progress


async def finished(provider: Provider, remote_id: str) -> Finished:
    """The end of a job that goes well."""
    progress = await end_of(provider, remote_id)
    assert isinstance(progress, Finished), progress
    return progress


async def failed(provider: Provider, remote_id: str) -> Failed:
    """The end of a job that does not."""
    progress = await end_of(provider, remote_id)
    assert isinstance(progress, Failed), progress
    return progress


async def fetched(
    provider: Provider, remote_id: str, offset: int = 0
) -> tuple[int, bytes, int | None]:
    """(where it begins, what came, all there is)."""
    done = await finished(provider, remote_id)
    async with provider.download(remote_id, done, offset) as download:
        content = b"".join([chunk async for chunk in download.chunks])
        return download.offset, content, download.total
