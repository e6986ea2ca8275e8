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

from providers.base import Provider, ProviderOptions
from providers.errors import (
    Misconfigured,
    NotFound,
    Rejected,
    Throttled,
    Unanswered,
    UpstreamError,
)
from providers.sandbox.jobs import (
    KEY_PATTERN,
    JobStore,
    SandboxJob,
    parse_directives,
    strip_directives,
)
from providers.sandbox.render import RenderError, Scene, ffmpeg_version, render
from providers.types import (
    Capabilities,
    Download,
    Failed,
    FailureKind,
    Finished,
    Job,
    JobLookup,
    Pending,
    Progress,
    VideoRequest,
)

if TYPE_CHECKING:
    from providers.http import HttpClient

MAX_CONCURRENT_RENDERS = 2
SLOW_DELAY_S = 30.0
THROTTLE_RETRY_S = 2.0

_CHUNK_BYTES = 256 << 10
_STUCK_PERCENT = 42.0
_MAX_DURATION_S = 120
_ALLOWED_SIDES = range(16, 4097)
_DEFAULT_SIZES = {"portrait": (720, 1280), "landscape": (1280, 720), "square": (960, 960)}


class Sandbox(Provider):
    """Renders videos on this machine, at most two at a time."""

    kind: ClassVar[str] = "sandbox"
    key_required: ClassVar[bool] = False
    capabilities = Capabilities(job_lookup=JobLookup.AUTHORITATIVE, cancel=True, remix=True)

    def __init__(
        self,
        options: ProviderOptions,
        http: HttpClient,
        directory: Path,
        *,
        now: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(options, http, directory)
        self._now = now
        self._store = JobStore(directory)
        self._renders: dict[str, _ActiveRender] = {}
        self._render_slots = asyncio.Semaphore(MAX_CONCURRENT_RENDERS)
        self._cleanup_lock = asyncio.Lock()
        self._cleaned_up = False

    async def submit(self, request: VideoRequest) -> Job:
        await self._clean_up_once()
        if not KEY_PATTERN.fullmatch(request.idempotency_key):
            raise Rejected(f"the key {request.idempotency_key!r} is not a valid job name")
        job = await asyncio.to_thread(self._store.read, request.idempotency_key)
        if job is not None:
            return Job(_remote_id(job))
        directives = parse_directives(request.prompt)
        if "throttled" in directives and not await asyncio.to_thread(
            self._store.passes_throttle, request.idempotency_key
        ):
            raise Throttled("simulated rate limit", retry_after=THROTTLE_RETRY_S)
        job = await self._accept(request)
        if not directives & {"fail", "moderated", "stuck", "vanished"}:
            self._start_render(job)
        if "lost" in directives:
            raise Unanswered("simulated loss of the response")
        return Job(_remote_id(job))

    async def poll(self, remote_id: str) -> Progress:
        await self._clean_up_once()
        return await self._progress(await self._get_job(remote_id))

    @asynccontextmanager
    async def download(
        self, remote_id: str, finished: Finished, offset: int = 0
    ) -> AsyncIterator[Download]:
        job = await self._get_job(remote_id)
        file, total_bytes = await asyncio.to_thread(self._store.open_video, job)
        try:
            start = offset if offset <= total_bytes else 0
            async with aclosing(_chunks(file, start, total_bytes)) as chunks:
                yield Download(chunks, total_bytes, "video/mp4", start)
        finally:
            await asyncio.to_thread(file.close)

    async def find_job(
        self, request: VideoRequest, since: float, taken_ids: Collection[str] = ()
    ) -> Job | None:
        job = await asyncio.to_thread(self._store.read, request.idempotency_key)
        return Job(_remote_id(job)) if job else None

    async def cancel(self, remote_id: str) -> bool:
        job = await self._get_job(remote_id)
        progress = await self._progress(job)
        if not isinstance(progress, Pending):
            return isinstance(progress, Failed) and progress.kind is FailureKind.CANCELLED
        await self._cancel_renders(self._renders.pop(job.key, None))
        cancelled = job.model_copy(update={"cancelled": True})
        await asyncio.to_thread(self._store.write, cancelled)
        await asyncio.to_thread(self._store.video_path(job.key).unlink, missing_ok=True)
        return True

    async def check(self) -> str:
        try:
            return f"ffmpeg {await ffmpeg_version()}"
        except (RenderError, RuntimeError, OSError) as error:
            raise Misconfigured(str(error)) from error

    async def close(self) -> None:
        await self._cancel_renders(*self._renders.values())
        self._renders.clear()

    async def _clean_up_once(self) -> None:
        async with self._cleanup_lock:
            if not self._cleaned_up:
                await asyncio.to_thread(self._store.remove_expired, self._now())
                self._cleaned_up = True

    # --- jobs ----------------------------------------------------------------------------

    async def _get_job(self, remote_id: str) -> SandboxJob:
        key = remote_id.removeprefix(f"{self.kind}_")
        job = None
        if key != remote_id:
            job = await asyncio.to_thread(self._store.read, key)
        if job is None or "vanished" in job.directives:
            raise NotFound(f"no such job: {remote_id!r}")
        return job

    async def _accept(self, request: VideoRequest) -> SandboxJob:
        width, height = _video_size(request)
        seed, image_path = request.idempotency_key, request.image.path if request.image else None
        if request.remix_of is not None:
            original = await self._get_job(request.remix_of)
            width, height, seed = original.width, original.height, original.mood
            image_path = self._store.image_path(original.key) if original.picture else None
        job = SandboxJob(
            key=request.idempotency_key,
            prompt=request.prompt,
            seconds=request.seconds,
            width=width,
            height=height,
            mood=seed,
            picture=image_path is not None,
            submitted_at=self._now(),
        )
        await asyncio.to_thread(self._store.accept, job, image_path)
        return job

    async def _progress(self, job: SandboxJob) -> Progress:
        if job.cancelled:
            return Failed(FailureKind.CANCELLED, "cancelled")
        if "moderated" in job.directives:
            return Failed(FailureKind.MODERATION, "simulated moderation", "moderation_blocked")
        if "fail" in job.directives:
            return Failed(FailureKind.UPSTREAM, "simulated failure", "internal_error")
        if job.failure:
            return Failed(FailureKind.UPSTREAM, job.failure, "render_failed")
        if "stuck" in job.directives:
            return Pending(running=True, percent=_STUCK_PERCENT)
        shown_percent = 100.0
        if "slow" in job.directives:
            shown_percent = 100 * min(1.0, (self._now() - job.submitted_at) / SLOW_DELAY_S)
        if await asyncio.to_thread(self._store.video_path(job.key).exists):
            is_due = shown_percent == 100.0
            return Finished() if is_due else Pending(running=True, percent=shown_percent)
        active = self._start_render(job)
        if not active.running:
            return Pending()
        return Pending(running=True, percent=min(shown_percent, active.percent))

    # --- rendering -----------------------------------------------------------------------

    def _start_render(self, job: SandboxJob) -> _ActiveRender:
        """Return the render of the job's video; start it if there is none."""
        active = self._renders.get(job.key)
        if active is None:
            active = self._renders[job.key] = _ActiveRender()
            active.task = asyncio.create_task(self._render_video(job, active))
        elif active.task and active.task.done():
            # A successful render removes itself, so this one failed; the next poll starts another.
            del self._renders[job.key]
            raise UpstreamError(f"rendering failed: {active.task.exception()!r}")
        return active

    async def _render_video(self, job: SandboxJob, active: _ActiveRender) -> None:
        async with self._render_slots:
            active.running = True
            # Not in a thread: if the await were cancelled, the folder would be left behind.
            folder, lock = self._store.open_workdir()
            try:
                video = await render(self._scene(job), folder, active.report)
                await asyncio.to_thread(self._store.store_video, job, video)
            except RenderError as error:
                failed = job.model_copy(update={"failure": str(error)})
                await asyncio.to_thread(self._store.write, failed)
            finally:
                await asyncio.to_thread(self._store.close_workdir, folder, lock)
        self._renders.pop(job.key, None)

    def _scene(self, job: SandboxJob) -> Scene:
        return Scene(
            text=strip_directives(job.prompt),
            caption=f"Reelay sandbox · {job.seconds} s · {job.width} x {job.height}",
            seconds=job.seconds,
            width=job.width,
            height=job.height,
            seed=job.mood,
            image=self._store.image_path(job.key) if job.picture else None,
        )

    async def _cancel_renders(self, *renders: _ActiveRender | None) -> None:
        tasks = [
            active.task for active in renders if active is not None and active.task is not None
        ]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@dataclass(slots=True)
class _ActiveRender:
    """A render in progress."""

    running: bool = False
    percent: float = 0.0
    task: asyncio.Task[None] | None = None

    def report(self, percent: float) -> None:
        self.percent = percent


def _remote_id(job: SandboxJob) -> str:
    return f"{Sandbox.kind}_{job.key}"


def _video_size(request: VideoRequest) -> tuple[int, int]:
    width, height = request.width, request.height
    if width is None or height is None:
        width, height = _DEFAULT_SIZES[request.orientation or "portrait"]
    if width not in _ALLOWED_SIDES or height not in _ALLOWED_SIDES:
        raise Rejected(
            f"{width}x{height}: sides must be {_ALLOWED_SIDES[0]} to {_ALLOWED_SIDES[-1]} pixels"
        )
    if not 1 <= request.seconds <= _MAX_DURATION_S:
        raise Rejected(f"{request.seconds} seconds: the duration must be 1 to {_MAX_DURATION_S} s")
    # H.264 with 4:2:0 chroma requires even sides.
    return width & ~1, height & ~1


async def _chunks(file: IO[bytes], start: int, end: int) -> AsyncGenerator[bytes]:
    await asyncio.to_thread(file.seek, start)
    while start < end and (
        chunk := await asyncio.to_thread(file.read, min(_CHUNK_BYTES, end - start))
    ):
        start += len(chunk)
        yield chunk
