"""Final notices and status updates."""

from __future__ import annotations

from bot.ports import DeliveryError
from providers import errors
from tests.fakes.engine.harness import EngineHarness
from tests.unit.bot.engine.conftest import BOTH_DATABASES

HOUR = 3600.0


@BOTH_DATABASES
async def test_failure_notice_is_sent_when_the_chat_is_back(harness: EngineHarness) -> None:
    """The final notice of a failed task waits for the chat."""
    harness.provider.submits = [errors.Moderated()]
    harness.chat.message_results = [DeliveryError("blocked"), DeliveryError("blocked"), None]
    await harness.accept_task()
    await harness.run_for(HOUR)
    assert len(harness.chat.final_messages) == 1
