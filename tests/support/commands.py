"""Commands of users and admins, handled in the test's own time."""

from __future__ import annotations

from bot.commands.parser import parse_command
from bot.domain.commands import CommandRequest, Reply
from bot.domain.tasks import Destination, State, Task
from bot.domain.users import User
from bot.services.context import AppContext
from bot.services.dispatcher import handle_request
from providers import errors
from tests.fakes.engine.harness import EngineHarness
from tests.fakes.engine.scripted import ScriptedProvider

ME, OTHER = User("console:me"), User("console:other")
ADMIN = User("console:local", is_admin=True)


class Commands:
    """The engine with the command handlers in front of it."""

    def __init__(self, harness: EngineHarness) -> None:
        self.harness = harness

    @property
    def app(self) -> AppContext:
        """The context of the handlers, with the providers and the catalogue of this moment."""
        return self.harness.app_context()

    async def send(self, line: str, user: User = ME, update: str | None = None) -> Reply:
        """Send a line and return the reply."""
        await self.harness.register_providers()
        command = parse_command(line, allow_files=True)
        request = CommandRequest(user, Destination("console"), command, update)
        return await handle_request(request, self.app)

    async def send_as_admin(self, line: str) -> str:
        """Send a line of the admin, which must succeed, and return the reply's text."""
        reply = await self.send(line, ADMIN)
        assert reply.ok, reply.text
        return reply.text

    async def accept_task(self, line: str = "/video a red kite", user: User = ME) -> Task:
        """Send a line and return its task."""
        reply = await self.send(line, user)
        assert reply.ok, reply.text
        assert reply.task is not None
        return reply.task

    async def task_in_review(self) -> Task:
        """A task whose create was unclear, at a provider that lists no jobs."""
        self.harness.use_provider(ScriptedProvider(self.harness.folder))
        self.harness.provider.submits = [errors.Unanswered("the raw words"), None]
        task = await self.accept_task()
        await self.harness.run_for(60)
        found = await self.harness.task(task)
        assert found.state is State.REVIEW
        return found
