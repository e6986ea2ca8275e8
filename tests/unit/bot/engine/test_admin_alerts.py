"""Alerts to admins."""

from __future__ import annotations

from providers import errors
from tests.fakes.engine.harness import EngineHarness


async def test_overlong_alert_is_sent_and_does_not_block_the_next(harness: EngineHarness) -> None:
    """However long the provider's text is, this alert is sent, and the next one too."""
    harness.provider.submits = [errors.Misconfigured("\u4f59" * 5000)]
    await harness.accept_task()
    await harness.run_for(5)
    assert len(harness.chat.alerts) == 1
    harness.provider.submits = [None]
    await harness.accept_task()
    await harness.run_for(120)
    await harness.accept_task()
    await harness.run_for(120)
    assert "works again" in harness.chat.alerts[1]
