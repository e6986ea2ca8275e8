"""Hypothesis strategies for responses: random JSON, and documented formats with random values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from providers import errors, response_parser
from providers.types import Finished, Pending

T = TypeVar("T")
any_speed = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
_HUGE = "長" * 20_000
_WORDS = ["completed", "failed", "pending", "processing", "remastering", "20000", "20001", "-1"]
_WORDS += ["https://x/v.mp4", "/v/1.mp4", "66%", "2026-01-01T00:00:00Z", "审核", "\x00", "\ud800"]
_words = st.sampled_from([*_WORDS, _HUGE, f"https://x/{_HUGE}"])
_numbers = st.integers() | st.floats() | st.sampled_from([0, 200, 20000, -1, 1e300, 1_790_000_000])
_leaves = st.none() | st.booleans() | _numbers | _words | st.text(max_size=30)
any_json = st.recursive(
    _leaves,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner),
    max_leaves=12,
)


def mutations_of(shape: object) -> st.SearchStrategy[Any]:
    """This response with missing, null, wrong, huge and additional values."""
    if isinstance(shape, dict):
        parts = {name: mutations_of(one) for name, one in shape.items()}
        own = st.fixed_dictionaries({}, optional=parts)
        more = st.dictionaries(st.text(max_size=12), any_json, max_size=2)
        return st.builds(lambda a, b: {**b, **a}, own, more) | st.just(shape) | any_json
    if isinstance(shape, list):
        return st.lists(mutations_of(shape[0]), max_size=3) | any_json
    return st.just(shape) | _leaves | any_json


def reports_success(body: object) -> bool:
    """Whether a status word of success is in a place where any gateway has its status."""
    if isinstance(body, dict):
        return any(
            (
                isinstance(one, str)
                and response_parser.find_status({"status": one}) in response_parser.SUCCEEDED
            )
            or reports_success(one)
            for one in body.values()
        )
    return isinstance(body, list) and any(reports_success(one) for one in body)


def check_poll_parsing(body: object, base: str = "") -> None:
    """Check that a poll response is a value or a `ProviderError`, and never a false success."""
    progress = _outcome(lambda: response_parser.parse_progress(body, None, base))
    if isinstance(progress, errors.ProviderError):
        assert len(str(progress)) <= 600
    if isinstance(progress, Finished):
        assert reports_success(body)
        assert progress.url is None or progress.url.startswith("http")
        assert progress.edit_id is None or progress.edit_id.isprintable()
    if isinstance(progress, Pending):
        assert progress.percent is None or 0 <= progress.percent <= 100


def check_create_parsing(body: object, base: str = "") -> None:
    """Check that a create response is a job that can be polled, or a `ProviderError`."""
    job = _outcome(lambda: response_parser.parse_job(body, None, base))
    if isinstance(job, errors.ProviderError):
        assert len(str(job)) <= 600
        return
    assert job.remote_id.strip()
    assert job.remote_id.isprintable()
    assert len(job.remote_id) <= 500


def _outcome(read: Callable[[], T]) -> T | errors.ProviderError:
    try:
        return read()
    except errors.ProviderError as error:
        return error
