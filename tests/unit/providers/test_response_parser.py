"""Parsing of responses of all gateways: every known place and status word."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers import errors
from providers.response_parser import (
    find_job_id,
    find_video_url,
    parse_job,
    parse_progress,
    parse_time,
)
from providers.types import Failed, FailureKind, Finished, Pending
from tests.support.response_strategies import (
    any_json,
    any_speed,
    check_create_parsing,
    check_poll_parsing,
    mutations_of,
)

_LINK = "https://cdn.example/v.mp4"


def at(path: str, value: object) -> dict[str, Any]:
    """Return a body with this value at a path such as `result.videoUrls.0`."""
    for step in reversed(path.split(".")):
        value = [value] if step == "0" else {step: value}
    assert isinstance(value, dict)
    return value


# --- status words ------------------------------------------------------------------------

_QUEUED = "queued queue queueing pending submitted not_start notstart notstarted created waiting"
_QUEUED += " preparing starting initializing unknown"
_RUNNING = "in_progress inprogress processing running generating video_generating downloading"
_RUNNING += " image_downloading uploading video_upsampling video_generation_completed"
_RUNNING += " video_upsampling_completed"
_SUCCEEDED = "completed complete success succeeded succeed finished done ready"
_FAILED = "failed failure fail error rejected video_generation_failed video_upsampling_failed"
_FAILED += " timeout timed_out expired cancelled canceled deleted"


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (_QUEUED, Pending()),
        (_RUNNING, Pending(running=True)),
        (_SUCCEEDED, Finished()),
    ],
)
def test_every_status_word_is_recognized(words: str, meant: object) -> None:
    """In any spelling."""
    for word in words.split():
        for spelled in (word, word.upper(), f" {word} ", word.replace("_", "-")):
            assert parse_progress({"id": "v", "status": spelled}) == meant, spelled


def test_every_failure_word_is_recognized() -> None:
    """The job has failed, and its reason is kept."""
    kinds = {"cancelled": FailureKind.CANCELLED, "timed_out": FailureKind.TIMEOUT}
    for word in _FAILED.split():
        verdict = parse_progress({"id": "v", "status": word})
        assert isinstance(verdict, Failed), word
        assert verdict.code == word
        assert verdict.kind is kinds.get(word, verdict.kind)


@pytest.mark.parametrize(
    "path", ["status", "data.status", "task_status", "data.task_status", "state", "detail.status"]
)
def test_status_is_found_in_every_known_place(path: str) -> None:
    """Every place where a gateway puts it."""
    assert parse_progress({"id": "v", **at(path, "completed")}) == Finished()


# --- places ------------------------------------------------------------------------------


_IDS = "id task_id taskId data.task_id data.taskId data.id data output.task_id"


@pytest.mark.parametrize("path", _IDS.split())
def test_id_is_found_in_every_known_place(path: str) -> None:
    """Every place where a gateway puts it."""
    assert parse_job(at(path, "sora-2:task_01k6")).remote_id == "sora-2:task_01k6"


_LINKS = "video_url videoUrl url result_url output_url data.result.video_url result.video_url"
_LINKS += " result.videoUrl result.videoUrls.0 result.video_urls.0 data.video_url data.url"
_LINKS += " output.video_url output.videos.0.url detail.url detail.draft_info.downloadable_url"
_LINKS += " detail.draft_info.url detail.generations.0.url content.0.url"


@pytest.mark.parametrize("path", _LINKS.split())
def test_link_is_found_in_every_known_place(path: str) -> None:
    """Every place where a gateway puts it, with the job inside or outside an envelope."""
    assert parse_progress({"id": "v", "status": "completed", **at(path, _LINK)}) == Finished(_LINK)
    if not path.startswith("data."):
        inside = {"code": "20000", "msg": "ok", "data": {"task_id": "v", "status": "completed"}}
        inside["data"] |= at(path, _LINK)  # type: ignore[operator]
        assert parse_progress(inside) == Finished(_LINK)
    assert isinstance(
        parse_progress({"id": "v", "status": "processing", **at(path, _LINK)}), Pending
    )


_STILLS = "thumbnail_url thumbnailUrl result.thumbnail_url detail.thumbnail_url"
_STILLS += " detail.draft_info.encodings.thumbnail.path"


@pytest.mark.parametrize("path", _STILLS.split())
def test_thumbnail_is_found_in_every_known_place(path: str) -> None:
    """Every place where a gateway puts it."""
    done = parse_progress({"id": "v", "status": "completed", **at(path, _LINK)})
    assert isinstance(done, Finished)
    assert done.thumbnail_url == _LINK


_REASONS = "error error.message error_message errorMessage error_msg fail_reason failure_reason"
_REASONS += " detail.pending_info.failure_reason detail.draft_info.reason_str message msg detail"
_REASONS += " detail.failure_reason"


@pytest.mark.parametrize("path", _REASONS.split())
def test_moderation_is_found_in_every_known_place(path: str) -> None:
    """Every place where a gateway puts its reason, also beside a general text."""
    for text in ("PROVIDER_MODERATION_ERROR", "内容审核未通过", "sora_content_violation"):
        verdict = parse_progress({"id": "v", "status": "failed", **at(path, text)})
        assert isinstance(verdict, Failed)
        assert (verdict.kind, verdict.provider_message) == (FailureKind.MODERATION, text)
        general = {"id": "v", "status": "failed", "message": "failed", "error_message": "failed"}
        beside = parse_progress({**general, **at(path, text)})
        assert isinstance(beside, Failed)
        assert beside.kind is FailureKind.MODERATION


@pytest.mark.parametrize(
    ("raw", "seconds"),
    [
        (1760286060, 1760286060),
        (1760286060123, 1760286060.123),
        ("1760286061", 1760286061),
        ("1760286062000", 1760286062),
        ("2025-10-12T16:21:00Z", 1760286060),
        ("2025-10-12T16:21:00", 1760286060),
        ("2025-10-13T00:21:00+08:00", 1760286060),
        ("soon", None),
        ("", None),
        (True, None),
        (0, None),
        (-5, None),
        (1e300, None),
        (float("nan"), None),
        (None, None),
        ([1760286060], None),
    ],
)
def test_time_is_parsed(raw: object, seconds: float | None) -> None:
    """Seconds, milliseconds and ISO 8601, as number or text; None for anything else."""
    assert parse_time(raw) == seconds


# --- envelopes ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "meant"),
    [
        ({"status": "success", "data": {"task_id": "v"}}, Pending()),
        (
            {"status": "success", "data": {"task_id": "v", "progress": 30}},
            Pending(running=True, percent=30),
        ),
        (
            {"status": "success", "data": {"id": "v", "status": "in_progress"}},
            Pending(running=True),
        ),
        (
            {"id": "req_1", "status": "success", "data": {"id": "v", "status": "in_progress"}},
            Pending(running=True),
        ),
        ({"status": "success", "data": {"id": "v", "url": _LINK}}, Finished(_LINK)),
        ({"id": "v", "status": "success", "data": {}}, Finished()),
        ({"id": "v", "status": "success", "data": {"status": "kept"}}, Finished()),
        ({"status": "processing", "data": {"task_id": "v"}}, Pending(running=True)),
    ],
)
def test_success_of_the_envelope_is_not_that_of_the_job(body: object, meant: object) -> None:
    """A successful request says nothing about the video, unless it is included."""
    assert parse_progress(body) == meant


def test_success_codes_of_envelopes_are_no_error() -> None:
    """Every known one, as number and as text."""
    for code in ("0", 0, 200, "200", 20000, "20000", "success", "SUCCESS", None):
        body = {"code": code, "msg": "", "data": {"task_id": "v", "status": "completed"}}
        assert parse_progress(body) == Finished()


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (20001, errors.Misconfigured),
        ("401", errors.Misconfigured),
        (429, errors.Throttled),
        (404, errors.NotFound),
        ("-1", errors.UpstreamError),
        (500, errors.UpstreamError),
    ],
)
def test_request_error_is_not_a_failed_job(code: object, kind: type[errors.ProviderError]) -> None:
    """An error with status 200 that names no job, even if its status is "error"."""
    for more in ({}, {"status": "error"}, {"status": "failed"}):
        with pytest.raises(errors.ProviderError) as raised:
            parse_progress({"code": code, "message": "no", **more})
        assert type(raised.value) is kind
    verdict = parse_progress({"code": code, "message": "no", "status": "failed", "task_id": "v"})
    assert isinstance(verdict, Failed)


@pytest.mark.parametrize("data", [0, 7, True, None, "", "we will see to it", ["v"], "x" * 501])
def test_response_without_a_valid_id_may_be_accepted(data: object) -> None:
    """A create without a job id in its response needs a review."""
    body = {"code": "20000", "msg": "ok", "data": data}
    assert find_job_id(body) is None
    with pytest.raises(errors.ProviderError) as raised:
        parse_job(body)
    assert raised.value.maybe_accepted


# --- any response ------------------------------------------------------------------------

_OFFICIAL = {
    "id": "video_1",
    "object": "video",
    "model": "sora-2",
    "status": "completed",
    "progress": 100,
    "created_at": 1760286060,
    "completed_at": 1760286194,
    "expires_at": 1760372460,
    "remixed_from_video_id": None,
    "prompt": "a kite",
    "seconds": "4",
    "size": "720x1280",
    "error": {"code": "moderation_blocked", "message": "blocked"},
}
_SGLANG = {**_OFFICIAL, "url": _LINK, "file_path": "/tmp/v.mp4", "inference_time_s": 1.5}  # noqa: S108 - as in its responses
_ENVELOPED = {"code": "20000", "msg": "ok", "status": "success", "data": _OFFICIAL}


@any_speed
@given(mutations_of(_OFFICIAL) | mutations_of(_SGLANG) | mutations_of(_ENVELOPED) | any_json)
def test_any_response_is_parsed_safely(body: object) -> None:
    """With missing, null, wrong, huge and additional values: polls and creates."""
    check_poll_parsing(body)
    check_poll_parsing(body, "https://api.example/v1")
    check_create_parsing(body)


@any_speed
@given(mutations_of(_ENVELOPED), st.text(max_size=20))
def test_only_valid_links_are_returned(body: object, base: str) -> None:
    """Whatever a link is joined with."""
    link = find_video_url(body, base) if isinstance(body, dict) else None
    assert link is None or link.isprintable()
