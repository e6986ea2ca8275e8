"""The official `/v1/videos` format: what every gateway that speaks it has in common.

Sources: openai/openai-openapi (2026-08-21) and openai-python; the gateways' own documents for what
differs, which their modules say as options. Oddities: `seconds` is a string; there is no cancel of
a running job (vLLM-Omni's DELETE is one); the answer has no URL, the video comes from `/content`;
`model` in an answer may differ from the one asked for; some servers add `url`, give the error as
text, or lack its code.
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

from providers import errors, reading
from providers.answers import shortened
from providers.base import (
    LISTED,
    Capabilities,
    Download,
    Event,
    Finding,
    Finished,
    Job,
    Options,
    Progress,
    Provider,
    ReferenceImage,
    VideoRequest,
)

if TYPE_CHECKING:
    from providers.http import Http

_CLOCKS_APART = 60.0
_PAGES = 10
"""Pages of a list that are looked through at the most."""
_NOBODYS_JOB = "video_reelay_check"
_EVENTS = frozenset({"video.completed", "video.failed"})


class OfficialOptions(Options):
    """What differs among gateways of this format."""

    body: Literal["auto", "multipart", "json"] = "auto"
    """How a create is sent. auto: multipart, which all take; older SGLang wants json for text."""
    cancel: bool = False
    """DELETE stops a running job (vLLM-Omni)."""
    remix: bool = True
    find: bool = True
    """GET /videos lists the account's jobs."""
    thumbnails: bool = False
    """/content?variant=thumbnail gives a still picture."""
    webhook_secret: SecretStr = SecretStr("")
    """What the gateway signs its calls to /webhooks/<provider> with; empty: it does not call."""

    @field_validator("webhook_secret")
    @classmethod
    def _can_sign(cls, value: SecretStr) -> SecretStr:
        """A secret that cannot be one would refuse every call without a word."""
        if value.get_secret_value():
            try:
                Webhook(value.get_secret_value())
            except (ValueError, EmptyWebhookSecretError):
                # Else the library's own words, which may hold a part of it, would be told.
                raise ValueError("is no such secret; write it as shown there, whsec_...") from None
        return value


class Official(Provider):
    """One account at a gateway of the official format."""

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
        """With exactly one closing `/v1`, as people leave it out or write it."""
        return super().base_url.removesuffix("/v1") + "/v1"

    def _url(self, *parts: str) -> str:
        return "/".join([self.base_url, "videos", *(quote(part, safe="") for part in parts)])

    # --- making --------------------------------------------------------------------------

    async def submit(self, request: VideoRequest) -> Job:
        """POST /videos, or /videos/{id}/remix for a change."""
        if request.remix_of and not self.switches.remix:
            raise errors.Unsupported(f"{self.kind} cannot change videos")
        if request.remix_of:
            url = self._url(request.remix_of, "remix")
            return await self._created(url, json={"prompt": request.prompt})
        try:
            return await self._make(request)
        except errors.NotFound as error:
            # There is no such route: the address is wrong, or the API was switched off for good.
            raise errors.ModelUnavailable(str(error), code=error.code) from error

    async def _make(self, request: VideoRequest) -> Job:
        fields, picture = _payload(request), request.image
        if self.switches.body == "json":
            more = await asyncio.to_thread(_written_out, picture) if picture else {}
            return await self._created(self._url(), json={**fields, **more})
        # Everything as parts: without a file httpx would send a form that is not multipart.
        parts: dict[str, Any] = {name: (None, value) for name, value in fields.items()}
        if picture is None:
            return await self._created(self._url(), files=parts)
        # The open file is sent piece by piece.
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
        return reading.job_of(answer.body, answer.check_after)

    # --- looking -------------------------------------------------------------------------

    async def poll(self, remote_id: str) -> Progress:
        """GET /videos/{id}."""
        answer = await self.http.ask("GET", self._url(remote_id), self.key)
        return reading.progress_of(answer.body, answer.check_after)

    async def poll_many(self, remote_ids: Collection[str], since: float) -> dict[str, Progress]:
        """Page back through GET /videos until all were seen."""
        if not self.switches.find:
            return await super().poll_many(remote_ids, since)
        wanted, found = set(remote_ids), dict[str, Progress]()
        async for one in self._listed_since(since - _CLOCKS_APART):
            remote_id = reading.id_of(one)
            if remote_id in wanted and (progress := _progress_in_list(one)) is not None:
                found[remote_id] = progress
                wanted.remove(remote_id)
                if not wanted:
                    break
        return found

    async def find(
        self, request: VideoRequest, since: float, taken: Collection[str] = ()
    ) -> Job | None:
        """Page back through GET /videos; only one job that fits in every shown field is ours."""
        if not self.switches.find:
            return await super().find(request, since, taken)
        listed = self._listed_since(since - _CLOCKS_APART)
        ours = [
            one async for one in listed if _fits(one, request) and reading.id_of(one) not in taken
        ]
        return reading.job_of(ours[0]) if len(ours) == 1 else None

    async def _listed_since(self, start: float) -> AsyncIterator[dict[str, Any]]:
        params: dict[str, str | int] = {"limit": LISTED, "order": "desc"}
        for _ in range(_PAGES):
            answer = await self.http.ask("GET", self._url(), self.key, params=params)
            page = _page(answer.body)
            fresh = [
                one for one in page if (reading.time_of(one.get("created_at")) or start) >= start
            ]
            for one in fresh:
                yield one
            after = _last_id(page) if _has_more(answer.body) else None
            # The same again: this server knows no `after`.
            if len(fresh) < len(page) or after is None or after == params.get("after"):
                return
            params["after"] = after

    # --- the rest ------------------------------------------------------------------------

    async def cancel(self, remote_id: str) -> bool:
        """DELETE /videos/{id}, where that stops a running job."""
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
        """GET the link that came with the job, else /videos/{id}/content."""
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
        """Standard Webhooks: an event that is signed and not older than five minutes."""
        secret = self.switches.webhook_secret.get_secret_value()
        if not secret:
            return super().heard(headers, body)
        try:
            Webhook(secret).verify(body, dict(headers), json_parse=False)
            return Event(headers["webhook-id"], _about(json.loads(body)))
        except Exception as error:
            # The library raises whatever its input makes its parts raise.
            raise errors.Untrusted(type(error).__name__) from error

    async def check(self) -> str:
        """Ask for the list of jobs, or for a job that cannot be: neither costs anything."""
        if self.switches.find:
            try:
                await self.http.ask("GET", self._url(), self.key, params={"limit": 1})
            except errors.Refused as error:
                return f"answers, but lists no videos ({shortened(error)[:100]})"
            return "answers and takes the key"
        try:
            await self.http.ask("GET", self._url(_NOBODYS_JOB), self.key)
        except errors.NotFound as error:
            if "<" in str(error):
                # A page for people: some other server.
                raise
            if not reading.is_no_job(error.code, str(error)):
                # Perhaps there is no such route at all, and nobody looked at the key.
                return f"answers, but not about videos ({shortened(error)[:100]})"
        except errors.Refused as error:
            return f"answers, and refused a look ({shortened(error)[:100]})"
        return "answers and takes the key"

    async def models(self) -> frozenset[str] | None:
        """GET /models, which nearly all servers of the format have."""
        try:
            answer = await self.http.ask("GET", f"{self.base_url}/models", self.key)
        except (errors.Refused, errors.Malformed, errors.Upstream):
            return None
        return reading.model_names(answer.body)


