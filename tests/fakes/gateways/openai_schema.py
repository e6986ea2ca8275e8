"""The schema of the official `/videos` API.

Derived from openai/openai-openapi (2026-08-21, MIT); `test_openai_schema.py` compares this table
with the description itself where that is at hand.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a body or one parameter of a query."""

    type: str
    """`string`, `integer`, `object`, or `binary or object`."""
    required: bool = False
    least: int | None = None
    most: int | None = None
    """Of a number its value, of a text its length."""
    words: frozenset[str] | None = None
    """All that may be said."""
    more: frozenset[str] = frozenset()
    """What the guide allows beyond the description (since 2026-03-12)."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one path."""

    query: dict[str, Field]
    bodies: dict[str, dict[str, Field]]
    """Content type -> its fields."""


SECONDS = frozenset({"4", "8", "12"})
SIZES = frozenset({"720x1280", "1280x720", "1024x1792", "1792x1024"})
STATUSES = frozenset({"queued", "in_progress", "completed", "failed"})

_PROMPT = Field("string", required=True, least=1, most=32000)
_CREATE = {
    "model": Field("string"),
    "prompt": _PROMPT,
    "seconds": Field("string", words=SECONDS, more=frozenset({"16", "20"})),
    "size": Field("string", words=SIZES, more=frozenset({"1080x1920", "1920x1080"})),
}
_REMIX = {"prompt": _PROMPT}

OPERATIONS: dict[tuple[str, str], Operation] = {
    ("post", "/videos"): Operation(
        {},
        {
            "multipart/form-data": {**_CREATE, "input_reference": Field("binary or object")},
            "application/json": {**_CREATE, "input_reference": Field("object")},
        },
    ),
    ("get", "/videos"): Operation(
        {
            "limit": Field("integer", least=0, most=100),
            "order": Field("string", words=frozenset({"asc", "desc"})),
            "after": Field("string"),
        },
        {},
    ),
    ("get", "/videos/{video_id}"): Operation({}, {}),
    ("delete", "/videos/{video_id}"): Operation({}, {}),
    ("get", "/videos/{video_id}/content"): Operation(
        {"variant": Field("string", words=frozenset({"video", "thumbnail", "spritesheet"}))}, {}
    ),
    ("post", "/videos/{video_id}/remix"): Operation(
        {}, {"application/json": _REMIX, "multipart/form-data": _REMIX}
    ),
}

IMAGE_REFERENCE = {"image_url": Field("string", most=20971520), "file_id": Field("string")}
"""An `input_reference` as an object: exactly one of these."""

VIDEO_FIELDS = frozenset(
    {
        "id",
        "object",
        "model",
        "status",
        "progress",
        "created_at",
        "completed_at",
        "expires_at",
        "prompt",
        "size",
        "seconds",
        "remixed_from_video_id",
        "error",
    }
)
"""All required in an answer; some may be null."""


def problems(fields: dict[str, Field], given: dict[str, object]) -> list[str]:
    """The errors in these values, one line each."""
    found = [f"unknown field {name}" for name in given if name not in fields]
    for name, field in fields.items():
        if name not in given:
            found += [f"{name} is required"] if field.required else []
        else:
            found += [f"{name}: {problem}" for problem in _wrong(field, given[name])]
    reference = given.get("input_reference")
    if isinstance(reference, dict) and "input_reference" in fields:
        found += problems(IMAGE_REFERENCE, reference)
        found += [] if len(reference) == 1 else ["input_reference: exactly one of its fields"]
    return found


def _wrong(field: Field, value: object) -> list[str]:
    if field.type == "integer":
        if not str(value).isdigit():
            return [f"{value!r} is no integer"]
        return _out_of_bounds(field, int(str(value)))
    if field.type == "string":
        if not isinstance(value, str):
            return [f"expected a string, got {type(value).__name__}"]
        if field.words is not None and value not in field.words | field.more:
            return [f"{value!r} is not one of {sorted(field.words)}"]
        return _out_of_bounds(field, len(value))
    if field.type == "object" and not isinstance(value, dict):
        return [f"expected an object, got {type(value).__name__}"]
    if field.type == "binary or object" and isinstance(value, str):
        return ["expected a file, but got a string instead"]
    return []


def _out_of_bounds(field: Field, number: int) -> list[str]:
    if field.least is not None and number < field.least:
        return [f"{number} is below {field.least}"]
    if field.most is not None and number > field.most:
        return [f"{number} is above {field.most}"]
    return []
