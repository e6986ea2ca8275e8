"""What every gateway answers to: four verbs over one request and one kind of progress.

The gateway's verdict on a job is a *value* (`Failed`); that we could not ask is an
*exception* (`providers.errors`). No method waits for a job: waiting is the engine's.
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
    """The settings of one provider, `PROVIDERS__<NAME>__*`. A kind adds its own by subclassing."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: str
    api_key: SecretStr = SecretStr("")
    base_url: str = ""
    """Empty: the kind's own address."""
    max_concurrent: NonNegativeInt = 10
    """Jobs at once; 0 means none."""
    priority: int = 0
    """The higher one is asked first."""
    pictures: Literal["auto", "file", "upload", "link"] = "auto"
    """How reference pictures go there, one of `PictureWay`; auto: the best way of the kind."""


@dataclass(frozen=True, slots=True)
class ReferenceImage:
    """A picture on our disk, already turned upright, stripped of metadata and fitted."""

    path: Path
    media_type: str
    """`image/jpeg`, `image/png` or `image/webp`."""
    width: int
    height: int
    url: str | None = None
    """Where the gateway can get it, if it takes links only."""


@dataclass(frozen=True, slots=True)
class VideoRequest:
    """One job to be made. All that a gateway may want; each sends the fields it knows."""

    key: str
    """Our task's id. Gateways that can look a job up by it never make it twice."""
    model: str
    """The gateway's own name of the model."""
    prompt: str
    seconds: int
    size: str | None = None
    """The gateway's own word: `720x1280`, `small`."""
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
    """The finished job that this one changes: its remote id, or its edit id where a gateway asks
    for that (`Capabilities.edit_id`)."""


class FailureKind(StrEnum):
    """Why a job made no video. A small set: each has one sentence for people."""

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
    """Not ready. `running` tells whether the gateway has begun; `percent` is 0 to 100."""

    running: bool = False
    percent: float | None = None
    check_after: float | None = None
    """The gateway's own wish, in seconds, for when to look again."""
    unknown: str = ""
    """A status word that nobody knows; it counts as running, and admins should hear of it."""


@dataclass(frozen=True, slots=True)
class Finished:
    """The gateway has the video. Without `url` the provider's own content route gives it."""

    url: str | None = None
    expires_at: float | None = None
    """UNIX seconds."""
    thumbnail_url: str | None = None
    edit_id: str | None = None
    """What a change of this video names, where that is not the job's own id."""


@dataclass(frozen=True, slots=True)
class Failed:
    """The gateway says the job made no video. `raw` is its own text, for admins only."""

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
    """An open result: its bytes from `offset` on, and how many there are in all, if told."""

    chunks: AsyncIterator[bytes]
    total: int | None
    media_type: str
    offset: int = 0


class Finding(StrEnum):
    """What a look for a job without knowing its id can prove."""

    NOTHING = "nothing"
    """The gateway cannot list jobs."""
    PRESENCE = "presence"
    """A job found is ours; one not found may still exist."""
    CERTAIN = "certain"
    """A job not found was never accepted, so the create may be sent again."""


class PictureWay(StrEnum):
    """How a reference picture reaches a gateway."""

    FILE = "file"
    """Its bytes go with the create."""
    UPLOAD = "upload"
    """First into the gateway's own store, free of charge; the create has the link."""
    LINK = "link"
    """The create has a link to it, from which the gateway gets it."""


