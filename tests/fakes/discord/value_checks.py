"""Check values against the schema; errors as Discord reports them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from tests.fakes.discord.api_schema import OBJECTS, OPERATIONS, PLAIN, Field, ValueType
from tests.fakes.discord.error_responses import Problem

_At = tuple[str, ...]
_WORDS = {"int": "int", "float": "float", "id": "snowflake"}


def body_problems(operation: str, body: Any) -> list[Problem]:
    """The errors in the body of a call."""
    wanted = OPERATIONS[operation].body
    if wanted is None:
        return [] if body in (None, {}) else [Problem((), "UNEXPECTED_BODY", "takes no body")]
    return list(_of_field(wanted, body, ()))


def query_problems(
    operation: str, given: Mapping[str, str]
) -> tuple[dict[str, Any], list[Problem]]:
    """(What a query means, what is wrong with it)."""
    wanted = OPERATIONS[operation].query
    read = {name: _read(wanted[name], text) for name, text in given.items() if name in wanted}
    unknown = [Problem((one,), "UNKNOWN_FIELD", "nothing asks for it") for one in given
               if one not in wanted]  # fmt: skip
    return read, unknown + [
        problem
        for name, value in read.items()
        for problem in _of_field(wanted[name], value, (name,))
    ]


def answer_problems(operation: str, answer: Any) -> list[Problem]:
    """The errors in a response of this fake."""
    wanted = OPERATIONS[operation]
    if answer is None and wanted.bare:
        return []
    if wanted.answer is None:
        return [Problem((), "UNEXPECTED_BODY", "is answered without a body")]
    return list(_of_field(wanted.answer, answer, ()))


def problems(kind: str, value: Any) -> list[Problem]:
    """The errors in a value of this type."""
    return list(_of_kind(ValueType(kind), value, ()))


def _read(field: Field, text: str) -> Any:
    kinds = {kind.name for kind in field.kinds}
    if "bool" in kinds and text.lower() in {"true", "false", "1", "0"}:
        return text.lower() in {"true", "1"}
    if "int" in kinds and re.fullmatch(r"-?\d+", text):
        return int(text)
    return text


def _of_field(field: Field, value: Any, at: _At) -> Iterator[Problem]:
    if value is None:
        if not field.null:
            yield Problem(at, "BASE_TYPE_REQUIRED", "This field is required")
        return
    yield from _of_kinds(field.kinds, value, at)


def _of_kinds(kinds: tuple[ValueType, ...], value: Any, at: _At) -> Iterator[Problem]:
    """No errors if one of the types fits; else those of the closest type."""
    yield from min(
        (list(_of_kind(kind, value, at)) for kind in _meant(kinds, value)),
        key=lambda found: (any(problem.at == (*at, "type") for problem in found), len(found)),
    )


def _meant(kinds: tuple[ValueType, ...], value: Any) -> tuple[ValueType, ...]:
    """Among objects that differ by their `type` the one that this value claims to be."""
    if len(kinds) == 1 or not isinstance(value, dict):
        return kinds
    claimed = str(value.get("type"))
    found = [kind for kind in kinds if "type" in OBJECTS.get(kind.name, {})
             and claimed in OBJECTS[kind.name]["type"].kinds[0].words]  # fmt: skip
    return tuple(found) or kinds


def _of_kind(kind: ValueType, value: Any, at: _At) -> Iterator[Problem]:
    if kind.name == "[]":
        yield from _of_array(kind, value, at)
    elif kind.name == "<>":
        if not isinstance(value, dict):
            yield Problem(at, "DICT_TYPE_CONVERT", "Only dictionaries may be used in a DictType")
            return
        yield from _of_length(kind, len(value), at)
        for name, one in value.items():
            yield from _of_kinds(kind.inner, one, (*at, name))
    elif kind.name in PLAIN:
        yield from _of_plain(kind, value, at)
    else:
        yield from _of_object(kind.name, value, at)


def _of_array(kind: ValueType, value: Any, at: _At) -> Iterator[Problem]:
    if not isinstance(value, list):
        yield Problem(at, "LIST_TYPE_CONVERT", "Only iterables may be used in a ListType")
        return
    yield from _of_length(kind, len(value), at)
    for number, one in enumerate(value):
        if one is None:
            yield Problem((*at, str(number)), "BASE_TYPE_REQUIRED", "This field is required")
        else:
            yield from _of_kinds(kind.inner, one, (*at, str(number)))


def _of_object(name: str, value: Any, at: _At) -> Iterator[Problem]:
    if name not in OBJECTS:
        yield Problem(at, "UNKNOWN_MODEL", f"{name} is not known to this fake")
        return
    if not isinstance(value, dict):
        words = "Only dictionaries may be used in a ModelType"
        yield Problem(at, "MODEL_TYPE_CONVERT", words)
        return
    fields = OBJECTS[name]
    for one in value:
        if one not in fields:
            yield Problem((*at, one), "UNKNOWN_FIELD", f"{name} has no such field")
    for one, field in fields.items():
        if one in value:
            yield from _of_field(field, value[one], (*at, one))
        elif field.required:
            yield Problem((*at, one), "BASE_TYPE_REQUIRED", "This field is required")


def _of_plain(kind: ValueType, value: Any, at: _At) -> Iterator[Problem]:
    read = _plain(kind.name, value)
    if read is None:
        match kind.name:
            case "int" | "float" | "id":
                words = f'Value "{str(value)[:40]}" is not {_WORDS[kind.name]}.'
                yield Problem(at, "NUMBER_TYPE_COERCE", words)
            case "bool":
                yield Problem(at, "BOOLEAN_TYPE_CONVERT", "Must be either true or false.")
            case "date":
                words = "Could not parse it. Should be ISO8601."
                yield Problem(at, "DATE_TIME_TYPE_PARSE", words)
            case "uri":
                yield Problem(at, "URL_TYPE_INVALID_URL", "Not a well formed URL.")
            case _:
                words = f'Could not interpret "{str(value)[:40]}" as string.'
                yield Problem(at, "STRING_TYPE_CONVERT", words)
        return
    if kind.words and str(read) not in kind.words:
        words = f"Value must be one of {{{', '.join(kind.words)}}}."
        yield Problem(at, "BASE_TYPE_CHOICES", words)
    if kind.name in {"str", "uri"}:
        yield from _of_length(kind, len(read), at)
    elif kind.name in {"int", "float"}:
        if kind.low is not None and read < kind.low:
            words = f"{kind.name} value should be greater than or equal to {kind.low}."
            yield Problem(at, "NUMBER_TYPE_MIN", words)
        if kind.high is not None and read > kind.high:
            words = f"{kind.name} value should be less than or equal to {kind.high}."
            yield Problem(at, "NUMBER_TYPE_MAX", words)


def _of_length(kind: ValueType, length: int, at: _At) -> Iterator[Problem]:
    low, high = kind.low, kind.high
    if low is not None and length < low and high is not None:
        yield Problem(at, "BASE_TYPE_BAD_LENGTH", f"Must be between {low} and {high} in length.")
    elif low is not None and length < low:
        yield Problem(at, "BASE_TYPE_MIN_LENGTH", f"Must be {low} or more in length.")
    elif high is not None and length > high:
        if low is None:
            yield Problem(at, "BASE_TYPE_MAX_LENGTH", f"Must be {high} or fewer in length.")
        else:
            words = f"Must be between {low} and {high} in length."
            yield Problem(at, "BASE_TYPE_BAD_LENGTH", words)


def _plain(kind: str, value: Any) -> Any:
    """What a value means as this type; None: nothing. Numbers and texts of numbers are alike."""
    match kind:
        case "int" | "id":
            if isinstance(value, str) and re.fullmatch(r"-?\d{1,20}", value):
                value = int(value)
            good = isinstance(value, int) and not isinstance(value, bool)
            return value if good and (kind == "int" or value >= 0) else None
        case "float":
            good = isinstance(value, int | float) and not isinstance(value, bool)
            return value if good else None
        case "bool":
            return value if isinstance(value, bool) else None
    if not isinstance(value, str):
        return None
    if kind == "uri" and not re.match(r"(https?|attachment|wss?)://\S", value):
        return None
    return None if kind == "date" and not _is_date(value) else value


def _is_date(text: str) -> bool:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True
