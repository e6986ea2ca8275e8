"""Parse the subset of YAML in which gateways publish their documents.

Mappings, lists of words or mappings, texts over several lines; no anchors, no flow style but `[]`
and `{}`.
"""

from __future__ import annotations

from collections import deque
from typing import Any

_Lines = deque[tuple[int, str]]
_BLOCKS = {">", ">-", "|", "|-"}
_WORDS = {"true": True, "false": False, "[]": [], "{}": {}, "null": None}


def read_yaml(text: str) -> Any:
    """The whole of it as dicts, lists and words."""
    lines: _Lines = deque(
        (len(line) - len(line.lstrip()), line.strip()) for line in text.splitlines() if line.strip()
    )
    return _node(lines, lines[0][0])


def _node(lines: _Lines, indent: int) -> Any:
    return _list(lines, indent) if lines[0][1].startswith("- ") else _mapping(lines, indent)


def _list(lines: _Lines, indent: int) -> list[Any]:
    found = []
    while lines and lines[0][0] == indent and lines[0][1].startswith("- "):
        rest = lines.popleft()[1][2:]
        if ": " in rest or rest.endswith(":"):
            lines.appendleft((indent + 2, rest))
            found.append(_mapping(lines, indent + 2))
        else:
            found.append(_value(rest, lines, indent))
    return found


def _mapping(lines: _Lines, indent: int) -> dict[str, Any]:
    found = {}
    while lines and lines[0][0] == indent and not lines[0][1].startswith("- "):
        name, _, rest = lines.popleft()[1].partition(":")
        found[name.strip("'\"")] = _value(rest.strip(), lines, indent)
    return found


def _value(text: str, lines: _Lines, indent: int) -> Any:
    if text in _BLOCKS:
        return _text(lines, indent)
    if text:
        return _scalar(text)
    below = lines[0] if lines else (0, "")
    # A list may stand as far left as its name.
    deeper = below[0] > indent or (below[0] == indent and below[1].startswith("- "))
    return _node(lines, below[0]) if deeper else None


def _text(lines: _Lines, indent: int) -> str:
    found = []
    while lines and lines[0][0] > indent:
        found.append(lines.popleft()[1])
    return " ".join(found)


def _scalar(text: str) -> Any:
    if text in _WORDS:
        return _WORDS[text]
    return int(text) if text.isdecimal() else text.strip("'\"")
