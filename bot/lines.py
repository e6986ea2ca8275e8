"""Pieces of typed lines, for the commands of people and of admins alike."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from rapidfuzz import fuzz, process

from bot.model import Refusal

_WORD = re.compile(r"\s*(\S+)\s*")
_TASK = re.compile(r"#?([A-Za-z0-9]{4,16})")
_NEAR = 75
"""How alike, of 100, two words are of which one is probably a slip."""


@dataclass(frozen=True, slots=True)
class Word:
    """A command's name, how its arguments are written, and the sentence that says what it does."""

    name: str
    usage: str
    summary: str


def word(name: str, usage: str = "", kind: str = "help") -> Word:
    """A word whose summary is the sentence `<kind>-<name>`."""
    return Word(name, usage, f"{kind}-{name}")


def first(text: str) -> tuple[str, str]:
    """(the first word, the rest)."""
    found = _WORD.match(text)
    return (found.group(1), text[found.end() :].strip()) if found else ("", "")


def nearest(word: str, words: Sequence[str], prefix: str = "") -> str:
    """Which of the words were probably meant, as text; empty: none."""
    word = word.lower()
    near = [one for one in words if len(word) > 2 and one.startswith(word)]
    if not near:
        found = process.extract(word, words, scorer=fuzz.ratio, limit=2, score_cutoff=_NEAR)
        near = [one[0] for one in found]
    return ", ".join(prefix + one for one in near)


def task_id(word: str, command: str) -> str:
    """The id as we write it. Raises `Refusal`."""
    found = _TASK.fullmatch(word)
    if not word:
        raise Refusal("task-missing", command=command)
    if found is None:
        raise Refusal("task-not-an-id", task=word)
    return found.group(1).lower()


def nothing_more(rest: str, command: str) -> None:
    """What a command does not take is told, not dropped."""
    if rest:
        raise Refusal("too-much", command=command, rest=rest)
