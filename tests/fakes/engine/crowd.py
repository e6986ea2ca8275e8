"""Many people at once: a front-end without a screen, and a process of Reelay around it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace

from aiohttp.web import RouteDef

from bot.app import App, Parts, parts_of
from bot.config import Settings
from bot.domain.commands import Command, Countdown, Reply, Request
from bot.domain.tasks import Delivery, Place, Task, Video
from bot.domain.users import Person
from bot.services.context import Desk
from bot.services.dispatcher import handle

PLACE = Place("crowd")


@dataclass
class Crowd:
    """Counts what is posted for whom."""

    name: str = "crowd"
    posted_videos: Counter[str] = field(default_factory=Counter)
    told: Counter[str] = field(default_factory=Counter)
    desk: Desk | None = None
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    leave: asyncio.Event = field(default_factory=asyncio.Event)
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    countdown: Countdown | None = None

    def largest(self, place: Place) -> int | None:
        del place
        return None

    async def close(self) -> None:
        pass

    def routes(self) -> list[RouteDef]:
        return []

    async def deliver(self, task: Task, delivery: Delivery, video: Video, note: str) -> str:
        del delivery, note
        assert video.path.is_file()
        self.posted_videos[task.id] += 1
        self.changed.set()
        return "seen"

    async def posted(self, task: Task, delivery: Delivery) -> str | None:
        del delivery
        return "seen" if self.posted_videos[task.id] else None

    async def tell(self, task: Task, text: str) -> None:
        del text
        self.told[task.id] += 1
        self.changed.set()

    async def show(self, task: Task, text: str) -> None:
        del task, text

    async def alert(self, text: str) -> None:
        del text

    async def run(self, desk: Desk) -> int:
        self.desk = desk
        self.ready.set()
        await self.leave.wait()
        return 0

    async def stop(self) -> None:
        self.leave.set()

    async def until(self, seconds: float, holds: Callable[[], Awaitable[bool]]) -> bool:
        """Whether this holds within the time; looked at whenever something was heard."""
        try:
            async with asyncio.timeout(seconds):
                while not await holds():
                    self.changed.clear()
                    # What is written down after the last word is heard is heard of by nobody.
                    with suppress(TimeoutError):
                        await asyncio.wait_for(self.changed.wait(), 0.2)
        except TimeoutError:
            return False
        return True

    async def ask(self, person: str, command: Command, update: str | None = None) -> Reply:
        """What this person hears."""
        await self.ready.wait()
        assert self.desk is not None
        return await handle(Request(Person(f"crowd:{person}"), PLACE, command, update), self.desk)


@asynccontextmanager
async def reelay(settings: Settings) -> AsyncIterator[tuple[Crowd, Parts]]:
    """A running process of Reelay in this one, with the crowd at its door."""
    crowd = Crowd()
    async with parts_of(settings) as own:
        parts = replace(own, front_ends=[crowd])
        app = App(settings, parts)
        running = asyncio.create_task(app.run())
        ready = asyncio.create_task(crowd.ready.wait())
        await asyncio.wait([ready, running], return_when=asyncio.FIRST_COMPLETED)
        ready.cancel()
        if running.done():
            # It could not even begin.
            running.result()
        try:
            yield crowd, parts
        finally:
            await app.stop()
            await running
