"""Render texts and keyboards for Telegram: HTML, escaped, measured in UTF-16 units."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence

from telegram import InlineKeyboardButton, InlineKeyboardMarkup

from bot.domain.interactive import InteractiveMessage
from bot.domain.tasks import Task
from bot.presentation.i18n import translate

MAX_TEXT_UNITS = 4096
MAX_CAPTION_UNITS = 1024
MAX_CALLBACK_ANSWER_CHARS = 200
"""Maximum length of an answer to a callback."""
_MENTION = re.compile(r"@(?=\w)")
_MAX_CALLBACK_DATA_BYTES = 64
_JOINER = "\u200d"
_COMBINING = re.compile(
    "[\u200d\u0300-\u036f\u20d0-\u20ff\ufe00-\ufe0f\U0001f3fb-\U0001f3ff\U000e0020-\U000e007f]"
)
"""Characters that combine with the one before: accents, skin tones, variants."""
_FLAG_LETTERS = "".join(map(chr, range(0x1F1E6, 0x1F200)))
"""Two of these letters are a flag."""
_MAX_CLUSTER_UNITS = 40
"""Maximum length of a combined character; longer ones are abuse."""

Html = str
"""A text in Telegram's HTML."""
Button = tuple[str, str]
"""(label, verb)."""


def utf16_units(text: str) -> int:
    """The length of a text as Telegram counts it, after parsing: UTF-16 code units."""
    return len(text.encode("utf-16-le")) // 2


def truncate(text: str, limit: int) -> str:
    """Shorten to at most `limit` units, at a word boundary if one is near, with an ellipsis."""
    if utf16_units(text) <= limit:
        return text
    short = text.encode("utf-16-le")[: 2 * (limit - 1)].decode("utf-16-le", "ignore")
    head, space, _ = short.rpartition(" ")
    part = head if space and len(head) > len(short) // 2 else text[: _between(text, len(short))]
    return part.rstrip() + "\u2026"


def _between(text: str, end: int) -> int:
    """Return the nearest position at or before `end` that splits no combined character."""
    for place in range(end, max(end - _MAX_CLUSTER_UNITS, 0), -1):
        before = text[:place]
        letters = len(before) - len(before.rstrip(_FLAG_LETTERS))
        in_flag = text[place] in _FLAG_LETTERS and letters % 2 == 1
        if not (in_flag or before[-1] == _JOINER or _COMBINING.match(text, place)):
            return place
    return end


def escaped(text: str) -> Html:
    """Escape a user's text as HTML, without mentions.

    An invisible joiner after each @ keeps a prompt from notifying a whole group.
    """
    return html.escape(_MENTION.sub("@\u2060", text), quote=False)


def split_message(text: str) -> list[Html]:
    """Split a text into messages of maximum length, at line breaks if possible."""
    parts: list[str] = []
    rest = text
    while utf16_units(plain := _MENTION.sub("@\u2060", rest)) > MAX_TEXT_UNITS:
        head = plain.encode("utf-16-le")[: 2 * MAX_TEXT_UNITS].decode("utf-16-le", "ignore")
        line, end, _ = head.rpartition("\n")
        part = line if end and len(line) > len(head) // 2 else head
        parts.append(part)
        rest = plain[len(part) :].lstrip("\n").replace("@\u2060", "@")
    return [escaped(part.replace("@\u2060", "@")) for part in [*parts, rest] if part.strip()]


def caption(task: Task, note: str, *, repeated: bool) -> Html:
    """Return the caption of a finished video: the prompt as far as it fits, and its options."""
    order = task.order
    head = translate(task.language, "caption-repeated") if repeated else ""
    facts = translate(task.language, "caption-facts", model=order.model, seconds=order.seconds)
    others = "\n".join(part for part in (head, facts, note) if part)
    room = (
        MAX_CAPTION_UNITS - utf16_units(_MENTION.sub("@\u2060", others)) - utf16_units(task.id) - 8
    )
    prompt = _quoted(order.prompt, room)
    lines = [
        escaped(head),
        prompt,
        f"{escaped(facts)} \u00b7 <code>{escaped(task.id)}</code>",
        escaped(note),
    ]
    return "\n".join(line for line in lines if line)


def _quoted(prompt: str, room: int) -> Html:
    # With the joiners of mentions: they count as well.
    line = _MENTION.sub("@\u2060", " ".join(prompt.split()))
    return f"<blockquote expandable>{escaped(truncate(line, room))}</blockquote>" if line else ""


def keyboard(
    interactive: InteractiveMessage, rows: Sequence[Sequence[Button]]
) -> InlineKeyboardMarkup:
    """Return the buttons of an interactive message."""
    return InlineKeyboardMarkup(
        [
            [
                InlineKeyboardButton(label, callback_data=callback_data(interactive, verb))
                for label, verb in row
            ]
            for row in rows
        ]
    )


def callback_data(interactive: InteractiveMessage, verb: str) -> str:
    """Return the data that a button sends; see `parse_callback_data`."""
    result = f"{interactive.callback_id}.{verb}"
    if len(result.encode()) > _MAX_CALLBACK_DATA_BYTES:
        raise ValueError(f"a button's data is longer than {_MAX_CALLBACK_DATA_BYTES} bytes: {verb}")
    return result


def parse_callback_data(data: str) -> tuple[str, str]:
    """Return (callback id, verb) of the data that a button sent."""
    callback_id, _, verb = data.partition(".")
    return callback_id, verb
