"""Check values against the schema, and parse the texts of a form by it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.fakes.telegram.api_schema import METHODS, OBJECTS, UNIONS, Field

_ATTACHED = "attach://"
_PLAIN = frozenset({"int", "str", "bool", "float", "file"})


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that came with a call, on disk."""

    field: str
    name: str
    path: Path
    size: int
    sha256: str


def params(
    method: str, given: Mapping[str, object], files: Mapping[str, Upload], *, form: bool
) -> tuple[dict[str, Any], list[str]]:
    """(What a call's parameters mean, what is wrong with them)."""
    fields = METHODS[method].fields
    found = [f"unknown parameter {name}" for name in given if name not in fields]
    read = {
        name: _read(fields[name], value) if form else value
        for name, value in given.items()
        if name in fields
    }
    if read.get("reply_markup") == {}:
        # The real server takes it for none, and libraries send it so.
        del read["reply_markup"]
    attached = _attached(fields, read)
    used = {name for name, value in read.items() if isinstance(value, Upload)} | attached
    found += [f"a file {name} that nothing asks for" for name in files if name not in used]
    found += [f"no file {name} is attached" for name in attached if name not in files]
    found += _of_fields(fields, read)
    return read, found


def problems(kind: str, value: object) -> list[str]:
    """The errors in a value of this type, one line each."""
    return _of_type(kind, value)


def answer_problems(method: str, result: object) -> list[str]:
    """The errors in a response of this fake."""
    return _of_types(METHODS[method].result, result)


def _attached(fields: Mapping[str, Field], read: Mapping[str, object]) -> set[str]:
    """Names of files to which values refer."""
    values = [value for name, value in read.items() if "file" in fields[name].types]
    return {str(one).removeprefix(_ATTACHED) for one in values if str(one).startswith(_ATTACHED)}


def _read(field: Field, text: object) -> object:
    """What a form's text means; what cannot be meant stays text, to be found wrong."""
    if not isinstance(text, str):
        return text
    if any(kind not in _PLAIN for kind in field.types):
        try:
            return json.loads(text)
        except ValueError:
            return text
    if "int" in field.types and re.fullmatch(r"-?\d{1,19}", text):
        return int(text)
    if "float" in field.types and re.fullmatch(r"-?\d+(\.\d+)?", text):
        return float(text)
    if "bool" in field.types and text in {"true", "false"}:
        return text == "true"
    return text


def _of_fields(fields: Mapping[str, Field], given: Mapping[str, object]) -> list[str]:
    found = []
    for name, field in fields.items():
        if name not in given:
            found += [f"{name} is required"] if field.required else []
        elif field.description_word and given[name] != field.description_word:
            found += [f"{name}: {given[name]!r} is not {field.description_word!r}"]
        else:
            found += [f"{name}: {problem}" for problem in _of_types(field.types, given[name])]
    return found


def _of_types(types: tuple[str, ...], value: object) -> list[str]:
    """No errors if one of the types fits; else those of the closest type."""
    return min((_of_type(kind, value) for kind in types), key=len)


def _of_type(kind: str, value: object) -> list[str]:
    if kind.startswith("["):
        if not isinstance(value, list):
            return [f"expected an array, got {_named(value)}"]
        inner = kind[1:-1]
        return [
            f"{at}: {problem}" for at, part in enumerate(value) for problem in _of_type(inner, part)
        ]
    if kind in UNIONS:
        known = tuple(name for name in UNIONS[kind] if name in OBJECTS)
        return _of_types(known, value)
    if kind in _PLAIN:
        return [] if _is_plain(kind, value) else [f"expected {kind}, got {_named(value)}"]
    if kind not in OBJECTS:
        return [f"{kind} is not known to this fake"]
    if not isinstance(value, dict):
        return [f"expected {kind}, got {_named(value)}"]
    unknown = [f"{kind} has no field {name}" for name in value if name not in OBJECTS[kind]]
    return unknown + _of_fields(OBJECTS[kind], value)


def _is_plain(kind: str, value: object) -> bool:
    match kind:
        case "int":
            return isinstance(value, int) and not isinstance(value, bool)
        case "float":
            return isinstance(value, int | float) and not isinstance(value, bool)
        case "bool":
            return isinstance(value, bool)
        case "str":
            return isinstance(value, str)
    return isinstance(value, Upload)


def _named(value: object) -> str:
    shown = repr(value)
    return f"{type(value).__name__} {shown if len(shown) < 60 else shown[:57] + '...'}"
