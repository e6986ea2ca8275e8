"""Tasks: state, order, destination, delivery and finished video."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Literal

from bot.domain.users import Language
from providers.types import Orientation

Fit = Literal["crop", "pad"]
"""How an image is adapted to the shape of its video: cropped, or padded with a blurred border."""


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
SETTLED = frozenset(State) - ACTIVE
"""Only a user or an admin can change the task's state."""
FINAL = frozenset({State.DONE, State.FAILED, State.CANCELLED})
"""The task never leaves these states."""


@dataclass(frozen=True, slots=True)
class Destination:
    """Where a reply is sent. `address` is opaque: only the front-end that wrote it reads it."""

    front_end: str
    # Kept out of logs: it may hold a short-lived token, as that of a Discord interaction.
    address: str = field(default="", repr=False)


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
    """File name in the image storage; empty if there was an image that has been deleted."""
    remix_of: str | None = None
    """Id of the task whose video is remixed."""


@dataclass(frozen=True, slots=True)
class Task:
    """One row of `tasks`."""

    id: str
    user_id: str
    state: State
    order: Order
    price: int
    destination: Destination
    created_at: float
    state_since: float
    """When the task entered its state."""
    due_at: float
    """When the engine handles the task next."""
    language: Language = "en"
    lease: str | None = None
    attempts: int = 0
    """Failed attempts of the current step; waiting does not count."""
    first_failure_at: float | None = None
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
    poll_count: int = 0
    percent: float | None = None
    result_url: str | None = None
    result_expires_at: float | None = None
    edit_id: str | None = None
    """The id that a remix refers to, where it is not the job's own id."""
    file: str | None = None
    """File name of the finished video in the results folder."""
    bytes: int | None = None
    cancel_requested: bool = False
    reason: str | None = None
    """Why the task is in its state; the key of its text is "reason-<reason>"."""
    provider_message: str | None = None
    """Error text of the gateway or the chat platform; for admins only."""
    finished_at: float | None = None


@dataclass(frozen=True, slots=True)
class Delivery:
    """The delivery of one result to one destination."""

    task_id: str
    destination: Destination
    state: str
    """One of "waiting", "sending", "sent"; "sending" without a worker: outcome unknown."""
    attempts: int = 0
    repeated: bool = False
    receipt: str | None = None
    """The front-end's own reference to the posted message."""


@dataclass(frozen=True, slots=True)
class Video:
    """A video file on disk, ready to post."""

    path: Path
    size_bytes: int
    seconds: int
    width: int | None = None
    height: int | None = None
    thumbnail: Path | None = None
    """A small JPEG preview."""


def orientation_of(width: int, height: int) -> Orientation:
    """Return the orientation of an image or video of this size."""
    if width == height:
        return "square"
    return "portrait" if height > width else "landscape"
