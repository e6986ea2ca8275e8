"""Ids and times in Discord's formats."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import count

_EPOCH = 1_420_070_400_000
_OLD = 100_000_000_000
"""Milliseconds after the epoch at which what is older than a test was made."""


class Snowflakes:
    """New ids, each larger than all before."""

    def __init__(self) -> None:
        self._last = 0
        self._old = count(_OLD, 1)

    def at(self, now: float) -> int:
        """Of something made now."""
        self._last = max(self._last + 1, (int(now * 1000) - _EPOCH) << 22)
        return self._last

    def old(self) -> int:
        """Of something made long ago; such ones fall on all shards in turn."""
        return next(self._old) << 22


def created_at(snowflake: int) -> float:
    """UNIX seconds at which an id was made."""
    return ((snowflake >> 22) + _EPOCH) / 1000


def shard_of(guild: int | None, shards: int) -> int:
    """The shard that gets the events of a guild, or of no guild."""
    return 0 if guild is None else (guild >> 22) % shards


def iso(now: float) -> str:
    """A time as it stands in answers."""
    return datetime.fromtimestamp(now, UTC).isoformat(timespec="microseconds")
