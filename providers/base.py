"""The interface of every gateway (`Provider`) and the settings they share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, NonNegativeInt, SecretStr

from providers.errors import Unsupported
from providers.types import (
    Capabilities,
    Download,
    Finished,
    Job,
    Progress,
    ReferenceImage,
    VideoRequest,
    WebhookEvent,
)

if TYPE_CHECKING:
    from providers.http import HttpClient


class ProviderOptions(BaseModel):
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
    """How reference images are sent (`ImageTransport`); auto: the first that the kind supports."""


class Provider(ABC):
    """One configured account at a gateway.

    Every method raises only `providers.errors.ProviderError` for failures of the gateway or of the
    connection to it.
    """

    kind: ClassVar[str]
    options_type: ClassVar[type[ProviderOptions]] = ProviderOptions
    key_required: ClassVar[bool] = True
    default_url: ClassVar[str] = ""
    capabilities: Capabilities = Capabilities()

    def __init__(self, options: ProviderOptions, http: HttpClient, directory: Path) -> None:
        """`http` is shared by all providers; `directory` belongs to this one, created on demand."""
        self.options = options
        self.http = http
        self.directory = directory

    @property
    def base_url(self) -> str:
        """The configured or default address, without a trailing slash."""
        return (self.options.base_url or self.default_url).rstrip("/")

    @property
    def effective_capabilities(self) -> Capabilities:
        """The capabilities that the settings of this provider allow."""
        configured = self.options.pictures
        if configured == "auto":
            return self.capabilities
        transports = tuple(
            transport for transport in self.capabilities.image_transports if transport == configured
        )
        return replace(self.capabilities, image_transports=transports)

    @cached_property
    def identity(self) -> str:
        """A short digest of kind, address and key: which account owns a job, without a secret."""
        secret = self.options.api_key.get_secret_value()
        return sha256(f"{self.kind}\n{self.base_url}\n{secret}".encode()).hexdigest()[:16]

    @property
    def api_key(self) -> str:
        """The API key in plain text, for the Authorization header only."""
        return self.options.api_key.get_secret_value()

    async def upload_image(self, image: ReferenceImage) -> str:
        """Upload an image to the gateway, free of charge, and return the link to it."""
        raise Unsupported(f"{self.kind} has no upload of images")

    @abstractmethod
    async def submit(self, request: VideoRequest) -> Job:
        """Send the paid create, exactly once.

        `ProviderError.maybe_accepted`: whether the gateway may have accepted it despite the error.
        """

    @abstractmethod
    async def poll(self, remote_id: str) -> Progress:
        """Request the state of a job, once."""

    async def poll_many(self, remote_ids: Collection[str], since: float) -> dict[str, Progress]:
        """Request the state of many jobs, with one request for every `MAX_LISTED_JOBS` jobs.

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

    def parse_webhook(self, headers: Mapping[str, str], body: bytes) -> WebhookEvent:
        """Parse a webhook request; the names of `headers` are in lower case.

        Raises `InvalidSignature` unless the signature proves that the gateway sent it.
        """
        raise Unsupported(f"{self.kind} sends no webhooks")

    async def find_job(
        self, request: VideoRequest, since: float, taken_ids: Collection[str] = ()
    ) -> Job | None:
        """Look for the job of a create whose response was lost.

        `since` is when it was sent, in UNIX seconds; `taken_ids` are remote ids of other tasks.
        """
        raise Unsupported(f"{self.kind} cannot list jobs")

    async def cancel(self, remote_id: str) -> bool:
        """Cancel a running job. True only if the gateway confirmed that it has stopped."""
        raise Unsupported(f"{self.kind} cannot cancel jobs")

    @abstractmethod
    async def check(self) -> str:
        """Verify address and key with a request that is free of charge; return a short result."""

    async def served_models(self) -> frozenset[str] | None:
        """Return the ids of the models that this key may use; None if the gateway lists none."""
        return None

    async def close(self) -> None:
        """Close connections and background tasks."""
        return
