"""Parsing helpers shared by user and admin commands."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from rapidfuzz import fuzz, process

from bot.domain.errors import Refusal

_WORD = re.compile(r"\s*(\S+)\s*")
_TASK = re.compile(r"#?([A-Za-z0-9]{4,16})")
_NEAR = 75
"""Minimum similarity (0-100) at which a correction is suggested."""


@dataclass(frozen=True, slots=True)
class Word:
    """Name of a command, the notation of its arguments, and the key of its help text."""

    name: str
    usage: str
    summary: str


def word(name: str, usage: str = "", kind: str = "help") -> Word:
    """Return a command whose help text has the key "<prefix>-<name>"."""
    return Word(name, usage, f"{kind}-{name}")


def first(text: str) -> tuple[str, str]:
    """Split into (first word, rest); both are empty if there is no word."""
    found = _WORD.match(text)
    return (found.group(1), text[found.end() :].strip()) if found else ("", "")


def nearest(word: str, words: Sequence[str], prefix: str = "") -> str:
    """Join the candidates that the user probably meant; empty if nothing is similar enough."""
    word = word.lower()
    near = [one for one in words if len(word) > 2 and one.startswith(word)]
    if not near:
        found = process.extract(word, words, scorer=fuzz.ratio, limit=2, score_cutoff=_NEAR)
        near = [one[0] for one in found]
    return ", ".join(prefix + one for one in near)


def task_id(word: str, command: str) -> str:
    """Return the task id in lower case, without "#". Raises `Refusal`."""
    found = _TASK.fullmatch(word)
    if not word:
        raise Refusal("task-missing", command=command)
    if found is None:
        raise Refusal("task-not-an-id", task=word)
    return found.group(1).lower()


def nothing_more(rest: str, command: str) -> None:
    """Raise `Refusal` if there is text that the command does not take."""
    if rest:
        raise Refusal("too-much", command=command, rest=rest)
