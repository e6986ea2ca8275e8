"""The picture in the docstring, the table and the words of the model are one thing."""

from __future__ import annotations

import re

import pytest

from bot.credits import lifecycle
from bot.domain.tasks import ACTIVE, AT_REST, FINAL, State

_ARROW = re.compile(r"^\s{4}(\w+)\s+->\s+(.+)$", re.MULTILINE)


def _picture() -> dict[State, frozenset[State]]:
    found = {}
    for name, targets in _ARROW.findall(lifecycle.__doc__ or ""):
        words = [] if targets == "nothing" else targets.split(", ")
        found[State(name)] = frozenset(State(word) for word in words)
    return found


def test_the_picture_shows_arrows_that_the_code_does_not_have() -> None:
    """The docstring's picture and the table of arrows are equal, every state included."""
    assert _picture() == lifecycle.ARROWS
    assert set(lifecycle.ARROWS) == set(State)


def test_a_state_has_no_story() -> None:
    """Each state has its own paragraph: who moves it on and what a crash leaves."""
    text = lifecycle.__doc__ or ""
    assert [
        state for state in State if not re.search(rf"^.*\b{state}\b.*\s{{2,}}", text, re.MULTILINE)
    ] == []


@pytest.mark.parametrize("state", sorted(FINAL))
def test_a_final_state_can_be_left(state: State) -> None:
    """Nothing leads out of a final state."""
    assert lifecycle.ARROWS[state] == frozenset()


def test_a_task_gets_stuck() -> None:
    """From every state that is not final a final one can be reached."""
    for state in State:
        seen, front = {state}, [state]
        while front:
            new = lifecycle.ARROWS[front.pop()] - seen
            seen |= new
            front += new
        assert seen & FINAL


def test_a_state_is_neither_at_work_nor_at_rest() -> None:
    """The named sets part the states among themselves."""
    assert set(State) == ACTIVE | AT_REST
    assert not ACTIVE & AT_REST
    assert FINAL < AT_REST
