"""Queued tasks show how many tasks are before them."""

from __future__ import annotations

from bot.credits import lifecycle
from bot.domain.tasks import State
from bot.engine import queue_position
from bot.presentation.i18n import translate
from bot.store import frontend_state
from tests.fakes.engine.harness import EngineHarness
from tests.unit.bot.engine.conftest import BOTH_DATABASES


@BOTH_DATABASES
async def test_queue_position_is_updated_in_order(harness: EngineHarness) -> None:
    """As the queue shortens, each status is updated, in queue order."""
    await harness.register_providers()
    waits = [await harness.accept_task(f"console:{name}") for name in "abc"]
    await queue_position.update_queue_positions(harness.engine)
    assert harness.chat.status_texts == []
    await harness.clock.advance(queue_position.INTERVAL_S)
    await queue_position.update_queue_positions(harness.engine)
    first, second, third = harness.chat.status_texts
    assert [wait.id for wait in waits] == [text[:8] for text in (first, second, third)]
    assert translate("en", "expected-line", line=2) in third
    await harness.database.transact(
        lambda tx: lifecycle.transition(tx, waits[0], State.CANCELLED, harness.clock.now())
    )
    await queue_position.update_queue_positions(harness.engine)
    assert translate("en", "expected-line", line=1) in harness.chat.status_texts[-1]
    assert len(harness.chat.status_texts) == 5


@BOTH_DATABASES
async def test_queue_position_is_sent_by_one_process_only(harness: EngineHarness) -> None:
    """While one process updates positions, another one for the same chats does not."""
    await harness.accept_task()
    await harness.clock.advance(queue_position.INTERVAL_S)
    other = "another-process"
    until = harness.clock.now() + 1000
    now = harness.clock.now()
    await harness.database.transact(
        lambda tx: frontend_state.try_lock(tx, "console", "line", other, now, until)
    )
    await queue_position.update_queue_positions(harness.engine)
    assert harness.chat.status_texts == []
    await harness.clock.advance(1001)
    await queue_position.update_queue_positions(harness.engine)
    assert len(harness.chat.status_texts) == 1
