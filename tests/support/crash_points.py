"""Crash points: the process can be killed at every write and every call.

Each part is wrapped in an honest one that counts the points it passes, writes their names to a
file, and at the one it was told kills its own process with SIGKILL. The product knows nothing of
this: the parts are handed to the composition root.
"""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from functools import cached_property
from pathlib import Path
from typing import TypeVar

from aiohttp.web import RouteDef

from bot.app import Components, FrontEnd
from bot.domain.tasks import Delivery, Destination, Fit, Task, Video
from bot.media.storage import MediaStorage, StoredImage, StoredVideo
from bot.services.context import AppContext
from bot.store.database import Database, Tx
from providers.base import Provider
from providers.types import Download, Finished, Job, Progress, ReferenceImage, VideoRequest

T = TypeVar("T")
_MAX_REPEATS = 2
"""Looks at a job repeat; a point of one name is worth dying at this often."""


class CrashPoints:
    """The points that this process has reached, and the one at which it dies."""

    def __init__(self, log: Path, kill_at: str | None) -> None:
        self._log = log.open("a", encoding="utf-8", buffering=1)
        self._kill_at = kill_at
        self._passed: Counter[str] = Counter()

    def reach(self, name: str) -> None:
        """One more point of a task's life."""
        self._passed[name] += 1
        if self._passed[name] > _MAX_REPEATS:
            return
        point = f"{name}#{self._passed[name]}"
        self._log.write(point + "\n")
        if point == self._kill_at:
            self._log.flush()
            os.kill(os.getpid(), signal.SIGKILL)


def _name(function: Callable[[Tx], object]) -> str:
    return function.__qualname__.replace(".<locals>", "").removesuffix(".<lambda>")


class CrashingDatabase(Database):
    """A database; every transaction that writes is two points: before it and after its commit."""

    def __init__(self, real: Database, points: CrashPoints) -> None:
        self.real = real
        self.points = points
        self.dialect = real.dialect
        self.single_process = real.single_process

    async def transact(self, function: Callable[[Tx], T]) -> T:
        name = _name(function)
        if name.endswith("claim"):
            # An idle round is no point of a task's life; its "before" is the "after" before it.
            result = await self.real.transact(function)
            if result:
                self.points.reach(f"{name}:after")
            return result
        if name.endswith("_extend_leases"):
            # The heartbeat beats by the clock, not by the life of a task.
            return await self.real.transact(function)
        self.points.reach(f"{name}:before")
        result = await self.real.transact(function)
        self.points.reach(f"{name}:after")
        return result

    async def read(self, function: Callable[[Tx], T]) -> T:
        return await self.real.read(function)

    async def run_exclusive(self, function: Callable[[Tx], T]) -> T:
        return await self.real.run_exclusive(function)

    async def open(self) -> None:
        await self.real.open()

    async def close(self) -> None:
        await self.real.close()


