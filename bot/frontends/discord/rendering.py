"""Render texts and buttons for Discord: in embeds, without mentions or previews."""

from __future__ import annotations

import re
from collections.abc import Sequence

import discord

from bot.domain.interactive import InteractiveMessage
from bot.domain.tasks import Task
from bot.presentation.i18n import translate

MAX_DESCRIPTION_CHARS = 4000
"""Characters of an embed's description that we use (4096 are allowed)."""
_MAX_PROMPT_CHARS = 1500
_MARKS = re.compile(r"([\\*_~|`\[\]<>])")
_LINE_MARKS = re.compile(r"^(\s*)([#>+-])", re.MULTILINE)
_NUMBERS = re.compile(r"^(\s*\d+)(?=\.\s)", re.MULTILINE)
"""Numbers of lists; a backslash before a digit would be shown."""
_COUNTDOWN = re.compile(r"\\<(t:\d+:R)\\>")
_ADDRESS = re.compile(r"(?<!\S)(https?://[^\s\\*~|`\[\]<>]+)(?!\S)")
_MENTION = re.compile(r"@(?=\w)")
_PLACE = re.compile(r"\\<(#\d+|@&\d+)\\>")
CALLBACK_PATTERN = r"(?P<token>[A-Za-z0-9_-]{8,40})\.(?P<verb>[a-z0-9]{1,20})"
"""Pattern of the custom id of buttons and forms: callback id and verb."""

Markdown = str
"""A text in Discord's Markdown."""
Button = tuple[str, str, discord.ButtonStyle]
"""(label, verb, style)."""


def countdown(at: float) -> str:
    """Return markup that every client renders as a countdown (reference, timestamp styles)."""
    return f"<t:{at:.0f}:R>"


def literal(text: str) -> Markdown:
    """Escape a user's text: no markup, mentions, timestamps or masked links."""
    plain = _MENTION.sub("@\u2060", text)
    text_found = _LINE_MARKS.sub(r"\1\\\2", _MARKS.sub(r"\\\1", plain))
    return _NUMBERS.sub(r"\1\\", text_found)


def escaped(text: str) -> Markdown:
    """Escape one of our texts, but keep its countdowns."""
    return _COUNTDOWN.sub(r"<\1>", literal(text))


def truncate(text: str, limit: int) -> str:
    """Shorten to at most `limit` characters, at a word boundary if one is near."""
    if len(text) <= limit:
        return text
    short = text[: limit - 1]
    head, space, _ = short.rpartition(" ")
    return (head if space and len(head) > len(short) // 2 else short).rstrip() + "\u2026"


def split_message(text: str) -> list[discord.Embed]:
    """Split a text into embeds, at line breaks if possible."""
    parts: list[str] = []
    # By these names people know channels and roles; in an embed they call nobody.
    rest = _PLACE.sub(r"<\1>", escaped(text))
    while len(rest) > MAX_DESCRIPTION_CHARS:
        line = rest.rfind("\n", MAX_DESCRIPTION_CHARS // 2, MAX_DESCRIPTION_CHARS)
        end = (
            line
            if line > 0
            else MAX_DESCRIPTION_CHARS - _half_an_escape(rest[:MAX_DESCRIPTION_CHARS])
        )
        parts.append(rest[:end])
        rest = rest[end:].lstrip("\n")
    return [discord.Embed(description=part) for part in [*parts, rest] if part.strip()]


def _half_an_escape(text: str) -> int:
    """Return 1 if the last character is a dangling backslash, else 0."""
    return (len(text) - len(text.rstrip("\\"))) % 2


def embed(text: str) -> discord.Embed:
    """Return an embed with a short text."""
    return discord.Embed(description=escaped(truncate(text, MAX_DESCRIPTION_CHARS // 2)))


def caption(task: Task, note: str, *, repeated: bool) -> discord.Embed:
    """Return the caption of a finished video: the prompt as far as it fits, and its options."""
    order = task.order
    facts = translate(task.language, "caption-facts", model=order.model, seconds=order.seconds)
    head = translate(task.language, "caption-repeated") if repeated else ""
    prompt = truncate(" ".join(order.prompt.split()), _MAX_PROMPT_CHARS)
    lines = [escaped(head), literal(prompt), note_with_link(note)]
    result = discord.Embed(description="\n".join(line for line in lines if line))
    return result.set_footer(text=f"{facts} \u00b7 {task.id}")


def note_with_link(note: str) -> Markdown:
    """Escape one of our texts, but keep addresses as links."""
    parts = _ADDRESS.split(note)
    # Between two others always stands an address.
    return "".join(part if at % 2 else escaped(part) for at, part in enumerate(parts))


class CallbackButton(
    discord.ui.DynamicItem[discord.ui.Button[discord.ui.View]], template=CALLBACK_PATTERN
):
    """A button that works however long ago it was posted."""

    @classmethod
    async def from_custom_id(
        cls,
        interaction: discord.Interaction,
        item: discord.ui.Item[discord.ui.View],
        match: re.Match[str],
        /,
    ) -> CallbackButton:
        """Return the pressed button, as discord.py requires."""
        del interaction, match
        assert isinstance(item, discord.ui.Button)  # noqa: S101 - we post no others
        return cls(item)

    async def callback(self, interaction: discord.Interaction) -> None:
        """Pass the press to the client; see `Client`."""
        await interaction.client.pressed(interaction, self.custom_id)  # type: ignore[attr-defined]


def keyboard(interactive: InteractiveMessage, rows: Sequence[Sequence[Button]]) -> discord.ui.View:
    """Return the buttons of an interactive message."""
    # They are found by what they send: nothing is kept of this view.
    view = discord.ui.View(timeout=None)
    for number, row in enumerate(rows):
        for label, verb, style in row:
            button: discord.ui.Button[discord.ui.View] = discord.ui.Button(
                label=truncate(label, 80),
                custom_id=callback_data(interactive.callback_id, verb),
                style=style,
                row=number,
            )
            view.add_item(CallbackButton(button))
    return view


def callback_data(callback_id: str, verb: str) -> str:
    """Return the custom id of a button or form; see `parse_callback_data`."""
    return f"{callback_id}.{verb}"


def parse_callback_data(custom_id: str) -> tuple[str, str]:
    """Return (callback id, verb) of a custom id."""
    callback_id, _, verb = custom_id.partition(".")
    return callback_id, verb


def callback_id_in(message: discord.Message) -> str | None:
    """Return the callback id of the buttons of one of our messages."""
    for row in message.components:
        for child in getattr(row, "children", []):
            match = re.fullmatch(CALLBACK_PATTERN, getattr(child, "custom_id", None) or "")
            if match is not None:
                return match["token"]
    return None


def prompt_modal(custom_id: str, title: str, label: str, text: str = "") -> discord.ui.Modal:
    """Return a modal that asks for a text."""
    modal = discord.ui.Modal(
        title=truncate(title, 45), custom_id=custom_id, timeout=MODAL_LIFETIME_S
    )
    field: discord.ui.TextInput[discord.ui.Modal] = discord.ui.TextInput(
        style=discord.TextStyle.paragraph,
        custom_id="prompt",
        default=text[:MAX_DESCRIPTION_CHARS] or None,
        max_length=MAX_DESCRIPTION_CHARS,
    )
    modal.add_item(discord.ui.Label(text=truncate(label, 45), component=field))
    return modal


MODAL_LIFETIME_S = 900.0
"""Seconds for which discord.py remembers an open modal; we do not need it to."""
