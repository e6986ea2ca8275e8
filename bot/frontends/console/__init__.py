"""The console: a chat in a terminal, or lines through a pipe."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from typing import TextIO

from aiohttp.web import RouteDef

from bot.config import Settings
from bot.domain.commands import CountdownFormatter
from bot.domain.tasks import Delivery, Destination, Task, Video
from bot.domain.users import User
from bot.ports import DeliveryError
from bot.presentation.task_messages import delivery_caption
from bot.services.context import AppContext

NAME = "console"
PERSON = User("console:local", is_admin=True)
PLACE = Destination(NAME)


class Console:
    """The front-end of the local user, who is an admin."""

    name = NAME
    format_countdown: CountdownFormatter | None = None

    def __init__(
        self, settings: Settings, stdin: TextIO | None = None, stdout: TextIO | None = None
    ) -> None:
        self.settings = settings
        self.stdin = stdin or sys.stdin
        self.stdout = stdout or sys.stdout
        self.status_messages: dict[str, tuple[float | None, str]] = {}
        """Task id -> percent and status line, of active tasks."""
        self.changed = asyncio.Event()
        """Set when something was delivered or shown."""
        self.leaving = asyncio.Event()
        self.write: Callable[[str], None] = self._write_plain

    async def run(self, app: AppContext) -> int:
        """Serve until the user leaves, or the piped input has ended and all tasks are settled."""
        if self.stdin.isatty() and self.stdout.isatty():
            # Only a terminal pays for the libraries of one.
            from bot.frontends.console.interactive import run_interactive  # noqa: PLC0415

            return await run_interactive(self, app)
        from bot.frontends.console.batch import run_batch  # noqa: PLC0415

        return await run_batch(self, app)

    async def stop(self) -> None:
        """Ask the console to end."""
        self.leaving.set()
        self.changed.set()

    async def close(self) -> None:
        """Nothing to close."""

    def routes(self) -> list[RouteDef]:
        """A console has no routes."""
        return []

    def _write_plain(self, text: str) -> None:
        self.stdout.write(f"{text}\n")
        self.stdout.flush()

    def say(self, text: str) -> bool:
        """Print a text. Returns False if the output is closed; the console then ends."""
        try:
            self.write(text)
        except (BrokenPipeError, ValueError):
            self.leaving.set()
            self.changed.set()
            return False
        return True

    # --- what the engine asks for --------------------------------------------------------

    def max_video_bytes(self, destination: Destination) -> int | None:
        """No limit: the result is a file on this machine."""
        del destination
        return None

    async def deliver(self, task: Task, delivery: Delivery, video: Video, note: str) -> str:
        """Print the path of the video."""
        self.status_messages.pop(task.id, None)
        text = " ".join(filter(None, (delivery_caption(task, repeated=delivery.repeated), note)))
        self._task_text(f"{text} -> {video.path}")
        return str(video.path)

    async def find_delivered(self, task: Task, delivery: Delivery) -> str | None:
        """None: what an earlier process printed is unknown."""
        del task, delivery
        return None

    async def send_final_message(self, task: Task, text: str) -> None:
        """Print the final message of a task."""
        self.status_messages.pop(task.id, None)
        self._task_text(text)

    async def update_status(self, task: Task, text: str) -> None:
        """Keep the status for the toolbar."""
        self.status_messages[task.id] = (task.percent, text)
        self.changed.set()

    async def alert_admins(self, text: str) -> None:
        """Print it: the user is an admin."""
        self._task_text(text)

    def _task_text(self, text: str) -> None:
        if not self.say(text):
            raise DeliveryError("chat-gone", "nobody reads the output any more")
        self.changed.set()
