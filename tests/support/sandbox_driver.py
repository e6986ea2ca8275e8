"""Driving a sandbox: order a film, look until it is over, take it home."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from providers.sandbox import Sandbox
from providers.types import Finished, Pending, Progress, VideoRequest
from tests.fakes.change_signal import PATIENCE_S

OpenSandbox = Callable[[], Sandbox]
"""Opens the one sandbox of a test; once more means: after a restart."""

SMALL = VideoRequest(
    idempotency_key="k3xw", model="sandbox", prompt="a kite", seconds=1, width=96, height=160
)
"""Made in a moment."""


async def poll_until_done(sandbox: Sandbox, remote_id: str) -> Progress:
    """Look until the job is over; the making of a film takes its time."""
    async with asyncio.timeout(PATIENCE_S):
        while isinstance(progress := await sandbox.poll(remote_id), Pending):
            await asyncio.sleep(0.02)
    return progress


async def poll_until_percent(sandbox: Sandbox, remote_id: str, least: float = 0.1) -> None:
    """Look until so much of the film is made."""
    async with asyncio.timeout(PATIENCE_S):
        while percent(await sandbox.poll(remote_id)) < least:
            await asyncio.sleep(0.01)


def percent(progress: Progress) -> float:
    """How much is made of a film that is not over."""
    assert isinstance(progress, Pending)
    return progress.percent or 0


async def download(sandbox: Sandbox, remote_id: str, offset: int = 0) -> bytes:
    """What a download gives."""
    async with sandbox.download(remote_id, Finished(), offset) as opened:
        assert opened.media_type == "video/mp4"
        content = b"".join([piece async for piece in opened.chunks])
        assert opened.total_bytes == opened.offset + len(content)
        assert opened.offset in {0, offset}
        return content


async def make_film(sandbox: Sandbox, request: VideoRequest, target: Path) -> Path:
    """The finished film of a new job."""
    job = await sandbox.submit(request)
    assert await poll_until_done(sandbox, job.remote_id) == Finished()
    target.write_bytes(await download(sandbox, job.remote_id))
    return target
