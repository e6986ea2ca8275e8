"""The words of Reelay as frozen types; no I/O. Times are UNIX seconds, credits whole numbers."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, fields
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal

from providers.base import Orientation

Language = str
"""A two-letter code that `bot/locales` has."""

Countdown = Callable[[float], str]
"""UNIX seconds -> how a chat writes a moment that it counts down to by itself."""

Fit = Literal["crop", "pad"]
"""How a picture gets the shape of its video: cut to fill it, or whole with a blurred rim."""


class State(StrEnum):
    """Where a task is. `bot/lifecycle.py` tells who moves it on and what a crash leaves."""

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
"""Reelay is at work on it."""
AT_REST = frozenset(State) - ACTIVE
"""Nothing moves it on but a person."""
FINAL = frozenset({State.DONE, State.FAILED, State.CANCELLED})
"""Never left."""


class Refusal(Exception):
    """What a person asked for cannot be done: a sentence of `bot/locales` and what fills it.

    The sentence says what was wrong and what is allowed. Nothing was charged.
    """

    def __init__(self, sentence: str, /, **facts: str | float) -> None:
        super().__init__(f"{sentence} {facts}")
        self.sentence = sentence
        self.facts = facts


@dataclass(frozen=True, slots=True)
class Place:
    """Where an answer belongs. `address` is the front-end's own text; nobody else reads it."""

    front_end: str
    # It may hold what opens the place for a while.
    address: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Person:
    """Who asks: `id` is `<front-end>:<their id there>`."""

    id: str
    admin: bool = False
    language: Language | None = None
    """What the front-end knows of their language; their own `/language` goes before it."""


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be made: a person's wishes, checked against the catalogue and made whole."""

    model: str
    """The public name."""
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
    """The video is hidden in its chat until somebody wants to see it."""
    image: str | None = None
    """A file in the spool; empty: there was one, which is no longer kept."""
    remix_of: str | None = None
    """The task whose video this one changes."""


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
    """When it entered its state."""
    due_at: float
    """When to look at it next."""
    language: Language = "en"
    lease: str | None = None
    attempts: int = 0
    """Failed tries of the present step; waiting is none."""
    trouble_at: float | None = None
    """When its create first could not be sent."""
    fetches: int = 0
    """Downloads that brought no video."""
    provider: str | None = None
    provider_identity: str | None = None
    remote_model: str | None = None
    remote_id: str | None = None
    submitted_at: float | None = None
    running_at: float | None = None
    """When the gateway was first seen at work on it."""
    looks: int = 0
    percent: float | None = None
    result_url: str | None = None
    result_expires_at: float | None = None
    edit_id: str | None = None
    """What a change of the video names, where that is not the job's own id."""
    file: str | None = None
    """The finished video in the results folder."""
    bytes: int | None = None
    cancel_asked: bool = False
    reason: str | None = None
    """Why it is where it is: a key of the sentences in `replies`."""
    raw: str | None = None
    """The other side's own words; for admins only."""
    finished_at: float | None = None


@dataclass(frozen=True, slots=True)
class Delivery:
    """The duty to post one result in one place; it outlives the task's other states."""

    task: str
    place: Place
    state: str
    """`waiting`, `sending` or `sent`; `sending` with no worker at it means: perhaps sent."""
    attempts: int = 0
    repeated: bool = False
    receipt: str | None = None
    """The front-end's own word on where the result stands."""


@dataclass(frozen=True, slots=True)
class Balance:
    """What a person can spend, and what is set aside."""

    daily: int
    granted: int
    held: int
    daily_limit: int
    refills_at: float

    @property
    def free(self) -> int:
        """What a new task may cost at the most."""
        return self.daily + self.granted


@dataclass(frozen=True, slots=True)
class Video:
    """A finished video on our disk, as it is to be posted."""

    path: Path
    bytes: int
    seconds: int
    width: int | None = None
    height: int | None = None
    thumbnail: Path | None = None
    """A small JPEG of it."""


@dataclass(frozen=True, slots=True)
class Group:
    """What those who manage a group have set for it."""

    id: str
    """`<front-end>:<its id there>`."""
    channels: frozenset[str] = frozenset()
    """Where videos may be asked for; empty: everywhere."""
    shares: Mapping[str, int] = field(default_factory=dict)
    """Role -> credits that one with it may take from the shared wallet in a day.

    Empty: everybody as many as there are.
    """
    language: Language | None = None
    spoiler: bool | None = None
    """Whether videos are hidden where nobody has said so."""

    @property
    def wallet(self) -> str:
        """The account that the group shares, if an admin has filled it."""
        return f"group:{self.id}"

    def share(self, roles: Collection[str]) -> int | None:
        """What one with these roles may take in a day; None: as much as there is."""
        if not self.shares:
            return None
        return max((self.shares[role] for role in roles if role in self.shares), default=0)


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """In which group something is asked for, and as what."""

    group: str
    channels: tuple[str, ...] = ()
    """The channel, and what it is part of."""
    roles: tuple[str, ...] = ()
    manages: bool = False
    """The person may change what is set for the group."""


