"""Domain types of Reelay: frozen, without I/O. Times are UNIX seconds, credits whole numbers."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, fields
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal

from providers.base import Orientation

Language = str
"""A two-letter code with a file in the folder of locales."""

Countdown = Callable[[float], str]
"""UNIX seconds -> markup that the chat client renders as a live countdown to that moment."""

Fit = Literal["crop", "pad"]
"""How a picture is adapted to the shape of its video: cropped, or padded with a blurred border."""


class State(StrEnum):
    """The state of a task. The life cycle module says who changes it and what a crash leaves."""

    QUEUED = "queued"
    SUBMITTING = "submitting"
    RUNNING = "running"
    FETCHING = "fetching"
    DELIVERING = "delivering"
    REVIEW = "review"
    UNDELIVERED = "undelivered"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


ACTIVE = frozenset(
    {State.QUEUED, State.SUBMITTING, State.RUNNING, State.FETCHING, State.DELIVERING}
)
"""The engine is working on the task."""
AT_REST = frozenset(State) - ACTIVE
"""Only a user or an admin can change the task's state."""
FINAL = frozenset({State.DONE, State.FAILED, State.CANCELLED})
"""The task never leaves these states."""


class Refusal(Exception):
    """A request cannot be fulfilled: the key of a text in the locales, and its parameters.

    The text says what was wrong and what is allowed. Nothing was charged.
    """

    def __init__(self, sentence: str, /, **facts: str | float) -> None:
        super().__init__(f"{sentence} {facts}")
        self.sentence = sentence
        self.facts = facts


@dataclass(frozen=True, slots=True)
class Place:
    """Where a reply is sent. `address` is opaque: only the front-end that wrote it reads it."""

    front_end: str
    # Kept out of logs: it may hold a short-lived token, as that of a Discord interaction.
    address: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Person:
    """Who sends a request. `id` is `<front-end>:<user id there>`."""

    id: str
    admin: bool = False
    language: Language | None = None
    """As the front-end reports it; the user's own `/language` takes precedence."""


@dataclass(frozen=True, slots=True)
class Order:
    """The video to make: the user's options, checked against the catalogue, with defaults."""

    model: str
    """Public name of the model."""
    prompt: str
    seconds: int
    size: str | None = None
    width: int | None = None
    height: int | None = None
    orientation: Orientation | None = None
    style: str | None = None
    watermark: bool | None = None
    private: bool | None = None
    storyboard: bool | None = None
    spoiler: bool | None = None
    """Hide the video in its chat until someone clicks on it."""
    image: str | None = None
    """File name in the picture storage; empty if there was a picture that has been deleted."""
    remix_of: str | None = None
    """Id of the task whose video is remixed."""


@dataclass(frozen=True, slots=True)
class Task:
    """One row of `tasks`."""

    id: str
    person: str
    state: State
    order: Order
    price: int
    place: Place
    created_at: float
    moved_at: float
    """When the task entered its state."""
    due_at: float
    """When the engine handles the task next."""
    language: Language = "en"
    lease: str | None = None
    attempts: int = 0
    """Failed attempts of the current step; waiting does not count."""
    trouble_at: float | None = None
    """When the create request first failed to be sent."""
    fetches: int = 0
    """Downloads that did not yield a video."""
    provider: str | None = None
    provider_identity: str | None = None
    remote_model: str | None = None
    remote_id: str | None = None
    submitted_at: float | None = None
    running_at: float | None = None
    """When the gateway was first seen working on the job."""
    looks: int = 0
    percent: float | None = None
    result_url: str | None = None
    result_expires_at: float | None = None
    edit_id: str | None = None
    """The id that a remix refers to, where it is not the job's own id."""
    file: str | None = None
    """File name of the finished video in the results folder."""
    bytes: int | None = None
    cancel_asked: bool = False
    reason: str | None = None
    """Why the task is in its state; the key of its text is "reason-<reason>"."""
    raw: str | None = None
    """Error text of the gateway or the chat platform; for admins only."""
    finished_at: float | None = None


@dataclass(frozen=True, slots=True)
class Delivery:
    """The delivery of one result to one destination."""

    task: str
    place: Place
    state: str
    """One of "waiting", "sending", "sent"; "sending" without a worker: outcome unknown."""
    attempts: int = 0
    repeated: bool = False
    receipt: str | None = None
    """The front-end's own reference to the posted message."""


@dataclass(frozen=True, slots=True)
class Balance:
    """Credits that a user can spend, and credits held for running tasks."""

    daily: int
    granted: int
    held: int
    daily_limit: int
    refills_at: float

    @property
    def free(self) -> int:
        """Credits that can be spent now."""
        return self.daily + self.granted


@dataclass(frozen=True, slots=True)
class Video:
    """A video file on disk, ready to post."""

    path: Path
    bytes: int
    seconds: int
    width: int | None = None
    height: int | None = None
    thumbnail: Path | None = None
    """A small JPEG preview."""


