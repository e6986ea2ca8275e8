"""Parsed commands, requests and replies; independent of any platform."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bot.domain.groups import GroupContext
from bot.domain.tasks import Destination, Fit, Task, Video
from bot.domain.users import Language, User
from providers.types import Orientation

CountdownFormatter = Callable[[float], str]
"""UNIX seconds -> markup that the chat client renders as a live countdown to that moment."""


@dataclass(frozen=True, slots=True)
class MakeVideo:
    """`/video`. Options that the user did not give are None."""

    prompt: str
    model: str | None = None
    seconds: int | None = None
    orientation: Orientation | None = None
    size: str | None = None
    style: str | None = None
    watermark: bool | None = None
    private: bool | None = None
    storyboard: bool | None = None
    spoiler: bool | None = None
    image: Path | None = None
    """File given by the front-end or the console user; not yet validated."""
    fit: Fit | None = None

    def to_json(self) -> dict[str, Any]:
        """The options that the user gave, without the image; see `from_json`.

        The keys are stored: they stay when attributes are renamed.
        """
        values = {
            "prompt": self.prompt,
            "model": self.model,
            "seconds": self.seconds,
            "orientation": self.orientation,
            "size": self.size,
            "style": self.style,
            "watermark": self.watermark,
            "private": self.private,
            "storyboard": self.storyboard,
            "spoiler": self.spoiler,
            "fit": self.fit,
        }
        return {key: value for key, value in values.items() if value is not None}

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> MakeVideo:
        """Read what `to_json` has written; unknown keys are ignored."""
        return cls(
            prompt=stored["prompt"],
            model=stored.get("model"),
            seconds=stored.get("seconds"),
            orientation=stored.get("orientation"),
            size=stored.get("size"),
            style=stored.get("style"),
            watermark=stored.get("watermark"),
            private=stored.get("private"),
            storyboard=stored.get("storyboard"),
            spoiler=stored.get("spoiler"),
            fit=stored.get("fit"),
        )


@dataclass(frozen=True, slots=True)
class Remix:
    task_id: str
    prompt: str


@dataclass(frozen=True, slots=True)
class ListTasks:
    pass


@dataclass(frozen=True, slots=True)
class Cancel:
    task_id: str


@dataclass(frozen=True, slots=True)
class Retry:
    task_id: str
    prompt: str | None = None
    """A new prompt; None: the same one."""
    video_seen: bool = False
    """The user has seen the video, even if its delivery is not recorded yet."""


@dataclass(frozen=True, slots=True)
class Fetch:
    task_id: str


@dataclass(frozen=True, slots=True)
class ShowQuota:
    pass


@dataclass(frozen=True, slots=True)
class ListModels:
    pass


@dataclass(frozen=True, slots=True)
class ChangeSettings:
    """`/settings`. Without changes it shows the settings. A value of None clears one."""

    changes: dict[str, str | int | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ChangeLanguage:
    code: str | None = None


@dataclass(frozen=True, slots=True)
class ShowPrivacy:
    pass


@dataclass(frozen=True, slots=True)
class ForgetMe:
    confirmed: bool = False


@dataclass(frozen=True, slots=True)
class ChangeGroup:
    """Change the settings of a group; without changes, show them."""

    allow: str | None = None
    """Id of a channel to allow videos in."""
    forbid: str | None = None
    """Id of a channel to remove from the allowed ones."""
    role: str | None = None
    """Id of the role whose allowance is set."""
    role_allowance: int | None = None
    """Credits per day for each member of the role; negative: remove the role's allowance."""
    language: Language | None = None
    spoiler: bool | None = None


@dataclass(frozen=True, slots=True)
class Start:
    pass


@dataclass(frozen=True, slots=True)
class Help:
    pass


@dataclass(frozen=True, slots=True)
class AdminCommand:
    """`/admin SUBCOMMAND ...`.

    The arguments are validated. Their keys are recorded in the audit trail: "person", "credits",
    "task", "text", "state", "verdict", "remote_id", "count", "provider", "mode".
    """

    subcommand: str
    arguments: dict[str, str | int] = field(default_factory=dict)


Command = (
    MakeVideo
    | Remix
    | ListTasks
    | Cancel
    | Retry
    | Fetch
    | ShowQuota
    | ListModels
    | ChangeSettings
    | ChangeLanguage
    | ShowPrivacy
    | ForgetMe
    | ChangeGroup
    | Start
    | Help
    | AdminCommand
)


@dataclass(frozen=True, slots=True)
class CommandRequest:
    """A command with its sender, its destination and the update that carried it."""

    user: User
    destination: Destination
    command: Command
    update_id: str | None = None
    """The platform's id of the update. Handling an update twice creates only one task."""
    format_countdown: CountdownFormatter | None = None
    """None: the chat has no live countdown; durations are written instead."""
    group_context: GroupContext | None = None
    """None in a private chat."""
    is_public: bool = False
    """Others read the reply: it must not show the user's remaining credits."""
    typed_options: bool = True
    """The user types options as `--name`; False: the chat client offers them itself."""


@dataclass(frozen=True, slots=True)
class Reply:
    """The reply of a handler: a text in the user's language, and possibly a task and a video."""

    text: str
    ok: bool = True
    """False: the command failed."""
    task: Task | None = None
    video: Video | None = None
