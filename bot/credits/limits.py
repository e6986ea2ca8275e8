"""Daily refills, and how a price is split. Pure."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo


def local_date(now: float, timezone: ZoneInfo) -> date:
    """The date in that time zone."""
    return datetime.fromtimestamp(now, timezone).date()


def next_reset(now: float, timezone: ZoneInfo) -> float:
    """UNIX time at which the next day begins there; 01:00 where clocks go forward at midnight."""
    tomorrow = local_date(now, timezone) + timedelta(days=1)
    return datetime.combine(tomorrow, time.min, timezone).timestamp()


def day_start(now: float, timezone: ZoneInfo) -> float:
    """UNIX time at which the current day began there."""
    return datetime.combine(local_date(now, timezone), time.min, timezone).timestamp()


def split_price(price: int, daily: int, granted: int) -> tuple[int, int]:
    """Return (daily, granted) credits to spend. Daily credits go first, because they expire."""
    from_daily = min(price, daily)
    if price - from_daily > granted:
        raise ValueError("the price exceeds the balance")
    return from_daily, price - from_daily


def daily_after_limit_change(daily: int, old_limit: int, new_limit: int) -> int:
    """Return the daily credits left today under a new limit; spent credits stay spent."""
    spent = max(old_limit - daily, 0)
    return max(new_limit - spent, 0)
