"""Parsing helpers shared by user and admin commands."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from rapidfuzz import fuzz, process

from bot.domain.errors import Refusal

_FIRST_WORD = re.compile(r"\s*(\S+)\s*")
_TASK_ID = re.compile(r"#?([A-Za-z0-9]{4,16})")
_MIN_SIMILARITY_PERCENT = 75
"""Minimum similarity (0-100) at which a correction is suggested."""


@dataclass(frozen=True, slots=True)
class CommandSpec:
    """Name of a command, the notation of its arguments, and the key of its help text."""

    name: str
    usage: str
    summary_key: str


def command_spec(name: str, usage: str = "", key_prefix: str = "help") -> CommandSpec:
    """Return a command whose help text has the key "<prefix>-<name>"."""
    return CommandSpec(name, usage, f"{key_prefix}-{name}")


def split_first_word(text: str) -> tuple[str, str]:
    """Split into (first word, rest); both are empty if there is no word."""
    match = _FIRST_WORD.match(text)
    return (match.group(1), text[match.end() :].strip()) if match else ("", "")


def suggest(typed: str, candidates: Sequence[str], prefix: str = "") -> str:
    """Join the candidates that the user probably meant; empty if nothing is similar enough."""
    typed = typed.lower()
    matches = [
        candidate for candidate in candidates if len(typed) > 2 and candidate.startswith(typed)
    ]
    if not matches:
        similar = process.extract(
            typed, candidates, scorer=fuzz.ratio, limit=2, score_cutoff=_MIN_SIMILARITY_PERCENT
        )
        matches = [candidate[0] for candidate in similar]
    return ", ".join(prefix + candidate for candidate in matches)


def parse_task_id(typed: str, command: str) -> str:
    """Return the task id in lower case, without "#". Raises `Refusal`."""
    match = _TASK_ID.fullmatch(typed)
    if not typed:
        raise Refusal("task-missing", command=command)
    if match is None:
        raise Refusal("task-not-an-id", task=typed)
    return match.group(1).lower()


def reject_extra_arguments(rest: str, command: str) -> None:
    """Raise `Refusal` if there is text that the command does not take."""
    if rest:
        raise Refusal("too-much", command=command, rest=rest)
