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
from providers.base import Options, Provider
from providers.http_errors import shortened
from providers.types import (
    LISTED,
    Capabilities,
    Download,
    Event,
    Finding,
    Finished,
    Job,
    Progress,
    ReferenceImage,
    VideoRequest,
)

if TYPE_CHECKING:
    from providers.http import Http

_CLOCKS_APART = 60.0
_PAGES = 10
"""Maximum number of list pages to read."""
_NOBODYS_JOB = "video_reelay_check"
_EVENTS = frozenset({"video.completed", "video.failed"})


class OfficialOptions(Options):
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
    def _can_sign(cls, value: SecretStr) -> SecretStr:
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


class Official(Provider):
    """One account at a gateway of the OpenAI format."""

    options_type: ClassVar[type[Options]] = OfficialOptions

    def __init__(self, options: Options, http: Http, directory: Path) -> None:
        super().__init__(options, http, directory)
        self.switches = OfficialOptions.model_validate(options.model_dump())
        self.capabilities = Capabilities(
            find=Finding.PRESENCE if self.switches.find else Finding.NOTHING,
            batch=self.switches.find,
            cancel=self.switches.cancel,
            remix=self.switches.remix,
            thumbnails=self.switches.thumbnails,
            events=bool(self.switches.webhook_secret.get_secret_value()),
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
        if request.remix_of and not self.switches.remix:
            raise errors.Unsupported(f"{self.kind} cannot remix videos")
        if request.remix_of:
            url = self._url(request.remix_of, "remix")
            return await self._created(url, json={"prompt": request.prompt})
        try:
            return await self._make(request)
        except errors.NotFound as error:
            # The route does not exist: a wrong address, or the API was shut down for good.
            raise errors.ModelUnavailable(str(error), code=error.code) from error

    async def _make(self, request: VideoRequest) -> Job:
        fields, picture = _payload(request), request.image
        if self.switches.body == "json":
            more = await asyncio.to_thread(_written_out, picture) if picture else {}
            return await self._created(self._url(), json={**fields, **more})
        # All fields as parts: without a file httpx would send a form that is not multipart.
        parts: dict[str, Any] = {name: (None, value) for name, value in fields.items()}
        if picture is None:
            return await self._created(self._url(), files=parts)
        # The file is streamed in chunks.
        file = await asyncio.to_thread(picture.path.open, "rb")
        with file:
            parts["input_reference"] = (picture.path.name, file, picture.media_type)
            return await self._created(self._url(), files=parts)

    async def _created(
        self,
        url: str,
        **content: Any,  # noqa: ANN401 - httpx's own keywords
    ) -> Job:
        answer = await self.http.ask("POST", url, self.key, paid=True, **content)
        return response_parser.job_of(answer.body, answer.check_after)

    # --- poll and find -------------------------------------------------------------------

    async def poll(self, remote_id: str) -> Progress:
        """GET /videos/{id}."""
        answer = await self.http.ask("GET", self._url(remote_id), self.key)
        return response_parser.progress_of(answer.body, answer.check_after)

    async def poll_many(self, remote_ids: Collection[str], since: float) -> dict[str, Progress]:
        """Page back through GET /videos until all jobs were found."""
        if not self.switches.find:
            return await super().poll_many(remote_ids, since)
        wanted, found = set(remote_ids), dict[str, Progress]()
        async for one in self._listed_since(since - _CLOCKS_APART):
            remote_id = response_parser.id_of(one)
            if remote_id in wanted and (progress := _progress_in_list(one)) is not None:
                found[remote_id] = progress
                wanted.remove(remote_id)
                if not wanted:
                    break
        return found

    async def find(
        self, request: VideoRequest, since: float, taken: Collection[str] = ()
    ) -> Job | None:
        """Page back through GET /videos; the job is ours only if it is the single match."""
        if not self.switches.find:
            return await super().find(request, since, taken)
        listed = self._listed_since(since - _CLOCKS_APART)
        ours = [
            one
            async for one in listed
            if _fits(one, request) and response_parser.id_of(one) not in taken
        ]
        return response_parser.job_of(ours[0]) if len(ours) == 1 else None

    async def _listed_since(self, start: float) -> AsyncIterator[dict[str, Any]]:
        params: dict[str, str | int] = {"limit": LISTED, "order": "desc"}
        for _ in range(_PAGES):
            answer = await self.http.ask("GET", self._url(), self.key, params=params)
            page = _page(answer.body)
            fresh = [
                one
                for one in page
                if (response_parser.time_of(one.get("created_at")) or start) >= start
            ]
            for one in fresh:
                yield one
            after = _last_id(page) if _has_more(answer.body) else None
            # The same page again: this server ignores `after`.
            if len(fresh) < len(page) or after is None or after == params.get("after"):
                return
            params["after"] = after

    # --- other operations ----------------------------------------------------------------

    async def cancel(self, remote_id: str) -> bool:
        """DELETE /videos/{id}, if that cancels a running job at this gateway."""
        if not self.switches.cancel:
            return await super().cancel(remote_id)
        try:
            answer = await self.http.ask("DELETE", self._url(remote_id), self.key)
        except errors.Refused:
            return False
        return _is_stopped(answer.body)

    def download(
        self, remote_id: str, finished: Finished, offset: int = 0
    ) -> AbstractAsyncContextManager[Download]:
        """GET the link in the response if there is one, else /videos/{id}/content."""
        url = finished.url or self._url(remote_id, "content")
        return self.http.download(url, self.key, self.base_url, offset)

    def thumbnail(
        self, remote_id: str, finished: Finished
    ) -> AbstractAsyncContextManager[Download]:
        """GET /videos/{id}/content?variant=thumbnail, a WebP."""
        if not self.switches.thumbnails:
            return super().thumbnail(remote_id, finished)
        url = f"{self._url(remote_id, 'content')}?{urlencode({'variant': 'thumbnail'})}"
        return self.http.download(url, self.key, self.base_url)

    def heard(self, headers: Mapping[str, str], body: bytes) -> Event:
        """Verify a Standard Webhooks event: signed, and not older than five minutes."""
        secret = self.switches.webhook_secret.get_secret_value()
        if not secret:
            return super().heard(headers, body)
        try:
            Webhook(secret).verify(body, dict(headers), json_parse=False)
            return Event(headers["webhook-id"], _about(json.loads(body)))
        except Exception as error:
            # The library lets arbitrary exceptions through for malformed input.
            raise errors.Untrusted(type(error).__name__) from error

    async def check(self) -> str:
        """Request the list of jobs, or a job that cannot exist: both are free of charge."""
        if self.switches.find:
            try:
                await self.http.ask("GET", self._url(), self.key, params={"limit": 1})
            except errors.Refused as error:
                return f"responds, but lists no videos ({shortened(error)[:100]})"
            return "responds and accepts the key"
        try:
            await self.http.ask("GET", self._url(_NOBODYS_JOB), self.key)
        except errors.NotFound as error:
            if "<" in str(error):
                # An HTML page: this is some other server.
                raise
            if not response_parser.is_no_job(error.code, str(error)):
                # The route may not exist at all, and then the key was not checked.
                return f"responds, but not about videos ({shortened(error)[:100]})"
        except errors.Refused as error:
            return f"responds, but rejected a poll ({shortened(error)[:100]})"
        return "responds and accepts the key"

    async def models(self) -> frozenset[str] | None:
        """GET /models, which nearly all servers of this format support."""
        try:
            answer = await self.http.ask("GET", f"{self.base_url}/models", self.key)
        except (errors.Refused, errors.Malformed, errors.Upstream):
            return None
        return response_parser.model_names(answer.body)


def _payload(request: VideoRequest) -> dict[str, str]:
    fields = {"model": request.model, "prompt": request.prompt, "seconds": str(request.seconds)}
    if request.size:
        fields["size"] = request.size
    return fields


def _written_out(picture: ReferenceImage) -> dict[str, Any]:
    data = b64encode(picture.path.read_bytes()).decode()
    return {"input_reference": {"image_url": f"data:{picture.media_type};base64,{data}"}}


# --- list parsing (defensive) ------------------------------------------------------------


def _progress_in_list(one: dict[str, Any]) -> Progress | None:
    """The state of a listed job; None if the entry does not show it: poll that job alone."""
    try:
        return response_parser.progress_of(one)
    except errors.ProviderError:
        return None


def _about(event: object) -> str | None:
    """The id of the job that has ended; None if the event is about something else."""
    data, kind = response_parser.at(event, "data"), response_parser.at(event, "type")
    known = isinstance(kind, str) and kind in _EVENTS
    return response_parser.id_of(data) if known and isinstance(data, dict) else None


def _is_stopped(body: object) -> bool:
    """Whether the response confirms it: SGLang unlists the job, but keeps rendering it."""
    return isinstance(body, dict) and body.get("deleted") is True


def _page(body: object) -> list[dict[str, Any]]:
    data = body.get("data") if isinstance(body, dict) else None
    if not isinstance(data, list):
        raise errors.Malformed(shortened(f"not a list of videos: {body}"))
    return [one for one in data if isinstance(one, dict)]


def _last_id(page: list[dict[str, Any]]) -> str | None:
    return next((found for one in reversed(page) if (found := response_parser.id_of(one))), None)


def _has_more(body: object) -> bool:
    return isinstance(body, dict) and body.get("has_more") is True


def _fits(video: Mapping[str, Any], request: VideoRequest) -> bool:
    """Whether a listed job matches: its prompt is equal, and no other listed field differs."""
    if video.get("prompt") != request.prompt:
        return False
    if request.remix_of:
        # A remix keeps all other fields of its original.
        original: object = video.get("remixed_from_video_id", request.remix_of)
        return original == request.remix_of
    return (
        video.get("remixed_from_video_id") is None
        and _same(video.get("seconds"), str(request.seconds))
        and _same(video.get("size"), request.size)
        and _same_model(video.get("model"), request.model)
    )


def _same(shown: object, asked: str | None) -> bool:
    return shown is None or asked is None or str(shown) == asked


def _same_model(shown: object, asked: str) -> bool:
    """Whether the models are equal, ignoring a date suffix; a model that is not listed matches."""
    if not isinstance(shown, str) or not shown:
        return True
    return re.sub(r"-\d{4}-\d\d-\d\d$", "", shown) == re.sub(r"-\d{4}-\d\d-\d\d$", "", asked)
