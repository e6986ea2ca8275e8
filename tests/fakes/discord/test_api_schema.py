"""The schema of the fake Discord equals the official description, where it is available."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.fakes.discord.api_schema import (
    DOCUMENTED,
    OBJECTS,
    OPERATIONS,
    PLAIN,
    REQUEST_TYPES,
    RESPONSE_TYPES,
    Field,
    ValueType,
)
from tests.fakes.discord.commands import LOCALES
from tests.fakes.discord.value_checks import body_problems, problems, query_problems
from tests.support.paths import PUBLISHED

SPEC = PUBLISHED / "specs" / "discord-openapi.json"
_BOUNDS = {
    "integer": ("minimum", "maximum"),
    "number": ("minimum", "maximum"),
    "string": ("minLength", "maxLength"),
    "array": ("minItems", "maxItems"),
    "object": ("minProperties", "maxProperties"),
}
_NO_BOUND = {152133, 1521, 2**31 - 1, 2**63 - 1, -(2**63)}
"""Where the description has to name one and means none."""
_NAMES = {"integer": "int", "number": "float", "boolean": "bool", "array": "[]", "object": "<>"}
_FORMATS = {"date-time": "date", "uri": "uri"}
Spec = dict[str, Any]


@pytest.fixture(scope="module")
def spec() -> Spec:
    """The official description."""
    if not SPEC.is_file():
        pytest.skip("the official description is not at hand")
    found: Spec = json.loads(SPEC.read_text(encoding="utf-8"))
    return found


class Reader:
    """The description, as our tables would have it."""

    def __init__(self, spec: Spec) -> None:
        self.schemas: Spec = spec["components"]["schemas"]

    def field(self, schema: Spec, *, required: bool = False) -> Field:
        """A field of this schema."""
        found = dict.fromkeys(self._kinds(schema))
        null = found.pop(None, 0) is None
        return Field(tuple(kind for kind in found if kind is not None), required, null)

    def fields(self, name: str) -> dict[str, Field]:
        """All fields of an object."""
        schema = self.schemas[name]
        required = schema.get("required", [])
        return {
            one: self.field(kind, required=one in required)
            for one, kind in schema.get("properties", {}).items()
        }

    def _kinds(self, schema: Spec) -> Iterator[ValueType | None]:
        """What it may be; None stands for null."""
        if "$ref" in schema:
            yield from self._named(schema["$ref"].rpartition("/")[2])
        elif several := schema.get("oneOf") or schema.get("anyOf"):
            if all("const" in schema_part for schema_part in several):
                yield _of_words([schema_part["const"] for schema_part in several])
                return
            for schema_part in several:
                yield from self._kinds(schema_part)
        elif "allOf" in schema and "enum" not in schema:
            yield from self._kinds(schema["allOf"][0])
        else:
            yield from self._plain(schema)

    def _named(self, name: str) -> Iterator[ValueType | None]:
        schema = self.schemas[name]
        if name == "SnowflakeType":
            yield ValueType("id")
        elif "properties" in schema or schema.get("type") == "object":
            yield ValueType(name)
        else:
            yield from self._kinds(schema)

    def _plain(self, schema: Spec) -> Iterator[ValueType | None]:
        types = schema.get("type", [])
        for kind in [types] if isinstance(types, str) else types:
            if kind == "null":
                yield None
            elif "enum" in schema:
                yield _of_words(schema["enum"])
            else:
                name = _NAMES.get(kind) or _FORMATS.get(schema.get("format", ""), "str")
                low, high = (_bound(schema.get(one), kind) for one in _BOUNDS.get(kind, ("", "")))
                inside = schema.get("items") or schema.get("additionalProperties") or {}
                inner = tuple(one for one in self._kinds(inside) if one) if inside else ()
                yield ValueType(name, low, high, inner=inner)


def _bound(value: float | None, kind: str) -> float | None:
    if value is None or value in _NO_BOUND or (value == 0 and kind not in {"integer", "number"}):
        return None
    return value


def _of_words(words: list[Any]) -> ValueType:
    name = "int" if isinstance(words[0], int) else "str"
    return ValueType(name, words=tuple(map(str, words)))


def _without_words(field: Field, like: Field) -> Field:
    """Long lists of words that an answer may say need not be repeated in our table."""

    def cut(kinds: tuple[ValueType, ...], ours: tuple[ValueType, ...]) -> tuple[ValueType, ...]:
        return tuple(
            ValueType(
                one.name,
                one.low,
                one.high,
                one.words if own.words else (),
                cut(one.inner, own.inner),
            )
            for one, own in zip(kinds, ours, strict=True)
        )

    assert len(field.kinds) == len(like.kinds), (field, like)
    return Field(cut(field.kinds, like.kinds), field.required, field.null)


def test_operations_equal_the_description(spec: Spec) -> None:
    """Each call has the described path, body, query and responses."""
    reader = Reader(spec)
    for name, ours in OPERATIONS.items():
        described = spec["paths"][ours.path][ours.method.lower()]
        assert described["operationId"] == name
        body = described.get("requestBody", {}).get("content", {}).get("application/json")
        assert ours.body == (reader.field(body["schema"]) if body else None), name
        queried = {
            parameter["name"]: reader.field(
                parameter["schema"], required=parameter.get("required", False)
            )
            for parameter in described.get("parameters", [])
            if parameter["in"] == "query"
        }
        assert ours.query == queried, name
        answers = described["responses"]
        assert ours.bare == ("204" in answers), name
        if ours.answer is not None:
            told = answers["200"]["content"]["application/json"]["schema"]
            assert ours.answer == reader.field(told), name
        assert ours.open == ({} in described["security"]), name


def test_request_types_equal_the_description(spec: Spec) -> None:
    """Each object that a bot may send has exactly the described fields."""
    reader = Reader(spec)
    for name, ours in REQUEST_TYPES.items():
        assert ours == reader.fields(name), name
        for one, field in DOCUMENTED.get(name, {}).items():
            assert one not in ours or _words(field) > _words(ours[one]), (name, one)


def _words(field: Field) -> set[str]:
    return {word for kind in _all(field.kinds) for word in kind.words}


def test_response_types_equal_the_description(spec: Spec) -> None:
    """Each object that is returned has every required field, as described."""
    reader = Reader(spec)
    for name, ours in RESPONSE_TYPES.items():
        described = reader.fields(name)
        assert {one for one, field in described.items() if field.required} <= set(ours), name
        for one, field in ours.items():
            assert field == _without_words(described[one], field), (name, one)


def test_locales_equal_the_description(spec: Spec) -> None:
    """The languages of names."""
    described = spec["components"]["schemas"]["AvailableLocalesEnum"]["oneOf"]
    assert {locale["const"] for locale in described} == LOCALES


def test_every_response_type_is_known() -> None:
    """No type is misspelt: a type without a table is listed as not needed."""
    unknown = {
        kind.name
        for fields in OBJECTS.values()
        for field in fields.values()
        for kind in _all(field.kinds)
        if kind.name not in PLAIN | {"[]", "<>"} and kind.name not in OBJECTS
    }
    assert unknown == {
        "CustomClientThemeShareRequest",
        "DefaultReactionEmojiResponse",
        "EmojiResponse",
        "ForumTagResponse",
        "GuildIncidentsDataResponse",
        "GuildStickerResponse",
        "LaunchActivityInteractionCallbackResponse",
        "PollCreateRequest",
        "TeamResponse",
        "TextInputComponentResponse",
        "UserPrimaryGuildResponse",
    }


def _all(kinds: tuple[ValueType, ...]) -> Iterator[ValueType]:
    for kind in kinds:
        yield kind
        yield from _all(kind.inner)


_BUTTON = {"type": 2, "style": 1, "custom_id": "a", "label": "Go"}
_ROW = {"type": 1, "components": [_BUTTON]}


@pytest.mark.parametrize(
    ("given", "where"),
    [
        ({"content": "x", "components": [_ROW], "nonce": "1", "enforce_nonce": True}, ""),
        ({"content": "x", "nonce": 12, "tts": False, "flags": 4}, ""),
        ({"content": 5}, "content"),
        ({"content": "x" * 4001}, "content"),
        ({"content": "x", "colour": "red"}, "colour"),
        ({"content": "x", "nonce": "x" * 26}, "nonce"),
        ({"content": "x", "tts": "yes"}, "tts"),
        ({"content": "x", "tts": 1}, "tts"),
        ({"embeds": [{"title": "x" * 257}]}, "embeds.0.title"),
        ({"embeds": [{"timestamp": "today"}]}, "embeds.0.timestamp"),
        ({"embeds": [{"color": 1 << 24}]}, "embeds.0.color"),
        ({"embeds": [{"image": {"url": "kite.png"}}]}, "embeds.0.image.url"),
        ({"embeds": [{"fields": [{"name": "a"}]}]}, "embeds.0.fields.0.value"),
        ({"embeds": [{"description": "a"}] * 11}, "embeds"),
        ({"components": [{"type": 1, "components": [_BUTTON] * 6}]}, "components.0.components"),
        ({"components": [{"type": 1, "components": []}]}, "components.0.components"),
        ({"components": [{"type": 99}]}, "components.0.type"),
        ({"components": [_ROW | {"components": [{**_BUTTON, "style": 9}]}]},
         "components.0.components.0.style"),
        ({"components": [_ROW | {"components": [{**_BUTTON, "custom_id": "x" * 101}]}]},
         "components.0.components.0.custom_id"),
        ({"allowed_mentions": {"parse": ["all"]}}, "allowed_mentions.parse.0"),
        ({"allowed_mentions": {"users": ["ann"]}}, "allowed_mentions.users.0"),
        ({"message_reference": {}}, "message_reference.message_id"),
        ({"attachments": [{"filename": "a.mp4"}]}, "attachments.0.id"),
    ],
)  # fmt: skip
def test_invalid_message_is_found(given: dict[str, object], where: str) -> None:
    """What the description forbids is found, where it is, and nothing else."""
    found = [".".join(problem.at) for problem in body_problems("create_message", given)]
    assert found == ([where] if where else [])


@pytest.mark.parametrize(
    ("operation", "given", "count"),
    [
        ("bulk_set_application_commands", [{"name": "video", "description": "x"}], 0),
        ("bulk_set_application_commands", {"name": "video"}, 1),
        ("bulk_set_application_commands", [{"description": "x"}], 1),
        ("bulk_set_application_commands", [{"name": "v", "options": [{"type": 3}]}], 2),
        ("bulk_set_application_commands", [{"name": "v", "contexts": [5]}], 1),
        ("bulk_set_application_commands", [{"name": "v", "default_member_permissions": "32"}], 0),
        ("create_interaction_response", {"type": 5, "data": {"flags": 64}}, 0),
        ("create_interaction_response", {"type": 9, "data": {"title": "x"}}, 2),
        ("create_interaction_response", {"type": 8, "data": {"choices": [{"name": "a"}]}}, 1),
        ("create_interaction_response", {"type": 77}, 1),
        ("execute_webhook", {"content": "x", "nonce": "1"}, 1),
        ("delete_message", {"content": "x"}, 1),
    ],
)
def test_invalid_body_is_found(operation: str, given: object, count: int) -> None:
    """Each call has a body of its own; objects are told apart by their type."""
    assert len(body_problems(operation, given)) == count


def test_invalid_query_is_found() -> None:
    """Queries are parsed, and checked against the schema as well."""
    assert query_problems("execute_webhook", {"wait": "true"}) == ({"wait": True}, [])
    assert query_problems("create_interaction_response", {"with_response": "1"})[1] == []
    assert len(query_problems("list_messages", {"limit": "101", "order": "new"})[1]) == 2


def test_invalid_response_is_found() -> None:
    """The fake's own objects are checked against the same schema."""
    role = {"primary_color": 0, "secondary_color": None, "tertiary_color": None}
    assert problems("GuildRoleColorsResponse", role) == []
    assert len(problems("GuildRoleColorsResponse", {**role, "primary_color": None, "x": 1})) == 2
