"""Planned faults of the fake Discord: by operation, number and condition."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

FaultKind = Literal[
    "429",
    "429-shared",
    "429-global",
    "429-cloudflare",
    "500",
    "502",
    "502-html",
    "503",
    "504",
    "dropped-before",
    "dropped-after",
    "hanging",
    "hanging-after",
    "held",
    "held-after",
    "garbage-after",
]
"""A hanging call is never answered; a held one continues when it is released."""
AFTER = frozenset({"dropped-after", "hanging-after", "held-after", "garbage-after"})
"""These change the response; the call has had its effect."""
Outage = Literal["refused", "502", "503", "dropped"]


@dataclass(slots=True)
class Fault:
    """A planned fault of one operation."""

    operation: str
    """`*`: any; `download`: of a file."""
    kind: FaultKind
    left: int | None
    when: Callable[[Mapping[str, Any]], bool] | None
    retry_after: float


class Faults:
    """All planned faults."""

    def __init__(self) -> None:
        self._planned: list[Fault] = []
        self._held: list[asyncio.Event] = []
        self.suffered: list[tuple[str, str]] = []
        """(Operation, kind) of what did happen."""

    def add(
        self,
        operation: str,
        kind: FaultKind,
        *,
        times: int | None = 1,
        when: Callable[[Mapping[str, Any]], bool] | None = None,
        retry_after: float = 0.3,
    ) -> Fault:
        """Plan a fault for the next `times` calls (None: all) for which `when` is true.

        `operation` is as in the description, say `create_message` or `execute_webhook`.
        """
        assert kind in get_args(FaultKind), kind
        fault = Fault(operation, kind, times, when, retry_after)
        self._planned.append(fault)
        return fault

    def clear(self) -> None:
        """Remove all planned faults."""
        self._planned.clear()

    def take(self, operation: str, given: Any) -> Fault | None:
        """The fault of this call, if any."""
        for fault in self._planned:
            if fault.left == 0 or fault.operation not in {operation, "*"}:
                continue
            if fault.when is not None and not (isinstance(given, dict) and fault.when(given)):
                continue
            if fault.left is not None:
                fault.left -= 1
            self.suffered.append((operation, fault.kind))
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
