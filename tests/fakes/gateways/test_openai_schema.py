"""The schema of the fake gateway equals the official description, where it is available."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.fakes.gateways.openai_schema import (
    IMAGE_REFERENCE,
    OPERATIONS,
    SECONDS,
    SIZES,
    STATUSES,
    VIDEO_FIELDS,
    Field,
    problems,
)
from tests.support.paths import PUBLISHED

SPEC = PUBLISHED / "specs" / "openai-videos.json"
_TEXT = {"type": "string"}


@pytest.fixture
def spec() -> dict[str, Any]:
    """The official description."""
    if not SPEC.is_file():
        pytest.skip("the official description is not at hand")
    found: dict[str, Any] = json.loads(SPEC.read_text(encoding="utf-8"))
    return found


def _resolved(spec: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    reference = schema.get("$ref")
    if reference is None:
        return schema
    found: dict[str, Any] = spec["components"]["schemas"][reference.rpartition("/")[2]]
    return found


def _field(spec: dict[str, Any], schema: dict[str, Any], *, required: bool) -> Field:
    """The description of one value, as our table would have it."""
    found = _resolved(spec, schema)
    if "oneOf" in found:
        kinds = {_field(spec, kind, required=False).type for kind in found["oneOf"]}
        assert kinds == {"string", "object"}
        return Field("binary or object", required)
    if _TEXT in found.get("anyOf", []):
        # Any word, and some that are known.
        return Field("string", required)
    words = frozenset(found["enum"]) if "enum" in found else None
    least = found.get("minLength", found.get("minimum"))
    most = found.get("maxLength", found.get("maximum"))
    return Field(found["type"], required, least, most, words)


def _described(field: Field) -> Field:
    """Our own, without what the guide adds."""
    return Field(field.type, field.required, field.least, field.most, field.words)


def _same(spec: dict[str, Any], schema: dict[str, Any], fields: dict[str, Field]) -> bool:
    body = _resolved(spec, schema)
    required = set(body.get("required", []))
    return {name: _described(field) for name, field in fields.items()} == {
        name: _field(spec, one, required=name in required)
        for name, one in body["properties"].items()
    }


def test_schema_equals_the_description(spec: dict[str, Any]) -> None:
    """Each operation's parameters and bodies have the described names, types and bounds."""
    for (method, path), operation in OPERATIONS.items():
        described = spec["paths"][path][method]
        query = {
            parameter["name"]: _field(spec, parameter["schema"], required=parameter["required"])
            for parameter in described.get("parameters", [])
            if parameter["in"] == "query"
        }
        assert query == operation.query
        content = described.get("requestBody", {}).get("content", {})
        assert set(content) == set(operation.bodies)
        for kind, fields in operation.bodies.items():
            assert _same(spec, content[kind]["schema"], fields), f"{method} {path} as {kind}"
    assert _same(spec, {"$ref": "#/components/schemas/ImageRefParam-2"}, IMAGE_REFERENCE)


def test_constants_equal_the_description(spec: dict[str, Any]) -> None:
    """Seconds, sizes, statuses and the fields of a video."""
    schemas = spec["components"]["schemas"]
    assert set(schemas["VideoSeconds"]["enum"]) == SECONDS
    assert set(schemas["VideoSize"]["enum"]) == SIZES
    assert set(schemas["VideoStatus"]["enum"]) == STATUSES
    assert set(schemas["VideoResource"]["properties"]) == VIDEO_FIELDS
    assert set(schemas["VideoResource"]["required"]) == VIDEO_FIELDS


_CREATE = OPERATIONS["post", "/videos"].bodies["application/json"]
_PICTURE = {"image_url": "data:image/png;base64,AAAA"}


@pytest.mark.parametrize(
    ("given", "count"),
    [
        ({"prompt": "p"}, 0),
        ({"prompt": "p", "seconds": "20", "size": "1080x1920", "model": "wan-2.6"}, 0),
        ({"prompt": "p", "input_reference": _PICTURE}, 0),
        ({}, 1),
        ({"prompt": ""}, 1),
        ({"prompt": "p" * 32001}, 1),
        ({"prompt": "p", "seconds": 4}, 1),
        ({"prompt": "p", "seconds": "720x1280"}, 1),
        ({"prompt": "p", "size": "square", "colour": "red"}, 2),
        ({"prompt": "p", "input_reference": "picture"}, 1),
        ({"prompt": "p", "input_reference": {**_PICTURE, "file_id": "f"}}, 1),
    ],
)
def test_invalid_request_is_found(given: dict[str, object], count: int) -> None:
    """What the description forbids is found, and nothing else."""
    assert len(problems(_CREATE, given)) == count


def test_number_out_of_bounds_is_found() -> None:
    """In a query as well, where everything is text."""
    query = OPERATIONS["get", "/videos"].query
    assert problems(query, {"limit": "100", "order": "desc", "after": "video_1"}) == []
    assert len(problems(query, {"limit": "101", "order": "4"})) == 2
    assert len(problems(query, {"limit": "many"})) == 1
