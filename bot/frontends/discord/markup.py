"""Texts and buttons as Discord takes them: in embeds, where nothing rings and nothing unfolds."""

from __future__ import annotations

import re
from collections.abc import Sequence

import discord

from bot.domain.interactive import InteractiveMessage
from bot.domain.tasks import Task
from bot.presentation.i18n import translate

LONGEST = 4000
"""Characters of an embed's description that we fill (4096 are allowed)."""
_LONGEST_PROMPT = 1500
_MARKS = re.compile(r"([\\*_~|`\[\]<>])")
_LINE_MARKS = re.compile(r"^(\s*)([#>+-])", re.MULTILINE)
_NUMBERS = re.compile(r"^(\s*\d+)(?=\.\s)", re.MULTILINE)
"""Of lists; no backslash hides before a digit."""
_COUNTDOWN = re.compile(r"\\<(t:\d+:R)\\>")
_ADDRESS = re.compile(r"(?<!\S)(https?://[^\s\\*~|`\[\]<>]+)(?!\S)")
_MENTION = re.compile(r"@(?=\w)")
_PLACE = re.compile(r"\\<(#\d+|@&\d+)\\>")
PRESSED = r"(?P<token>[A-Za-z0-9_-]{8,40})\.(?P<verb>[a-z0-9]{1,20})"
"""What a button or a form of ours sends: the card's token and what is to be done."""

Markdown = str
"""A text in Discord's Markdown."""
Button = tuple[str, str, discord.ButtonStyle]
"""(what it says, its verb, how it looks)."""


def countdown(at: float) -> str:
    """A moment that every reader's app counts down to by itself (reference, timestamp styles)."""
    return f"<t:{at:.0f}:R>"


def literal(text: str) -> Markdown:
    """A text of whomever as it is: no mark, no mention, no moment, no link under other words."""
    plain = _MENTION.sub("@\u2060", text)
    found = _LINE_MARKS.sub(r"\1\\\2", _MARKS.sub(r"\\\1", plain))
    return _NUMBERS.sub(r"\1\\", found)


def escaped(text: str) -> Markdown:
    """A text of ours, in which words of others are as they are, and moments are counted down to."""
    return _COUNTDOWN.sub(r"<\1>", literal(text))


def cut(text: str, most: int) -> str:
    """At most so many characters, cut at a word where there is one near, and marked as cut."""
    if len(text) <= most:
        return text
    short = text[: most - 1]
    head, space, _ = short.rpartition(" ")
    return (head if space and len(head) > len(short) // 2 else short).rstrip() + "\u2026"


def pieces(text: str) -> list[discord.Embed]:
    """A text in as many embeds as it needs, parted at lines where there are any."""
    found: list[str] = []
    # By these names people know channels and roles; in an embed they call nobody.
    rest = _PLACE.sub(r"<\1>", escaped(text))
    while len(rest) > LONGEST:
        line = rest.rfind("\n", LONGEST // 2, LONGEST)
        end = line if line > 0 else LONGEST - _half_an_escape(rest[:LONGEST])
        found.append(rest[:end])
        rest = rest[end:].lstrip("\n")
    return [discord.Embed(description=part) for part in [*found, rest] if part.strip()]


def _half_an_escape(text: str) -> int:
    """1 where the last character is there for one that is not there any more, else 0."""
    return (len(text) - len(text.rstrip("\\"))) % 2


def embed(text: str) -> discord.Embed:
    """A short text."""
    return discord.Embed(description=escaped(cut(text, LONGEST // 2)))


def caption(task: Task, note: str, *, repeated: bool) -> discord.Embed:
    """What stands beside a finished video: the prompt as far as it fits, and what was made."""
    order = task.order
    facts = translate(task.language, "caption-facts", model=order.model, seconds=order.seconds)
    head = translate(task.language, "caption-repeated") if repeated else ""
    prompt = cut(" ".join(order.prompt.split()), _LONGEST_PROMPT)
    lines = [escaped(head), literal(prompt), note_with_link(note)]
    found = discord.Embed(description="\n".join(line for line in lines if line))
    return found.set_footer(text=f"{facts} \u00b7 {task.id}")


def note_with_link(note: str) -> Markdown:
    """A sentence of ours, in which an address stays one that can be opened."""
    parts = _ADDRESS.split(note)
    # Between two others always stands an address.
    return "".join(part if at % 2 else escaped(part) for at, part in enumerate(parts))


class Press(discord.ui.DynamicItem[discord.ui.Button[discord.ui.View]], template=PRESSED):
    """A button that is known by what it sends, however long ago it was posted."""

    @classmethod
    async def from_custom_id(
        cls,
        interaction: discord.Interaction,
        item: discord.ui.Item[discord.ui.View],
        match: re.Match[str],
        /,
    ) -> Press:
        """The button that was pressed; discord.py asks for it."""
        del interaction, match
        assert isinstance(item, discord.ui.Button)  # noqa: S101 - we post no others
        return cls(item)

    async def callback(self, interaction: discord.Interaction) -> None:
        """Hand the press to the one who hears them; see `Client`."""
        await interaction.client.pressed(interaction, self.custom_id)  # type: ignore[attr-defined]


def keyboard(card: InteractiveMessage, rows: Sequence[Sequence[Button]]) -> discord.ui.View:
    """Buttons of a card."""
    # They are found by what they send: nothing is kept of this view.
    view = discord.ui.View(timeout=None)
    for number, row in enumerate(rows):
        for label, verb, style in row:
            button: discord.ui.Button[discord.ui.View] = discord.ui.Button(
                label=cut(label, 80),
                custom_id=data(card.callback_id, verb),
                style=style,
                row=number,
            )
            view.add_item(Press(button))
    return view


def data(token: str, verb: str) -> str:
    """What a button or a form sends; see `pressed`."""
    return f"{token}.{verb}"


def pressed(found: str) -> tuple[str, str]:
    """(the card's token, the verb) of what was sent."""
    token, _, verb = found.partition(".")
    return token, verb


def token_in(message: discord.Message) -> str | None:
    """The token that the buttons of a message of ours bear."""
    for row in message.components:
        for child in getattr(row, "children", []):
            match = re.fullmatch(PRESSED, getattr(child, "custom_id", None) or "")
            if match is not None:
                return match["token"]
    return None


def form(custom_id: str, title: str, label: str, text: str = "") -> discord.ui.Modal:
    """A form that asks for words."""
    found = discord.ui.Modal(title=cut(title, 45), custom_id=custom_id, timeout=LIFETIME_OF_FORM)
    field: discord.ui.TextInput[discord.ui.Modal] = discord.ui.TextInput(
        style=discord.TextStyle.paragraph,
        custom_id="prompt",
        default=text[:LONGEST] or None,
        max_length=LONGEST,
    )
    found.add_item(discord.ui.Label(text=cut(label, 45), component=field))
    return found


LIFETIME_OF_FORM = 900.0
"""Seconds for which discord.py remembers that it was opened; we do not need it to."""
