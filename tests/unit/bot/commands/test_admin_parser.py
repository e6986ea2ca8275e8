"""Arguments of `/admin`: each is validated, and a refusal says what to write."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.commands.admin_parser import ADMIN_COMMANDS, parse_admin
from bot.domain.commands import AdminCommand
from bot.domain.errors import Refusal


@pytest.mark.parametrize(
    ("line", "command"),
    [
        ("", AdminCommand("help")),
        ("HELP", AdminCommand("help")),
        ("grant Telegram:5 7", AdminCommand("grant", {"person": "telegram:5", "credits": 7})),
        ("grant telegram:5 -7", AdminCommand("grant", {"person": "telegram:5", "credits": -7})),
        ("limit discord:5 0", AdminCommand("limit", {"person": "discord:5", "credits": 0})),
        (
            "group telegram:-100 9",
            AdminCommand("group", {"person": "group:telegram:-100", "credits": 9}),
        ),
        (
            "ban console:ann too loud",
            AdminCommand("ban", {"person": "console:ann", "text": "too loud"}),
        ),
        ("ban console:ann", AdminCommand("ban", {"person": "console:ann"})),
        ("unban console:ann", AdminCommand("unban", {"person": "console:ann"})),
        ("user console:ann", AdminCommand("user", {"person": "console:ann"})),
        ("tasks", AdminCommand("tasks")),
        ("tasks Review", AdminCommand("tasks", {"state": "review"})),
        ("task #ABCD2345", AdminCommand("task", {"task": "abcd2345"})),
        ("requeue abcd2345", AdminCommand("requeue", {"task": "abcd2345"})),
        (
            "resolve abcd2345 REFUND",
            AdminCommand("resolve", {"task": "abcd2345", "verdict": "refund"}),
        ),
        (
            "resolve abcd2345 attach Job_7",
            AdminCommand(
                "resolve", {"task": "abcd2345", "verdict": "attach", "remote_id": "Job_7"}
            ),
        ),
        ("providers", AdminCommand("providers")),
        ("provider Local DRAIN", AdminCommand("provider", {"provider": "local", "mode": "drain"})),
        ("reload", AdminCommand("reload")),
        ("audit", AdminCommand("audit")),
        ("audit 5", AdminCommand("audit", {"count": 5})),
    ],
)
def test_valid_line_is_parsed(line: str, command: AdminCommand) -> None:
    assert parse_admin(line) == command


@pytest.mark.parametrize(
    ("line", "key"),
    [
        ("gramt telegram:5 7", "admin-word-unknown"),
        ("grant", "person-missing"),
        ("grant ann 5", "person-not-an-id"),
        ("grant telegram:5", "credits-missing"),
        ("grant telegram:5 many", "credits-not-a-number"),
        ("grant telegram:5 9999999999", "credits-not-a-number"),
        ("grant telegram:5 7 8", "too-much"),
        ("limit telegram:5 -1", "credits-not-a-number"),
        ("group ann 5", "group-not-an-id"),
        ("group discord:5", "credits-missing"),
        ("unban telegram:5 please", "too-much"),
        ("tasks nonsense", "state-unknown"),
        ("task", "task-missing"),
        ("resolve abcd2345", "verdict-unknown"),
        ("resolve abcd2345 attach", "remote-id-missing"),
        ("resolve abcd2345 charge now", "too-much"),
        ("provider", "provider-missing"),
        ("provider local", "mode-unknown"),
        ("providers local", "too-much"),
        ("audit 0", "count-not-a-number"),
        ("audit 1000", "count-not-a-number"),
    ],
)
def test_invalid_line_is_refused(line: str, key: str) -> None:
    with pytest.raises(Refusal) as refused:
        parse_admin(line)
    assert refused.value.text_key == key


def test_misspelt_subcommand_gets_a_suggestion() -> None:
    with pytest.raises(Refusal) as refused:
        parse_admin("gramt telegram:5 7")
    assert refused.value.params["nearest"] == "grant"


@given(
    name=st.sampled_from([word.name for word in ADMIN_COMMANDS]),
    rest=st.text(alphabet="abz0159:-# \n", max_size=40),
)
def test_any_line_is_a_command_or_a_refusal(name: str, rest: str) -> None:
    try:
        command = parse_admin(f"{name} {rest}")
    except Refusal:
        return
    assert command.subcommand in {
        name,
        f"{name}{rest.split(maxsplit=1)[0]}" if rest.split() else name,
    }
