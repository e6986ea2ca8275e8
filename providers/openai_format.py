"""The OpenAI `/v1/videos` format: base class of every gateway that uses it.

Sources: openai/openai-openapi (2026-08-21) and openai-python; where a gateway differs, its own
documentation, expressed as options in its module. Peculiarities: `seconds` is a string; a running
job cannot be cancelled (except by DELETE at vLLM-Omni); the response has no URL, the video comes
from `/content`; `model` in a response may differ from the requested one; some servers add `url`,
return the error as text, or omit its code.
"""

from __future__ import annotations

import asyncio
import json
import re
from base64 import b64encode
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal
from urllib.parse import quote, urlencode

from pydantic import SecretStr, field_validator
from standardwebhooks import Webhook
from standardwebhooks.webhooks import EmptyWebhookSecretError

from providers import errors, response_parser
from providers.base import Provider, ProviderOptions
from providers.http_errors import sanitize
from providers.types import (
    MAX_LISTED_JOBS,
    Capabilities,
    Download,
    Finished,
    Job,
    JobLookup,
    Progress,
    ReferenceImage,
    VideoRequest,
    WebhookEvent,
)

if TYPE_CHECKING:
    from providers.http import HttpClient

_CLOCK_SKEW_S = 60.0
_MAX_PAGES = 10
"""Maximum number of list pages to read."""
_NONEXISTENT_JOB_ID = "video_reelay_check"
_JOB_EVENTS = frozenset({"video.completed", "video.failed"})


class OpenAIVideoOptions(ProviderOptions):
    """Differences between gateways of this format."""

    body: Literal["auto", "multipart", "json"] = "auto"
    """Encoding of a create. auto: multipart, supported by all except text at older SGLang: json."""
    cancel: bool = False
    """DELETE cancels a running job (vLLM-Omni)."""
    remix: bool = True
    find: bool = True
    """GET /videos lists the jobs of the account."""
    thumbnails: bool = False
    """/content?variant=thumbnail returns a still image."""
    webhook_secret: SecretStr = SecretStr("")
    """Secret with which the gateway signs requests to /webhooks/<provider>; empty: no webhooks."""

    @field_validator("webhook_secret")
    @classmethod
    def _check_webhook_secret(cls, value: SecretStr) -> SecretStr:
        """Reject an invalid secret at start: it would silently reject every webhook request."""
        if value.get_secret_value():
            try:
                Webhook(value.get_secret_value())
            except (ValueError, EmptyWebhookSecretError):
                # Not the message of the library: it may contain a part of the secret.
                raise ValueError(
                    "is not a valid secret; copy it as the gateway shows it, whsec_..."
                ) from None
        return value