@dataclass(frozen=True, slots=True)
class Event:
    """What a gateway calls to say. Only ever a hint to look now."""

    id: str
    """The same for each repetition of the same event."""
    remote_id: str | None
    """The job that it is about; None: about something else."""


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a gateway can do beyond make, look and download."""

    find: Finding = Finding.NOTHING
    batch: bool = False
    """One request shows up to `LISTED` jobs (`Provider.poll_many`)."""
    cancel: bool = False
    """A running job can be stopped for good."""
    remix: bool = False
    edit_id: bool = False
    """A change names what came with the result (`Finished.edit_id`), not the job."""
    remix_private: bool = True
    """Videos made with `private` can be changed too."""
    pictures: tuple[PictureWay, ...] = (PictureWay.FILE,)
    """Every way in which it takes a reference picture, the best one first. The class has them all,
    whatever the settings of one provider, so that those can be checked."""
    thumbnails: bool = False
    """It has a still picture of a finished video (`Provider.thumbnail`)."""
    events: bool = False
    """It calls when a job is over (`Provider.heard`)."""

    def picture_way(self, *, links: bool) -> PictureWay | None:
        """How a picture is best sent there, where we can or cannot give links; None: not at all."""
        possible = (way for way in self.pictures if links or way is not PictureWay.LINK)
        return next(possible, None)


LISTED = 100
"""Jobs that one request for a list shows at the most."""


class Provider(ABC):
    """One configured account at a gateway.

    Every method raises only `providers.errors.ProviderError` for what the other side did.
    """

    kind: ClassVar[str]
    options_type: ClassVar[type[Options]] = Options
    key_required: ClassVar[bool] = True
    default_url: ClassVar[str] = ""
    capabilities: Capabilities = Capabilities()

    def __init__(self, options: Options, http: Http, directory: Path) -> None:
        """`http` is shared by all providers; `directory` is this one's own, made when needed."""
        self.options = options
        self.http = http
        self.directory = directory

    @property
    def base_url(self) -> str:
        """The address in use, without a closing slash."""
        return (self.options.base_url or self.default_url).rstrip("/")

    @property
    def allowed(self) -> Capabilities:
        """What it can do, as far as the settings let it."""
        wanted = self.options.pictures
        if wanted == "auto":
            return self.capabilities
        ways = tuple(way for way in self.capabilities.pictures if way == wanted)
        return replace(self.capabilities, pictures=ways)

    @cached_property
    def identity(self) -> str:
        """Which account at which address made a job, as a short digest that tells no secret."""
        secret = self.options.api_key.get_secret_value()
        return sha256(f"{self.kind}\n{self.base_url}\n{secret}".encode()).hexdigest()[:16]

    @property
    def key(self) -> str:
        """The secret itself, for the header alone."""
        return self.options.api_key.get_secret_value()

    async def upload(self, picture: ReferenceImage) -> str:
        """Put a picture into the gateway's own store, free of charge: the link to it."""
        raise Unsupported(f"{self.kind} has no store for pictures")

    @abstractmethod
    async def submit(self, request: VideoRequest) -> Job:
        """Send the paid create, once. An error's `accepted` tells whether it may have worked."""

    @abstractmethod
    async def poll(self, remote_id: str) -> Progress:
        """Look at a job, once."""

    async def poll_many(self, remote_ids: Collection[str], since: float) -> dict[str, Progress]:
        """Look at many jobs in as few requests as can be, one for `LISTED` of them.

        `since` is when the oldest of them was sent. Those that were not shown are left out: that
        proves nothing about them.
        """
        raise Unsupported(f"{self.kind} cannot list jobs")

    @abstractmethod
    def download(
        self, remote_id: str, finished: Finished, offset: int = 0
    ) -> AbstractAsyncContextManager[Download]:
        """Open the finished video for reading, from byte `offset` where the server can."""

    def thumbnail(
        self, remote_id: str, finished: Finished
    ) -> AbstractAsyncContextManager[Download]:
        """Open a still picture of a finished video for reading."""
        raise Unsupported(f"{self.kind} has no thumbnails")

    def heard(self, headers: Mapping[str, str], body: bytes) -> Event:
        """What a call to our webhook says; the names of `headers` are in lower case.

        Raises `Untrusted` unless it certainly is the gateway's.
        """
        raise Unsupported(f"{self.kind} does not call")

    async def find(
        self, request: VideoRequest, since: float, taken: Collection[str] = ()
    ) -> Job | None:
        """Look for the job of a create whose answer was lost; sent at or after `since`.

        `taken` are remote ids that belong to others of our tasks.
        """
        raise Unsupported(f"{self.kind} cannot list jobs")

    async def cancel(self, remote_id: str) -> bool:
        """Stop a running job. True only if the gateway confirmed that it is stopped."""
        raise Unsupported(f"{self.kind} cannot cancel jobs")

    @abstractmethod
    async def check(self) -> str:
        """Ask something free of charge to prove address and key; a short word on what was seen."""

    async def models(self) -> frozenset[str] | None:
        """The ids of the models that the gateway serves to this key; None: it does not say."""
        return None

    async def close(self) -> None:
        """Let go of connections and helpers."""
        return
