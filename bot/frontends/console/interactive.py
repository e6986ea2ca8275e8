"""Interactive console: completion, history, and the progress of several tasks."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable
from typing import TYPE_CHECKING

from prompt_toolkit import PromptSession
from prompt_toolkit.completion import CompleteEvent, Completer, Completion, PathCompleter
from prompt_toolkit.document import Document
from prompt_toolkit.formatted_text import FormattedText
from prompt_toolkit.history import FileHistory
from prompt_toolkit.patch_stdout import patch_stdout
from rich.console import Console as Screen
from rich.text import Text

from bot.commands import parser
from bot.commands.admin_parser import ADMIN_COMMANDS
from bot.commands.parser import COMMANDS, VIDEO_OPTIONS
from bot.domain.commands import CommandRequest, Reply
from bot.domain.errors import Refusal
from bot.domain.tasks import Task
from bot.frontends.console import PERSON, PLACE
from bot.presentation.i18n import LANGUAGES, format_error, translate
from bot.services.context import AppContext
from bot.services.dispatcher import handle_request
from bot.services.queries import language_for, outstanding_tasks, recent_tasks

if TYPE_CHECKING:
    from bot.frontends.console import Console

_TASK_COMMANDS = {"/cancel", "/retry", "/fetch", "/remix", "/admin task", "/admin requeue"}
_MAX_OFFERED_TASKS = 10
_BAR_CHARS = 12
_MAX_TOOLBAR_TASKS = 5
"""Status lines at the bottom; more would hide the chat."""


async def run_interactive(console: Console, app: AppContext) -> int:
    """Run the chat until the user leaves; return the exit status."""
    message_handler = _Chat(console, app)
    with patch_stdout(raw=True):
        console.write = message_handler.write
        await message_handler.greet()
        leaving = asyncio.create_task(console.leaving.wait())
        talking = asyncio.create_task(message_handler.listen())
        await asyncio.wait({leaving, talking}, return_when=asyncio.FIRST_COMPLETED)
        for task in (leaving, talking):
            task.cancel()
        await asyncio.gather(leaving, talking, return_exceptions=True)
        if not talking.cancelled() and (error := talking.exception()) is not None:
            raise error
        await message_handler.farewell()
    return 0


class _Chat:
    """One session at the terminal."""

    def __init__(self, console: Console, app: AppContext) -> None:
        self.console = console
        self.app = app
        self.tasks: list[Task] = []
        self.screen = Screen(highlight=False, soft_wrap=True, force_terminal=True)
        history = app.settings.data_dir / "console_history"
        # Prompts are nobody else's business.
        history.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        os.close(os.open(history, os.O_CREAT | os.O_WRONLY, 0o600))
        self.session: PromptSession[str] = PromptSession(
            "reelay> ",
            completer=_Completer(self),
            complete_while_typing=True,
            history=FileHistory(str(history)),
            bottom_toolbar=self._toolbar,
            refresh_interval=0.5,
        )

    def write(self, text: str) -> None:
        """Print above the prompt, without interpreting markup."""
        head, arrow, path = text.rpartition(" -> ")
        line = Text(head or text, style="bold green" if arrow else "")
        if arrow:
            line.append(arrow).append(path, style="underline")
        self.screen.print(line)

    def _toolbar(self) -> FormattedText | None:
        shown = list(self.console.status_messages.values())[:_MAX_TOOLBAR_TASKS]
        lines = [f"{_bar(percent)} {text}" for percent, text in shown]
        return FormattedText([("", "\n".join(lines))]) if lines else None

    async def greet(self) -> None:
        """Print a greeting, and the tasks of earlier sessions."""
        language = await language_for(self.app, PERSON)
        self.screen.print(Text(translate(language, "console-greeting")))
        left = await outstanding_tasks(self.app, PERSON.id)
        if left:
            self.screen.print(Text(translate(language, "console-unfinished", count=len(left))))

    async def farewell(self) -> None:
        """Print what continues in the background."""
        left = await outstanding_tasks(self.app, PERSON.id)
        if left:
            language = await language_for(self.app, PERSON)
            self.screen.print(Text(translate(language, "console-leaving", count=len(left))))

    async def listen(self) -> None:
        """Read and run lines until the user leaves."""
        while True:
            self.tasks = await recent_tasks(self.app, PERSON.id, _MAX_OFFERED_TASKS)
            try:
                line = (await self.session.prompt_async()).strip()
            except KeyboardInterrupt:
                continue
            except EOFError:
                return
            if line in {"/quit", "/exit"}:
                return
            if line:
                self._show(await self._answer(line))

    async def _answer(self, line: str) -> Reply:
        # Somebody who just types means a video.
        text = line if line.startswith("/") else f"/video {line}"
        try:
            command = parser.parse_command(text, allow_files=True)
        except Refusal as refused:
            return Reply(format_error(await language_for(self.app, PERSON), refused), ok=False)
        return await handle_request(CommandRequest(PERSON, PLACE, command), self.app)

    def _show(self, reply: Reply) -> None:
        if reply.video:
            self.write(f"{reply.text} -> {reply.video.path}")
        else:
            self.screen.print(Text(reply.text, style="" if reply.ok else "yellow"))


def _bar(percent: float | None) -> str:
    full = 0 if percent is None else round(_BAR_CHARS * percent / 100)
    return "\u2588" * full + "\u2591" * (_BAR_CHARS - full)


class _Completer(Completer):
    """Completes the word at the cursor."""

    def __init__(self, message_handler: _Chat) -> None:
        self._message_handler = message_handler
        self._paths = PathCompleter(expanduser=True)

    def get_completions(
        self, document: Document, complete_event: CompleteEvent
    ) -> Iterable[Completion]:
        before = document.text_before_cursor.lstrip()
        if not before.startswith("/"):
            return
        words = before.split(" ")
        if words[0] == "/video" and len(words) > 2 and words[-2] == "--image":
            yield from self._paths.get_completions(Document(words[-1]), complete_event)
            return
        for word, meta in self._offers(words):
            if word.startswith(words[-1]):
                yield Completion(word, start_position=-len(words[-1]), display_meta=meta)

    def _offers(self, words: list[str]) -> Iterable[tuple[str, str]]:
        if len(words) == 1:
            return [(f"/{word.name}", word.usage) for word in COMMANDS] + [("/admin", "")]
        about = " ".join(words[:-1])
        if about == "/admin":
            return [(word.name, word.usage) for word in ADMIN_COMMANDS]
        if about in _TASK_COMMANDS:
            return [(task.id, task.order.prompt[:40]) for task in self._message_handler.tasks]
        if about == "/language":
            return list(LANGUAGES.items())
        if words[0] == "/video":
            return self._video_offers(words)
        return []

    def _video_offers(self, words: list[str]) -> Iterable[tuple[str, str]]:
        app = self._message_handler.app
        models = app.catalog.available_models(app.clock.now())
        if words[-2] == "--model":
            return [(model.name, model.title) for model in models]
        if words[-2] == "--size":
            return [(size.name, "") for model in models for size in model.sizes]
        if words[-1].startswith("-"):
            return [(f"--{name}", value or "") for name, value in VIDEO_OPTIONS.items()]
        return []
