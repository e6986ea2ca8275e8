"""What users and admins are told, and that no user reaches another's tasks."""

from __future__ import annotations

import pytest

from bot.commands.admin_parser import ADMIN_COMMANDS
from bot.services.admin import ADMIN_HANDLERS
from providers import errors
from tests.support.commands import ME, Commands


async def test_repeated_update_makes_one_task_and_one_hold(commands: Commands) -> None:
    """The same update again gives the same answer; its second picture is removed."""
    first = await commands.send("/video a kite", update="u1")
    again = await commands.send("/video a kite", update="u1")
    assert first.task is not None
    assert again.task is not None
    assert first.task.id == again.task.id
    assert await commands.harness.held(ME.id) == 4


@pytest.mark.parametrize("word", [word.name for word in ADMIN_COMMANDS] + ["help"])
async def test_admin_commands_are_refused_to_users(commands: Commands, word: str) -> None:
    """Nothing is changed."""
    arguments = {"grant": "console:me 5", "limit": "console:me 5", "resolve": "abcd2345 refund"}
    arguments |= {"provider": "p drain", "group": "discord:1 5"}
    line = f"/admin {word} {arguments.get(word, '')}"
    if word in {"ban", "unban", "user"}:
        line = f"/admin {word} console:other"
    if word in {"task", "requeue"}:
        line = f"/admin {word} abcd2345"
    reply = await commands.send(line if word != "help" else "/admin")
    assert not reply.ok
    assert reply.text == "This command is for admins."
    assert word == "help" or word in ADMIN_HANDLERS


async def test_chosen_language_is_used_everywhere(commands: Commands) -> None:
    """It applies at once, to refusals and final notices as well."""
    assert "中文" in (await commands.send("/language zh")).text
    assert "没有" in (await commands.send("/cancel zzzzzzzz")).text
    commands.harness.provider.submits = [errors.Moderated()]
    await commands.accept_task()
    await commands.harness.run_for(10)
    assert "网关" in commands.harness.chat.final_messages[0]
    assert not (await commands.send("/language xx")).ok
