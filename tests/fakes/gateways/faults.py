"""Faults of fake gateways: by words in a prompt, by plan, or at random with a seed."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from random import Random

_PASSING = {
    "create": ["drop-before", "drop-after", "throttle", "error-500", "html-502", "saturated-503"],
    "look": ["late", "look-500", "look-html", "look-drop", "look-half", "look-throttle"],
    "content": ["expired", "short", "clean-short", "json", "cut", "content-500"],
    "list": ["list-500", "list-drop"],
}
_PASSING["create"] += ["truncated", "half", "empty"]
_PASSING["look"] += ["unknown-status", "falling", "percent", "null"]
FAULTS = {
    "create": [*_PASSING["create"], "slow", "refused-moderated", "no-model", "fastapi"],
    "look": [*_PASSING["look"], "vanished"],
    "content": [*_PASSING["content"], "gone", "content-json", "moved"],
    "list": _PASSING["list"],
}
"""Route -> its possible faults."""
_ALWAYS = {"unknown-status", "falling", "percent", "null", "gone", "vanished"}
_OFTEN = {"late": 2}


def fault_words(prompt: str) -> list[str]:
    """The words of a prompt that ask for a fault."""
    return re.findall(r"!([a-z0-9-]+)", prompt)


class FaultPlan:
    """Chooses the fault of each request."""

    def __init__(self, rate: float, seed: int) -> None:
        self._rate = rate
        self._chance = Random(seed)
        self._planned: defaultdict[str, list[str]] = defaultdict(list)
        self._done: Counter[tuple[str, str]] = Counter()

    def plan(self, route: str, *faults: str) -> None:
        """Plan these faults for the next requests to a route, in turn."""
        unknown = set(faults) - set(FAULTS[route])
        assert not unknown, unknown
        self._planned[route] += faults

    def fault(self, route: str, prompt: str = "", key: str = "") -> str | None:
        """The fault of this request; a word in the prompt counts once for each key."""
        if self._planned[route]:
            return self._planned[route].pop(0)
        for name in fault_words(prompt):
            wanted = name in _ALWAYS or self._done[key, name] < _OFTEN.get(name, 1)
            if name in FAULTS[route] and wanted:
                self._done[key, name] += 1
                return name
        if self._rate and self._chance.random() < self._rate:
            return self._chance.choice(_PASSING[route])
        return None
