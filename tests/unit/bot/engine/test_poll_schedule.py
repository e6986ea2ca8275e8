"""When to look again: never too early, never too late, and where completions fall."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.catalog.job_durations import Durations, Spread
from bot.engine.poll_schedule import Known, backoff, until_next_look

seconds = st.floats(min_value=0, max_value=100_000, allow_nan=False)
spreads = st.none() | st.lists(
    st.floats(min_value=0.1, max_value=10_000), min_size=1, max_size=50
).map(lambda times: Spread(tuple(sorted(times))))
known = st.builds(
    Known,
    age=seconds,
    running_for=st.none() | seconds,
    percent=st.none() | st.floats(min_value=0, max_value=100),
    hint=st.none() | st.floats(min_value=0, max_value=600),
    spread=spreads,
)


@given(known, st.floats(min_value=0.01, max_value=30))
def test_a_job_is_looked_at_too_often_or_never(known: Known, minimum: float) -> None:
    """A look never comes below the minimum or the gateway's wish, nor later than a minute after."""
    wait = until_next_look(known, minimum)
    assert wait >= minimum
    assert wait >= (known.hint or 0)
    assert wait <= max(60.0, minimum, known.hint or 0)


def test_looks_are_wasted_before_anything_can_be_finished() -> None:
    """With experience the first look comes when the first completions do."""
    spread = Spread((40.0, 50.0, 60.0))
    assert until_next_look(Known(age=0, spread=spread), 2) == pytest.approx(40)


def test_an_honest_progress_is_ignored() -> None:
    """Half done after 20 s: the end is expected in 20 s, and the look comes on the way there."""
    wait = until_next_look(Known(age=25, running_for=20, percent=50), 2)
    assert 5 <= wait < 20


@given(st.integers(0, 100), st.none() | st.floats(0, 600), st.integers())
def test_a_failing_gateway_is_hammered(attempts: int, hint: float | None, seed: int) -> None:
    """A repeated try waits at least the minimum and the other side's wish, at most two minutes."""
    wait = backoff(attempts, hint, 2.0, Random(seed))
    assert wait >= max(2.0, hint or 0)
    assert wait <= max(120.0, hint or 0)


def test_tries_come_in_waves() -> None:
    """Tries that failed together are spread by chance."""
    chance = Random(7)
    assert len({backoff(4, None, 2.0, chance) for _ in range(20)}) > 10


def test_old_measurements_outweigh_new_ones() -> None:
    """Only the newest measurements count."""
    durations = Durations(("a", "m", 4, 1000.0) for _ in range(300))
    for _ in range(200):
        durations.add("a", "m", 4, 10.0)
    spread = durations.spread("a", "m", 4)
    assert spread is not None
    assert set(spread.times) == {10.0}


def test_a_long_clip_is_expected_as_soon_as_a_short_one() -> None:
    """With enough measurements of the very length, those speak; else those of the model."""
    durations = Durations([("a", "m", 4, 10.0)] * 5 + [("a", "m", 12, 90.0)] * 4)
    short, long = durations.spread("a", "m", 4), durations.spread("a", "m", 12)
    assert short is not None
    assert long is not None
    assert set(short.times) == {10.0}
    assert set(long.times) == {10.0, 90.0}
    assert durations.spread("a", "other", 4) is None


def test_nothing_is_expected_of_a_job_older_than_all_measured() -> None:
    """A job that outlived all measurements still has an honest, growing rest."""
    spread = Spread((10.0, 20.0))
    assert spread.remaining(5.0, 0.5) == pytest.approx(15.0)
    assert spread.remaining(500.0, 0.5) == pytest.approx(250.0)
