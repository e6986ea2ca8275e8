"""The official `/v1/videos` format, and every server that speaks it.

Source: openai/openai-openapi (2026-08-21) and openai-python. OpenAI itself switched the API off on
2026-09-24; relays, vLLM-Omni, SGLang and others go on serving it. Oddities: `seconds` is a string;
there is no cancel of a running job (vLLM-Omni's DELETE is one); the answer has no URL, the video
comes from `/content`; `model` in an answer may differ from the one asked for; some servers add
`url`, give the error as text, or lack its code.
"""

from __future__ import annotations

import asyncio
import math
import re
from base64 import b64encode
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal
from urllib.parse import quote

from providers import errors
from providers.answers import error_fields, is_model_gone, is_moderation, shortened
from providers.base import (
    Capabilities,
    Download,
    Failed,
    FailureKind,
    Finding,
    Finished,
    Job,
    Options,
    Pending,
    Progress,
    Provider,
    ReferenceImage,
    VideoRequest,
)

if TYPE_CHECKING:
    from providers.http import Http

QUEUED = frozenset({"queued", "queue", "queueing", "pending", "submitted", "created", "waiting"})
QUEUED |= {"preparing", "not_start", "notstart", "notstarted", "starting", "initializing"}
QUEUED |= {"unknown"}
SUCCEEDED = frozenset({"completed", "complete", "success", "succeeded", "succeed", "finished"})
SUCCEEDED |= {"done", "ready"}
CANCELLED = frozenset({"cancelled", "canceled", "deleted"})
TIMED_OUT = frozenset({"timeout", "timed_out", "expired"})
FAILED = CANCELLED | TIMED_OUT | {"failed", "failure", "fail", "error", "rejected"}
FAILED |= {"video_generation_failed", "video_upsampling_failed"}
_MILLISECONDS = 1e11
"""Larger times are milliseconds: as seconds they would lie after the year 5138."""
_CLOCKS_APART = 60.0
_PAGE = 100
_PAGES = 10
_LONGEST_ID = 500
_LONGEST_LINK = 8000


class OpenAIOptions(Options):
    """What differs among servers of this format."""

    body: Literal["auto", "multipart", "json"] = "auto"
    """How a create is sent. auto: multipart, which all take; older SGLang wants json for text."""
    cancel: bool = False
    """DELETE stops a running job (vLLM-Omni)."""
    remix: bool = True
    find: bool = True
    """GET /videos lists the account's jobs."""


class OpenAI(Provider):
    """One account at a server of the official format."""

    kind: ClassVar[str] = "openai"
    options_type: ClassVar[type[Options]] = OpenAIOptions
    default_url: ClassVar[str] = "https://api.openai.com/v1"

    def __init__(self, options: Options, http: Http, directory: Path) -> None:
        super().__init__(options, http, directory)
        self.switches = OpenAIOptions.model_validate(options.model_dump())
        self.capabilities = Capabilities(
            find=Finding.PRESENCE if self.switches.find else Finding.NOTHING,
            cancel=self.switches.cancel,
            remix=self.switches.remix,
        )

    @property
    def base_url(self) -> str:
        """With exactly one closing `/v1`, as people leave it out or write it."""
        return super().base_url.removesuffix("/v1") + "/v1"

    @property
    def _key(self) -> str:
        return self.options.api_key.get_secret_value()

    def _url(self, *parts: str) -> str:
        return "/".join([self.base_url, "videos", *(quote(part, safe="") for part in parts)])

    async def submit(self, request: VideoRequest) -> Job:
        """POST /videos, or /videos/{id}/remix for a change."""
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
        answer = await self.http.ask("POST", url, self._key, paid=True, **content)
        return _job(answer.body, answer.check_after)

    async def poll(self, remote_id: str) -> Progress:
        """GET /videos/{id}."""
        answer = await self.http.ask("GET", self._url(remote_id), self._key)
        return progress_of(answer.body, answer.check_after)

    async def find(
        self, request: VideoRequest, since: float, taken: Collection[str] = ()
    ) -> Job | None:
        """Page back through GET /videos; only one job that fits in every shown field is ours."""
        if not self.switches.find:
            return await super().find(request, since, taken)
        listed = self._listed_since(since - _CLOCKS_APART)
        ours = [one async for one in listed if _fits(one, request) and _id(one) not in taken]
        return _job(ours[0], None) if len(ours) == 1 else None

    async def _listed_since(self, start: float) -> AsyncIterator[dict[str, Any]]:
        params: dict[str, str | int] = {"limit": _PAGE, "order": "desc"}
        for _ in range(_PAGES):
            answer = await self.http.ask("GET", self._url(), self._key, params=params)
            page = _page(answer.body)
            fresh = [one for one in page if (_time(one.get("created_at")) or start) >= start]
            for one in fresh:
                yield one
            after = _id(page[-1]) if page and _has_more(answer.body) else None
            if len(fresh) < len(page) or after is None:
                return
            params["after"] = after

    async def cancel(self, remote_id: str) -> bool:
        """DELETE /videos/{id}, where that stops a running job."""
        if not self.switches.cancel:
            return await super().cancel(remote_id)
        try:
            answer = await self.http.ask("DELETE", self._url(remote_id), self._key)
        except errors.Refused:
            return False
        return _is_stopped(answer.body)

    def download(
        self, remote_id: str, finished: Finished, offset: int = 0
    ) -> AbstractAsyncContextManager[Download]:
        """GET the link that came with the job, else /videos/{id}/content."""
        url = finished.url or self._url(remote_id, "content")
        return self.http.download(url, self._key, self.base_url, offset)

    async def check(self) -> str:
        """GET /videos?limit=1; a server without a list has at least answered."""
        try:
            await self.http.ask("GET", self._url(), self._key, params={"limit": 1})
        except errors.Refused as error:
            return f"answers, but lists no videos ({error})"
        return "answers and takes the key"


