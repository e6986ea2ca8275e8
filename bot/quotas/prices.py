"""What a video costs. Pure."""

from __future__ import annotations

from fractions import Fraction
from math import ceil


def price(per_second: float, seconds: int) -> int:
    """Whole credits, rounded up; nothing is free unless its rate is 0."""
    # 0.1 * 30 is 3.0000000000000004 as floats, and would be rounded up to 4.
    exact = Fraction(str(per_second)) * seconds
    return ceil(exact)
