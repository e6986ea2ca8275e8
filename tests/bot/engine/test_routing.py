"""Which provider a task goes to."""

from __future__ import annotations

from bot.catalog import Offer
from bot.engine.routing import choose

A, B, C = Offer("a", "m"), Offer("b", "m", priority=2), Offer("c", "m")


def test_a_full_provider_is_chosen() -> None:
    """Only providers with room are chosen; with none there is no choice."""
    assert choose([A, B], {"a": 1, "b": 0}, {}) == A
    assert choose([A, B], {"a": 0}, {}) is None
    assert choose([], {"a": 5}, {}) is None


def test_the_priority_of_a_provider_is_ignored() -> None:
    """The operator's priority goes first, then the catalogue's, then the room that is left."""
    rooms = {"a": 1, "b": 9, "c": 3}
    assert choose([A, B, C], rooms, {"a": 5}) == A
    assert choose([A, B, C], rooms, {}) == B
    assert choose([A, C], rooms, {}) == C
