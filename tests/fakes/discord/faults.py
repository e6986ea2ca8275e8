"""When the stand-in misbehaves as the real server may: by operation, number and condition."""

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
"""What hangs is never answered; what is held goes on as if nothing had been, once released."""
AFTER = frozenset({"dropped-after", "hanging-after", "held-after", "garbage-after"})
"""These befall the answer: the call has had its effect."""
Outage = Literal["refused", "502", "503", "dropped"]


@dataclass(slots=True)
class Fault:
    """What calls of one operation suffer."""

    operation: str
    """`*`: any; `download`: of a file."""
    kind: FaultKind
    left: int | None
    when: Callable[[Mapping[str, Any]], bool] | None
    retry_after: float


class Faults:
    """All that was asked for and has not happened yet."""

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
        """The next so many calls suffer this (None: all), of those whose body fits.

        `operation` is as in the description, say `create_message` or `execute_webhook`.
        """
        assert kind in get_args(FaultKind), kind
        fault = Fault(operation, kind, times, when, retry_after)
        self._planned.append(fault)
        return fault

    def clear(self) -> None:
        """All goes well from now on."""
        self._planned.clear()

    def take(self, operation: str, given: Any) -> Fault | None:
        """What this call suffers."""
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
        """What hangs is closed without an answer; what is held goes on."""
        for event in self._held:
            event.set()
        self._held.clear()