class OpenAIVideoProvider(Provider):
    """One account at a gateway of the OpenAI format."""

    options_type: ClassVar[type[ProviderOptions]] = OpenAIVideoOptions

    def __init__(self, options: ProviderOptions, http: HttpClient, directory: Path) -> None:
        super().__init__(options, http, directory)
        self.format_options = OpenAIVideoOptions.model_validate(options.model_dump())
        self.capabilities = Capabilities(
            job_lookup=JobLookup.BEST_EFFORT if self.format_options.find else JobLookup.UNSUPPORTED,
            batch_poll=self.format_options.find,
            cancel=self.format_options.cancel,
            remix=self.format_options.remix,
            thumbnails=self.format_options.thumbnails,
            webhooks=bool(self.format_options.webhook_secret.get_secret_value()),
        )

    @property
    def base_url(self) -> str:
        """The address with exactly one `/v1` at the end, which users may write or omit."""
        return super().base_url.removesuffix("/v1") + "/v1"

    def _url(self, *parts: str) -> str:
        return "/".join([self.base_url, "videos", *(quote(part, safe="") for part in parts)])

    # --- create --------------------------------------------------------------------------

    async def submit(self, request: VideoRequest) -> Job:
        """POST /videos, or /videos/{id}/remix for a remix."""
        if request.remix_of and not self.format_options.remix:
            raise errors.Unsupported(f"{self.kind} cannot remix videos")
        if request.remix_of:
            url = self._url(request.remix_of, "remix")
            return await self._create(url, json={"prompt": request.prompt})
        try:
            return await self._create_video(request)
        except errors.NotFound as error:
            # The route does not exist: a wrong address, or the API was shut down for good.
            raise errors.ModelUnavailable(str(error), code=error.code) from error

    async def _create_video(self, request: VideoRequest) -> Job:
        fields, image = _payload(request), request.image
        if self.format_options.body == "json":
            image_fields = await asyncio.to_thread(_inline_image, image) if image else {}
            return await self._create(self._url(), json={**fields, **image_fields})
        # All fields as parts: without a file httpx would send a form that is not multipart.
        parts: dict[str, Any] = {name: (None, value) for name, value in fields.items()}
        if image is None:
            return await self._create(self._url(), files=parts)
        # The file is streamed in chunks.
        file = await asyncio.to_thread(image.path.open, "rb")
        with file:
            parts["input_reference"] = (image.path.name, file, image.media_type)
            return await self._create(self._url(), files=parts)

    async def _create(
        self,
        url: str,
        **content: Any,  # noqa: ANN401 - httpx's own keywords
    ) -> Job:
        response = await self.http.request(
            "POST", url, self.api_key, fresh_connection=True, **content
        )
        return response_parser.parse_job(response.body, response.poll_after_s)

    # --- poll and find -------------------------------------------------------------------

    async def poll(self, remote_id: str) -> Progress:
        """GET /videos/{id}."""
        response = await self.http.request("GET", self._url(remote_id), self.api_key)
        return response_parser.parse_progress(response.body, response.poll_after_s)

    async def poll_many(self, remote_ids: Collection[str], since: float) -> dict[str, Progress]:
        """Page back through GET /videos until all jobs were found."""
        if not self.format_options.find:
            return await super().poll_many(remote_ids, since)
        remaining_ids, progress_by_id = set(remote_ids), dict[str, Progress]()
        async for video in self._list_since(since - _CLOCK_SKEW_S):
            remote_id = response_parser.find_job_id(video)
            if remote_id in remaining_ids and (progress := _listed_progress(video)) is not None:
                progress_by_id[remote_id] = progress
                remaining_ids.remove(remote_id)
                if not remaining_ids:
                    break
        return progress_by_id

    async def find_job(
        self, request: VideoRequest, since: float, taken_ids: Collection[str] = ()
    ) -> Job | None:
        """Page back through GET /videos; the job is ours only if it is the single match."""
        if not self.format_options.find:
            return await super().find_job(request, since, taken_ids)
        videos = self._list_since(since - _CLOCK_SKEW_S)
        matches = [
            video
            async for video in videos
            if _matches_request(video, request)
            and response_parser.find_job_id(video) not in taken_ids
        ]
        return response_parser.parse_job(matches[0]) if len(matches) == 1 else None

    async def _list_since(self, start: float) -> AsyncIterator[dict[str, Any]]:
        params: dict[str, str | int] = {"limit": MAX_LISTED_JOBS, "order": "desc"}
        for _ in range(_MAX_PAGES):
            response = await self.http.request("GET", self._url(), self.api_key, params=params)
            page = _parse_page(response.body)
            recent = [
                video
                for video in page
                if (response_parser.parse_time(video.get("created_at")) or start) >= start
            ]
            for video in recent:
                yield video
            after = _last_id(page) if _has_more(response.body) else None
            # The same page again: this server ignores `after`.
            if len(recent) < len(page) or after is None or after == params.get("after"):
                return
            params["after"] = after

    # --- other operations ----------------------------------------------------------------

    async def cancel(self, remote_id: str) -> bool:
        """DELETE /videos/{id}, if that cancels a running job at this gateway."""
        if not self.format_options.cancel:
            return await super().cancel(remote_id)
        try:
            response = await self.http.request("DELETE", self._url(remote_id), self.api_key)
        except errors.Rejected:
            return False
        return _confirms_deletion(response.body)

    def download(
        self, remote_id: str, finished: Finished, offset: int = 0
    ) -> AbstractAsyncContextManager[Download]:
        """GET the link in the response if there is one, else /videos/{id}/content."""
        url = finished.url or self._url(remote_id, "content")
        return self.http.download(url, self.api_key, self.base_url, offset)

    def thumbnail(
        self, remote_id: str, finished: Finished
    ) -> AbstractAsyncContextManager[Download]:
        """GET /videos/{id}/content?variant=thumbnail, a WebP."""
        if not self.format_options.thumbnails:
            return super().thumbnail(remote_id, finished)
        url = f"{self._url(remote_id, 'content')}?{urlencode({'variant': 'thumbnail'})}"
        return self.http.download(url, self.api_key, self.base_url)

    def parse_webhook(self, headers: Mapping[str, str], body: bytes) -> WebhookEvent:
        """Verify a Standard Webhooks event: signed, and not older than five minutes."""
        secret = self.format_options.webhook_secret.get_secret_value()
        if not secret:
            return super().parse_webhook(headers, body)
        try:
            Webhook(secret).verify(body, dict(headers), json_parse=False)
            return WebhookEvent(headers["webhook-id"], _finished_job_id(json.loads(body)))
        except Exception as error:
            # The library lets arbitrary exceptions through for malformed input.
            raise errors.InvalidSignature(type(error).__name__) from error

    async def check(self) -> str:
        """Request the list of jobs, or a job that cannot exist: both are free of charge."""
        if self.format_options.find:
            try:
                await self.http.request("GET", self._url(), self.api_key, params={"limit": 1})
            except errors.Rejected as error:
                return f"responds, but lists no videos ({sanitize(error)[:100]})"
            return "responds and accepts the key"
        try:
            await self.http.request("GET", self._url(_NONEXISTENT_JOB_ID), self.api_key)
        except errors.NotFound as error:
            if "<" in str(error):
                # An HTML page: this is some other server.
                raise
            if not response_parser.is_job_not_found(error.code, str(error)):
                # The route may not exist at all, and then the key was not checked.
                return f"responds, but not about videos ({sanitize(error)[:100]})"
        except errors.Rejected as error:
            return f"responds, but rejected a poll ({sanitize(error)[:100]})"
        return "responds and accepts the key"

    async def served_models(self) -> frozenset[str] | None:
        """GET /models, which nearly all servers of this format support."""
        try:
            response = await self.http.request("GET", f"{self.base_url}/models", self.api_key)
        except (errors.Rejected, errors.MalformedResponse, errors.UpstreamError):
            return None
        return response_parser.parse_model_ids(response.body)


