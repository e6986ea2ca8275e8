"""The official `/v1/videos` format, and every server that speaks it.

Source: openai/openai-openapi (2026-08-21) and openai-python. OpenAI itself switched the API off on
2026-09-24; relays, vLLM-Omni, SGLang and others go on serving it. Oddities: `seconds` is a string;
there is no cancel of a running job (vLLM-Omni's DELETE is one); the answer has no URL, the video
comes from `/content`; `model` in an answer may differ from the one asked for; some servers add
`url`, give the error as text, or lack its code.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any, ClassVar, Literal
from urllib.parse import quote

import anyio

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
    VideoRequest,
)

QUEUED = {"queued", "queue", "queueing", "pending", "submitted", "created", "waiting", "preparing"}
QUEUED |= {"not_start", "notstart", "notstarted", "starting", "initializing", "unknown"}
SUCCEEDED = {
    "completed",
    "complete",
    "success",
    "succeeded",
    "succeed",
    "finished",
    "done",
    "ready",
}
FAILED = {"failed", "failure", "fail", "error", "rejected", "timeout", "timed_out", "expired"}
FAILED |= {"cancelled", "canceled", "deleted"}
_MILLISECONDS = 1e11
"""Larger times are milliseconds: as seconds they would lie after the year 5138."""
_CLOCKS_APART = 60.0
_PAGE = 100
_PAGES = 10


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

    @property
    def switches(self) -> OpenAIOptions:
        """The options as this kind's own."""
        return OpenAIOptions.model_validate(self.options.model_dump())

    @property
    def capabilities(self) -> Capabilities:  # type: ignore[override]
        """As the options say of this server."""
        switches = self.switches
        find = Finding.PRESENCE if switches.find else Finding.NOTHING
        return Capabilities(find=find, cancel=switches.cancel, remix=switches.remix)

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
            url, content = (
                self._url(request.remix_of, "remix"),
                {"json": {"prompt": request.prompt}},
            )
        else:
            url, content = self._url(), await self._content(request)
        answer = await self.http.ask("POST", url, self._key, paid=True, **content)
        return _job(answer.body, answer.check_after)

    async def _content(self, request: VideoRequest) -> dict[str, Any]:
        fields = _fields(request)
        if self.switches.body == "json":
            if request.image:
                data = b64encode(await anyio.Path(request.image.path).read_bytes()).decode()
                url = f"data:{request.image.media_type};base64,{data}"
                return {"json": {**fields, "input_reference": {"image_url": url}}}
            return {"json": fields}
        # Everything as parts: without a file httpx would send a form that is not multipart.
        parts: dict[str, Any] = {name: (None, value) for name, value in fields.items()}
        if request.image:
            picture = await anyio.Path(request.image.path).read_bytes()
            parts["input_reference"] = (request.image.path.name, picture, request.image.media_type)
        return {"files": parts}

    async def poll(self, remote_id: str) -> Progress:
        """GET /videos/{id}."""
        answer = await self.http.ask("GET", self._url(remote_id), self._key)
        return progress_of(answer.body, answer.check_after)

    async def find(self, request: VideoRequest, since: float) -> Job | None:
        """Page back through GET /videos; only one job that fits in every shown field is ours."""
        params: dict[str, str | int] = {"limit": _PAGE, "order": "desc"}
        matches: list[Mapping[str, Any]] = []
        for _ in range(_PAGES):
            answer = await self.http.ask("GET", self._url(), self._key, params=params)
            page = _page(answer.body)
            fresh = [
                one
                for one in page
                if (_time(one.get("created_at")) or since) >= since - _CLOCKS_APART
            ]
            matches += [one for one in fresh if _fits(one, request)]
            if len(fresh) < len(page) or not _has_more(answer.body) or not page:
                break
            params["after"] = str(page[-1].get("id"))
        return _job(dict(matches[0]), None) if len(matches) == 1 else None

    async def cancel(self, remote_id: str) -> bool:
        """DELETE /videos/{id}, where that stops a running job."""
        if not self.switches.cancel:
            return await super().cancel(remote_id)
        try:
            await self.http.ask("DELETE", self._url(remote_id), self._key)
        except errors.NotFound:
            return False
        except errors.Refused:
            return False
        return True

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


def _fields(request: VideoRequest) -> dict[str, str]:
    fields = {"model": request.model, "prompt": request.prompt, "seconds": str(request.seconds)}
    if request.size:
        fields["size"] = request.size
    return fields


# --- parsing: tolerant of everything, credulous of nothing -------------------------------


def _object(body: object) -> dict[str, Any]:
    if not isinstance(body, dict):
        raise errors.Malformed(shortened(f"not an object: {body}"))
    inner = body.get("data")
    if "id" not in body and "status" not in body and isinstance(inner, dict):
        return inner
    return body


def _job(body: object, check_after: float | None) -> Job:
    video = _object(body)
    for name in ("id", "task_id", "video_id"):
        found = video.get(name)
        if isinstance(found, str | int) and not isinstance(found, bool) and str(found).strip():
            return Job(str(found).strip(), progress_of(video, check_after))
    raise errors.Malformed(shortened(f"no id in the answer to a create: {video}"))


def status_of(raw: object) -> str:
    """A status word as all gateways could have written it."""
    return str(raw).strip().lower().replace("-", "_").replace(" ", "_") if raw else ""


def progress_of(body: object, check_after: float | None = None) -> Progress:
    """What a video object says of its job. An unknown status word means: still at work."""
    video = _object(body)
    status = status_of(video.get("status"))
    if status in SUCCEEDED:
        return Finished(_link(video), _time(video.get("expires_at")))
    if status in FAILED:
        return _failed(video, status)
    percent = percent_of(video.get("progress"))
    # A job without any status, right after its create, waits.
    running = bool(status) and status not in QUEUED
    return Pending(running=running, percent=percent, check_after=check_after)


def _failed(video: Mapping[str, Any], status: str) -> Failed:
    code, message = error_fields({"error": video.get("error"), **video})
    raw = shortened(f"{code} {message}".strip() or status)
    if is_moderation(code, message):
        kind = FailureKind.MODERATION
    elif is_model_gone(code, message):
        kind = FailureKind.MODEL_UNAVAILABLE
    elif status in {"cancelled", "canceled", "deleted"}:
        kind = FailureKind.CANCELLED
    elif status in {"timeout", "timed_out", "expired"}:
        kind = FailureKind.TIMEOUT
    else:
        kind = FailureKind.UPSTREAM
    return Failed(kind, raw, code)


def percent_of(raw: object) -> float | None:
    """`66`, `66.5`, `"66%"` as 0 to 100; anything else is not known."""
    text = raw.strip().removesuffix("%") if isinstance(raw, str) else raw
    if isinstance(text, bool) or not isinstance(text, str | int | float):
        return None
    try:
        number = float(text)
    except (ValueError, OverflowError):
        return None
    # Not a number is equal to nothing, not even to itself.
    return min(max(number, 0.0), 100.0) if number == number else None  # noqa: PLR0124


def _link(video: Mapping[str, Any]) -> str | None:
    for name in ("video_url", "url", "result_url", "output_url"):
        found = video.get(name)
        if isinstance(found, str) and found.startswith(("http://", "https://")):
            return found
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
    shown = {"seconds": str(request.seconds), "size": request.size}
    if any(
        video.get(name) is not None and str(video[name]) != value for name, value in shown.items()
    ):
        return False
    return video.get("remixed_from_video_id") in (None, request.remix_of)
