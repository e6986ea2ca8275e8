"""Texts and keyboards as Telegram takes them: HTML, escaped, measured in its own units."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence

from telegram import InlineKeyboardButton, InlineKeyboardMarkup

from bot.domain.interactive import InteractiveMessage
from bot.domain.tasks import Task
from bot.presentation.i18n import translate

LONGEST_TEXT = 4096
LONGEST_CAPTION = 1024
LONGEST_TOAST = 200
"""What a caller may see of an answer to a press."""
_MENTION = re.compile(r"@(?=\w)")
_LONGEST_DATA = 64
_JOINER = "\u200d"
_CLINGING = re.compile(
    "[\u200d\u0300-\u036f\u20d0-\u20ff\ufe00-\ufe0f\U0001f3fb-\U0001f3ff\U000e0020-\U000e007f]"
)
"""What belongs to the sign before it: accents, colours of skin, other looks."""
_FLAG_LETTERS = "".join(map(chr, range(0x1F1E6, 0x1F200)))
"""Two of them are a flag."""
_LONGEST_SIGN = 40
"""Characters; longer ones are made to annoy."""

Html = str
"""A text in Telegram's HTML."""
Button = tuple[str, str]
"""(what it says, its verb)."""


def units(text: str) -> int:
    """The length of a text as Telegram counts it, after parsing: UTF-16 code units."""
    return len(text.encode("utf-16-le")) // 2


def cut(text: str, most: int) -> str:
    """At most so many units, cut at a word where there is one near, and marked as cut."""
    if units(text) <= most:
        return text
    short = text.encode("utf-16-le")[: 2 * (most - 1)].decode("utf-16-le", "ignore")
    head, space, _ = short.rpartition(" ")
    part = head if space and len(head) > len(short) // 2 else text[: _between(text, len(short))]
    return part.rstrip() + "\u2026"


def _between(text: str, end: int) -> int:
    """The nearest place at or before `end` that tears no emoji, flag or accented letter apart."""
    for place in range(end, max(end - _LONGEST_SIGN, 0), -1):
        before = text[:place]
        letters = len(before) - len(before.rstrip(_FLAG_LETTERS))
        in_flag = text[place] in _FLAG_LETTERS and letters % 2 == 1
        if not (in_flag or before[-1] == _JOINER or _CLINGING.match(text, place)):
            return place
    return end


def escaped(text: str) -> Html:
    """A text of whomever as HTML: no tag, no entity, and nobody is called by it.

    The joiner behind each @ cannot be seen; without it a prompt could ring everybody in a group.
    """
    return html.escape(_MENTION.sub("@\u2060", text), quote=False)


def pieces(text: str) -> list[Html]:
    """A text in messages of their greatest length, parted at lines where there are any."""
    found: list[str] = []
    rest = text
    while units(plain := _MENTION.sub("@\u2060", rest)) > LONGEST_TEXT:
        head = plain.encode("utf-16-le")[: 2 * LONGEST_TEXT].decode("utf-16-le", "ignore")
        line, end, _ = head.rpartition("\n")
        part = line if end and len(line) > len(head) // 2 else head
        found.append(part)
        rest = plain[len(part) :].lstrip("\n").replace("@\u2060", "@")
    return [escaped(part.replace("@\u2060", "@")) for part in [*found, rest] if part.strip()]


def caption(task: Task, note: str, *, repeated: bool) -> Html:
    """What stands below a finished video: the prompt as far as it fits, and what was made."""
    order = task.order
    head = translate(task.language, "caption-repeated") if repeated else ""
    facts = translate(task.language, "caption-facts", model=order.model, seconds=order.seconds)
    others = "\n".join(part for part in (head, facts, note) if part)
    room = LONGEST_CAPTION - units(_MENTION.sub("@\u2060", others)) - units(task.id) - 8
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
    return f"<blockquote expandable>{escaped(cut(line, room))}</blockquote>" if line else ""


def keyboard(card: InteractiveMessage, rows: Sequence[Sequence[Button]]) -> InlineKeyboardMarkup:
    """Buttons of a card."""
    return InlineKeyboardMarkup(
        [
            [InlineKeyboardButton(label, callback_data=data(card, verb)) for label, verb in row]
            for row in rows
        ]
    )


def data(card: InteractiveMessage, verb: str) -> str:
    """What a button sends when it is pressed; see `pressed`."""
    found = f"{card.callback_id}.{verb}"
    if len(found.encode()) > _LONGEST_DATA:
        raise ValueError(f"a button's data is longer than {_LONGEST_DATA} bytes: {verb}")
    return found


def pressed(found: str) -> tuple[str, str]:
    """(the card's token, the verb) of what a button has sent."""
    token, _, verb = found.partition(".")
    return token, verb
