"""The interface of every gateway: submit, poll, download and check, over one request type.

The gateway's verdict on a job is a *value* (`Failed`); a request that could not be made is an
*exception* (`providers.errors`). No method waits for a job: the engine does the waiting.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, NonNegativeInt, SecretStr

from providers.errors import Unsupported

if TYPE_CHECKING:
    from providers.http import Http

Orientation = Literal["portrait", "landscape", "square"]


class Options(BaseModel):
    """Settings of one provider, `PROVIDERS__<NAME>__*`. A kind adds its own by subclassing."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: str
    api_key: SecretStr = SecretStr("")
    base_url: str = ""
    """Empty: the default address of the kind."""
    max_concurrent: NonNegativeInt = 10
    """Maximum number of jobs at the same time; 0 disables new jobs."""
    priority: int = 0
    """Providers with a higher priority are used first."""
    pictures: Literal["auto", "file", "upload", "link"] = "auto"
    """How reference images are sent, a `PictureWay`; auto: the first one that the kind supports."""


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

    key: str
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
    (`Capabilities.edit_id`)."""


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
    check_after: float | None = None
    """Seconds after which the gateway asks to be polled again."""
    unknown: str = ""
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
    """The gateway reports that the job failed. `raw` is its message, for admins only."""

    kind: FailureKind
    raw: str = ""
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
    total: int | None
    """Size of the whole file in bytes; None if the server does not state it."""
    media_type: str
    offset: int = 0


class Finding(StrEnum):
    """What a lookup of a job whose id is unknown can prove."""

    NOTHING = "nothing"
    """The gateway cannot list jobs."""
    PRESENCE = "presence"
    """A job that is found is ours; one that is not found may still exist."""
    CERTAIN = "certain"
    """A job that is not found was never accepted, so the create may be sent again."""


class PictureWay(StrEnum):
    """How a reference image reaches a gateway."""

    FILE = "file"
    """Its bytes are part of the create request."""
    UPLOAD = "upload"
    """It is uploaded to the gateway first, free of charge; the create contains the link."""
    LINK = "link"
    """The create contains a link to our server, from which the gateway downloads it."""


@dataclass(frozen=True, slots=True)
class Event:
    """An event that a gateway sent to our webhook. Never more than a hint to poll now."""

    id: str
    """The same for every delivery of the same event."""
    remote_id: str | None
    """The job that has ended; None if the event is not about the end of a job."""


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a gateway supports besides creating, polling and downloading."""

    find: Finding = Finding.NOTHING
    batch: bool = False
    """One request returns the state of up to `LISTED` jobs (`Provider.poll_many`)."""
    cancel: bool = False
    """A running job can be cancelled."""
    remix: bool = False
    edit_id: bool = False
    """A remix refers to the id in the result (`Finished.edit_id`), not to the job id."""
    remix_private: bool = True
    """Videos created with `private` can be remixed too."""
    pictures: tuple[PictureWay, ...] = (PictureWay.FILE,)
    """How it accepts reference images, the preferred way first. The class attribute lists all of
    them, independent of the settings of a provider, so that those settings can be validated."""
    thumbnails: bool = False
    """It offers a still image of a finished video (`Provider.thumbnail`)."""
    events: bool = False
    """It calls our webhook when a job ends (`Provider.heard`)."""

    def picture_way(self, *, links: bool) -> PictureWay | None:
        """Return the preferred way to send an image, None if there is no usable one.

        `links`: whether we can publish a file under a link.
        """
        possible = (way for way in self.pictures if links or way is not PictureWay.LINK)
        return next(possible, None)


LISTED = 100
"""Maximum number of jobs that one list request returns."""


class Provider(ABC):
    """One configured account at a gateway.

    Every method raises only `providers.errors.ProviderError` for failures of the gateway or of the
    connection to it.
    """

    kind: ClassVar[str]
    options_type: ClassVar[type[Options]] = Options
    key_required: ClassVar[bool] = True
    default_url: ClassVar[str] = ""
    capabilities: Capabilities = Capabilities()

    def __init__(self, options: Options, http: Http, directory: Path) -> None:
        """`http` is shared by all providers; `directory` belongs to this one, created on demand."""
        self.options = options
        self.http = http
        self.directory = directory

    @property
    def base_url(self) -> str:
        """The configured or default address, without a trailing slash."""
        return (self.options.base_url or self.default_url).rstrip("/")

    @property
    def allowed(self) -> Capabilities:
        """The capabilities that the settings of this provider allow."""
        wanted = self.options.pictures
        if wanted == "auto":
            return self.capabilities
        ways = tuple(way for way in self.capabilities.pictures if way == wanted)
        return replace(self.capabilities, pictures=ways)

    @cached_property
    def identity(self) -> str:
        """A short digest of kind, address and key: which account owns a job, without a secret."""
        secret = self.options.api_key.get_secret_value()
        return sha256(f"{self.kind}\n{self.base_url}\n{secret}".encode()).hexdigest()[:16]

    @property
    def key(self) -> str:
        """The API key in plain text, for the Authorization header only."""
        return self.options.api_key.get_secret_value()

    async def upload(self, picture: ReferenceImage) -> str:
        """Upload an image to the gateway, free of charge, and return the link to it."""
        raise Unsupported(f"{self.kind} has no upload of images")

    @abstractmethod
    async def submit(self, request: VideoRequest) -> Job:
        """Send the paid create, exactly once.

        Whether the gateway may have accepted it in spite of an error is `ProviderError.accepted`.
        """

    @abstractmethod
    async def poll(self, remote_id: str) -> Progress:
        """Request the state of a job, once."""

    async def poll_many(self, remote_ids: Collection[str], since: float) -> dict[str, Progress]:
        """Request the state of many jobs, with one request for every `LISTED` jobs.

        `since` is when the oldest of them was sent, in UNIX seconds. A job that the list does not
        contain is left out of the result; that proves nothing about it.
        """
        raise Unsupported(f"{self.kind} cannot list jobs")

    @abstractmethod
    def download(
        self, remote_id: str, finished: Finished, offset: int = 0
    ) -> AbstractAsyncContextManager[Download]:
        """Open the finished video for reading, from byte `offset` if the server supports that."""

    def thumbnail(
        self, remote_id: str, finished: Finished
    ) -> AbstractAsyncContextManager[Download]:
        """Open a still image of a finished video for reading."""
        raise Unsupported(f"{self.kind} has no thumbnails")

    def heard(self, headers: Mapping[str, str], body: bytes) -> Event:
        """Parse a webhook request; the names of `headers` are in lower case.

        Raises `Untrusted` unless the signature proves that the gateway sent it.
        """
        raise Unsupported(f"{self.kind} sends no webhooks")

    async def find(
        self, request: VideoRequest, since: float, taken: Collection[str] = ()
    ) -> Job | None:
        """Look for the job of a create whose response was lost.

        `since` is when it was sent, in UNIX seconds; `taken` are remote ids of other tasks.
        """
        raise Unsupported(f"{self.kind} cannot list jobs")

    async def cancel(self, remote_id: str) -> bool:
        """Cancel a running job. True only if the gateway confirmed that it has stopped."""
        raise Unsupported(f"{self.kind} cannot cancel jobs")

    @abstractmethod
    async def check(self) -> str:
        """Verify address and key with a request that is free of charge; return a short result."""

    async def models(self) -> frozenset[str] | None:
        """Return the ids of the models that this key may use; None if the gateway lists none."""
        return None

    async def close(self) -> None:
        """Close connections and background tasks."""
        return
