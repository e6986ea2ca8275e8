"""Texts and buttons for Discord: no text of a user has an effect or exceeds a limit."""

from __future__ import annotations

import re

import discord
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.interactive import InteractiveMessage, MessageKind
from bot.domain.tasks import Destination
from bot.frontends.discord.rendering import (
    CALLBACK_PATTERN,
    MAX_DESCRIPTION_CHARS,
    callback_data,
    countdown,
    escaped,
    keyboard,
    literal,
    note_with_link,
    parse_callback_data,
    prompt_modal,
    split_message,
    truncate,
)

JOINER = "\u2060"
"""Stands behind each @ so that nobody is notified."""
_TEXT = st.text(alphabet=st.sampled_from("ab\\*_~|`[]()<>#+-@:1. \n🪁"), max_size=120)


def shown(markdown: str) -> str:
    """What a reader sees of a text in which every mark is escaped."""
    return re.sub(r"\\(.)", r"\1", markdown, flags=re.DOTALL).replace(JOINER, "")


@given(text=_TEXT)
def test_every_mark_of_a_users_text_is_escaped(text: str) -> None:
    markdown = literal(text)
    bare = re.sub(r"\\.", "x", markdown, flags=re.DOTALL)
    assert not re.search(r"[*_~|`\[\]<>]", bare)
    assert not re.search(r"^\s*[#>+-]", bare, re.MULTILINE)
    assert not re.search(r"@\w", markdown)


@given(text=st.text(alphabet="ab*_~|`[]<>@ 🪁", max_size=120))
def test_escaped_text_reads_the_same(text: str) -> None:
    assert shown(literal(text)) == text


def test_countdown_survives_in_texts_of_the_bot_only() -> None:
    moment = countdown(1_800_000_000.4)
    assert moment == "<t:1800000000:R>"
    assert escaped(f"ready {moment}") == f"ready {moment}"
    assert literal(f"ready {moment}") != f"ready {moment}"


@given(text=st.text(max_size=200), most=st.integers(2, 60))
def test_cut_keeps_the_limit_and_marks_the_cut(text: str, most: int) -> None:
    shortened = truncate(text, most)
    if len(text) <= most:
        assert shortened == text
    else:
        assert len(shortened) <= most
        assert shortened.endswith("…")
        assert text.startswith(shortened[:-1])


@given(
    lines=st.lists(st.text(alphabet="ab*_\\@ ", min_size=1, max_size=900), min_size=1, max_size=20)
)
def test_long_text_is_split_without_loss(lines: list[str]) -> None:
    text = "\n".join(lines)
    parts = [part.description or "" for part in split_message(text)]
    assert all(len(part) <= MAX_DESCRIPTION_CHARS for part in parts)
    # A part that ended in half an escape would show its backslash.
    assert all((len(part) - len(part.rstrip("\\"))) % 2 == 0 for part in parts)
    assert "".join("".join(parts).split()) == "".join(escaped(text).split())


def test_link_of_the_bot_can_be_opened_beside_escaped_words() -> None:
    note = note_with_link("*It* is at https://example.org/a_b now")
    assert note == r"\*It\* is at https://example.org/a_b now"


def test_callback_data_round_trips() -> None:
    sent = callback_data("abcdefgh12345678", "again")
    assert parse_callback_data(sent) == ("abcdefgh12345678", "again")
    match = re.fullmatch(CALLBACK_PATTERN, sent)
    assert match is not None
    assert (match["token"], match["verb"]) == ("abcdefgh12345678", "again")


async def test_keyboard_never_times_out_and_keeps_labels_short() -> None:
    card = InteractiveMessage(
        "abcdefgh12345678", MessageKind.RESULT, "discord:7", Destination("discord", "{}")
    )
    style = discord.ButtonStyle.primary
    view = keyboard(card, [[("A" * 100, "again", style)], [("Delete", "delete", style)]])
    assert view.timeout is None
    first, second = (component["components"][0] for component in view.to_components())
    assert (len(first["label"]), first["custom_id"]) == (80, "abcdefgh12345678.again")
    assert second["custom_id"] == "abcdefgh12345678.delete"


async def test_form_opens_with_the_earlier_prompt() -> None:
    modal = prompt_modal("abcdefgh12345678.again", "T" * 60, "L" * 60, "a red kite")
    content = modal.to_dict()
    assert (len(content["title"]), content["custom_id"]) == (45, "abcdefgh12345678.again")
    (label,) = content["components"]
    assert (label["component"]["value"], label["component"]["max_length"]) == (
        "a red kite",
        MAX_DESCRIPTION_CHARS,
    )
