"""When to poll: neither too early nor too late, and near the expected completion."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.catalog.job_durations import DurationSamples, DurationStats
from bot.engine.poll_schedule import JobSnapshot, backoff, next_poll_delay

seconds = st.floats(min_value=0, max_value=100_000, allow_nan=False)
spreads = st.none() | st.lists(
    st.floats(min_value=0.1, max_value=10_000), min_size=1, max_size=50
).map(lambda times: DurationSamples(tuple(sorted(times))))
known = st.builds(
    JobSnapshot,
    age=seconds,
    running_for=st.none() | seconds,
    percent=st.none() | st.floats(min_value=0, max_value=100),
    hint=st.none() | st.floats(min_value=0, max_value=600),
    samples=spreads,
)


@given(known, st.floats(min_value=0.01, max_value=30))
def test_poll_delay_stays_within_its_bounds(known: JobSnapshot, minimum: float) -> None:
    """Never below the minimum or the gateway's hint, and at most a minute beyond."""
    wait = next_poll_delay(known, minimum)
    assert wait >= minimum
    assert wait >= (known.hint or 0)
    assert wait <= max(60.0, minimum, known.hint or 0)


def test_first_poll_waits_for_the_shortest_known_duration() -> None:
    """With samples, the first poll comes when the first jobs complete."""
    spread = DurationSamples((40.0, 50.0, 60.0))
    assert next_poll_delay(JobSnapshot(age=0, samples=spread), 2) == pytest.approx(40)


def test_progress_predicts_the_next_poll() -> None:
    """Half done after 20 s: the end is expected in 20 s, and the poll comes before it."""
    wait = next_poll_delay(JobSnapshot(age=25, running_for=20, percent=50), 2)
    assert 5 <= wait < 20


@given(st.integers(0, 100), st.none() | st.floats(0, 600), st.integers())
def test_retry_delay_grows_and_respects_retry_after(
    attempts: int, hint: float | None, seed: int
) -> None:
    """At least the minimum and the other side's hint, at most two minutes."""
    wait = backoff(attempts, hint, 2.0, Random(seed))
    assert wait >= max(2.0, hint or 0)
    assert wait <= max(120.0, hint or 0)


def test_simultaneous_retries_are_spread() -> None:
    """Retries that failed together are spread at random."""
    chance = Random(7)
    assert len({backoff(4, None, 2.0, chance) for _ in range(20)}) > 10


def test_only_recent_durations_count() -> None:
    """Old samples are dropped."""
    durations = DurationStats(("a", "m", 4, 1000.0) for _ in range(300))
    for _ in range(200):
        durations.add("a", "m", 4, 10.0)
    spread = durations.samples("a", "m", 4)
    assert spread is not None
    assert set(spread.sorted_seconds) == {10.0}


def test_durations_of_the_same_length_count_first() -> None:
    """With enough samples of the same length those count; else all of the model."""
    durations = DurationStats([("a", "m", 4, 10.0)] * 5 + [("a", "m", 12, 90.0)] * 4)
    short, long = durations.samples("a", "m", 4), durations.samples("a", "m", 12)
    assert short is not None
    assert long is not None
    assert set(short.sorted_seconds) == {10.0}
    assert set(long.sorted_seconds) == {10.0, 90.0}
    assert durations.samples("a", "other", 4) is None


def test_job_older_than_all_samples_has_a_growing_estimate() -> None:
    """A job that took longer than all samples still has a plausible rest."""
    spread = DurationSamples((10.0, 20.0))
    assert spread.remaining_seconds(5.0, 0.5) == pytest.approx(15.0)
    assert spread.remaining_seconds(500.0, 0.5) == pytest.approx(250.0)
