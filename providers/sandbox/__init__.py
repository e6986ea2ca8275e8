"""A gateway inside the process: offline, free of charge, and its videos are real short MP4 files.

Directives in square brackets in the prompt simulate faults; they do not appear in the video.

    [slow]       the video is ready 30 s later than necessary
    [throttled]  the first two creates are rejected with "slow down"; retry after 2 s
    [fail]       the job fails
    [moderated]  the job fails because of its prompt
    [stuck]      the job never ends, but it can be cancelled
    [lost]       the create is accepted, but its response is lost; the job can be found
    [vanished]   the create is accepted, but the job is unknown afterwards
    [huge]       the video is a file of 60 MB
    [broken]     the first download ends after half of the file

Jobs are files in the directory of the provider, so they survive a restart: `<key>.json` is the job
(it is accepted once this file is written), `<key>.picture` its reference image, `<key>.mp4` its
video. If rendering was interrupted, or the video was deleted after a day, the next poll of the job
renders it again.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, ClassVar

from providers.base import Options, Provider
from providers.errors import (
    Misconfigured,
    NotFound,
    Refused,
    Throttled,
    Unanswered,
    Upstream,
)
from providers.sandbox.jobs import KEY, SandboxJob, Shelf, told, untold
from providers.sandbox.render import RenderError, Scene, render, version
from providers.types import (
    Capabilities,
    Download,
    Failed,
    FailureKind,
    Finding,
    Finished,
    Job,
    Pending,
    Progress,
    VideoRequest,
)

if TYPE_CHECKING:
    from providers.http import Http

RENDERS_AT_ONCE = 2
SLOW_SECONDS = 30.0
THROTTLE_SECONDS = 2.0

_PIECE = 256 << 10
_STUCK_AT = 42.0
_LONGEST = 120
_SIDES = range(16, 4097)
_SHAPES = {"portrait": (720, 1280), "landscape": (1280, 720), "square": (960, 960)}


class Sandbox(Provider):
    """Renders videos on this machine, at most two at a time."""

    kind: ClassVar[str] = "sandbox"
    key_required: ClassVar[bool] = False
    capabilities = Capabilities(find=Finding.CERTAIN, cancel=True, remix=True)

    def __init__(
        self,
        options: Options,
        http: Http,
        directory: Path,
        *,
        now: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(options, http, directory)
        self._now = now
        self._shelf = Shelf(directory)
        self._renders: dict[str, _Render] = {}
        self._turns = asyncio.Semaphore(RENDERS_AT_ONCE)
        self._tidying = asyncio.Lock()
        self._tidied = False

    async def submit(self, request: VideoRequest) -> Job:
        await self._tidy()
        if not KEY.fullmatch(request.key):
            raise Refused(f"the key {request.key!r} is not a valid job name")
        job = await asyncio.to_thread(self._shelf.read, request.key)
        if job is not None:
            return Job(_remote_id(job))
        words = told(request.prompt)
        if "throttled" in words and not await asyncio.to_thread(self._shelf.throttle, request.key):
            raise Throttled("simulated rate limit", retry_after=THROTTLE_SECONDS)
        job = await self._accept(request)
        if not words & {"fail", "moderated", "stuck", "vanished"}:
            self._begin(job)
        if "lost" in words:
            raise Unanswered("simulated loss of the response")
        return Job(_remote_id(job))

    async def poll(self, remote_id: str) -> Progress:
        await self._tidy()
        return await self._progress(await self._job(remote_id))

    @asynccontextmanager
    async def download(
        self, remote_id: str, finished: Finished, offset: int = 0
    ) -> AsyncIterator[Download]:
        job = await self._job(remote_id)
        file, total = await asyncio.to_thread(self._shelf.open_film, job)
        try:
            start = offset if offset <= total else 0
            async with aclosing(_pieces(file, start, total)) as pieces:
                yield Download(pieces, total, "video/mp4", start)
        finally:
            await asyncio.to_thread(file.close)

    async def find(
        self, request: VideoRequest, since: float, taken: Collection[str] = ()
    ) -> Job | None:
        job = await asyncio.to_thread(self._shelf.read, request.key)
        return Job(_remote_id(job)) if job else None

    async def cancel(self, remote_id: str) -> bool:
        job = await self._job(remote_id)
        progress = await self._progress(job)
        if not isinstance(progress, Pending):
            return isinstance(progress, Failed) and progress.kind is FailureKind.CANCELLED
        await self._stop(self._renders.pop(job.key, None))
        cancelled = job.model_copy(update={"cancelled": True})
        await asyncio.to_thread(self._shelf.write, cancelled)
        await asyncio.to_thread(self._shelf.film(job.key).unlink, missing_ok=True)
        return True

    async def check(self) -> str:
        try:
            return f"ffmpeg {await version()}"
        except (RenderError, RuntimeError, OSError) as error:
            raise Misconfigured(str(error)) from error

    async def close(self) -> None:
        await self._stop(*self._renders.values())
        self._renders.clear()

    async def _tidy(self) -> None:
        async with self._tidying:
            if not self._tidied:
                await asyncio.to_thread(self._shelf.tidy, self._now())
                self._tidied = True

    # --- jobs ----------------------------------------------------------------------------

    async def _job(self, remote_id: str) -> SandboxJob:
        key = remote_id.removeprefix(f"{self.kind}_")
        job = None
        if key != remote_id:
            job = await asyncio.to_thread(self._shelf.read, key)
        if job is None or "vanished" in job.words:
            raise NotFound(f"no such job: {remote_id!r}")
        return job

    async def _accept(self, request: VideoRequest) -> SandboxJob:
        width, height = _shape(request)
        mood, picture = request.key, request.image.path if request.image else None
        if request.remix_of is not None:
            original = await self._job(request.remix_of)
            width, height, mood = original.width, original.height, original.mood
            picture = self._shelf.picture(original.key) if original.picture else None
        job = SandboxJob(
            key=request.key,
            prompt=request.prompt,
            seconds=request.seconds,
            width=width,
            height=height,
            mood=mood,
            picture=picture is not None,
            submitted_at=self._now(),
        )
        await asyncio.to_thread(self._shelf.accept, job, picture)
        return job

    async def _progress(self, job: SandboxJob) -> Progress:
        if job.cancelled:
            return Failed(FailureKind.CANCELLED, "cancelled")
        if "moderated" in job.words:
            return Failed(FailureKind.MODERATION, "simulated moderation", "moderation_blocked")
        if "fail" in job.words:
            return Failed(FailureKind.UPSTREAM, "simulated failure", "internal_error")
        if job.failure:
            return Failed(FailureKind.UPSTREAM, job.failure, "render_failed")
        if "stuck" in job.words:
            return Pending(running=True, percent=_STUCK_AT)
        shown = 100.0
        if "slow" in job.words:
            shown = 100 * min(1.0, (self._now() - job.submitted_at) / SLOW_SECONDS)
        if await asyncio.to_thread(self._shelf.film(job.key).exists):
            return Finished() if shown == 100.0 else Pending(running=True, percent=shown)
        made = self._begin(job)
        if not made.running:
            return Pending()
        return Pending(running=True, percent=min(shown, made.percent))

    # --- rendering -----------------------------------------------------------------------

    def _begin(self, job: SandboxJob) -> _Render:
        """Return the render of the job's video; start it if there is none."""
        made = self._renders.get(job.key)
        if made is None:
            made = self._renders[job.key] = _Render()
            made.task = asyncio.create_task(self._make(job, made))
        elif made.task and made.task.done():
            # A successful render removes itself, so this one failed; the next poll starts another.
            del self._renders[job.key]
            raise Upstream(f"rendering failed: {made.task.exception()!r}")
        return made

    async def _make(self, job: SandboxJob, made: _Render) -> None:
        async with self._turns:
            made.running = True
            # Not in a thread: if the await were cancelled, the folder would be left behind.
            folder, lock = self._shelf.workshop()
            try:
                film = await render(self._scene(job), folder, made.tell)
                await asyncio.to_thread(self._shelf.keep, job, film)
            except RenderError as error:
                failed = job.model_copy(update={"failure": str(error)})
                await asyncio.to_thread(self._shelf.write, failed)
            finally:
                await asyncio.to_thread(self._shelf.leave, folder, lock)
        self._renders.pop(job.key, None)

    def _scene(self, job: SandboxJob) -> Scene:
        return Scene(
            text=untold(job.prompt),
            caption=f"Reelay sandbox · {job.seconds} s · {job.width} x {job.height}",
            seconds=job.seconds,
            width=job.width,
            height=job.height,
            mood=job.mood,
            picture=self._shelf.picture(job.key) if job.picture else None,
        )

    async def _stop(self, *renders: _Render | None) -> None:
        tasks = [made.task for made in renders if made is not None and made.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@dataclass(slots=True)
class _Render:
    """A render in progress."""

    running: bool = False
    percent: float = 0.0
    task: asyncio.Task[None] | None = None

    def tell(self, percent: float) -> None:
        self.percent = percent


def _remote_id(job: SandboxJob) -> str:
    return f"{Sandbox.kind}_{job.key}"


def _shape(request: VideoRequest) -> tuple[int, int]:
    width, height = request.width, request.height
    if width is None or height is None:
        width, height = _SHAPES[request.orientation or "portrait"]
    if width not in _SIDES or height not in _SIDES:
        raise Refused(f"{width}x{height}: sides must be {_SIDES[0]} to {_SIDES[-1]} pixels")
    if not 1 <= request.seconds <= _LONGEST:
        raise Refused(f"{request.seconds} seconds: the duration must be 1 to {_LONGEST} s")
    # H.264 with 4:2:0 chroma requires even sides.
    return width & ~1, height & ~1


async def _pieces(file: IO[bytes], start: int, end: int) -> AsyncGenerator[bytes]:
    await asyncio.to_thread(file.seek, start)
    while start < end and (piece := await asyncio.to_thread(file.read, min(_PIECE, end - start))):
        start += len(piece)
        yield piece