class CrashingProvider(Provider):
    """A provider; every call is two points, and a download has one in its middle too."""

    def __init__(self, real: Provider, points: CrashPoints) -> None:
        super().__init__(real.options, real.http, real.directory)
        self.kind = real.kind  # type: ignore[misc]
        self.capabilities = real.capabilities
        self.real = real
        self.points = points

    @cached_property
    def identity(self) -> str:
        return self.real.identity

    async def submit(self, request: VideoRequest) -> Job:
        self.points.reach("submit:before")
        job = await self.real.submit(request)
        self.points.reach("submit:after")
        return job

    async def poll(self, remote_id: str) -> Progress:
        self.points.reach("poll:before")
        progress = await self.real.poll(remote_id)
        self.points.reach(f"poll:{type(progress).__name__}")
        return progress

    async def poll_many(self, remote_ids: Collection[str], since: float) -> dict[str, Progress]:
        self.points.reach("poll_many:before")
        return await self.real.poll_many(remote_ids, since)

    async def upload_image(self, image: ReferenceImage) -> str:
        self.points.reach("upload:before")
        link = await self.real.upload_image(image)
        self.points.reach("upload:after")
        return link

    async def find_job(
        self, request: VideoRequest, since: float, taken_ids: Collection[str] = ()
    ) -> Job | None:
        self.points.reach("find:before")
        job = await self.real.find_job(request, since, taken_ids)
        self.points.reach("find:after")
        return job

    async def cancel(self, remote_id: str) -> bool:
        self.points.reach("cancel:before")
        stopped = await self.real.cancel(remote_id)
        self.points.reach("cancel:after")
        return stopped

    @asynccontextmanager
    async def download(
        self, remote_id: str, finished: Finished, offset: int = 0
    ) -> AsyncIterator[Download]:
        self.points.reach("download:before")
        async with self.real.download(remote_id, finished, offset) as download:
            self.points.reach("download:open")
            yield Download(
                self._chunks(download.chunks),
                download.total_bytes,
                download.media_type,
                download.offset,
            )

    async def _chunks(self, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        async for chunk in chunks:
            half = len(chunk) // 2
            yield chunk[:half]
            self.points.reach("download:middle")
            yield chunk[half:]

    async def check(self) -> str:
        return await self.real.check()

    async def close(self) -> None:
        await self.real.close()


class CrashingStorage(MediaStorage):
    """A spool; a file that came to stay is a point, before anything else knows of it."""

    points: CrashPoints

    async def store_video(self, download: Download, name: str) -> StoredVideo:
        stored = await super().store_video(download, name)
        self.points.reach("receive:after")
        return stored

    async def store_image(
        self,
        source: Path,
        name: str,
        width: int | None,
        height: int | None,
        fit: Fit = "crop",
    ) -> StoredImage:
        self.points.reach("picture:before")
        kept = await super().store_image(source, name, width, height, fit)
        self.points.reach("picture:after")
        return kept


class CrashingFrontEnd:
    """A front-end; every post is two points."""

    def __init__(self, real: FrontEnd, points: CrashPoints) -> None:
        self.real = real
        self.points = points
        self.name = real.name
        self.format_countdown = real.format_countdown

    def max_video_bytes(self, destination: Destination) -> int | None:
        return self.real.max_video_bytes(destination)

    async def close(self) -> None:
        await self.real.close()

    def routes(self) -> list[RouteDef]:
        return self.real.routes()

    async def deliver(self, task: Task, delivery: Delivery, video: Video, note: str) -> str:
        self.points.reach("post:before")
        receipt = await self.real.deliver(task, delivery, video, note)
        self.points.reach("post:after")
        return receipt

    async def find_delivered(self, task: Task, delivery: Delivery) -> str | None:
        self.points.reach("posted:before")
        return await self.real.find_delivered(task, delivery)

    async def send_final_message(self, task: Task, text: str) -> None:
        self.points.reach("tell:before")
        await self.real.send_final_message(task, text)
        self.points.reach("tell:after")

    async def update_status(self, task: Task, text: str) -> None:
        await self.real.update_status(task, text)

    async def alert_admins(self, text: str) -> None:
        await self.real.alert_admins(text)

    async def run(self, desk: AppContext) -> int:
        return await self.real.run(desk)

    async def stop(self) -> None:
        await self.real.stop()


def with_crash_points(parts: Components, points: CrashPoints, data_dir: Path) -> Components:
    """The same parts, each able to die."""
    spool = CrashingStorage(data_dir)
    spool.points = points
    return Components(
        database=CrashingDatabase(parts.database, points),
        providers={name: CrashingProvider(one, points) for name, one in parts.providers.items()},
        front_ends=[CrashingFrontEnd(front_end, points) for front_end in parts.front_ends],
        catalog=parts.catalog,
        spool=spool,
        clock=parts.clock,
        publisher=parts.publisher,
        links=parts.links,
    )
