"""Parsing of responses of the OpenAI format: accepts any input, reports no false success."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from providers import errors
from providers.http_errors import (
    error_fields,
    parse_content_range,
    parse_json,
    parse_poll_after,
    raise_for_status,
    video_url_in_body,
)
from providers.openai_format import _matches_request, _parse_page
from providers.response_parser import parse_job, parse_percent, parse_progress
from providers.types import Failed, FailureKind, Finished, Pending, VideoRequest

_REQUEST = VideoRequest(
    idempotency_key="task1", model="sora-2", prompt="a red kite", seconds=4, size="720x1280"
)

any_speed = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
_leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30)
_json = st.recursive(
    _leaves,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner),
    max_leaves=12,
)
_names = ["id", "status", "progress", "error", "data", "url", "video_url", "expires_at", "message"]
_videos = st.dictionaries(st.sampled_from(_names), _json)


@any_speed
@given(_json | _videos)
def test_any_poll_response_is_parsed_safely(body: object) -> None:
    """A progress or `MalformedResponse`; success only if a status word says so."""
    try:
        progress = parse_progress(body)
    except errors.MalformedResponse:
        return
    if isinstance(progress, Finished):
        assert "success" in str(body).lower() or any(
            word in str(body).lower() for word in ("complete", "succe", "finish", "done", "ready")
        )
        assert progress.url is None or progress.url.startswith("http")
    if isinstance(progress, Pending) and progress.percent is not None:
        assert 0 <= progress.percent <= 100


@any_speed
@given(_json | _videos)
def test_any_create_response_is_parsed_safely(body: object) -> None:
    """A job whose id can be stored and polled, or an error."""
    try:
        job = parse_job(body, None)
    except errors.ProviderError:
        return
    assert job.remote_id.strip()
    assert job.remote_id.isprintable()


_listed = st.dictionaries(
    st.sampled_from(["id", "prompt", "seconds", "size", "model", "remixed_from_video_id"]), _json
)


@any_speed
@given(_json | st.fixed_dictionaries({"data": st.lists(_listed | _json)}))
def test_any_list_is_parsed_safely(body: object) -> None:
    """No job with another prompt is ours."""
    try:
        page = _parse_page(body)
    except errors.MalformedResponse:
        return
    for video in page:
        assert not _matches_request(video, _REQUEST) or video["prompt"] == "a red kite"


_PERCENTS = [
    (66, 66),
    (66.5, 66.5),
    ("66%", 66),
    (" 7 ", 7),
    (-3, 0),
    (300, 100),
    ("inf", 100),
    (None, None),
    ("soon", None),
    (True, None),
    ([1], None),
    (float("nan"), None),
]


@pytest.mark.parametrize(("raw", "percent"), _PERCENTS)
def test_percent_is_parsed(raw: object, percent: float | None) -> None:
    """Numbers in every form, limited to 0 to 100; None for anything else."""
    assert parse_percent(raw) == percent


@pytest.mark.parametrize(
    "video",
    [
        {"id": "v", "status": "failed", "error": {"code": "x", "message": "审核不通过"}},
        {"id": "v", "status": "failed", "error": "PROVIDER_MODERATION_ERROR"},
        {"id": "v", "status": "FAILED", "error": {"code": "sora_content_violation"}},
        {"data": {"id": "v", "status": "rejected", "error_message": "blocked by guardrails"}},
    ],
)
def test_moderation_is_recognized(video: dict[str, object]) -> None:
    """By code and by text, in all places."""
    progress = parse_progress(video)
    assert isinstance(progress, Failed)
    assert progress.kind is FailureKind.MODERATION


def test_time_is_parsed() -> None:
    """Seconds and milliseconds are distinguished."""
    for raw in (1_790_000_000, 1_790_000_000_000):
        progress = parse_progress({"id": "v", "status": "completed", "expires_at": raw})
        assert progress == Finished(None, 1_790_000_000)


@pytest.mark.parametrize(
    ("video", "kind"),
    [
        ({"status": "failed", "error": {"code": "internal_error"}}, FailureKind.UPSTREAM),
        ({"status": "failed", "error": None}, FailureKind.UPSTREAM),
        ({"status": "Failed ", "error": {"code": 500, "message": "oom"}}, FailureKind.UPSTREAM),
        ({"status": "video-generation-failed"}, FailureKind.UPSTREAM),
        ({"status": "failed", "error": {"code": "invalid_size"}}, FailureKind.INVALID_REQUEST),
        ({"status": "failed", "error": "model_not_found"}, FailureKind.MODEL_UNAVAILABLE),
        ({"status": "canceled"}, FailureKind.CANCELLED),
        ({"status": "timed out"}, FailureKind.TIMEOUT),
    ],
)
def test_failure_is_mapped_to_its_kind(video: dict[str, object], kind: FailureKind) -> None:
    """Each failure has its kind, and a message for admins."""
    progress = parse_progress(video)
    assert isinstance(progress, Failed)
    assert progress.kind is kind
    assert progress.provider_message
    assert progress.code


@pytest.mark.parametrize(
    ("video", "progress"),
    [
        ({"id": "v"}, Pending()),
        ({"id": "v", "status": None, "progress": None}, Pending()),
        ({"status": "not-start"}, Pending()),
        ({"status": "video_upsampling", "progress": "40%"}, Pending(running=True, percent=40)),
        ({"status": "in_progress", "url": "https://x/preview.mp4"}, Pending(running=True)),
        ({"status": {"is": "completed"}, "id": "v"}, Pending()),
        ({"status": "DONE", "url": "https://x/v.mp4"}, Finished("https://x/v.mp4")),
        ({"status": "completed", "url": "/v.mp4", "expires_at": "soon"}, Finished()),
        ({"status": "completed", "url": "file:///etc/passwd"}, Finished()),
        ({"status": "completed", "url": "https://x/\x00"}, Finished()),
    ],
)
def test_status_is_parsed(video: dict[str, object], progress: object) -> None:
    """Unknown words count as running; a link without success is a preview."""
    assert parse_progress(video) == progress


@pytest.mark.parametrize(
    "body", [{}, {"error": {"message": "try again"}}, [], None, "completed", 7]
)
def test_response_without_a_job_is_malformed(body: object) -> None:
    """Otherwise it would be polled until the deadline."""
    with pytest.raises(errors.MalformedResponse):
        parse_progress(body)


@pytest.mark.parametrize(
    ("shown", "ours"),
    [
        ({}, True),
        ({"seconds": None, "size": None, "model": None}, True),
        ({"seconds": 4, "model": "sora-2-2025-10-06"}, True),
        ({"remixed_from_video_id": None}, True),
        ({"prompt": None}, False),
        ({"prompt": "a red kit"}, False),
        ({"model": "sora-2-pro"}, False),
        ({"seconds": "8"}, False),
        ({"size": "1280x720"}, False),
        ({"remixed_from_video_id": "video_1"}, False),
    ],
)
def test_listed_job_is_matched_by_its_fields(shown: dict[str, object], *, ours: bool) -> None:
    """Missing fields are ignored, except the prompt; all others must be equal."""
    assert _matches_request({"prompt": "a red kite", **shown}, _REQUEST) is ours
    assert _matches_request(
        {"prompt": "a red kite", "size": "720x1280"}, replace(_REQUEST, size=None)
    )


# --- any HTTP response -------------------------------------------------------------------


@any_speed
@given(_json)
def test_any_error_body_is_parsed_safely(body: object) -> None:
    """Code and message are text that can be stored."""
    for text in error_fields(body):
        assert text == "" or text.isprintable()
        assert len(text) <= 500


@any_speed
@given(
    st.integers(100, 599),
    st.binary(max_size=60),
    st.dictionaries(
        st.sampled_from(
            ["retry-after", "openai-poll-after-ms", "content-range", "content-length", "location"]
        ),
        st.text(max_size=30) | st.from_regex(r"bytes \d+-\d+/\d+", fullmatch=True),
    ),
)
def test_any_response_is_a_value_or_a_provider_error(
    status: int, body: bytes, headers: dict[str, str]
) -> None:
    """Whatever bytes and headers; no wait is infinite."""
    for wait in (parse_poll_after(headers), *_waits(status, headers, body)):
        assert wait is None or 0 <= wait <= 86400
    start, total = parse_content_range(status, headers, 7)
    assert start >= 0
    assert total is None or total >= 0


def _waits(status: int, headers: dict[str, str], body: bytes) -> list[float | None]:
    try:
        raise_for_status(status, headers, body)
        video_url_in_body(parse_json(body))
    except errors.ProviderError as error:
        return [error.retry_after]
    return []


@pytest.mark.parametrize(
    "body",
    [
        {"error": {"type": "upstream_error", "message": "model upstream temporarily unavailable"}},
        {"error": {"code": "do_request_failed", "message": "model response not found"}},
        {"error": {"code": "x", "message": "failed to run safety checks after generation"}},
    ],
)
@pytest.mark.parametrize("status", [500, 502, 503])
def test_server_error_may_follow_an_accepted_create(status: int, body: dict[str, object]) -> None:
    """Text of a 5xx may be sent after the job was created: it is not a rejection."""
    with pytest.raises(errors.ProviderError) as raised:
        raise_for_status(status, {}, json.dumps(body).encode())
    assert raised.value.maybe_accepted


@pytest.mark.parametrize("code", ["model_not_found", "moderation_blocked"])
def test_definite_rejection_is_recognized(code: str) -> None:
    """The exact texts of gateways count as a rejection, whatever the status."""
    with pytest.raises(errors.ProviderError) as raised:
        raise_for_status(503, {}, json.dumps({"error": {"code": code, "message": "no"}}).encode())
    assert not raised.value.maybe_accepted