def _payload(request: VideoRequest) -> dict[str, str]:
    fields = {"model": request.model, "prompt": request.prompt, "seconds": str(request.seconds)}
    if request.size:
        fields["size"] = request.size
    return fields


def _inline_image(image: ReferenceImage) -> dict[str, Any]:
    data = b64encode(image.path.read_bytes()).decode()
    return {"input_reference": {"image_url": f"data:{image.media_type};base64,{data}"}}


# --- list parsing (defensive) ------------------------------------------------------------


def _listed_progress(video: dict[str, Any]) -> Progress | None:
    """The state of a listed job; None if the entry does not show it: poll that job alone."""
    try:
        return response_parser.parse_progress(video)
    except errors.ProviderError:
        return None


def _finished_job_id(event: object) -> str | None:
    """The id of the job that has ended; None if the event is about something else."""
    data, event_type = (
        response_parser.value_at(event, "data"),
        response_parser.value_at(event, "type"),
    )
    is_job_event = isinstance(event_type, str) and event_type in _JOB_EVENTS
    return response_parser.find_job_id(data) if is_job_event and isinstance(data, dict) else None


def _confirms_deletion(body: object) -> bool:
    """Whether the response confirms it: SGLang unlists the job, but keeps rendering it."""
    return isinstance(body, dict) and body.get("deleted") is True


def _parse_page(body: object) -> list[dict[str, Any]]:
    data = body.get("data") if isinstance(body, dict) else None
    if not isinstance(data, list):
        raise errors.MalformedResponse(sanitize(f"not a list of videos: {body}"))
    return [entry for entry in data if isinstance(entry, dict)]


def _last_id(page: list[dict[str, Any]]) -> str | None:
    return next(
        (job_id for video in reversed(page) if (job_id := response_parser.find_job_id(video))), None
    )


def _has_more(body: object) -> bool:
    return isinstance(body, dict) and body.get("has_more") is True


def _matches_request(video: Mapping[str, Any], request: VideoRequest) -> bool:
    """Whether a listed job matches: its prompt is equal, and no other listed field differs."""
    if video.get("prompt") != request.prompt:
        return False
    if request.remix_of:
        # A remix keeps all other fields of its original.
        original: object = video.get("remixed_from_video_id", request.remix_of)
        return original == request.remix_of
    return (
        video.get("remixed_from_video_id") is None
        and _matches(video.get("seconds"), str(request.seconds))
        and _matches(video.get("size"), request.size)
        and _matches_model(video.get("model"), request.model)
    )


def _matches(listed: object, requested: str | None) -> bool:
    return listed is None or requested is None or str(listed) == requested


def _matches_model(listed: object, requested: str) -> bool:
    """Whether the models are equal, ignoring a date suffix; a model that is not listed matches."""
    if not isinstance(listed, str) or not listed:
        return True
    return re.sub(r"-\d{4}-\d\d-\d\d$", "", listed) == re.sub(r"-\d{4}-\d\d-\d\d$", "", requested)
