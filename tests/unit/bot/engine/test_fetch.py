"""Downloads of finished videos."""

from __future__ import annotations

import pytest

from bot.domain.tasks import State
from providers import errors
from providers.types import Finished
from tests.fakes.engine.harness import EngineHarness
from tests.fakes.engine.scripted import MP4

HOUR = 3600.0


async def test_expired_link_is_renewed_by_a_poll(harness: EngineHarness) -> None:
    """A dead link leads to another poll, which returns a fresh link."""
    harness.provider.polls = [Finished("https://a/1"), Finished("https://a/2")]
    harness.provider.downloads = [errors.NotFound(), MP4]
    task = await harness.accept_task()
    await harness.run_for(120)
    assert (await harness.task(task)).state is State.DONE
    links = [about[0].url for verb, about in harness.provider.received if verb == "download"]  # type: ignore[index]
    assert links == ["https://a/1", "https://a/2"]
    assert await harness.spent() == 4


async def test_interrupted_download_resumes(harness: EngineHarness) -> None:
    """A download that broke in the middle continues where it stopped."""
    harness.provider.downloads = [MP4[:20], MP4]
    task = await harness.accept_task()
    await harness.run_for(120)
    assert (await harness.task(task)).state is State.DONE
    offsets = [about[1] for verb, about in harness.provider.received if verb == "download"]  # type: ignore[index]
    assert offsets == [0, 20]


@pytest.mark.parametrize(
    "answer", [b"{}" * 20, errors.MalformedResponse(), errors.NotFound()], ids=repr
)
async def test_download_that_is_no_video_fails_and_releases_credits(
    harness: EngineHarness, answer: bytes | errors.ProviderError
) -> None:
    """After a few tries the task fails, and its hold is released."""
    harness.provider.downloads = [answer]
    task = await harness.accept_task()
    await harness.run_for(HOUR)
    found = await harness.task(task)
    assert (found.state, found.reason) == (State.FAILED, "file-lost")
    assert harness.chat.posted_texts == []
    assert await harness.spent() == 0


async def test_download_outage_keeps_the_video(harness: EngineHarness) -> None:
    """Hours without an answer lose nothing."""
    harness.provider.downloads = [*[errors.Unanswered()] * 100, MP4]
    task = await harness.accept_task()
    await harness.run_for(6 * HOUR)
    assert (await harness.task(task)).state is State.DONE


async def test_forbidden_link_is_renewed_by_a_poll(harness: EngineHarness) -> None:
    """A signed link that answers 403 has expired: another poll returns a fresh one."""
    harness.provider.polls = [Finished("https://a/1"), Finished("https://a/2")]
    harness.provider.downloads = [errors.Misconfigured("HTTP 403"), MP4]
    task = await harness.accept_task()
    await harness.run_for(120)
    assert (await harness.task(task)).state is State.DONE
    assert harness.provider.count("poll") == 2


MAX_FETCHES = 6


@pytest.mark.parametrize("answer", [b"{}" * 20, errors.NotFound()], ids=["no video", "dead link"])
@pytest.mark.parametrize(
    ("failures", "state", "spent"),
    [(MAX_FETCHES - 1, State.DONE, 4), (MAX_FETCHES, State.FAILED, 0)],
)
async def test_sixth_download_without_a_video_fails_the_task(
    harness: EngineHarness, answer: bytes | Exception, failures: int, state: State, spent: int
) -> None:
    """A video that arrives before that is delivered and paid for."""
    harness.provider.downloads = [*[answer] * failures, MP4]
    task = await harness.accept_task()
    await harness.run_for(3600)
    assert (await harness.task(task)).state is state
    assert harness.provider.count("download") == MAX_FETCHES
    assert await harness.spent() == spent
