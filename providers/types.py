"""Values exchanged with every gateway: request, job, progress, result, capabilities."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Literal

Orientation = Literal["portrait", "landscape", "square"]


@dataclass(frozen=True, slots=True)
class ReferenceImage:
    """An image on our disk: upright, without metadata, and fitted to the size of the video."""

    path: Path
    media_type: str
    """`image/jpeg`, `image/png` or `image/webp`."""
    width: int
    height: int
    url: str | None = None
    """Where the gateway can download it, if it accepts links only."""


@dataclass(frozen=True, slots=True)
class VideoRequest:
    """A job to create, with every field that any gateway accepts; each sends those it supports."""

    idempotency_key: str
    """The id of our task. A gateway that can look up jobs by it never creates one twice."""
    model: str
    """The gateway's name of the model."""
    prompt: str
    seconds: int
    size: str | None = None
    """The size as the gateway spells it: `720x1280`, `small`."""
    width: int | None = None
    height: int | None = None
    orientation: Orientation | None = None
    image: ReferenceImage | None = None
    style: str | None = None
    watermark: bool | None = None
    private: bool | None = None
    storyboard: bool | None = None
    """The prompt is a list of shots."""
    remix_of: str | None = None
    """The finished job to remix: its remote id, or its edit id where the gateway requires that
    (`Capabilities.remix_by_edit_id`)."""


class FailureKind(StrEnum):
    """Why a job failed. A small set: each kind has one text for users."""

    MODERATION = "moderation"
    INVALID_REQUEST = "invalid_request"
    MODEL_UNAVAILABLE = "model_unavailable"
    UPSTREAM = "upstream"
    NOT_FOUND = "not_found"
    NO_RESULT = "no_result"
    CANCELLED = "cancelled"
    TIMEOUT = "timeout"


@dataclass(frozen=True, slots=True)
class Pending:
    """Not finished. `running`: the gateway has started the job; `percent` is 0 to 100."""

    running: bool = False
    percent: float | None = None
    poll_after_s: float | None = None
    """Seconds after which the gateway asks to be polled again."""
    unknown_status: str = ""
    """An unrecognized status word; it counts as running and should be reported to admins."""


@dataclass(frozen=True, slots=True)
class Finished:
    """The video is ready. Without `url` it is downloaded from the provider's content route."""

    url: str | None = None
    expires_at: float | None = None
    """UNIX seconds."""
    thumbnail_url: str | None = None
    edit_id: str | None = None
    """The id that a remix of this video refers to, where that is not the job id."""


@dataclass(frozen=True, slots=True)
class Failed:
    """The gateway reports that the job failed."""

    kind: FailureKind
    provider_message: str = ""
    """Text of the gateway, for admins only."""
    code: str = ""


Progress = Pending | Finished | Failed


@dataclass(frozen=True, slots=True)
class Job:
    """The gateway's side of a task."""

    remote_id: str
    progress: Progress = field(default_factory=Pending)


@dataclass(frozen=True, slots=True)
class Download:
    """An open download: the bytes of a file from `offset` on."""

    chunks: AsyncIterator[bytes]
    total_bytes: int | None
    """Size of the whole file in bytes; None if the server does not state it."""
    media_type: str
    offset: int = 0


class JobLookup(StrEnum):
    """What a lookup of a job whose id is unknown can prove."""

    UNSUPPORTED = "nothing"
    """The gateway cannot list jobs."""
    BEST_EFFORT = "presence"
    """A job that is found is ours; one that is not found may still exist."""
    AUTHORITATIVE = "certain"
    """A job that is not found was never accepted, so the create may be sent again."""


class ImageTransport(StrEnum):
    """How a reference image reaches a gateway."""

    FILE = "file"
    """Its bytes are part of the create request."""
    UPLOAD = "upload"
    """It is uploaded to the gateway first, free of charge; the create contains the link."""
    LINK = "link"
    """The create contains a link to our server, from which the gateway downloads it."""


@dataclass(frozen=True, slots=True)
class WebhookEvent:
    """An event that a gateway sent to our webhook. Never more than a hint to poll now."""

    id: str
    """The same for every delivery of the same event."""
    remote_id: str | None
    """The job that has ended; None if the event is not about the end of a job."""


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a gateway supports besides creating, polling and downloading."""

    job_lookup: JobLookup = JobLookup.UNSUPPORTED
    batch_poll: bool = False
    """One request returns the state of up to `MAX_LISTED_JOBS` jobs (`Provider.poll_many`)."""
    cancel: bool = False
    """A running job can be cancelled."""
    remix: bool = False
    remix_by_edit_id: bool = False
    """A remix refers to the id in the result (`Finished.edit_id`), not to the job id."""
    remix_private: bool = True
    """Videos created with `private` can be remixed too."""
    image_transports: tuple[ImageTransport, ...] = (ImageTransport.FILE,)
    """How it accepts reference images, the preferred way first. The class attribute lists all of
    them, independent of the settings of a provider, so that those settings can be validated."""
    thumbnails: bool = False
    """It offers a still image of a finished video (`Provider.thumbnail`)."""
    webhooks: bool = False
    """It calls our webhook when a job ends (`Provider.parse_webhook`)."""

    def choose_image_transport(self, *, links_available: bool) -> ImageTransport | None:
        """Return the preferred way to send an image, None if there is no usable one.

        `links_available`: whether we can publish a file under a link.
        """
        usable = (
            transport
            for transport in self.image_transports
            if links_available or transport is not ImageTransport.LINK
        )
        return next(usable, None)


MAX_LISTED_JOBS = 100
"""Maximum number of jobs that one list request returns."""
