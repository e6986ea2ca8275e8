"""Days, refills and what is spent first. Pure."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo


def day_of(now: float, timezone: ZoneInfo) -> date:
    """The date that it is there."""
    return datetime.fromtimestamp(now, timezone).date()


def next_reset(now: float, timezone: ZoneInfo) -> float:
    """When the next day begins there. Where clocks are put forward at midnight, it begins at 1."""
    tomorrow = day_of(now, timezone) + timedelta(days=1)
    return datetime.combine(tomorrow, time.min, timezone).timestamp()


def day_start(now: float, timezone: ZoneInfo) -> float:
    """When the day of that moment began there."""
    return datetime.combine(day_of(now, timezone), time.min, timezone).timestamp()


def split(price: int, daily: int, granted: int) -> tuple[int, int]:
    """(from the daily credits, from the granted ones): those that lapse are spent first."""
    from_daily = min(price, daily)
    if price - from_daily > granted:
        raise ValueError("the price is more than there is")
    return from_daily, price - from_daily


def daily_after_limit_change(daily: int, old_limit: int, new_limit: int) -> int:
    """Today's credits under a new limit: what was spent today stays spent."""
    spent = max(old_limit - daily, 0)
    return max(new_limit - spent, 0)