def _payload(request: VideoRequest) -> dict[str, str]:
    fields = {"model": request.model, "prompt": request.prompt, "seconds": str(request.seconds)}
    if request.size:
        fields["size"] = request.size
    return fields


def _written_out(picture: ReferenceImage) -> dict[str, Any]:
    data = b64encode(picture.path.read_bytes()).decode()
    return {"input_reference": {"image_url": f"data:{picture.media_type};base64,{data}"}}


# --- lists: tolerant of everything, credulous of nothing ---------------------------------


def _progress_in_list(one: dict[str, Any]) -> Progress | None:
    """What an entry says of its job; None where it says nothing: that job is asked for alone."""
    try:
        return reading.progress_of(one)
    except errors.ProviderError:
        return None


def _about(event: object) -> str | None:
    """The job that an event says is over; None where it is about something else."""
    data, kind = reading.at(event, "data"), reading.at(event, "type")
    known = isinstance(kind, str) and kind in _EVENTS
    return reading.id_of(data) if known and isinstance(data, dict) else None


def _is_stopped(body: object) -> bool:
    """Only what says so has stopped: SGLang drops the job from its list and goes on making it."""
    return isinstance(body, dict) and body.get("deleted") is True


def _page(body: object) -> list[dict[str, Any]]:
    data = body.get("data") if isinstance(body, dict) else None
    if not isinstance(data, list):
        raise errors.Malformed(shortened(f"no list of videos: {body}"))
    return [one for one in data if isinstance(one, dict)]


def _last_id(page: list[dict[str, Any]]) -> str | None:
    return next((found for one in reversed(page) if (found := reading.id_of(one))), None)


def _has_more(body: object) -> bool:
    return isinstance(body, dict) and body.get("has_more") is True


def _fits(video: Mapping[str, Any], request: VideoRequest) -> bool:
    """Whether a listed job can only be ours: its prompt is shown and equal, nothing contradicts."""
    if video.get("prompt") != request.prompt:
        return False
    if request.remix_of:
        # The rest of a change is as its original was.
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
    """Equal, not shown, or the dated name of the same."""
    if not isinstance(shown, str) or not shown:
        return True
    return re.sub(r"-\d{4}-\d\d-\d\d$", "", shown) == re.sub(r"-\d{4}-\d\d-\d\d$", "", asked)
