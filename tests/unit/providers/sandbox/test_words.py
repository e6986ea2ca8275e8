"""Directives in a prompt make the sandbox simulate faults."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from bot.media.mp4 import check_mp4
from providers.errors import NotFound, Throttled, Unanswered
from providers.sandbox import SLOW_DELAY_S, Sandbox
from providers.sandbox.jobs import HUGE_BYTES
from providers.types import Failed, FailureKind, Finished, Pending
from tests.support import video_frames
from tests.support.fake_clock import FakeClock
from tests.support.sandbox_driver import (
    SMALL,
    OpenSandbox,
    download,
    make_film,
    poll_until_done,
    poll_until_percent,
)


async def test_throttled_rejects_two_creates_then_accepts(open_sandbox: OpenSandbox) -> None:
    """The count is on the disk, so a restart in between changes nothing."""
    request = replace(SMALL, prompt="a kite [throttled]")
    for _ in range(2):
        sandbox = open_sandbox()
        with pytest.raises(Throttled) as held_off:
            await sandbox.submit(request)
        assert held_off.value.retry_after == 2
        assert not held_off.value.maybe_accepted
        assert await sandbox.find_job(request, 0) is None
    assert (await open_sandbox().submit(request)).remote_id == "sandbox_k3xw"


@pytest.mark.parametrize(
    ("word", "kind"),
    [("[fail]", FailureKind.UPSTREAM), ("[Moderated]", FailureKind.MODERATION)],
)
async def test_fail_and_moderated_return_failed(
    word: str, kind: FailureKind, sandbox: Sandbox
) -> None:
    """A value, not an exception, with a message for admins."""
    job = await sandbox.submit(replace(SMALL, prompt=f"a kite {word}"))
    end = await sandbox.poll(job.remote_id)
    assert isinstance(end, Failed)
    assert end.kind is kind
    assert end.provider_message


async def test_lost_create_is_accepted_and_can_be_found(
    open_sandbox: OpenSandbox, tmp_path: Path
) -> None:
    """The response is lost, the job is not: it is found by its key and finishes normally."""
    request = replace(SMALL, prompt="a kite [lost]")
    with pytest.raises(Unanswered) as lost:
        await open_sandbox().submit(request)
    assert lost.value.maybe_accepted
    sandbox = open_sandbox()
    found = await sandbox.find_job(request, 0)
    assert found is not None
    assert await poll_until_done(sandbox, found.remote_id) == Finished()
    check_mp4(await make_film(sandbox, request, tmp_path / "film.mp4"))


async def test_vanished_job_is_unknown_after_its_create(sandbox: Sandbox) -> None:
    """The create succeeds, and then the job does not exist."""
    job = await sandbox.submit(replace(SMALL, prompt="a kite [vanished]"))
    for _ in range(3):
        with pytest.raises(NotFound):
            await sandbox.poll(job.remote_id)


async def test_stuck_job_never_ends_but_can_be_cancelled(
    sandbox: Sandbox, clock: FakeClock
) -> None:
    """The case for which tasks have a deadline."""
    job = await sandbox.submit(replace(SMALL, prompt="a kite [stuck]"))
    for _ in range(3):
        await clock.advance(100_000)
        progress = await sandbox.poll(job.remote_id)
        assert isinstance(progress, Pending)
        assert progress.running
    assert await sandbox.cancel(job.remote_id)


async def test_slow_job_finishes_by_the_clock(sandbox: Sandbox, clock: FakeClock) -> None:
    """The video may exist earlier, but the job is not finished before; no call blocks."""
    job = await sandbox.submit(replace(SMALL, prompt="a kite [slow]"))
    await clock.advance(SLOW_DELAY_S / 2)
    await poll_until_percent(sandbox, job.remote_id, 50)
    assert await sandbox.poll(job.remote_id) == Pending(running=True, percent=50)
    await clock.advance(SLOW_DELAY_S / 2)
    assert await poll_until_done(sandbox, job.remote_id) == Finished()


async def test_huge_video_is_large_and_plays(sandbox: Sandbox, tmp_path: Path) -> None:
    """To test the size limits of chats; players skip the padding."""
    film = await make_film(sandbox, replace(SMALL, prompt="a kite [huge]"), tmp_path / "film.mp4")
    assert film.stat().st_size == HUGE_BYTES
    check_mp4(film)
    assert video_frames.player_errors(film) == ""


async def test_broken_truncates_the_first_download_only(
    open_sandbox: OpenSandbox, tmp_path: Path
) -> None:
    """The announced length matches the truncated file; the second download is complete."""
    sandbox = open_sandbox()
    job = await sandbox.submit(replace(SMALL, prompt="a kite [broken]"))
    await poll_until_done(sandbox, job.remote_id)
    half = await download(sandbox, job.remote_id)
    whole = await download(open_sandbox(), job.remote_id)
    assert len(half) == len(whole) // 2
    assert whole.startswith(half)
    (tmp_path / "film.mp4").write_bytes(whole)
    check_mp4(tmp_path / "film.mp4")
