"""Request schemas of the gateways with JSON formats of their own.

Derived from each gateway's document on creates, and from what else is known of it, which is
marked; `test_json_schema.py` compares the tables with the documents where they are at hand.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

Given = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class FieldRule:
    """One field of a JSON body."""

    type: str
    """`string`, `integer`, `number`, `boolean`, or `links`: a list of web addresses."""
    required: bool = False
    words: frozenset[str | int] | None = None
    """Allowed values according to the description."""
    told: frozenset[str | int] | None = None
    """Allowed values according to the text beside it or its clients."""
    most: int | None = None
    """Maximum characters of a text."""
    described: str = ""
    """The type by the description, where all examples have another."""
    elsewhere: bool = False
    """Not in the description, but on pages beside it."""


_ORIENTATIONS: frozenset[str | int] = frozenset({"landscape", "portrait"})
_SIZES: frozenset[str | int] = frozenset({"small", "large"})
_STYLES: frozenset[str | int] = frozenset(
    {"anime", "selfie", "golden", "handheld", "festive", "retro"}
    | {"news", "chaos", "vintage", "comic", "kakalaka", "sitcom"}
)

JIMMY = {
    "model": FieldRule("string", required=True),
    "prompt": FieldRule("string", required=True),
    "duration": FieldRule("integer", required=True),
    "orientation": FieldRule("string", words=_ORIENTATIONS),
    "images": FieldRule("links"),
}
JXINCM = {
    "images": FieldRule("links", required=True),
    "model": FieldRule("string", required=True),
    "orientation": FieldRule("string", required=True, told=_ORIENTATIONS),
    "prompt": FieldRule("string", required=True),
    "size": FieldRule("string", required=True, told=_SIZES),
    "duration": FieldRule("integer", required=True, told=frozenset({10, 15, 25})),
    "watermark": FieldRule("boolean", required=True, described="string"),
    "private": FieldRule("boolean", elsewhere=True),
}
MOUNTSEA = {
    "images": FieldRule("links"),
    "model": FieldRule("string", required=True, words=frozenset({"sora-2", "sora-2-pro"})),
    "orientation": FieldRule("string", words=_ORIENTATIONS),
    "size": FieldRule("string", words=_SIZES),
    "duration": FieldRule("number", words=frozenset({10, 15, 25})),
    "prompt": FieldRule("string", required=True, most=5000),
    "removeWatermark": FieldRule("boolean"),
    "editId": FieldRule("string"),
    "styleId": FieldRule("string", words=_STYLES),
    "storyboard": FieldRule("boolean"),
}
REMIX = {"prompt": FieldRule("string", required=True)}
_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "links": (list,),
}


def problems(facts: Mapping[str, FieldRule], given: Given) -> list[str]:
    """The errors in these values, one line each."""
    found = [f"unknown field {name}" for name in given if name not in facts]
    for name, fact in facts.items():
        if name in given:
            found += [f"{name}: {problem}" for problem in _wrong(fact, given[name])]
        elif fact.required:
            found.append(f"{name} is required")
    return found


def _wrong(fact: FieldRule, value: object) -> list[str]:
    is_boolean = isinstance(value, bool)
    if not isinstance(value, _TYPES[fact.type]) or is_boolean is not (fact.type == "boolean"):
        return [f"expected {fact.type}, got {type(value).__name__}"]
    if isinstance(value, list):
        return [f"{link!r} is no web address" for link in value if not _is_link(link)]
    allowed = fact.words or fact.told
    if allowed is not None and value not in allowed:
        return [f"{value!r} is not one of {sorted(map(str, allowed))}"]
    if fact.most is not None and len(str(value)) > fact.most:
        return [f"longer than {fact.most}"]
    return []


def _is_link(value: object) -> bool:
    return isinstance(value, str) and value.startswith(("http://", "https://"))


# --- what depends on the model -----------------------------------------------------------


def jimmy_problems(given: Given) -> list[str]:
    """`sora2-12s` makes 12 seconds and takes one picture."""
    if given["model"] != "sora2-12s":
        return []
    found = [] if given["duration"] == 12 else ["duration must be 12"]
    return found + _too_many(given)


def jxincm_problems(given: Given) -> list[str]:
    """25 seconds are for the pro model."""
    pro = str(given["model"]).startswith("sora-2-pro")
    return ["duration 25 is for sora-2-pro"] if given["duration"] == 25 and not pro else []


def mountsea_problems(given: Given) -> list[str]:
    """One picture; large is for the pro model; 25 seconds are for the pro model when small."""
    pro, large = given["model"] == "sora-2-pro", given.get("size") == "large"
    found = ["size large is for sora-2-pro"] if large and not pro else []
    if given.get("duration") == 25 and (large or not pro):
        found.append("duration 25 is for sora-2-pro and small")
    # Its two defaults disagree, so a client has to say it.
    found += [] if "removeWatermark" in given else ["removeWatermark has to be said"]
    return found + _too_many(given)


def _too_many(given: Given) -> list[str]:
    images = given.get("images")
    return ["more than one image"] if isinstance(images, list) and len(images) > 1 else []
