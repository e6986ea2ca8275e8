"""The diagram in the docstring, the transition table and the states agree."""

from __future__ import annotations

import re

import pytest

from bot.credits import lifecycle
from bot.domain.tasks import ACTIVE, FINAL, SETTLED, State

_ARROW = re.compile(r"^\s{4}(\w+)\s+->\s+(.+)$", re.MULTILINE)


def _picture() -> dict[State, frozenset[State]]:
    found = {}
    for name, targets in _ARROW.findall(lifecycle.__doc__ or ""):
        words = [] if targets == "nothing" else targets.split(", ")
        found[State(name)] = frozenset(State(word) for word in words)
    return found


def test_docstring_diagram_equals_the_transition_table() -> None:
    """Every state included."""
    assert _picture() == lifecycle.TRANSITIONS
    assert set(lifecycle.TRANSITIONS) == set(State)


def test_each_state_is_described() -> None:
    """Each state has its own paragraph: what leaves it, and what a crash does to it."""
    text = lifecycle.__doc__ or ""
    assert [
        state for state in State if not re.search(rf"^.*\b{state}\b.*\s{{2,}}", text, re.MULTILINE)
    ] == []


@pytest.mark.parametrize("state", sorted(FINAL))
def test_final_states_have_no_transition(state: State) -> None:
    """Nothing leads out of a final state."""
    assert lifecycle.TRANSITIONS[state] == frozenset()


def test_every_state_reaches_a_final_state() -> None:
    """From every state that is not final a final one can be reached."""
    for state in State:
        seen, front = {state}, [state]
        while front:
            new = lifecycle.TRANSITIONS[front.pop()] - seen
            seen |= new
            front += new
        assert seen & FINAL


def test_named_sets_partition_the_states() -> None:
    """Each state is in exactly one of them."""
    assert set(State) == ACTIVE | SETTLED
    assert not ACTIVE & SETTLED
    assert FINAL < SETTLED
