"""Accounts, files, messages and their history."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from tests.fakes.discord.channels import Channel
    from tests.fakes.discord.interactions import Interaction

Json = dict[str, Any]
SUPPRESS_EMBEDS = 1 << 2
EPHEMERAL = 1 << 6
LOADING = 1 << 7
SILENT = 1 << 12
COMPONENTS_V2 = 1 << 15
_INNER = ("components", "accessory", "component")


@dataclass(eq=False, kw_only=True)
class Account:
    """A user or a bot."""

    id: int
    username: str
    display: str = ""
    """The name that the person has chosen to be seen."""
    is_bot: bool = False
    deleted: bool = False

    @property
    def name(self) -> str:
        """As it stands over a message."""
        return self.display or self.username

    @property
    def mention(self) -> str:
        """What points at it in a text."""
        return f"<@{self.id}>"


@dataclass(frozen=True, slots=True, eq=False)
class Attachment:
    """One file of a message or of a command."""

    id: int
    name: str
    path: Path
    """Where its bytes are on this machine."""
    size: int
    sha256: str
    place: int
    """The channel in its address."""
    kind: str = ""
    """Its MIME type."""
    width: int = 0
    height: int = 0
    description: str = ""
    spoiler: bool = False
    ephemeral: bool = False

    @property
    def is_video(self) -> bool:
        return self.kind.startswith("video/")

    @property
    def is_picture(self) -> bool:
        return self.kind.startswith("image/")

    def shown(self) -> str:
        """What people see of it, for a transcript."""
        kind = "video" if self.is_video else "picture" if self.is_picture else "file"
        return f"{kind} {self.name}{', hidden' if self.spoiler else ''}"


@dataclass(frozen=True, slots=True)
class Button:
    """One button of a message."""

    text: str
    custom_id: str = ""
    url: str = ""
    disabled: bool = False
    style: int = 2
    id: int = 0


@dataclass(frozen=True, slots=True)
class Revision:
    """An earlier version of a message."""

    time: float
    text: str


@dataclass(eq=False, kw_only=True)
class Message:
    """A message in its current version."""

    channel: Channel
    id: int
    time: float
    sender: Account
    content: str = ""
    embeds: list[Json] = field(default_factory=list)
    attachments: list[Attachment] = field(default_factory=list)
    components: list[Json] = field(default_factory=list)
    flags: int = 0
    nonce: str | int | None = None
    reply_to: Message | None = None
    only_for: Account | None = None
    """Who alone sees it."""
    interaction: Interaction | None = None
    """By which it came."""
    pings: list[Account] = field(default_factory=list)
    """Whom it calls."""
    pings_everyone: bool = False
    edited: float | None = None
    edits: list[Revision] = field(default_factory=list)
    """Earlier versions, oldest first."""
    deleted: bool = False
    asked: Json = field(default_factory=dict)
    """The call that sent it."""

    @property
    def ephemeral(self) -> bool:
        return bool(self.flags & EPHEMERAL)

    @property
    def thinking(self) -> bool:
        """Whether it only says that the bot is thinking."""
        return bool(self.flags & LOADING)

    @property
    def text(self) -> str:
        """All its words: content, embeds and the texts among its components."""
        return "\n".join(part for part in self.parts if part)

    @property
    def parts(self) -> list[str]:
        """Its content, each embed and each text among its components."""
        embeds = [] if self.flags & SUPPRESS_EMBEDS else map(words_of_embed, self.embeds)
        texts = [
            component["content"] for component in self.all_components if component["type"] == 10
        ]
        return [self.content, *embeds, *texts]

    @property
    def previews(self) -> list[str]:
        """Links and invitations of which apps show a preview."""
        if self.flags & (SUPPRESS_EMBEDS | COMPONENTS_V2):
            return []
        hidden = r"```.*?```|`[^`]*`|<https?://[^>\s]+>"
        bare = re.sub(hidden, " ", self.content, flags=re.DOTALL)
        return re.findall(r"https?://[^\s<>]+|\bdiscord\.gg/\w+", bare)

    @property
    def video(self) -> Attachment | None:
        """Its first video."""
        return next((attachment for attachment in self.attachments if attachment.is_video), None)

    @property
    def all_components(self) -> list[Json]:
        """Its components with those inside them."""
        return flat(self.components)

    @property
    def buttons(self) -> list[list[Button]]:
        """Its buttons, row by row."""
        rows = [component for component in self.all_components if component["type"] in {1, 9}]
        found = [
            [_button(component) for component in flat([row]) if component["type"] == 2]
            for row in rows
        ]
        return [row for row in found if row]

    @property
    def labels(self) -> list[str]:
        """The words on all its buttons."""
        return [button.text for row in self.buttons for button in row]

    @property
    def selects(self) -> list[Json]:
        """Its lists to choose from."""
        return [
            component for component in self.all_components if component["type"] in {3, 5, 6, 7, 8}
        ]

    def button(self, text: str) -> Button:
        """The button with these words, or with words that contain them."""
        all_of_them = [button for row in self.buttons for button in row]
        exact = [button for button in all_of_them if button.text == text]
        near = exact or [button for button in all_of_them if text in button.text]
        assert near, f"no button {text!r} among {self.labels} below {self.text!r}"
        return near[0]


def flat(components: list[Json]) -> list[Json]:
    """Components, each followed by those inside it."""
    found = []
    for component in components:
        found.append(component)
        for name in _INNER:
            inside = component.get(name) or []
            found += flat(inside if isinstance(inside, list) else [inside])
    return found


def words_of_embed(embed: Json) -> str:
    """What stands in an embed, line by line."""
    fields = [f"{one['name']}: {one['value']}" for one in embed.get("fields") or []]
    named = [(embed.get("author") or {}).get("name"), embed.get("title"), embed.get("description")]
    lines = [*named, *fields, (embed.get("footer") or {}).get("text")]
    return "\n".join(line for line in lines if line)


def _button(one: Json) -> Button:
    emoji = (one.get("emoji") or {}).get("name") or ""
    text = " ".join(part for part in (emoji, one.get("label") or "") if part)
    return Button(
        text,
        one.get("custom_id") or "",
        one.get("url") or "",
        disabled=bool(one.get("disabled")),
        style=one["style"],
        id=one.get("id") or 0,
    )


EventKind = Literal["sent", "edited", "deleted", "typing", "used", "answered"]


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened in a channel."""

    time: float
    kind: EventKind
    by_bot: bool
    message: Message | None = None
    lines: tuple[str, ...] = ()
    """How it looked at that time."""
    only_for: Account | None = None
