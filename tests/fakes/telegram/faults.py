"""Planned faults of the fake Telegram: by method, number and condition."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

FaultKind = Literal[
    "429",
    "500",
    "502-html",
    "503",
    "504",
    "dropped-before",
    "dropped-after",
    "hanging",
    "hanging-after",
    "held",
    "held-after",
    "garbage",
    "garbage-after",
]
"""A hanging call is never answered; a held one continues when it is released."""
AFTER = frozenset({"dropped-after", "hanging-after", "held-after", "garbage-after"})
"""These change the response; the call has had its effect."""
Outage = Literal["refused", "502", "dropped"]


@dataclass(slots=True)
class Fault:
    """A planned fault of one method."""

    method: str
    """`*`: any but `getUpdates`."""
    kind: FaultKind
    left: int | None
    when: Callable[[Mapping[str, Any]], bool] | None
    retry_after: int

    def matches(self, method: str, given: Mapping[str, Any]) -> bool:
        """Whether this call suffers it."""
        if self.left == 0 or not (
            self.method == method or (self.method == "*" and method != "getUpdates")
        ):
            return False
        return self.when is None or self.when(given)


class Faults:
    """All planned faults."""

    def __init__(self) -> None:
        self._planned: list[Fault] = []
        self._held: list[asyncio.Event] = []
        self.suffered: list[tuple[str, str]] = []
        """(Method, kind) of what did happen."""

    def add(
        self,
        method: str,
        kind: FaultKind,
        *,
        times: int | None = 1,
        when: Callable[[Mapping[str, Any]], bool] | None = None,
        retry_after: int = 1,
    ) -> Fault:
        """Plan a fault for the next `times` calls (None: all) for which `when` is true."""
        assert kind in get_args(FaultKind), kind
        fault = Fault(method, kind, times, when, retry_after)
        self._planned.append(fault)
        return fault

    def clear(self) -> None:
        """Remove all planned faults."""
        self._planned.clear()

    def take(self, method: str, given: Mapping[str, Any]) -> Fault | None:
        """The fault of this call, if any."""
        for fault in self._planned:
            if fault.matches(method, given):
                if fault.left is not None:
                    fault.left -= 1
                self.suffered.append((method, fault.kind))
                return fault
        return None

    async def hold(self) -> None:
        """Hang until released."""
        event = asyncio.Event()
        self._held.append(event)
        await event.wait()

    @property
    def hanging(self) -> int:
        """How many calls hang or are held."""
        return len(self._held)

    def release(self) -> None:
        """Close hanging calls without a response; let held ones continue."""
        for event in self._held:
            event.set()
        self._held.clear()
