"""Many users at once: a front-end that only counts, and a running Reelay around it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace

from aiohttp.web import RouteDef

from bot.app import App, Components, open_components
from bot.config import Settings
from bot.domain.commands import Command, CommandRequest, CountdownFormatter, Reply
from bot.domain.tasks import Delivery, Destination, Task, Video
from bot.domain.users import User
from bot.services.context import AppContext
from bot.services.dispatcher import handle_request

DESTINATION = Destination("crowd")


@dataclass
class CountingFrontEnd:
    """Counts the posts of each task."""

    name: str = "crowd"
    posted_videos: Counter[str] = field(default_factory=Counter)
    final_messages: Counter[str] = field(default_factory=Counter)
    app: AppContext | None = None
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    format_countdown: CountdownFormatter | None = None

    def max_video_bytes(self, destination: Destination) -> int | None:
        del destination
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

    async def find_delivered(self, task: Task, delivery: Delivery) -> str | None:
        del delivery
        return "seen" if self.posted_videos[task.id] else None

    async def send_final_message(self, task: Task, text: str) -> None:
        del text
        self.final_messages[task.id] += 1
        self.changed.set()

    async def update_status(self, task: Task, text: str) -> None:
        del task, text

    async def alert_admins(self, text: str) -> None:
        del text

    async def run(self, desk: AppContext) -> int:
        self.app = desk
        self.ready.set()
        await self.stopping.wait()
        return 0

    async def stop(self) -> None:
        self.stopping.set()

    async def wait_until(self, timeout_s: float, condition: Callable[[], Awaitable[bool]]) -> bool:
        """Whether the condition holds within the timeout; checked after each message."""
        try:
            async with asyncio.timeout(timeout_s):
                while not await condition():
                    self.changed.clear()
                    # What is written down after the last word is heard is heard of by nobody.
                    with suppress(TimeoutError):
                        await asyncio.wait_for(self.changed.wait(), 0.2)
        except TimeoutError:
            return False
        return True

    async def send(self, user_name: str, command: Command, update_id: str | None = None) -> Reply:
        """Send a command as this user and return the reply."""
        await self.ready.wait()
        assert self.app is not None
        return await handle_request(
            CommandRequest(User(f"crowd:{user_name}"), DESTINATION, command, update_id), self.app
        )


@asynccontextmanager
async def running_process(settings: Settings) -> AsyncIterator[tuple[CountingFrontEnd, Components]]:
    """Run Reelay in this process with a counting front-end."""
    crowd = CountingFrontEnd()
    async with open_components(settings) as own:
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
