"""The stand-in's table of facts is true to the official description, where that is at hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.standins.openai_facts import OPERATIONS, SECONDS, SIZES, STATUSES, VIDEO_FIELDS

SPEC = Path(__file__).parents[3] / "shared" / "specs" / "openai-videos.json"


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


def test_the_table_has_drifted_from_the_description(spec: dict[str, Any]) -> None:
    """Each operation's parameters, bodies, required fields and bounds are those described."""
    for (method, path), operation in OPERATIONS.items():
        described = spec["paths"][path][method]
        query = {one["name"] for one in described.get("parameters", []) if one["in"] == "query"}
        assert query == set(operation.query)
        content = described.get("requestBody", {}).get("content", {})
        assert set(content) == set(operation.bodies)
        for kind, fields in operation.bodies.items():
            body = _resolved(spec, content[kind]["schema"])
            assert set(body["properties"]) == set(fields)
            assert set(body["required"]) == {name for name, one in fields.items() if one.required}
            prompt = body["properties"]["prompt"]
            assert (fields["prompt"].least, fields["prompt"].most) == (
                prompt["minLength"],
                prompt["maxLength"],
            )


def test_the_words_have_drifted_from_the_description(spec: dict[str, Any]) -> None:
    """Seconds, sizes, statuses and the fields of a video are those described."""
    schemas = spec["components"]["schemas"]
    assert set(schemas["VideoSeconds"]["enum"]) == SECONDS
    assert set(schemas["VideoSize"]["enum"]) == SIZES
    assert set(schemas["VideoStatus"]["enum"]) == STATUSES
    assert set(schemas["VideoResource"]["properties"]) == VIDEO_FIELDS
    limit = next(
        one for one in spec["paths"]["/videos"]["get"]["parameters"] if one["name"] == "limit"
    )
    assert (limit["schema"]["minimum"], limit["schema"]["maximum"]) == (0, 100)
