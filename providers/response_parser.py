"""Parse what gateways report about jobs: one tolerant parser for all dialects.

Pure: takes decoded JSON, returns values of `providers.base`. It accepts every structure that is
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
    is_certain,
    is_funds,
    is_model_gone,
    is_moderation,
    shortened,
)
from providers.types import Failed, FailureKind, Finished, Job, Pending, Progress

Body = Mapping[str, Any]
_Places = tuple[str, ...]

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
_KNOWN = QUEUED | RUNNING | SUCCEEDED | FAILED

_IDS: _Places = ("id", "task_id", "taskId", "video_id", "data.task_id", "data.taskId", "data.id")
_IDS += ("output.task_id", "data")
_STATUSES: _Places = ("status", "data.status", "task_status", "data.task_status", "state")
_STATUSES += ("data.state", "detail.status", "detail.pending_info.status")
_LINKS: _Places = ("video_url", "videoUrl", "url", "result_url", "output_url", "result.video_url")
_LINKS += ("result.videoUrl", "result.url", "result.videoUrls.0", "result.video_urls.0")
_LINKS += ("videoUrls.0", "video_urls.0", "output.video_url", "output.videos.0.url", "videos.0.url")
_LINKS += ("detail.url", "detail.draft_info.downloadable_url", "detail.draft_info.url")
_LINKS += ("detail.generations.0.url", "content.0.url")
_LINKS += tuple(f"data.{path}" for path in _LINKS)
_THUMBNAILS: _Places = ("thumbnail_url", "thumbnailUrl", "result.thumbnail_url", "result.image_url")
_THUMBNAILS += ("detail.thumbnail_url", "detail.draft_info.encodings.thumbnail.path")
_THUMBNAILS += tuple(f"data.{path}" for path in _THUMBNAILS)
_REASONS: _Places = ("error_message", "errorMessage", "error_msg", "fail_reason", "failure_reason")
_REASONS += ("detail.pending_info.failure_reason", "detail.failure_reason")
_REASONS += ("detail.draft_info.reason_str", "detail.draft_info.markdown_reason_str")
_REASONS += ("error", "message", "msg", "detail")
_REASONS += tuple(f"data.{path}" for path in _REASONS)
_CODES: _Places = ("error_code", "errorCode", "detail.draft_info.kind")
_NO_JOB = re.compile(r"(task|video|job).{0,40}not[ _](found|exist)|任务不存在", re.IGNORECASE)
_STORED: _Places = ("url", "data.url", "data.links.url", "data.0.url", "data.link", "data.src")
_STORED += ("data.file_url", "file_url", "link", "src", "data")
_FAULT = re.compile(r"-1|5\d\d")
_OK = frozenset({"0", "200", "20000", "success", "ok"})
"""Values of `code` in an envelope that mean success, as number or text."""
_UNNAMED = frozenset({"", "none", "null", "sora_draft"})
_MILLISECONDS = 1e11
"""Larger timestamps are milliseconds: as seconds they would be after the year 5138."""
_LONGEST_ID = 500
_LONGEST_LINK = 8000
_DEEP = 8
"""Maximum nesting depth at which an edit id is searched."""


# --- whole responses ---------------------------------------------------------------------


def job_of(body: object, check_after: float | None = None, base: str = "") -> Job:
    """Parse the response to a create. Raises `ProviderError`.

    Without an id and without an error the job may still have been accepted: `Malformed`.
    """
    content = object_of(body)
    remote_id = id_of(content)
    if remote_id is not None:
        return Job(remote_id, _first_progress(content, check_after, base))
    code, message = error_fields(content)
    if code or message:
        raise_refusal(code, message)
    raise errors.Malformed(shortened(f"no id in the response to a create: {body}"))


def progress_of(body: object, check_after: float | None = None, base: str = "") -> Progress:
    """Parse the state of a job. An unknown status word counts as running. Raises `ProviderError`.

    `base` resolves links without a host; if it is empty, such links are ignored.
    """
    job = _inner(object_of(body), base)
    status = status_of(job)
    if not status and id_of(job) is None:
        raise errors.Malformed(shortened(f"not a job: {body}"))
    if status in SUCCEEDED:
        return Finished(
            link_of(job, base),
            time_of(job.get("expires_at")),
            _link(job, _THUMBNAILS, base),
            # First beside the link; elsewhere it may be an echo of the request.
            edit_id_of(job.get("result")) or edit_id_of(job),
        )
    if status in FAILED:
        return _failed(job, status)
    percent = _percent(job)
    known = not status or status in QUEUED or status in RUNNING
    # A job without a status, right after its create, is queued.
    running = bool(status) and status not in QUEUED
    running = running or bool(percent) or _inner_status(job) in RUNNING
    return Pending(running, percent, check_after, "" if known else shortened(status))


def object_of(body: object) -> Body:
    """Check the code of an envelope, if the response has one, and return the response.

    Raises the error that the code stands for, and `Malformed` if the response is not an object.
    """
    if not isinstance(body, dict):
        raise errors.Malformed(shortened(f"not an object: {body}"))
    code, said = body.get("code"), body.get("msg", body.get("message"))
    enveloped = isinstance(code, str | int) and ("msg" in body or "message" in body)
    word = str(code).strip().lower()
    # A job may have `code` and `message` too: those describe its failure, not the request.
    of_a_job = "status" in body and (word not in _OF_NO_JOB or id_of(body) is not None)
    if enveloped and not of_a_job and word not in _OK:
        raise_refusal(str(code), shortened(said or ""))
    return body


def raise_refusal(code: str, message: str) -> None:
    """Raise the error that a code and a text in a response with status 200 stand for.

    Only definite words count as a rejection; with any other the job may have been accepted.
    """
    raw, code = shortened(f"{code} {message}".strip()), shortened(code)[:100]
    if _FAULT.fullmatch(code) and not is_certain(raw):
        raise errors.Upstream(raw, code=code)
    if is_moderation(code, message):
        raise errors.Moderated(raw, code=code)
    if is_funds(code, message):
        raise errors.Misconfigured(raw, code=code)
    if is_model_gone(code, message):
        raise errors.ModelUnavailable(raw, code=code)
    if is_no_job(code, message):
        raise errors.NotFound(raw, code=code)
    raise _BY_CODE.get(code.lower(), errors.Upstream)(raw, code=code)


_BY_CODE: dict[str, type[errors.ProviderError]] = {
    "20001": errors.Misconfigured,
    "401": errors.Misconfigured,
    "402": errors.Misconfigured,
    "403": errors.Misconfigured,
    "invalid_api_key": errors.Misconfigured,
    "20002": errors.Refused,
    "400": errors.Refused,
    "422": errors.Refused,
    "invalid_request": errors.Refused,
    "invalid_size": errors.Refused,
    "404": errors.NotFound,
    "429": errors.Throttled,
}
"""Envelope codes: those of JimmyAI (from its published skill), and HTTP codes used by others."""
_OF_NO_JOB = frozenset({"-1", "20001", "401", "402", "403", "404", "429", "invalid_api_key"})
_OF_NO_JOB |= {"500", "502", "503", "504"}
"""Codes about the request: with these and without an id, a status "failed" is not about a job."""


def stored_link(body: object, base: str) -> str:
    """Return the link in the response to an image upload. Raises `Malformed` if there is none."""
    content = object_of(body)
    if link := _link(content, _STORED, base):
        return link
    raise errors.Malformed(shortened(f"no link to the uploaded image: {body}"))


def model_names(body: object) -> frozenset[str] | None:
    """Return the ids in an OpenAI-format list of models; None if there is no such list."""
    found = at(body, "data")
    listed = found if isinstance(found, list) else []
    names = (at(one, "id") for one in listed)
    return frozenset(name for name in names if isinstance(name, str) and name) or None


# --- single values -----------------------------------------------------------------------


def at(body: object, path: str) -> object:
    """Return the value at a path such as `result.videoUrls.0`; None if it does not exist."""
    for step in path.split("."):
        if isinstance(body, Mapping):
            body = body.get(step)
        elif isinstance(body, list) and step.isdecimal() and int(step) < len(body):
            body = body[int(step)]
        else:
            return None
    return body


def is_no_job(*texts: str) -> bool:
    """Whether a code or a text says that the job does not exist."""
    return any(_NO_JOB.search(text) for text in texts)


def id_of(body: Body) -> str | None:
    """Return the id of the job from any of the known places."""
    for path in _IDS:
        found = at(body, path)
        # A bare number in `data` is a count or a code.
        if isinstance(found, int) and not isinstance(found, bool) and path != "data":
            found = str(found)
        text = found.strip() if isinstance(found, str) else ""
        if len(text) <= _LONGEST_ID and text.isprintable() and re.fullmatch(r"\S+", text):
            return text
    return None


def status_of(body: Body) -> str:
    """Return the status word in lower case with underscores; empty if there is none."""
    for path in _STATUSES:
        if isinstance(found := at(body, path), str) and found.strip():
            return _word(found)
    return ""


def link_of(body: Body, base: str = "") -> str | None:
    """Return the link to the video, None if there is none."""
    return _link(body, _LINKS, base)


def edit_id_of(body: object, depth: int = _DEEP) -> str | None:
    """Return the edit id of a video. Its place is not documented, so search all levels."""
    if depth == 0:
        return None
    if isinstance(body, Mapping):
        for name in ("editId", "edit_id"):
            found = body.get(name)
            if isinstance(found, str) and found.isprintable() and 0 < len(found) <= _LONGEST_ID:
                return found
        inner: Iterator[object] = iter(body.values())
    elif isinstance(body, list):
        inner = iter(body)
    else:
        return None
    return next((found for one in inner if (found := edit_id_of(one, depth - 1))), None)


def percent_of(raw: object) -> float | None:
    """Parse `66`, `66.5` or `"66%"` as 0 to 100; None for anything else."""
    text = raw.strip().removesuffix("%") if isinstance(raw, str) else raw
    if isinstance(text, bool) or not isinstance(text, str | int | float):
        return None
    try:
        number = float(text)
    except (ValueError, OverflowError):
        return None
    return None if math.isnan(number) else min(max(number, 0.0), 100.0)


def time_of(raw: object) -> float | None:
    """Convert seconds, milliseconds or ISO 8601 to UNIX seconds; None for anything else."""
    if isinstance(raw, str) and re.fullmatch(r"[0-9]{9,15}", raw):
        raw = int(raw)
    if isinstance(raw, str):
        try:
            moment = datetime.fromisoformat(raw)
            return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
        except (ValueError, OverflowError, OSError):
            return None
    if isinstance(raw, bool) or not isinstance(raw, int | float) or not 0 < raw < 1e15:
        return None
    return raw / 1000 if raw > _MILLISECONDS else float(raw)


def _first_progress(body: Body, check_after: float | None, base: str) -> Progress:
    """The state in the response to a create, which may already be a failure; else pending."""
    try:
        return progress_of(body, check_after, base)
    except errors.ProviderError:
        return Pending(check_after=check_after)


def _inner(body: Body, base: str) -> Body:
    """Return the job: `data` of an envelope, unless the outer object is the job."""
    data = body.get("data")
    if not isinstance(data, dict):
        return body
    said, inside = _word(body.get("status")), _word(data.get("status"))
    outside = any(body.get(name) for name in ("id", "task_id", "taskId"))
    # "success" in an envelope is not the status of the job in it, unless that has a video link.
    if said in _OK and (inside in _KNOWN or not (outside or link_of(data, base))):
        return data
    return data if not outside and (inside or not said) else body


def _word(raw: object) -> str:
    return re.sub(r"[\s-]+", "_", raw.strip().lower()) if isinstance(raw, str) else ""


def _inner_status(body: Body) -> str:
    return _word(at(body, "detail.pending_info.status"))


def _link(body: Body, places: _Places, base: str) -> str | None:
    for path in places:
        found = at(body, path)
        if not isinstance(found, str) or not found or len(found) > _LONGEST_LINK:
            continue
        if found.startswith(("http://", "https://")) and found.isprintable():
            return found
        if base and re.fullmatch(r"/?[\w.-]+(/[\w.%-]+)+", found):
            return urljoin(f"{base}/", found)
    return None


def _percent(body: Body) -> float | None:
    found = percent_of(body.get("progress"))
    if found is not None:
        return found
    share = percent_of(at(body, "detail.pending_info.progress_pct"))
    return None if share is None else min(share * 100, 100.0)


def _failed(body: Body, status: str) -> Failed:
    code, message = _failure(body)
    raw = shortened(f"{code} {message}".strip() or status)
    return Failed(_kind(status, code, message), raw, code or status)


def _failure(body: Body) -> tuple[str, str]:
    """Return (code, text) of a failed job."""
    code, message = error_fields(body)
    if not code:
        found = next((one for path in _CODES if (one := at(body, path)) is not None), "")
        code = shortened(found)[:100] if isinstance(found, str | int) else ""
        code = "" if code.lower() in _UNNAMED else code
    said = (at(body, path) for path in _REASONS)
    reasons = [*(shortened(one) for one in said if isinstance(one, str) and one.strip()), message]
    # Prefer a text about the content rules to a general one.
    return code, next((one for one in reasons if is_moderation(one)), reasons[0])


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
