"""Days and their ends in the configured zone."""

from __future__ import annotations

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest

from bot.credits import limits


def _at(zone: str, *when: int) -> float:
    return datetime(*when, tzinfo=ZoneInfo(zone)).timestamp()  # type: ignore[misc, arg-type]


def test_day_follows_the_configured_zone() -> None:
    """The date is the one of the zone that was set, not of UTC."""
    now = datetime(2026, 11, 20, 23, 30, tzinfo=UTC).timestamp()
    assert limits.local_date(now, ZoneInfo("Asia/Shanghai")) == date(2026, 11, 21)
    assert limits.local_date(now, ZoneInfo("America/New_York")) == date(2026, 11, 20)


@pytest.mark.parametrize(
    ("zone", "now", "hours"),
    [
        ("UTC", (2026, 11, 20, 0), 24),
        ("Europe/Berlin", (2026, 3, 29, 0), 23),
        ("Europe/Berlin", (2026, 10, 25, 0), 25),
        # Midnight itself is skipped: the day begins at 1.
        ("Africa/Cairo", (2026, 4, 23, 12), 12),
        # The whole 30 December 2011 is skipped: the next day is the 31st.
        ("Pacific/Apia", (2011, 12, 29, 12), 12),
    ],
)
def test_next_reset_is_the_first_moment_of_the_next_local_day(
    zone: str, now: tuple[int, ...], hours: int
) -> None:
    """Also on days on which the clocks change."""
    start = _at(zone, *now)
    reset = limits.next_reset(start, ZoneInfo(zone))
    assert reset - start == hours * 3600
    assert limits.local_date(reset - 1, ZoneInfo(zone)) < limits.local_date(reset, ZoneInfo(zone))


def test_next_reset_is_the_next_local_midnight() -> None:
    """The next reset is the next local midnight, in zones that change their clocks as well."""
    for zone in ("UTC", "Europe/Berlin", "America/Sao_Paulo", "Asia/Shanghai", "America/Havana"):
        there = ZoneInfo(zone)
        for hour in range(0, 24 * 400, 7):
            now = datetime(2026, 1, 1, tzinfo=UTC).timestamp() + hour * 3600
            reset = limits.next_reset(now, there)
            assert now < reset <= now + 25 * 3600
            assert limits.local_date(reset, there) > limits.local_date(now, there)
            assert limits.local_date(reset - 1, there) == limits.local_date(now, there)
