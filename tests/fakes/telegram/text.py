"""Parse texts as Telegram does: HTML, entities, and links in plain text.

Offsets and lengths are in UTF-16 code units, as everywhere in the Bot API. The parser follows
tdlib's: only its tags, attributes and four named signs; its words for what is wrong.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

Entity = dict[str, Any]

_TAGS = {
    "b": "bold",
    "strong": "bold",
    "i": "italic",
    "em": "italic",
    "u": "underline",
    "ins": "underline",
    "s": "strikethrough",
    "strike": "strikethrough",
    "del": "strikethrough",
    "span": "spoiler",
    "tg-spoiler": "spoiler",
    "tg-emoji": "custom_emoji",
    "code": "code",
    "pre": "pre",
    "blockquote": "blockquote",
    "a": "text_link",
}
_NAMED = {"lt": "<", "gt": ">", "amp": "&", "quot": '"'}
_SIGN = re.compile(r"&(?:(lt|gt|amp|quot);?|#(\d{1,7});?|#x([0-9a-fA-F]{1,6});?)")
_TAG = re.compile(r"<(/?)([^\s>]*)([^>]*)(>?)")
_ATTRIBUTE = re.compile(r"\s*([^\s=>]+)(?:\s*=\s*(?:\"([^\"]*)\"|'([^']*)'|([\w.\-]+)))?")
_FOUND = (
    ("bot_command", re.compile(r"(?<![\w/<>])/[a-zA-Z0-9_]{1,64}(?:@\w{3,32})?(?![\w/])")),
    ("url", re.compile(r"\bhttps?://[^\s<>\"]+[^\s<>\".,;:!?)]")),
    ("mention", re.compile(r"(?<!\w)@[a-zA-Z]\w{3,31}\b")),
    ("hashtag", re.compile(r"(?<!\w)#\w*[^\W\d]\w*")),
)


class BadText(Exception):
    """A text that the parser refuses."""


@dataclass(frozen=True, slots=True)
class Parsed:
    """A text without its marks."""

    text: str
    entities: list[Entity] = field(default_factory=list)
    sloppy: bool = False
    """It had a `&` or `>` that should have been escaped, although Telegram let it pass."""


@dataclass(slots=True)
class _Open:
    tag: str
    start: int
    value: str
    at: int


def units(text: str) -> int:
    """How long a text is for Telegram."""
    return len(text.encode("utf-16-le")) // 2


def covered_text(text: str, entity: Entity) -> str:
    """What an entity covers."""
    raw = text.encode("utf-16-le")
    start = entity["offset"] * 2
    return raw[start : start + entity["length"] * 2].decode("utf-16-le")


def parse_html(source: str) -> Parsed:
    """HTML as the Bot API takes it. Raises `BadText`."""
    text, at, sloppy = "", 0, False
    entities: list[Entity] = []
    nested: list[_Open] = []
    while at < len(source):
        sign = source[at]
        if sign == "&" and (known := _SIGN.match(source, at)):
            text += _decoded(known)
            at = known.end()
        elif sign == "<":
            tag = _TAG.match(source, at)
            assert tag is not None
            offset = len(source[:at].encode())
            if tag[1]:
                entities += _closed(nested, tag, text, offset)
            else:
                nested.append(_opened(tag, text, offset))
            at = tag.end()
        else:
            sloppy |= sign in "&>"
            text += sign
            at += 1
    if nested:
        last = nested[-1]
        raise BadText(
            f'Can\'t find end tag corresponding to start tag "{last.tag}" at byte offset {last.at}'
        )
    return _trimmed(Parsed(text, sorted(entities, key=_order), sloppy))


def detect_entities(text: str, known: list[Entity]) -> list[Entity]:
    """These entities and those that Telegram finds by itself outside of them, in order."""
    entities = list(known)
    for kind, pattern in _FOUND:
        for match in pattern.finditer(text):
            start, end = units(text[: match.start()]), units(text[: match.end()])
            if all(end <= entity["offset"] or entity["offset"] + entity["length"] <= start
                   for entity in entities if entity["type"] != "blockquote"):  # fmt: skip
                entities.append({"type": kind, "offset": start, "length": end - start})
    return sorted(entities, key=_order)


def entity_problems(text: str, entities: list[Entity]) -> list[str]:
    """What is wrong with entities that came ready made."""
    whole = units(text)
    kinds = set(_TAGS.values()) | {kind for kind, _ in _FOUND} | {"text_mention", "date_time"}
    found = [
        f"no entity is a {entity['type']}" for entity in entities if entity["type"] not in kinds
    ]
    return found + [
        f"an entity reaches from {entity['offset']} over {entity['length']} of {whole}"
        for entity in entities
        if entity["offset"] < 0
        or entity["length"] < 1
        or entity["offset"] + entity["length"] > whole
    ]


def _order(entity: Entity) -> tuple[int, int]:
    return entity["offset"], -entity["length"]


def _decoded(sign: re.Match[str]) -> str:
    if sign[1]:
        return _NAMED[sign[1]]
    code = int(sign[2]) if sign[2] else int(sign[3], 16)
    return chr(code) if 0 < code < 0x110000 and not 0xD800 <= code < 0xE000 else sign[0]


def _opened(tag: re.Match[str], text: str, offset: int) -> _Open:
    name = tag[2].lower()
    if not tag[4]:
        raise BadText(f"Unclosed start tag at byte offset {offset}")
    if name not in _TAGS:
        raise BadText(f'Unsupported start tag "{name}" at byte offset {offset}')
    value = ""
    for attribute in _ATTRIBUTE.finditer(tag[3]):
        if attribute[2] is attribute[3] is attribute[4] is None and attribute[1] != "expandable":
            raise BadText(
                "Expected equal sign in declaration of an attribute of the tag "
                f'"{name}" at byte offset {offset}'
            )
        given = next((group for group in attribute.groups()[1:] if group is not None), "")
        value = _value(name, attribute[1].lower(), given) or value
    if name == "span" and value != "tg-spoiler":
        raise BadText(f'Tag "span" must have class "tg-spoiler" at byte offset {offset}')
    return _Open(name, units(text), value, offset)


def _value(tag: str, attribute: str, given: str) -> str:
    """What an attribute means to its tag; most mean nothing."""
    known = {
        ("a", "href"),
        ("code", "class"),
        ("span", "class"),
        ("tg-emoji", "emoji-id"),
    }
    if (tag, attribute) == ("blockquote", "expandable"):
        return "expandable"
    return _SIGN.sub(_decoded, given) if (tag, attribute) in known else ""


def _closed(nested: list[_Open], tag: re.Match[str], text: str, offset: int) -> list[Entity]:
    name = tag[2].lower()
    if not nested:
        raise BadText(f"Unexpected end tag at byte offset {offset}")
    last = nested.pop()
    if name and name != last.tag:
        raise BadText(
            f"Unmatched end tag at byte offset {offset}, "
            f'expected "</{last.tag}>", found "</{name}>"'
        )
    length = units(text) - last.start
    entity: Entity = {"type": _TAGS[last.tag], "offset": last.start, "length": length}
    match last.tag:
        case "a":
            if (person := re.fullmatch(r"tg://user\?id=(\d+)", last.value)) is not None:
                entity |= {"type": "text_mention", "user": int(person[1])}
            elif re.match(r"https?://\S+\.|tg://|https?://\S+:\d", last.value):
                entity["url"] = last.value
            else:
                return []
        case "tg-emoji":
            entity["custom_emoji_id"] = last.value
        case "code" if last.value.startswith("language-"):
            entity["language"] = last.value.removeprefix("language-")
        case "blockquote" if last.value:
            entity["type"] = "expandable_blockquote"
    return [entity] if length else []


def _trimmed(parsed: Parsed) -> Parsed:
    """Without white space at its ends, as Telegram posts it."""
    text = parsed.text.strip()
    before = units(parsed.text) - units(parsed.text.lstrip())
    whole = units(text)
    entities = []
    for entity in parsed.entities:
        start = max(entity["offset"] - before, 0)
        end = min(entity["offset"] + entity["length"] - before, whole)
        if end > start:
            entities.append({**entity, "offset": start, "length": end - start})
    return Parsed(text, entities, parsed.sloppy)


def plain_text(source: str) -> Parsed:
    """A text that is not parsed."""
    return _trimmed(Parsed(source))
