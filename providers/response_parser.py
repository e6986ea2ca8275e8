"""Parse what gateways report about jobs: one tolerant parser for all dialects.

Pure: takes decoded JSON, returns values of `providers.types`. It accepts every structure that is
documented or was observed at any gateway, but reports success only if a status word says so.
Sources: the documentation of the gateways, public clients, and a wire capture; see
`providers/README.md`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urljoin

from providers import errors
from providers.http_errors import (
    error_fields,
    is_definite_rejection,
    is_model_gone,
    is_moderation,
    is_out_of_funds,
    sanitize,
)
from providers.types import Failed, FailureKind, Finished, Job, Pending, Progress

Body = Mapping[str, Any]
_Paths = tuple[str, ...]

QUEUED = frozenset({"queued", "queue", "queueing", "pending", "submitted", "created", "waiting"})
QUEUED |= {"preparing", "not_start", "notstart", "notstarted", "starting", "initializing"}
QUEUED |= {"unknown"}
RUNNING = frozenset({"in_progress", "inprogress", "processing", "running", "generating"})
RUNNING |= {"video_generating", "image_downloading", "downloading", "uploading"}
# Used by one family of gateways; both precede `completed`.
RUNNING |= {"video_upsampling", "video_generation_completed", "video_upsampling_completed"}
SUCCEEDED = frozenset({"completed", "complete", "success", "succeeded", "succeed", "finished"})
SUCCEEDED |= {"done", "ready"}
CANCELLED = frozenset({"cancelled", "canceled", "deleted"})
TIMED_OUT = frozenset({"timeout", "timed_out", "expired"})
FAILED = CANCELLED | TIMED_OUT | {"failed", "failure", "fail", "error", "rejected"}
FAILED |= {"video_generation_failed", "video_upsampling_failed"}
_KNOWN_STATUSES = QUEUED | RUNNING | SUCCEEDED | FAILED

_ID_PATHS: _Paths = (
    "id",
    "task_id",
    "taskId",
    "video_id",
    "data.task_id",
    "data.taskId",
    "data.id",
    "output.task_id",
    "data",
)
_STATUS_PATHS: _Paths = (
    "status",
    "data.status",
    "task_status",
    "data.task_status",
    "state",
    "data.state",
    "detail.status",
    "detail.pending_info.status",
)
_VIDEO_URL_PATHS: _Paths = (
    "video_url",
    "videoUrl",
    "url",
    "result_url",
    "output_url",
    "result.video_url",
    "result.videoUrl",
    "result.url",
    "result.videoUrls.0",
    "result.video_urls.0",
    "videoUrls.0",
    "video_urls.0",
    "output.video_url",
    "output.videos.0.url",
    "videos.0.url",
    "detail.url",
    "detail.draft_info.downloadable_url",
    "detail.draft_info.url",
    "detail.generations.0.url",
    "content.0.url",
)
_VIDEO_URL_PATHS += tuple(f"data.{path}" for path in _VIDEO_URL_PATHS)
_THUMBNAIL_PATHS: _Paths = (
    "thumbnail_url",
    "thumbnailUrl",
    "result.thumbnail_url",
    "result.image_url",
    "detail.thumbnail_url",
    "detail.draft_info.encodings.thumbnail.path",
)
_THUMBNAIL_PATHS += tuple(f"data.{path}" for path in _THUMBNAIL_PATHS)
_REASON_PATHS: _Paths = (
    "error_message",
    "errorMessage",
    "error_msg",
    "fail_reason",
    "failure_reason",
    "detail.pending_info.failure_reason",
    "detail.failure_reason",
    "detail.draft_info.reason_str",
    "detail.draft_info.markdown_reason_str",
    "error",
    "message",
    "msg",
    "detail",
)
_REASON_PATHS += tuple(f"data.{path}" for path in _REASON_PATHS)
_CODE_PATHS: _Paths = ("error_code", "errorCode", "detail.draft_info.kind")
_JOB_NOT_FOUND = re.compile(
    r"(task|video|job).{0,40}not[ _](found|exist)|任务不存在", re.IGNORECASE
)
_UPLOAD_URL_PATHS: _Paths = (
    "url",
    "data.url",
    "data.links.url",
    "data.0.url",
    "data.link",
    "data.src",
    "data.file_url",
    "file_url",
    "link",
    "src",
    "data",
)
_SERVER_FAULT_CODE = re.compile(r"-1|5\d\d")
_SUCCESS_CODES = frozenset({"0", "200", "20000", "success", "ok"})
"""Values of `code` in an envelope that mean success, as number or text."""
_IGNORED_CODES = frozenset({"", "none", "null", "sora_draft"})
_MILLISECONDS_FROM = 1e11
"""Larger timestamps are milliseconds: as seconds they would be after the year 5138."""
_MAX_ID_LENGTH = 500
_MAX_URL_LENGTH = 8000
_MAX_DEPTH = 8
"""Maximum nesting depth at which an edit id is searched."""


# --- whole responses ---------------------------------------------------------------------


def parse_job(body: object, poll_after_s: float | None = None, base_url: str = "") -> Job:
    """Parse the response to a create. Raises `ProviderError`.

    Without an id and without an error the job may still have been accepted: `MalformedResponse`.
    """
    content = unwrap_envelope(body)
    remote_id = find_job_id(content)
    if remote_id is not None:
        return Job(remote_id, _initial_progress(content, poll_after_s, base_url))
    code, message = error_fields(content)
    if code or message:
        raise_error(code, message)
    raise errors.MalformedResponse(sanitize(f"no id in the response to a create: {body}"))


def parse_progress(body: object, poll_after_s: float | None = None, base_url: str = "") -> Progress:
    """Parse the state of a job. An unknown status word counts as running. Raises `ProviderError`.

    `base_url` resolves links without a host; if it is empty, such links are ignored.
    """
    job = _unwrap_job(unwrap_envelope(body), base_url)
    status = find_status(job)
    if not status and find_job_id(job) is None:
        raise errors.MalformedResponse(sanitize(f"not a job: {body}"))
    if status in SUCCEEDED:
        return Finished(
            find_video_url(job, base_url),
            parse_time(job.get("expires_at")),
            _find_url(job, _THUMBNAIL_PATHS, base_url),
            # First beside the link; elsewhere it may be an echo of the request.
            find_edit_id(job.get("result")) or find_edit_id(job),
        )
    if status in FAILED:
        return _parse_failure(job, status)
    percent = _find_percent(job)
    is_known = not status or status in QUEUED or status in RUNNING
    # A job without a status, right after its create, is queued.
    running = bool(status) and status not in QUEUED
    running = running or bool(percent) or _pending_status(job) in RUNNING
    return Pending(running, percent, poll_after_s, "" if is_known else sanitize(status))


def unwrap_envelope(body: object) -> Body:
    """Check the code of an envelope, if the response has one, and return the response.

    Raises the error that the code stands for, and `MalformedResponse` if it is not an object.
    """
    if not isinstance(body, dict):
        raise errors.MalformedResponse(sanitize(f"not an object: {body}"))
    code, text = body.get("code"), body.get("msg", body.get("message"))
    is_envelope = isinstance(code, str | int) and ("msg" in body or "message" in body)
    code_word = str(code).strip().lower()
    # A job may have `code` and `message` too: those describe its failure, not the request.
    is_job = "status" in body and (
        code_word not in _REQUEST_ERROR_CODES or find_job_id(body) is not None
    )
    if is_envelope and not is_job and code_word not in _SUCCESS_CODES:
        raise_error(str(code), sanitize(text or ""))
    return body


def raise_error(code: str, message: str) -> None:
    """Raise the error that a code and a text in a response with status 200 stand for.

    Only definite words count as a rejection; with any other the job may have been accepted.
    """
    text, code = sanitize(f"{code} {message}".strip()), sanitize(code)[:100]
    if _SERVER_FAULT_CODE.fullmatch(code) and not is_definite_rejection(text):
        raise errors.UpstreamError(text, code=code)
    if is_moderation(code, message):
        raise errors.Moderated(text, code=code)
    if is_out_of_funds(code, message):
        raise errors.Misconfigured(text, code=code)
    if is_model_gone(code, message):
        raise errors.ModelUnavailable(text, code=code)
    if is_job_not_found(code, message):
        raise errors.NotFound(text, code=code)
    raise _ERRORS_BY_CODE.get(code.lower(), errors.UpstreamError)(text, code=code)


_ERRORS_BY_CODE: dict[str, type[errors.ProviderError]] = {
    "20001": errors.Misconfigured,
    "401": errors.Misconfigured,
    "402": errors.Misconfigured,
    "403": errors.Misconfigured,
    "invalid_api_key": errors.Misconfigured,
    "20002": errors.Rejected,
    "400": errors.Rejected,
    "422": errors.Rejected,
    "invalid_request": errors.Rejected,
    "invalid_size": errors.Rejected,
    "404": errors.NotFound,
    "429": errors.Throttled,
}
"""Envelope codes: those of JimmyAI (from its published skill), and HTTP codes used by others."""
_REQUEST_ERROR_CODES = frozenset(
    {
        "-1",
        "20001",
        "401",
        "402",
        "403",
        "404",
        "429",
        "500",
        "502",
        "503",
        "504",
        "invalid_api_key",
    }
)
"""Codes about the request: with these and without an id, a status "failed" is not about a job."""


def parse_upload_url(body: object, base_url: str) -> str:
    """Return the link in the response to an upload. Raises `MalformedResponse` if there is none."""
    content = unwrap_envelope(body)
    if url := _find_url(content, _UPLOAD_URL_PATHS, base_url):
        return url
    raise errors.MalformedResponse(sanitize(f"no link to the uploaded image: {body}"))


def parse_model_ids(body: object) -> frozenset[str] | None:
    """Return the ids in an OpenAI-format list of models; None if there is no such list."""
    data = value_at(body, "data")
    entries = data if isinstance(data, list) else []
    ids = (value_at(entry, "id") for entry in entries)
    return frozenset(model_id for model_id in ids if isinstance(model_id, str) and model_id) or None


# --- single values -----------------------------------------------------------------------


def value_at(body: object, path: str) -> object:
    """Return the value at a path such as `result.videoUrls.0`; None if it does not exist."""
    for step in path.split("."):
        if isinstance(body, Mapping):
            body = body.get(step)
        elif isinstance(body, list) and step.isdecimal() and int(step) < len(body):
            body = body[int(step)]
        else:
            return None
    return body


def is_job_not_found(*texts: str) -> bool:
    """Whether a code or a text says that the job does not exist."""
    return any(_JOB_NOT_FOUND.search(text) for text in texts)


def find_job_id(body: Body) -> str | None:
    """Return the id of the job from any of the known places."""
    for path in _ID_PATHS:
        value = value_at(body, path)
        # A bare number in `data` is a count or a code.
        if isinstance(value, int) and not isinstance(value, bool) and path != "data":
            value = str(value)
        text = value.strip() if isinstance(value, str) else ""
        if len(text) <= _MAX_ID_LENGTH and text.isprintable() and re.fullmatch(r"\S+", text):
            return text
    return None


def find_status(body: Body) -> str:
    """Return the status word in lower case with underscores; empty if there is none."""
    for path in _STATUS_PATHS:
        if isinstance(value := value_at(body, path), str) and value.strip():
            return _normalize_status(value)
    return ""


def find_video_url(body: Body, base_url: str = "") -> str | None:
    """Return the link to the video, None if there is none."""
    return _find_url(body, _VIDEO_URL_PATHS, base_url)


def find_edit_id(body: object, depth: int = _MAX_DEPTH) -> str | None:
    """Return the edit id of a video. Its place is not documented, so search all levels."""
    if depth == 0:
        return None
    if isinstance(body, Mapping):
        for name in ("editId", "edit_id"):
            edit_id = body.get(name)
            if (
                isinstance(edit_id, str)
                and edit_id.isprintable()
                and 0 < len(edit_id) <= _MAX_ID_LENGTH
            ):
                return edit_id
        items: Iterator[object] = iter(body.values())
    elif isinstance(body, list):
        items = iter(body)
    else:
        return None
    return next((edit_id for item in items if (edit_id := find_edit_id(item, depth - 1))), None)


def parse_percent(value: object) -> float | None:
    """Parse `66`, `66.5` or `"66%"` as 0 to 100; None for anything else."""
    text = value.strip().removesuffix("%") if isinstance(value, str) else value
    if isinstance(text, bool) or not isinstance(text, str | int | float):
        return None
    try:
        number = float(text)
    except (ValueError, OverflowError):
        return None
    return None if math.isnan(number) else min(max(number, 0.0), 100.0)


def parse_time(value: object) -> float | None:
    """Convert seconds, milliseconds or ISO 8601 to UNIX seconds; None for anything else."""
    if isinstance(value, str) and re.fullmatch(r"[0-9]{9,15}", value):
        value = int(value)
    if isinstance(value, str):
        try:
            moment = datetime.fromisoformat(value)
            return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
        except (ValueError, OverflowError, OSError):
            return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1e15:
        return None
    return value / 1000 if value > _MILLISECONDS_FROM else float(value)


def _initial_progress(body: Body, poll_after_s: float | None, base_url: str) -> Progress:
    """The state in the response to a create, which may already be a failure; else pending."""
    try:
        return parse_progress(body, poll_after_s, base_url)
    except errors.ProviderError:
        return Pending(poll_after_s=poll_after_s)


def _unwrap_job(body: Body, base_url: str) -> Body:
    """Return the job: `data` of an envelope, unless the outer object is the job."""
    data = body.get("data")
    if not isinstance(data, dict):
        return body
    outer_status = _normalize_status(body.get("status"))
    inner_status = _normalize_status(data.get("status"))
    has_outer_id = any(body.get(name) for name in ("id", "task_id", "taskId"))
    # "success" in an envelope is not the status of the job in it, unless that has a video link.
    if outer_status in _SUCCESS_CODES and (
        inner_status in _KNOWN_STATUSES or not (has_outer_id or find_video_url(data, base_url))
    ):
        return data
    return data if not has_outer_id and (inner_status or not outer_status) else body


def _normalize_status(value: object) -> str:
    return re.sub(r"[\s-]+", "_", value.strip().lower()) if isinstance(value, str) else ""


def _pending_status(body: Body) -> str:
    return _normalize_status(value_at(body, "detail.pending_info.status"))


def _find_url(body: Body, paths: _Paths, base_url: str) -> str | None:
    for path in paths:
        url = value_at(body, path)
        if not isinstance(url, str) or not url or len(url) > _MAX_URL_LENGTH:
            continue
        if url.startswith(("http://", "https://")) and url.isprintable():
            return url
        if base_url and re.fullmatch(r"/?[\w.-]+(/[\w.%-]+)+", url):
            return urljoin(f"{base_url}/", url)
    return None


def _find_percent(body: Body) -> float | None:
    percent = parse_percent(body.get("progress"))
    if percent is not None:
        return percent
    fraction = parse_percent(value_at(body, "detail.pending_info.progress_pct"))
    return None if fraction is None else min(fraction * 100, 100.0)


def _parse_failure(body: Body, status: str) -> Failed:
    code, message = _failure_reason(body)
    text = sanitize(f"{code} {message}".strip() or status)
    return Failed(_failure_kind(status, code, message), text, code or status)


def _failure_reason(body: Body) -> tuple[str, str]:
    """Return (code, text) of a failed job."""
    code, message = error_fields(body)
    if not code:
        raw_code = next(
            (value for path in _CODE_PATHS if (value := value_at(body, path)) is not None), ""
        )
        code = sanitize(raw_code)[:100] if isinstance(raw_code, str | int) else ""
        code = "" if code.lower() in _IGNORED_CODES else code
    values = (value_at(body, path) for path in _REASON_PATHS)
    reasons = [
        *(sanitize(value) for value in values if isinstance(value, str) and value.strip()),
        message,
    ]
    # Prefer a text about the content rules to a general one.
    return code, next((value for value in reasons if is_moderation(value)), reasons[0])


def _failure_kind(status: str, code: str, message: str) -> FailureKind:
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
