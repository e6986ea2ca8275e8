"""The seams of a process, instrumented: every write and every call is a point to die at.

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

from bot.app import FrontEnd, Parts
from bot.domain.tasks import Delivery, Fit, Place, Task, Video
from bot.media.storage import KeptPicture, Spool, Stored
from bot.services.context import Desk
from bot.store.database import Database, Tx
from providers.base import Provider
from providers.types import Download, Finished, Job, Progress, ReferenceImage, VideoRequest

T = TypeVar("T")
_SEEN_OFTEN = 2
"""Looks at a job repeat; a point of one name is worth dying at this often."""


class Points:
    """Where this process has been, and where it dies."""

    def __init__(self, log: Path, kill_at: str | None) -> None:
        self._log = log.open("a", encoding="utf-8", buffering=1)
        self._kill_at = kill_at
        self._passed: Counter[str] = Counter()

    def passed(self, name: str) -> None:
        """One more point of a task's life."""
        self._passed[name] += 1
        if self._passed[name] > _SEEN_OFTEN:
            return
        point = f"{name}#{self._passed[name]}"
        self._log.write(point + "\n")
        if point == self._kill_at:
            self._log.flush()
            os.kill(os.getpid(), signal.SIGKILL)


def _name(function: Callable[[Tx], object]) -> str:
    return function.__qualname__.replace(".<locals>", "").removesuffix(".<lambda>")


class DyingDatabase(Database):
    """A database; every transaction that writes is two points: before it and after its commit."""

    def __init__(self, real: Database, points: Points) -> None:
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
                self.points.passed(f"{name}:after")
            return result
        if name.endswith("_extend"):
            # The heartbeat beats by the clock, not by the life of a task.
            return await self.real.transact(function)
        self.points.passed(f"{name}:before")
        result = await self.real.transact(function)
        self.points.passed(f"{name}:after")
        return result

    async def read(self, function: Callable[[Tx], T]) -> T:
        return await self.real.read(function)

    async def exclusively(self, function: Callable[[Tx], T]) -> T:
        return await self.real.exclusively(function)

    async def open(self) -> None:
        await self.real.open()

    async def close(self) -> None:
        await self.real.close()


class DyingProvider(Provider):
    """A provider; every call is two points, and a download has one in its middle too."""

    def __init__(self, real: Provider, points: Points) -> None:
        super().__init__(real.options, real.http, real.directory)
        self.kind = real.kind  # type: ignore[misc]
        self.capabilities = real.capabilities
        self.real = real
        self.points = points

    @cached_property
    def identity(self) -> str:
        return self.real.identity

    async def submit(self, request: VideoRequest) -> Job:
        self.points.passed("submit:before")
        job = await self.real.submit(request)
        self.points.passed("submit:after")
        return job

    async def poll(self, remote_id: str) -> Progress:
        self.points.passed("poll:before")
        progress = await self.real.poll(remote_id)
        self.points.passed(f"poll:{type(progress).__name__}")
        return progress

    async def poll_many(self, remote_ids: Collection[str], since: float) -> dict[str, Progress]:
        self.points.passed("poll_many:before")
        return await self.real.poll_many(remote_ids, since)

    async def upload(self, picture: ReferenceImage) -> str:
        self.points.passed("upload:before")
        link = await self.real.upload(picture)
        self.points.passed("upload:after")
        return link

    async def find(
        self, request: VideoRequest, since: float, taken: Collection[str] = ()
    ) -> Job | None:
        self.points.passed("find:before")
        job = await self.real.find(request, since, taken)
        self.points.passed("find:after")
        return job

    async def cancel(self, remote_id: str) -> bool:
        self.points.passed("cancel:before")
        stopped = await self.real.cancel(remote_id)
        self.points.passed("cancel:after")
        return stopped

    @asynccontextmanager
    async def download(
        self, remote_id: str, finished: Finished, offset: int = 0
    ) -> AsyncIterator[Download]:
        self.points.passed("download:before")
        async with self.real.download(remote_id, finished, offset) as download:
            self.points.passed("download:open")
            yield Download(
                self._chunks(download.chunks), download.total, download.media_type, download.offset
            )

    async def _chunks(self, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        async for chunk in chunks:
            half = len(chunk) // 2
            yield chunk[:half]
            self.points.passed("download:middle")
            yield chunk[half:]

    async def check(self) -> str:
        return await self.real.check()

    async def close(self) -> None:
        await self.real.close()


class DyingSpool(Spool):
    """A spool; a file that came to stay is a point, before anything else knows of it."""

    points: Points

    async def receive(self, download: Download, name: str) -> Stored:
        stored = await super().receive(download, name)
        self.points.passed("receive:after")
        return stored

    async def keep_picture(
        self,
        source: Path,
        name: str,
        width: int | None,
        height: int | None,
        fit: Fit = "crop",
    ) -> KeptPicture:
        self.points.passed("picture:before")
        kept = await super().keep_picture(source, name, width, height, fit)
        self.points.passed("picture:after")
        return kept


class DyingFrontEnd:
    """A front-end; every post is two points."""

    def __init__(self, real: FrontEnd, points: Points) -> None:
        self.real = real
        self.points = points
        self.name = real.name
        self.countdown = real.countdown

    def largest(self, place: Place) -> int | None:
        return self.real.largest(place)

    async def close(self) -> None:
        await self.real.close()

    def routes(self) -> list[RouteDef]:
        return self.real.routes()

    async def deliver(self, task: Task, delivery: Delivery, video: Video, note: str) -> str:
        self.points.passed("post:before")
        receipt = await self.real.deliver(task, delivery, video, note)
        self.points.passed("post:after")
        return receipt

    async def posted(self, task: Task, delivery: Delivery) -> str | None:
        self.points.passed("posted:before")
        return await self.real.posted(task, delivery)

    async def tell(self, task: Task, text: str) -> None:
        self.points.passed("tell:before")
        await self.real.tell(task, text)
        self.points.passed("tell:after")

    async def show(self, task: Task, text: str) -> None:
        await self.real.show(task, text)

    async def alert(self, text: str) -> None:
        await self.real.alert(text)

    async def run(self, desk: Desk) -> int:
        return await self.real.run(desk)

    async def stop(self) -> None:
        await self.real.stop()


def instrumented(parts: Parts, points: Points, data_dir: Path) -> Parts:
    """The same parts, each able to die."""
    spool = DyingSpool(data_dir)
    spool.points = points
    return Parts(
        database=DyingDatabase(parts.database, points),
        providers={name: DyingProvider(one, points) for name, one in parts.providers.items()},
        front_ends=[DyingFrontEnd(one, points) for one in parts.front_ends],
        catalog=parts.catalog,
        spool=spool,
        clock=parts.clock,
        publisher=parts.publisher,
        links=parts.links,
    )
