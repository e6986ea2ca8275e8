"""The schemas equal the gateways' own documents, where those are available."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.fakes.gateways.json_schema import (
    JIMMY,
    JXINCM,
    MOUNTSEA,
    FieldRule,
    jimmy_problems,
    jxincm_problems,
    mountsea_problems,
    problems,
)
from tests.support import yaml_outline
from tests.support.paths import PUBLISHED

SEEDS = PUBLISHED / "seeds"
_PATHS = {
    "jimmy": ("/api/open-api/v1/videos", JIMMY),
    "jxincm": ("/v1/video/create", JXINCM),
    "mountsea": ("/sora/video/generate", MOUNTSEA),
}


def _document(kind: str) -> dict[str, Any]:
    """The description in a gateway's document."""
    path = SEEDS / f"{kind}.txt"
    if not path.is_file():
        pytest.skip("the gateway's document is not at hand")
    found = re.search(r"^openapi:.*?(?=^```)", path.read_text("utf-8"), re.DOTALL | re.MULTILINE)
    assert found is not None
    described: dict[str, Any] = yaml_outline.read_yaml(found.group())
    return described


def _schema(document: dict[str, Any], path: str) -> dict[str, Any]:
    body = document["paths"][path]["post"]["requestBody"]["content"]["application/json"]["schema"]
    if "$ref" in body:
        body = document["components"]["schemas"][body["$ref"].rpartition("/")[2]]
    assert isinstance(body, dict)
    return body


def _fact(schema: dict[str, Any], *, required: bool) -> FieldRule:
    """The description of one field, as our tables would have it."""
    words = frozenset(schema["enum"]) if "enum" in schema else None
    kind = schema["type"]
    if kind == "array":
        assert schema["items"]["type"] == "string"
        kind = "links"
    return FieldRule(kind, required, words, most=schema.get("maxLength"))


@pytest.mark.parametrize("kind", _PATHS)
def test_schema_equals_the_documents(kind: str) -> None:
    """Each field of a create has the documented name, type, values and bounds; none is missing."""
    path, facts = _PATHS[kind]
    schema = _schema(_document(kind), path)
    described = {
        name: _fact(one, required=name in schema["required"])
        for name, one in schema["properties"].items()
    }
    assert described == {
        name: FieldRule(fact.described or fact.type, fact.required, fact.words, most=fact.most)
        for name, fact in facts.items()
        if not fact.elsewhere
    }


@pytest.mark.parametrize(
    ("kind", "status", "names"),
    [
        ("jimmy", "200", {"code", "msg", "data"}),
        ("jxincm", "200", {"id", "status", "status_update_time"}),
        ("mountsea", "201", {"taskId"}),
    ],
)
def test_create_response_equals_the_documents(kind: str, status: str, names: set[str]) -> None:
    """A create is answered with the documented status and fields."""
    document = _document(kind)
    answers = document["paths"][_PATHS[kind][0]]["post"]["responses"]
    found = next(one for code, one in answers.items() if str(code) == status)
    schema = found["content"]["application/json"]["schema"]
    if "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    assert set(schema["properties"]) == names


_JIMMY: dict[str, object] = {"model": "sora2-12s", "prompt": "p", "duration": 12}
_JXINCM: dict[str, object] = {
    "images": [],
    "model": "sora-2",
    "orientation": "portrait",
    "prompt": "p",
}
_JXINCM |= {"size": "small", "duration": 10, "watermark": True}
_MOUNTSEA: dict[str, object] = {"model": "sora-2", "prompt": "p", "removeWatermark": True}


@pytest.mark.parametrize(
    ("changes", "count"),
    [
        ({}, 0),
        ({"model": "sora2-gz-sp", "duration": 7}, 0),
        ({"images": ["https://x/1.png"], "orientation": "landscape"}, 0),
        ({"duration": 10}, 1),
        ({"duration": "12"}, 1),
        ({"duration": True}, 1),
        ({"orientation": "square"}, 1),
        ({"images": "https://x/1.png"}, 1),
        ({"images": ["/1.png"]}, 1),
        ({"images": ["https://x/1.png", "https://x/2.png"]}, 1),
        ({"watermark": True, "seconds": 12}, 2),
    ],
)
def test_invalid_jimmy_request_is_found(changes: dict[str, object], count: int) -> None:
    """What its document forbids is found, and nothing else."""
    given = {**_JIMMY, **changes}
    assert len(problems(JIMMY, given) or jimmy_problems(given)) == count


@pytest.mark.parametrize(
    ("changes", "count"),
    [
        ({}, 0),
        ({"private": True, "watermark": False, "size": "large"}, 0),
        ({"model": "sora-2-pro", "duration": 25}, 0),
        ({"duration": 25}, 1),
        ({"duration": "10"}, 1),
        ({"duration": 12}, 1),
        ({"watermark": "true"}, 1),
        ({"images": None}, 1),
        ({"size": "720x1280", "orientation": "square"}, 2),
    ],
)
def test_invalid_jxincm_request_is_found(changes: dict[str, object], count: int) -> None:
    """What its documents forbid is found; each field but one is required."""
    given = {**_JXINCM, **changes}
    assert len(problems(JXINCM, given) or jxincm_problems(given)) == count
    assert len(problems(JXINCM, {})) == len(_JXINCM)


@pytest.mark.parametrize(
    ("changes", "count"),
    [
        ({}, 0),
        ({"styleId": "kakalaka", "storyboard": False, "editId": "e", "images": []}, 0),
        ({"model": "sora-2-pro", "size": "large", "duration": 15}, 0),
        ({"model": "sora-2-pro", "size": "small", "duration": 25}, 0),
        ({"model": "sora-2-pro", "size": "large", "duration": 25}, 1),
        ({"duration": 25}, 1),
        ({"size": "large"}, 1),
        ({"model": "sora-3"}, 1),
        ({"styleId": "thxgiving"}, 1),
        ({"prompt": "p" * 5001}, 1),
        ({"storyboard": "false"}, 1),
    ],
)
def test_invalid_mountsea_request_is_found(changes: dict[str, object], count: int) -> None:
    """What its document forbids is found, and so is a watermark left to its two defaults."""
    given = {**_MOUNTSEA, **changes}
    assert len(problems(MOUNTSEA, given) or mountsea_problems(given)) == count
    silent: dict[str, object] = {"model": "sora-2", "prompt": "p"}
    assert len(mountsea_problems(silent)) == 1
