"""Creates: a job is paid once, whatever the answer to the create is."""

from __future__ import annotations

import pytest

from bot.domain.tasks import State
from providers import errors
from tests.fakes.engine.harness import EngineHarness
from tests.fakes.engine.scripted import ScriptedProvider

HOUR = 3600.0

DAY = 24 * HOUR


@pytest.mark.parametrize(
    "error", [errors.Unanswered(), errors.UpstreamError(), errors.MalformedResponse()], ids=repr
)
async def test_unclear_create_is_never_resent(
    harness: EngineHarness, error: errors.ProviderError
) -> None:
    """Without a job list, an unclear create goes to review with its credits held."""
    harness.provider.submits = [error]
    task = await harness.accept_task()
    await harness.run_for(DAY)
    found = await harness.task(task)
    assert (found.state, found.reason) == (State.REVIEW, "create-unclear")
    assert harness.provider.count("submit") == 1
    assert await harness.held() == 4
    assert len(harness.chat.final_messages) == 1
    assert "not ordered again" in harness.chat.final_messages[0]


@pytest.mark.parametrize("error", [errors.Unreachable(), errors.Throttled(retry_after=7)], ids=repr)
async def test_rejected_connection_retries_create_once(
    harness: EngineHarness, error: errors.ProviderError
) -> None:
    """A create that certainly was not accepted is retried, and one job is made."""
    harness.provider.submits = [error, error, None]
    task = await harness.accept_task()
    await harness.run_for(120)
    assert (await harness.task(task)).state is State.DONE
    assert harness.provider.count("submit") == 3
    assert await harness.spent() == 4


async def test_throttled_provider_is_left_alone_until_retry_after(harness: EngineHarness) -> None:
    """After a 429 no task uses the provider for the requested time."""
    harness.provider.submits = [errors.Throttled(retry_after=50), None]
    await harness.accept_task()
    await harness.run_due_steps()
    await harness.accept_task("console:b")
    await harness.run_for(49)
    assert harness.provider.count("submit") == 1
    await harness.run_for(60)
    assert harness.provider.count("submit") == 3


async def test_unreachable_provider_releases_credits_after_deadline(harness: EngineHarness) -> None:
    """A create that never arrived is given up at the deadline, and its hold is released."""
    harness.provider.submits = [errors.Unreachable()]
    task = await harness.accept_task()
    await harness.run_for(HOUR)
    found = await harness.task(task)
    assert (found.state, found.reason) == (State.FAILED, "unreachable")
    assert (await harness.held(), await harness.spent()) == (0, 0)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (errors.Rejected("raw words"), "invalid-request"),
        (errors.Moderated("raw words"), "moderation"),
        (errors.ModelUnavailable("raw words"), "model-unavailable"),
        (errors.Misconfigured("raw words"), "misconfigured"),
        (errors.Unsupported("raw words"), "invalid-request"),
    ],
)
async def test_refusal_releases_credits_and_hides_provider_words(
    harness: EngineHarness, error: errors.ProviderError, reason: str
) -> None:
    """A definite refusal fails the task, releases the hold, and shows users no provider text."""
    harness.provider.submits = [error]
    task = await harness.accept_task()
    await harness.run_for(HOUR)
    found = await harness.task(task)
    assert (found.state, found.reason, found.provider_message) == (
        State.FAILED,
        reason,
        "raw words",
    )
    assert harness.provider.count("submit") == 1
    assert (await harness.held(), await harness.spent()) == (0, 0)
    (told,) = harness.chat.final_messages
    assert "raw words" not in told
    assert "4 credits back" in told


async def test_permanent_throttling_releases_credits_after_deadline(harness: EngineHarness) -> None:
    """A create that is always throttled is given up at the deadline."""
    harness.provider.submits = [errors.Throttled(retry_after=86400.0)]
    task = await harness.accept_task()
    await harness.run_for(3 * HOUR)
    assert (await harness.task(task)).state is State.FAILED
    assert await harness.spent() == 0


async def test_rejected_create_moves_to_the_next_provider(harness: EngineHarness) -> None:
    """What the first provider certainly did not accept goes to the second one."""
    dead, good = ScriptedProvider(harness.folder), ScriptedProvider(harness.folder, key="other")
    dead.submits = [errors.Unreachable()]
    harness.use_providers({"dead": dead, "good": good})
    task = await harness.accept_task()
    await harness.run_for(60)
    found = await harness.task(task)
    assert (found.state, found.provider) == (State.DONE, "good")
    assert good.count("submit") == 1