def _payload(request: VideoRequest) -> dict[str, str]:
    fields = {"model": request.model, "prompt": request.prompt, "seconds": str(request.seconds)}
    if request.size:
        fields["size"] = request.size
    return fields


def _written_out(picture: ReferenceImage) -> dict[str, Any]:
    data = b64encode(picture.path.read_bytes()).decode()
    return {"input_reference": {"image_url": f"data:{picture.media_type};base64,{data}"}}


# --- parsing: tolerant of everything, credulous of nothing -------------------------------


def _object(body: object) -> dict[str, Any]:
    if not isinstance(body, dict):
        raise errors.Malformed(shortened(f"not an object: {body}"))
    inner = body.get("data")
    if "id" not in body and "status" not in body and isinstance(inner, dict):
        return inner
    return body


def _id(video: Mapping[str, Any]) -> str | None:
    for name in ("id", "task_id", "video_id"):
        found = video.get(name)
        if isinstance(found, str | int) and not isinstance(found, bool):
            text = str(found).strip()
            if text and text.isprintable() and len(text) <= _LONGEST_ID:
                return text
    return None


def _job(body: object, check_after: float | None) -> Job:
    video = _object(body)
    remote_id = _id(video)
    if remote_id is not None:
        return Job(remote_id, progress_of(video, check_after))
    code, message = error_fields(body)
    # Some gateways refuse with status 200. What else lacks an id may have been accepted.
    if is_moderation(code, message):
        raise errors.Moderated(f"{code} {message}", code=code)
    if is_model_gone(code, message):
        raise errors.ModelUnavailable(f"{code} {message}", code=code)
    raise errors.Malformed(shortened(f"no id in the answer to a create: {body}"))


def progress_of(body: object, check_after: float | None = None) -> Progress:
    """What a video object says of its job. An unknown status word means: still at work."""
    video = _object(body)
    status = _status(video.get("status"))
    if not status and _id(video) is None:
        raise errors.Malformed(shortened(f"no job: {body}"))
    if status in SUCCEEDED:
        return Finished(_link(video), _time(video.get("expires_at")))
    if status in FAILED:
        return _failed(video, status)
    percent = percent_of(video.get("progress"))
    # A job without any status, right after its create, waits.
    running = bool(status) and status not in QUEUED
    return Pending(running=running, percent=percent, check_after=check_after)


def _status(raw: object) -> str:
    """A status word as any gateway could have written it."""
    return re.sub(r"[\s-]+", "_", raw.strip().lower()) if isinstance(raw, str) else ""


def _failed(video: Mapping[str, Any], status: str) -> Failed:
    code, message = error_fields(video)
    raw = shortened(f"{code} {message}".strip() or status)
    return Failed(_kind(status, code, message), raw, code or status)


def _kind(status: str, code: str, message: str) -> FailureKind:
    if is_moderation(code, message):
        return FailureKind.MODERATION
    if is_model_gone(code, message):
        return FailureKind.MODEL_UNAVAILABLE
    if status in CANCELLED:
        return FailureKind.CANCELLED
    if status in TIMED_OUT:
        return FailureKind.TIMEOUT
    if code.startswith("invalid"):
        return FailureKind.INVALID_REQUEST
    return FailureKind.UPSTREAM


def _is_stopped(body: object) -> bool:
    """Only what says so has stopped: SGLang drops the job from its list and goes on making it."""
    return isinstance(body, dict) and body.get("deleted") is True


def percent_of(raw: object) -> float | None:
    """`66`, `66.5`, `"66%"` as 0 to 100; anything else is not known."""
    text = raw.strip().removesuffix("%") if isinstance(raw, str) else raw
    if isinstance(text, bool) or not isinstance(text, str | int | float):
        return None
    try:
        number = float(text)
    except (ValueError, OverflowError):
        return None
    return None if math.isnan(number) else min(max(number, 0.0), 100.0)


def _link(video: Mapping[str, Any]) -> str | None:
    for name in ("video_url", "url", "result_url", "output_url"):
        found = video.get(name)
        if isinstance(found, str) and found.startswith(("http://", "https://")):
            return found if found.isprintable() and len(found) <= _LONGEST_LINK else None
    return None


def _time(raw: object) -> float | None:
    if isinstance(raw, bool) or not isinstance(raw, int | float) or not 0 < raw < 1e15:
        return None
    return raw / 1000 if raw > _MILLISECONDS else float(raw)


def _page(body: object) -> list[dict[str, Any]]:
    data = body.get("data") if isinstance(body, dict) else None
    if not isinstance(data, list):
        raise errors.Malformed(shortened(f"no list of videos: {body}"))
    return [one for one in data if isinstance(one, dict)]


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
