"""Measured durations of jobs, and what they say about a running job."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bot.catalog.job_durations import DurationSamples, DurationStats

_TIMES = st.lists(st.floats(0.1, 10_000), min_size=1, max_size=50).map(sorted)


def measured(times: list[float], seconds: int = 4) -> DurationStats:
    return DurationStats(("p", "m", seconds, time) for time in times)


def test_nothing_is_known_without_a_sample() -> None:
    assert DurationStats().samples("p", "m", 4) is None
    assert measured([10.0]).samples("p", "other", 4) is None
    assert measured([10.0]).samples("other", "m", 4) is None


def test_samples_of_other_lengths_count_until_there_are_five() -> None:
    durations = measured([100.0] * 8, seconds=12)
    for _ in range(4):
        durations.add("p", "m", 4, 10.0)
    few = durations.samples("p", "m", 4)
    assert few is not None
    assert max(few.sorted_seconds) == 100.0
    durations.add("p", "m", 4, 10.0)
    enough = durations.samples("p", "m", 4)
    assert enough is not None
    assert set(enough.sorted_seconds) == {10.0}


def test_only_the_newest_200_samples_are_kept() -> None:
    durations = measured([1000.0] * 150 + [10.0] * 200)
    spread = durations.samples("p", "m", 4)
    assert spread is not None
    assert spread.sorted_seconds == (10.0,) * 200


@given(times=_TIMES, share=st.floats(0, 1))
def test_quantile_is_a_sample(times: list[float], share: float) -> None:
    assert DurationSamples(tuple(times)).quantile(share) in times


@given(times=_TIMES, ages=st.lists(st.floats(0, 20_000), min_size=2, max_size=2).map(sorted))
def test_expected_end_never_moves_closer_as_a_job_grows_older(
    times: list[float], ages: list[float]
) -> None:
    spread = DurationSamples(tuple(times))
    earlier, later = (age + spread.remaining_seconds(age, 0.5) for age in ages)
    assert spread.remaining_seconds(ages[0], 0.5) > 0
    assert later >= earlier - 1e-6


@given(times=_TIMES)
def test_order_of_arrival_does_not_matter(times: list[float]) -> None:
    forwards, backwards = measured(times), measured(times[::-1])
    assert forwards.samples("p", "m", 4) == backwards.samples("p", "m", 4)
