"""Words of a typed line, and suggestions for words that are slightly wrong."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.commands.tokens import (
    command_spec,
    parse_task_id,
    reject_extra_arguments,
    split_first_word,
    suggest,
)
from bot.domain.errors import Refusal

WORDS = ("cancel", "fetch", "forgetme", "models", "video")


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("", ("", "")),
        ("   ", ("", "")),
        ("video", ("video", "")),
        ("  video  a red  kite ", ("video", "a red  kite")),
        ("video\na kite", ("video", "a kite")),
    ],
)
def test_first_word_is_split_off(text: str, parts: tuple[str, str]) -> None:
    assert split_first_word(text) == parts


@given(text=st.text(alphabet="ab \n\t-", max_size=30))
def test_splitting_loses_nothing_but_outer_blanks(text: str) -> None:
    assert "".join("".join(split_first_word(text)).split()) == "".join(text.split())


@pytest.mark.parametrize(
    ("typed", "suggestion"),
    [
        ("vidoe", "/video"),
        ("canc", "/cancel"),
        ("FETSH", "/fetch"),
        ("for", "/forgetme"),
        ("vi", ""),
        ("nonsense", ""),
        ("", ""),
    ],
)
def test_similar_word_is_suggested(typed: str, suggestion: str) -> None:
    assert suggest(typed, WORDS, "/") == suggestion


@pytest.mark.parametrize("typed", ["abcd2345", "ABCD2345", "#abcd2345", "#ABCD2345"])
def test_task_id_is_accepted_with_hash_and_in_capitals(typed: str) -> None:
    assert parse_task_id(typed, "/cancel") == "abcd2345"


@pytest.mark.parametrize(
    ("typed", "key"),
    [("", "task-missing"), ("abc", "task-not-an-id"), ("a kite", "task-not-an-id")],
)
def test_invalid_task_id_is_refused(typed: str, key: str) -> None:
    with pytest.raises(Refusal, match=key):
        parse_task_id(typed, "/cancel")


def test_extra_arguments_are_refused() -> None:
    reject_extra_arguments("", "/quota")
    with pytest.raises(Refusal, match="too-much"):
        reject_extra_arguments("now", "/quota")


def test_command_has_the_key_of_its_help_text() -> None:
    assert command_spec("grant", "USER N", "admin-help").summary_key == "admin-help-grant"
    assert command_spec("quota").summary_key == "help-quota"
