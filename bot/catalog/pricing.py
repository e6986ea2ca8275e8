"""Price of a video. Pure."""

from __future__ import annotations

from fractions import Fraction
from math import ceil


def video_price(credits_per_second: float, seconds: int) -> int:
    """Return the price in whole credits, rounded up: only a rate of 0 is free."""
    # As floats, 0.1 * 30 is 3.0000000000000004 and would be rounded up to 4.
    exact = Fraction(str(credits_per_second)) * seconds
    return ceil(exact)
