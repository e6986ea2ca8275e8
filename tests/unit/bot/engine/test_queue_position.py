"""Those who wait in line hear how many are still before them."""

from __future__ import annotations

from bot.credits import lifecycle
from bot.domain.tasks import State
from bot.engine import queue_position
from bot.presentation.i18n import say
from bot.store import frontend_state
from tests.fakes.engine.harness import Stage


async def test_a_place_in_line_is_told_once_and_never_again(stage: Stage) -> None:
    """As the line gets shorter, each who waits hears their new place, in the line's order."""
    await stage.register()
    waits = [await stage.order(f"console:{name}") for name in "abc"]
    await queue_position.tell(stage.world)
    assert stage.chat.shown_texts == []
    await stage.clock.advance(queue_position.EVERY)
    await queue_position.tell(stage.world)
    first, second, third = stage.chat.shown_texts
    assert [one.id for one in waits] == [text[:8] for text in (first, second, third)]
    assert say("en", "expected-line", line=2) in third
    await stage.database.transact(
        lambda tx: lifecycle.move(tx, waits[0], State.CANCELLED, stage.clock.now())
    )
    await queue_position.tell(stage.world)
    assert say("en", "expected-line", line=1) in stage.chat.shown_texts[-1]
    assert len(stage.chat.shown_texts) == 5


async def test_two_processes_tell_the_same_place(stage: Stage) -> None:
    """While one process tells the line, another with the same chats does not."""
    await stage.order()
    await stage.clock.advance(queue_position.EVERY)
    other = "another-process"
    until = stage.clock.now() + 1000
    now = stage.clock.now()
    await stage.database.transact(
        lambda tx: frontend_state.claim_mark(tx, "console", "line", other, now, until)
    )
    await queue_position.tell(stage.world)
    assert stage.chat.shown_texts == []
    await stage.clock.advance(1001)
    await queue_position.tell(stage.world)
    assert len(stage.chat.shown_texts) == 1
