"""Texts and keyboards as Telegram takes them: HTML, escaped, measured in its own units."""

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
"""What a caller may see of an answer to a press."""
_MENTION = re.compile(r"@(?=\w)")
_MAX_CALLBACK_DATA_BYTES = 64
_JOINER = "\u200d"
_COMBINING = re.compile(
    "[\u200d\u0300-\u036f\u20d0-\u20ff\ufe00-\ufe0f\U0001f3fb-\U0001f3ff\U000e0020-\U000e007f]"
)
"""What belongs to the sign before it: accents, colours of skin, other looks."""
_FLAG_LETTERS = "".join(map(chr, range(0x1F1E6, 0x1F200)))
"""Two of them are a flag."""
_MAX_CLUSTER_UNITS = 40
"""Characters; longer ones are made to annoy."""

Html = str
"""A text in Telegram's HTML."""
Button = tuple[str, str]
"""(what it says, its verb)."""


def utf16_units(text: str) -> int:
    """The length of a text as Telegram counts it, after parsing: UTF-16 code units."""
    return len(text.encode("utf-16-le")) // 2


def truncate(text: str, limit: int) -> str:
    """At most so many units, cut at a word where there is one near, and marked as cut."""
    if utf16_units(text) <= limit:
        return text
    short = text.encode("utf-16-le")[: 2 * (limit - 1)].decode("utf-16-le", "ignore")
    head, space, _ = short.rpartition(" ")
    part = head if space and len(head) > len(short) // 2 else text[: _between(text, len(short))]
    return part.rstrip() + "\u2026"


def _between(text: str, end: int) -> int:
    """The nearest place at or before `end` that tears no emoji, flag or accented letter apart."""
    for place in range(end, max(end - _MAX_CLUSTER_UNITS, 0), -1):
        before = text[:place]
        letters = len(before) - len(before.rstrip(_FLAG_LETTERS))
        in_flag = text[place] in _FLAG_LETTERS and letters % 2 == 1
        if not (in_flag or before[-1] == _JOINER or _COMBINING.match(text, place)):
            return place
    return end


def escaped(text: str) -> Html:
    """A text of whomever as HTML: no tag, no entity, and nobody is called by it.

    The joiner behind each @ cannot be seen; without it a prompt could ring everybody in a group.
    """
    return html.escape(_MENTION.sub("@\u2060", text), quote=False)


def split_message(text: str) -> list[Html]:
    """A text in messages of their greatest length, parted at lines where there are any."""
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
    """What stands below a finished video: the prompt as far as it fits, and what was made."""
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
    """Buttons of a card."""
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
    """What a button sends when it is pressed; see `pressed`."""
    result = f"{interactive.callback_id}.{verb}"
    if len(result.encode()) > _MAX_CALLBACK_DATA_BYTES:
        raise ValueError(f"a button's data is longer than {_MAX_CALLBACK_DATA_BYTES} bytes: {verb}")
    return result


def parse_callback_data(data: str) -> tuple[str, str]:
    """(the card's token, the verb) of what a button has sent."""
    callback_id, _, verb = data.partition(".")
    return callback_id, verb
