"""A platform may bring an update twice: each handler then changes the database only once."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from bot.commands.parser import parse_command
from bot.credits import ledger
from bot.domain.commands import AdminCommand, ChangeGroup, Command, CommandRequest, Reply
from bot.domain.groups import GroupContext
from bot.domain.tasks import Destination, State
from bot.domain.users import User
from bot.ports import DeliveryError
from bot.services.admin import ADMIN_HANDLERS
from bot.services.dispatcher import HANDLERS, handle_request
from bot.store import schema
from bot.store.connect import open_database
from bot.store.database import Database, Tx
from providers import errors
from providers.types import Pending
from tests.fakes.engine.harness import EngineHarness
from tests.fakes.engine.scripted import ScriptedProvider
from tests.support.fake_clock import FakeClock

USER = User("console:user")
ADMIN = User("console:local", is_admin=True)
GUILD = GroupContext("discord:1", can_manage=True)

USER_LINES = (
    "/video a red kite",
    "/remix {done} at night",
    "/retry {failed}",
    "/tasks",
    "/cancel {queued}",
    "/cancel {running}",
    "/fetch {done}",
    "/fetch {undelivered}",
    "/quota",
    "/models",
    "/settings duration 8",
    "/language zh",
    "/privacy",
    "/forgetme yes",
    "/start",
    "/help",
)
ADMIN_LINES = (
    "/admin",
    "/admin grant console:user 5",
    "/admin grant console:user -5",
    "/admin limit console:user 7",
    "/admin group discord:1 9",
    "/admin ban console:user spam",
    "/admin unban console:user",
    "/admin user console:user",
    "/admin tasks",
    "/admin task {done}",
    "/admin requeue {queued}",
    "/admin requeue {undelivered}",
    "/admin resolve {review} charge",
    "/admin resolve {review} refund",
    "/admin resolve {review} attach job-77",
    "/admin providers",
    "/admin provider p drain",
    "/admin provider p on",
    "/admin reload",
    "/admin audit",
)
GROUP_COMMANDS = (
    ChangeGroup(allow="10"),
    ChangeGroup(role="20", role_allowance=3),
    ChangeGroup(language="zh", spoiler=True),
)


class Scene:
    """A user with one task in each state that a command is about."""

    def __init__(self, database: Database, folder: Path) -> None:
        self.harness = EngineHarness(database, folder, FakeClock())
        self.ids: dict[str, str] = {}

    async def prepare(self) -> None:
        """Make the tasks."""
        stage = self.harness
        scripted = ScriptedProvider(stage.folder, cancel=True, remix=True)
        stage.use_provider(scripted)
        self.app = stage.app_context()
        await self._make("done", State.DONE)
        scripted.submits = [errors.Rejected(), None]
        await self._make("failed", State.FAILED)
        stage.chat.delivery_results = [DeliveryError("blocked", is_permanent=True), None]
        await self._make("undelivered", State.UNDELIVERED)
        scripted.submits = [errors.Unanswered("unclear"), None]
        await self._make("review", State.REVIEW)
        scripted.polls = [Pending(running=True)]
        await self._make("running", State.RUNNING)
        self.ids["queued"] = (await stage.accept_task(USER.id)).id

    async def _make(self, name: str, state: State) -> None:
        task = await self.harness.accept_task(USER.id)
        await self.harness.run_for(30)
        assert (await self.harness.task(task)).state is state
        self.ids[name] = task.id

    def parse(self, line: str) -> Command:
        """The command of a line; `{done}` stands for the task in that state."""
        return parse_command(line.format(**self.ids), allow_files=True)

    async def send(self, command: Command, update: str) -> Reply:
        """Handle a command that came with this update."""
        group = GUILD if isinstance(command, ChangeGroup) else None
        user = ADMIN if isinstance(command, AdminCommand) else USER
        request = CommandRequest(user, Destination("console"), command, update, group_context=group)
        return await handle_request(request, self.app)

    async def rows(self) -> dict[str, list[tuple[Any, ...]]]:
        """All rows of all tables; the ledger must be sound."""

        def read(tx: Tx) -> dict[str, list[tuple[Any, ...]]]:
            assert ledger.verify(tx) == []
            return {
                name: sorted(map(tuple, tx.execute(select(table))), key=repr)
                for name, table in schema.metadata.tables.items()
            }

        return await self.harness.database.read(read)


def test_every_command_is_listed() -> None:
    """A command that is added gets a line here, too."""
    scene_ids = dict.fromkeys(
        ("done", "failed", "queued", "running", "undelivered", "review"), "abcd2345"
    )
    lines = [
        parse_command(line.format(**scene_ids), allow_files=True)
        for line in (*USER_LINES, *ADMIN_LINES)
    ]
    assert {type(command) for command in (*lines, *GROUP_COMMANDS)} == set(HANDLERS)
    words = {command.subcommand for command in lines if isinstance(command, AdminCommand)}
    assert words == set(ADMIN_HANDLERS)


@pytest.mark.parametrize("dialect", ["sqlite"], indirect=True)
@pytest.mark.parametrize("command", [*USER_LINES, *ADMIN_LINES, *GROUP_COMMANDS], ids=str)
async def test_repeated_update_changes_nothing(
    database: Database, tmp_path: Path, command: str | ChangeGroup
) -> None:
    """The first one is obeyed; after the second one every table is as it was."""
    scene = Scene(database, tmp_path / "data")
    await scene.prepare()
    parsed = scene.parse(command) if isinstance(command, str) else command
    before = await scene.rows()
    first = await scene.send(parsed, "u1")
    assert first.ok, first.text
    once = await scene.rows()
    again = await scene.send(parsed, "u1")
    assert await scene.rows() == once
    if first.task is not None and once["tasks"] != before["tasks"] and again.task is not None:
        assert again.task.id == first.task.id


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    commands=st.lists(
        st.tuples(st.sampled_from([*USER_LINES, *ADMIN_LINES, *GROUP_COMMANDS]), st.integers(1, 3)),
        max_size=12,
    )
)
async def test_any_sequence_of_repeated_updates_counts_once(
    migrated_file: Path,
    tmp_path_factory: pytest.TempPathFactory,
    commands: list[tuple[str | ChangeGroup, int]],
) -> None:
    """Whatever went before: each update leaves the same rows, however often it comes."""
    folder = tmp_path_factory.mktemp("scene")
    database = open_database(f"sqlite:///{shutil.copy(migrated_file, folder / 'reelay.db')}")
    await database.open()
    try:
        scene = Scene(database, folder / "data")
        await scene.prepare()
        for number, (command, times) in enumerate(commands):
            parsed = scene.parse(command) if isinstance(command, str) else command
            tasks_before = len((await scene.rows())["tasks"])
            await scene.send(parsed, f"u{number}")
            once = await scene.rows()
            assert len(once["tasks"]) - tasks_before in {0, 1}
            for _ in range(times):
                await scene.send(parsed, f"u{number}")
                assert await scene.rows() == once
    finally:
        await database.close()