class CardKind(StrEnum):
    """What people can do with a message of ours."""

    DRAFT = "draft"
    """Choose what is to be made, and start it."""
    STATUS = "status"
    """See how a task goes, and stop it."""
    RESULT = "result"
    """Have it once more, changed, or as a file."""
    QUESTION = "question"
    """Answer it."""
    CHOICES = "choices"
    """Press one of several commands."""


@dataclass(frozen=True, slots=True)
class Card:
    """A message of ours that a person acts on; its buttons bear the token, which nobody guesses."""

    token: str
    kind: CardKind
    person: str
    """Whose it is: to others it says so and does nothing."""
    place: Place
    task: str | None = None
    """Of a status, a result, or the choices below a last word; a task has one of each."""
    message: str | None = None
    """Where it stands, in the front-end's own words; None: nobody knows that it does."""
    sends: int = 0
    """How often it was sent; more than once only where an answer was lost."""
    body: dict[str, Any] = field(default_factory=dict)
    """What the front-end needs to go on, as JSON takes it."""
    gone: bool = False
    """It is no longer there, or has nothing to press."""


class Mode(StrEnum):
    """What an admin said of a provider."""

    ON = "on"
    OFF = "off"
    """Nothing is sent there; its jobs wait."""
    DRAIN = "drain"
    """Nothing new is sent there; its jobs are finished."""


class Breaker(StrEnum):
    """What a provider's own answers say of it; `bot/engine/breaker.py` has the rules."""

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
    """Creates in a row that the gateway failed."""
    paused_until: float | None = None
    reason: str | None = None
    raw: str | None = None
    """The gateway's own words; for admins only."""

    def takes_new(self, now: float) -> bool:
        """Whether a create may be sent now, if there is room."""
        paused = self.paused_until is not None and self.paused_until > now
        return self.mode is Mode.ON and self.breaker is not Breaker.OPEN and not paused

    @property
    def in_service(self) -> bool:
        """Whether it makes sense to wait for it: it is on, and no admin is needed."""
        refused = self.breaker is Breaker.OPEN and self.reason == "misconfigured"
        return self.mode is Mode.ON and not refused


# --- commands: what a person wants, parsed, platform-free --------------------------------


@dataclass(frozen=True, slots=True)
class MakeVideo:
    """`/video`: every field that the person did not name is None."""

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
    """A file that the front-end or the console's person named; not yet looked at."""
    fit: Fit | None = None

    @property
    def named(self) -> dict[str, Any]:
        """What the person has named, as JSON takes it; but for the picture."""
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
    """Other words for it; None: the same."""
    seen: bool = False
    """The person has its video before them, whether or not that is written down yet."""


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
    """`/settings`: with nothing to change it shows them. The value `None` clears one."""

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
    """What holds for a group: `channels` to `allow` and `forbid`, shares of roles, and the rest.

    With nothing to change it shows it.
    """

    allow: str | None = None
    forbid: str | None = None
    role: str | None = None
    share: int | None = None
    """Of that role; below 0: none of its own."""
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
    """`/admin WORD ...`, one of `commands.ADMIN_WORDS`.

    The arguments are checked: `person`, `credits`, `task`, `text`, `state`, `verdict`,
    `remote_id`, `count`, `provider`, `mode`.
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
    """A command with its circumstances: who, where, and the update that brought it."""

    person: Person
    place: Place
    command: Command
    update: str | None = None
    """The platform's id of the update; the same one twice makes one task."""
    countdown: Countdown | None = None
    """None: the chat cannot, and is told how long it takes."""
    whereabouts: Whereabouts | None = None
    """None: nobody else is there."""
    watched: bool = False
    """Others read the answer: what somebody has left is none of their business."""
    typed: bool = True
    """Options are written as words with dashes; False: the chat shows them by itself."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What a handler answers: a text in the person's language, and perhaps a video or a task."""

    text: str
    ok: bool = True
    """False: the command did not do what it was asked for."""
    task: Task | None = None
    video: Video | None = None
