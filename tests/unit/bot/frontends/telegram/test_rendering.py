"""Texts and buttons for Telegram: no text of a user has an effect or exceeds a limit."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.interactive import InteractiveMessage, MessageKind
from bot.domain.tasks import Destination
from bot.frontends.telegram.rendering import (
    MAX_TEXT_UNITS,
    callback_data,
    escaped,
    keyboard,
    parse_callback_data,
    split_message,
    truncate,
    utf16_units,
)
from tests.fakes.telegram.text import parse_html

JOINER = "\u2060"
"""Stands behind each @ so that nobody is notified."""


def card(callback_id: str = "abcdef123456") -> InteractiveMessage:
    return InteractiveMessage(
        callback_id, MessageKind.DRAFT, "telegram:7", Destination("telegram", "7::")
    )


def test_units_are_utf_16_code_units() -> None:
    assert [utf16_units(text) for text in ("", "abc", "é", "中文", "🪁")] == [0, 3, 1, 2, 2]


@given(text=st.text(max_size=200), most=st.integers(2, 60))
def test_cut_keeps_the_limit_and_marks_the_cut(text: str, most: int) -> None:
    shortened = truncate(text, most)
    if utf16_units(text) <= most:
        assert shortened == text
    else:
        assert utf16_units(shortened) <= most
        assert shortened.endswith("…")
        assert text.startswith(shortened[:-1])


@given(text=st.text(alphabet=st.characters(exclude_categories=["Cs", "Cc"]), max_size=200))
def test_escaped_text_has_no_entities_and_reads_the_same(text: str) -> None:
    parsed = parse_html(f"x{escaped(text)}x")
    assert parsed.entities == []
    assert parsed.text.replace(JOINER, "") == f"x{text}x".replace(JOINER, "")


def test_mention_in_a_text_notifies_nobody() -> None:
    assert escaped("@ann <b>&amp;") == f"@{JOINER}ann &lt;b&gt;&amp;amp;"


@given(
    lines=st.lists(st.text(alphabet="ab <&@🪁", min_size=1, max_size=900), min_size=1, max_size=30)
)
def test_long_text_is_split_without_loss(lines: list[str]) -> None:
    text = "\n".join(lines)
    messages = [parse_html(part) for part in split_message(text)]
    assert all(utf16_units(message.text) <= MAX_TEXT_UNITS for message in messages)
    assert all(message.entities == [] for message in messages)

    def letters(given: str) -> str:
        return "".join(given.replace(JOINER, "").split())

    assert "".join(letters(message.text) for message in messages) == letters(text)


def test_callback_data_round_trips_and_has_a_limit() -> None:
    assert parse_callback_data(callback_data(card(), "again")) == ("abcdef123456", "again")
    with pytest.raises(ValueError, match="longer than 64 bytes"):
        callback_data(card(), "x" * 60)


def test_keyboard_has_the_rows_and_their_data() -> None:
    rows = keyboard(card(), [[("Again", "again"), ("As file", "file")], [("Delete", "delete")]])
    assert [[button.text for button in row] for row in rows.inline_keyboard] == [
        ["Again", "As file"],
        ["Delete"],
    ]
    assert rows.inline_keyboard[1][0].callback_data == "abcdef123456.delete"