@dataclass(frozen=True, slots=True)
class Group:
    """Settings of a group, made by its managers."""

    id: str
    """`<front-end>:<group id there>`."""
    channels: frozenset[str] = frozenset()
    """Ids of the channels in which videos may be requested; empty: all channels."""
    shares: Mapping[str, int] = field(default_factory=dict)
    """Role -> credits that its members may each take from the shared wallet per day.

    Empty: no limit for anyone.
    """
    language: Language | None = None
    spoiler: bool | None = None
    """Whether videos are hidden unless the user says otherwise."""

    @property
    def wallet(self) -> str:
        """Id of the account that the group shares, if an admin has funded it."""
        return f"group:{self.id}"

    def share(self, roles: Collection[str]) -> int | None:
        """Credits per day that a member with these roles may take; None: no limit."""
        if not self.shares:
            return None
        return max((self.shares[role] for role in roles if role in self.shares), default=0)


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """The group in which a request is made, and the user's standing there."""

    group: str
    channels: tuple[str, ...] = ()
    """Ids of the channel and of its parents."""
    roles: tuple[str, ...] = ()
    manages: bool = False
    """Whether the user may change the settings of the group."""


class CardKind(StrEnum):
    """What the buttons of an interactive message are for."""

    DRAFT = "draft"
    """Choose the options of a video, and start it."""
    STATUS = "status"
    """Show the progress of a task, and cancel it."""
    RESULT = "result"
    """Retry or remix the video, or get it as a file."""
    QUESTION = "question"
    """Ask for a text that the user replies with."""
    CHOICES = "choices"
    """Offer several commands to choose from."""


@dataclass(frozen=True, slots=True)
class Card:
    """A message with buttons. Their callback data carries `token`, which cannot be guessed."""

    token: str
    kind: CardKind
    person: str
    """The owner; other users' presses are rejected with an explanation."""
    place: Place
    task: str | None = None
    """Set for a status, a result, and the choices below a final message; one of each per task."""
    message: str | None = None
    """The front-end's reference to the posted message; None: not known to be posted."""
    sends: int = 0
    """Send attempts; more than one only if a response was lost."""
    body: dict[str, Any] = field(default_factory=dict)
    """State of the front-end, as JSON types."""
    gone: bool = False
    """The message was deleted, or has no buttons any more."""


class Mode(StrEnum):
    """How an admin has set a provider."""

    ON = "on"
    OFF = "off"
    """No requests at all; running jobs wait."""
    DRAIN = "drain"
    """No new jobs; running jobs are finished."""


class Breaker(StrEnum):
    """State of a provider's circuit breaker, which follows from the provider's responses."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


@dataclass(frozen=True, slots=True)
class Health:
    """One row of `providers`."""

    name: str
    mode: Mode = Mode.ON
    breaker: Breaker = Breaker.CLOSED
    failures: int = 0
    """Consecutive create requests that the gateway failed."""
    paused_until: float | None = None
    reason: str | None = None
    raw: str | None = None
    """Error text of the gateway; for admins only."""

    def takes_new(self, now: float) -> bool:
        """Whether a create request may be sent now, given capacity."""
        paused = self.paused_until is not None and self.paused_until > now
        return self.mode is Mode.ON and self.breaker is not Breaker.OPEN and not paused

    @property
    def in_service(self) -> bool:
        """Whether waiting for the provider makes sense: it is on and does not need an admin."""
        refused = self.breaker is Breaker.OPEN and self.reason == "misconfigured"
        return self.mode is Mode.ON and not refused


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

    @property
    def named(self) -> dict[str, Any]:
        """The options that the user gave, as JSON types; without the picture."""
        found = {one.name: getattr(self, one.name) for one in fields(self) if one.name != "image"}
        return {name: value for name, value in found.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Remix:
    task: str
    prompt: str


@dataclass(frozen=True, slots=True)
class ListTasks:
    pass


@dataclass(frozen=True, slots=True)
class Cancel:
    task: str


@dataclass(frozen=True, slots=True)
class Retry:
    task: str
    prompt: str | None = None
    """A new prompt; None: the same one."""
    seen: bool = False
    """The user has seen the video, even if its delivery is not recorded yet."""


@dataclass(frozen=True, slots=True)
class Fetch:
    task: str


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
    share: int | None = None
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
class Admin:
    """`/admin SUBCOMMAND ...`.

    The arguments are validated. Their keys are recorded in the audit trail: "person", "credits",
    "task", "text", "state", "verdict", "remote_id", "count", "provider", "mode".
    """

    word: str
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
    | Admin
)


@dataclass(frozen=True, slots=True)
class Request:
    """A command with its sender, its destination and the update that carried it."""

    person: Person
    place: Place
    command: Command
    update: str | None = None
    """The platform's id of the update. Handling an update twice creates only one task."""
    countdown: Countdown | None = None
    """None: the chat has no live countdown; durations are written instead."""
    whereabouts: Whereabouts | None = None
    """None in a private chat."""
    watched: bool = False
    """Others read the reply: it must not show the user's remaining credits."""
    typed: bool = True
    """The user types options as `--name`; False: the chat client offers them itself."""


@dataclass(frozen=True, slots=True)
class Reply:
    """The reply of a handler: a text in the user's language, and possibly a task and a video."""

    text: str
    ok: bool = True
    """False: the command failed."""
    task: Task | None = None
    video: Video | None = None
