"""Prices and what is spent first: whole credits, and never one too many."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.catalog.pricing import video_price
from bot.credits import limits


@pytest.mark.parametrize(
    ("rate", "seconds", "costs"),
    [(1, 4, 4), (3, 12, 36), (5, 8, 40), (0.5, 4, 2), (0.5, 5, 3), (0.01, 4, 1), (0, 20, 0)],
)
def test_price_is_rate_times_seconds_rounded_up(rate: float, seconds: int, costs: int) -> None:
    """Rate times seconds, rounded up; only what costs nothing is free."""
    assert video_price(rate, seconds) == costs


def test_decimal_rate_is_not_raised_by_binary_fractions() -> None:
    """0.1 a second for 30 s are 3 credits, though as floats they are a little more."""
    assert 0.1 * 3 > 0.3
    assert video_price(0.1, 30) == 3
    assert video_price(1e-7, 1) == 1


@given(
    cents=st.integers(min_value=0, max_value=100_000),
    seconds=st.integers(min_value=1, max_value=3600),
)
def test_price_is_exact_or_rounded_up_to_the_next_credit(cents: int, seconds: int) -> None:
    """Never below the exact price, and never a whole credit above it."""
    exact = Fraction(cents, 100) * seconds
    assert exact <= video_price(cents / 100, seconds) < exact + 1


@given(
    cost=st.integers(min_value=0, max_value=500),
    daily=st.integers(min_value=0, max_value=300),
    granted=st.integers(min_value=0, max_value=300),
)
def test_daily_credits_are_spent_first(cost: int, daily: int, granted: int) -> None:
    """The whole price is taken, and never more than there is."""
    if cost > daily + granted:
        with pytest.raises(ValueError, match="exceeds the balance"):
            limits.split_price(cost, daily, granted)
        return
    from_daily, from_granted = limits.split_price(cost, daily, granted)
    assert from_daily + from_granted == cost
    assert from_daily == min(cost, daily)
    assert 0 <= from_granted <= granted


@pytest.mark.parametrize(
    ("daily", "old", "new", "left"),
    [
        (60, 60, 100, 100),
        (20, 60, 100, 60),
        (20, 60, 50, 10),
        (20, 60, 30, 0),
        (20, 60, 0, 0),
        (0, 0, 10, 10),
        (70, 60, 60, 60),
    ],
)
def test_new_limit_keeps_what_was_spent_today(daily: int, old: int, new: int, left: int) -> None:
    """What was spent today stays spent, and no balance falls below zero."""
    assert limits.daily_after_limit_change(daily, old, new) == left
