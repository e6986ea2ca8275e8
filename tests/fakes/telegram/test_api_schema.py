"""The schema of the Bot API equals the official description, where it is available."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.telegram.api_schema import (
    ACTIONS,
    IN_PART,
    METHODS,
    OBJECTS,
    STYLES,
    UNIONS,
    UPDATES,
    Field,
)
from tests.fakes.telegram.value_checks import Upload, params, problems
from tests.support.paths import PUBLISHED

SPEC = PUBLISHED / "specs" / "telegram-bot-api.json"
_PLAIN = {"Integer": "int", "String": "str", "Boolean": "bool", "Float": "float"}
_PLAIN["InputFile"] = "file"


@pytest.fixture
def spec() -> dict[str, Any]:
    """The official description."""
    if not SPEC.is_file():
        pytest.skip("the official description is not at hand")
    found: dict[str, Any] = json.loads(SPEC.read_text(encoding="utf-8"))
    return found


def _type(described: str) -> str:
    if described.startswith("Array of "):
        return f"[{_type(described.removeprefix('Array of '))}]"
    return _PLAIN.get(described, described)


def _fields(described: list[dict[str, Any]]) -> dict[str, Field]:
    """Fields, as our table would have them."""
    return {
        name_described["name"]: Field(
            tuple(map(_type, name_described["types"])),
            name_described["required"],
            _word(name_described),
        )
        for name_described in described
    }


def _word(described: dict[str, Any]) -> str:
    """All that a field may say, which stands only in the prose."""
    found = re.search(r"(?:, always \"(\w+)\"|, must be (\w+))$", described["description"])
    return (found[1] or found[2]) if found and described["required"] else ""


def test_methods_equal_the_description(spec: dict[str, Any]) -> None:
    """Each method has the described parameters, types and result."""
    for name, method in METHODS.items():
        described = spec["methods"][name]
        assert dict(method.fields) == _fields(described.get("fields", [])), name
        assert method.result == tuple(map(_type, described["returns"])), name


def test_objects_equal_the_description(spec: dict[str, Any]) -> None:
    """Each object has the described fields; partial ones have all required fields."""
    for name, fields in OBJECTS.items():
        described = _fields(spec["types"][name].get("fields", []))
        if name in IN_PART:
            assert {
                name_described for name_described in described if described[name_described].required
            } <= set(fields), name
            described = {field: described.get(field, Field(())) for field in fields}
        assert fields == described, name


def test_constants_equal_the_description(spec: dict[str, Any]) -> None:
    """Unions, kinds of updates, actions and styles."""
    types = spec["types"]
    for name, kinds in UNIONS.items():
        assert set(kinds) == set(types[name]["subtypes"]), name
    assert {field["name"] for field in types["Update"]["fields"]} - {"update_id"} == UPDATES
    prose = {
        one["name"]: one["description"]
        for one in spec["methods"]["sendChatAction"]["fields"]
        + types["InlineKeyboardButton"]["fields"]
    }
    assert set(re.findall(r"\b(?:[a-z]+_[a-z_]+|typing)\b", prose["action"])) == ACTIONS
    assert set(re.findall(r"\"(\w+)\"", prose["style"])) == STYLES


def test_every_response_type_is_known() -> None:
    """The fake never returns an object without a table."""
    for name, fields in IN_PART.items():
        for field in fields.values():
            for kind in field.types:
                inner = kind.strip("[]")
                assert inner.islower() or inner in OBJECTS or inner in UNIONS, (name, inner)


_UPLOAD = Upload("video", "a.mp4", Path("a.mp4"), 1, "")
_KEYS = {"inline_keyboard": [[{"text": "Go", "callback_data": "1"}]]}


@pytest.mark.parametrize(
    ("method", "given", "count"),
    [
        ("sendMessage", {"chat_id": 1, "text": "x", "reply_markup": _KEYS}, 0),
        ("sendMessage", {"chat_id": "@kites", "text": "x"}, 0),
        ("sendMessage", {"chat_id": 1, "text": "x", "reply_markup": {}}, 0),
        ("sendMessage", {"chat_id": 1}, 1),
        ("sendMessage", {"chat_id": 1, "text": "x", "colour": "red"}, 1),
        ("sendMessage", {"chat_id": 1.5, "text": "x"}, 1),
        ("sendMessage", {"chat_id": 1, "text": 5}, 1),
        ("sendMessage", {"chat_id": 1, "text": "x", "disable_notification": "yes"}, 1),
        ("sendMessage", {"chat_id": True, "text": "x"}, 1),
        ("sendMessage", {"chat_id": 1, "text": "x", "reply_markup": {"inline_keyboard": {}}}, 1),
        ("sendMessage", {"chat_id": 1, "text": "x", "reply_parameters": {"message": 1}}, 2),
        ("sendMessage", {"chat_id": 1, "text": "x", "reply_markup": {"force_reply": True}}, 0),
        ("setMyCommands", {"commands": [], "scope": {"type": "chat", "chat_id": 1}}, 0),
        ("setMyCommands", {"commands": [], "scope": {"type": "chat"}}, 1),
        ("setMyCommands", {"commands": [], "scope": {"type": "everywhere"}}, 1),
        ("deleteMessages", {"chat_id": 1, "message_ids": [1, "2"]}, 1),
    ],
)
def test_invalid_call_is_found(method: str, given: dict[str, object], count: int) -> None:
    """What the description forbids is found, and nothing else."""
    assert len(params(method, given, {}, form=False)[1]) == count


@pytest.mark.parametrize(
    ("given", "count"),
    [
        ({"chat_id": "1", "video": _UPLOAD, "width": "720", "supports_streaming": "true"}, 0),
        ({"chat_id": "-1001", "video": "attach://video"}, 0),
        ({"chat_id": "1", "video": "attach://other"}, 2),
        ({"chat_id": "1", "video": _UPLOAD, "reply_markup": json.dumps(_KEYS)}, 0),
        ({"chat_id": "1", "video": _UPLOAD, "reply_markup": "{'inline_keyboard': []}"}, 1),
        ({"chat_id": "1", "video": _UPLOAD, "width": "720.5"}, 1),
        ({"chat_id": "1", "video": _UPLOAD, "supports_streaming": "True"}, 1),
        ({"chat_id": "1", "video": "BAAC"}, 1),
    ],
)
def test_invalid_form_is_found(given: dict[str, object], count: int) -> None:
    """Texts of a form are parsed by the schema; a file that no field refers to is found."""
    assert len(params("sendVideo", given, {"video": _UPLOAD}, form=True)[1]) == count


def test_invalid_response_is_found() -> None:
    """The fake's own objects are checked against the same schema."""
    user = {"id": 1, "is_bot": False, "first_name": "Ann"}
    assert problems("User", user) == []
    assert len(problems("User", {**user, "id": "1", "nick": "a"})) == 2
    assert problems("ChatMember", {"status": "left", "user": user}) == []
    assert len(problems("ChatMember", {"status": "gone", "user": user})) == 1
