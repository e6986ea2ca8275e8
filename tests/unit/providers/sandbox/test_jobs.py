"""Jobs of the sandbox: they survive a restart, and their reported state is correct."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from providers.errors import NotFound, UpstreamError
from providers.sandbox import MAX_CONCURRENT_RENDERS, Sandbox
from providers.sandbox.jobs import JOB_RETENTION_S, VIDEO_RETENTION_S
from providers.types import Failed, FailureKind, Finished, Pending, ReferenceImage
from tests.fakes.change_signal import PATIENCE_S
from tests.support import sample_images, video_frames
from tests.support.fake_clock import FakeClock
from tests.support.sandbox_driver import (
    SMALL,
    OpenSandbox,
    download,
    make_film,
    poll_until_done,
    poll_until_percent,
)


async def test_same_key_is_the_same_job(open_sandbox: OpenSandbox) -> None:
    """A repeated create, also after a restart, returns the same job."""
    sandbox = open_sandbox()
    assert await sandbox.find_job(SMALL, 0) is None
    first = await sandbox.submit(SMALL)
    second = await sandbox.submit(SMALL)
    third = await open_sandbox().submit(SMALL)
    found = await open_sandbox().find_job(SMALL, 0)
    assert found is not None
    assert {job.remote_id for job in (first, second, third, found)} == {"sandbox_k3xw"}


async def test_percent_rises_and_is_complete_only_with_the_video(sandbox: Sandbox) -> None:
    """It rises while rendering, and is 100 only once the video exists."""
    job = await sandbox.submit(replace(SMALL, seconds=6, width=720, height=1280))
    seen = []
    async with asyncio.timeout(PATIENCE_S):
        while isinstance(progress := await sandbox.poll(job.remote_id), Pending):
            seen.append(progress)
            await asyncio.sleep(0.02)
    percents = [one.percent for one in seen if one.percent is not None]
    assert percents == sorted(percents)
    assert len(set(percents)) > 3
    assert max(percents) < 100
    assert all(one.percent is None for one in seen if not one.running)


async def test_at_most_two_videos_are_rendered_at_once(sandbox: Sandbox, tmp_path: Path) -> None:
    """Ten tasks of one user must not overload the machine; the others wait."""
    jobs = [
        await sandbox.submit(replace(SMALL, idempotency_key=f"job{number}")) for number in range(6)
    ]
    assert await sandbox.poll(jobs[-1].remote_id) == Pending()
    most = 0
    async with asyncio.timeout(PATIENCE_S):
        for job in jobs:
            while isinstance(await sandbox.poll(job.remote_id), Pending):
                most = max(most, len(list((tmp_path / "sandbox").glob("making-*"))))
    assert 1 <= most <= MAX_CONCURRENT_RENDERS


async def test_interrupted_render_restarts_after_restart(
    open_sandbox: OpenSandbox, tmp_path: Path
) -> None:
    """A graceful stop while rendering leaves no file except the job."""
    sandbox = open_sandbox()
    job = await sandbox.submit(replace(SMALL, seconds=30, width=720, height=1280))
    await poll_until_percent(sandbox, job.remote_id)
    await sandbox.close()
    assert [path.name for path in (tmp_path / "sandbox").iterdir()] == ["k3xw.json"]
    again = open_sandbox()
    assert isinstance(await again.poll(job.remote_id), Pending)
    assert await again.cancel(job.remote_id)


_KILLED = """
import asyncio, sys
from pathlib import Path
from providers.base import ProviderOptions
from providers.http import HttpClient
from providers.sandbox import Sandbox
from providers.types import Pending, VideoRequest

async def main():
    sandbox = Sandbox(
        ProviderOptions(kind="sandbox"), HttpClient(), Path(sys.argv[1]), now=lambda: 1.8e9
    )
    request = VideoRequest("k3xw", "sandbox", "a kite", 4, width=480, height=854)
    job = await sandbox.submit(request)
    while isinstance(progress := await sandbox.poll(job.remote_id), Pending):
        if progress.percent:
            print("in the middle", flush=True)
        await asyncio.sleep(0.01)

asyncio.run(main())
"""


async def test_job_survives_sigkill_while_rendering(
    open_sandbox: OpenSandbox, tmp_path: Path
) -> None:
    """After SIGKILL the job is still known, and its video is rendered again."""
    folder = tmp_path / "sandbox"
    with subprocess.Popen(
        [sys.executable, "-c", _KILLED, str(folder)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "in the middle\n"
        process.send_signal(signal.SIGKILL)
    assert list(folder.glob("making-*"))
    sandbox = open_sandbox()
    assert await poll_until_done(sandbox, "sandbox_k3xw") == Finished()
    assert sorted(path.name for path in folder.iterdir()) == ["k3xw.json", "k3xw.mp4"]
    (tmp_path / "film.mp4").write_bytes(await download(sandbox, "sandbox_k3xw"))
    assert video_frames.player_errors(tmp_path / "film.mp4") == ""


async def test_video_is_rendered_again_after_ffmpeg_was_killed(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    """A kill for lack of memory does not fail the job; the next poll renders again."""
    job = await sandbox.submit(replace(SMALL, seconds=4, width=720, height=1280))
    await poll_until_percent(sandbox, job.remote_id)
    for process in _processes_at_work_in(tmp_path):
        os.kill(process, signal.SIGKILL)
    with pytest.raises(UpstreamError):
        await poll_until_done(sandbox, job.remote_id)
    assert await poll_until_done(sandbox, job.remote_id) == Finished()


def _processes_at_work_in(folder: Path) -> list[int]:
    listed = subprocess.run(["ps", "-ewwo", "pid,args"], check=True, capture_output=True, text=True)
    return [
        int(line.split()[0])
        for line in listed.stdout.splitlines()
        if str(folder) in line and "ffmpeg" in line
    ]


async def test_cancel_kills_ffmpeg_and_is_final(sandbox: Sandbox, tmp_path: Path) -> None:
    """Confirmed means stopped: no process remains, and a second cancel returns the same."""
    job = await sandbox.submit(replace(SMALL, seconds=30, width=720, height=1280))
    await poll_until_percent(sandbox, job.remote_id)
    assert await sandbox.cancel(job.remote_id)
    assert _processes_at_work_in(tmp_path) == []
    assert await sandbox.cancel(job.remote_id)
    end = await sandbox.poll(job.remote_id)
    assert isinstance(end, Failed)
    assert end.kind is FailureKind.CANCELLED
    assert [path.name for path in (tmp_path / "sandbox").iterdir()] == ["k3xw.json"]


async def test_finished_job_cannot_be_cancelled(sandbox: Sandbox, tmp_path: Path) -> None:
    """The video stays; otherwise its credits would be refunded."""
    await make_film(sandbox, SMALL, tmp_path / "film.mp4")
    assert not await sandbox.cancel("sandbox_k3xw")
    assert await sandbox.poll("sandbox_k3xw") == Finished()
    failed = await sandbox.submit(replace(SMALL, idempotency_key="other", prompt="[fail]"))
    assert not await sandbox.cancel(failed.remote_id)


async def test_download_resumes_from_any_byte(sandbox: Sandbox, tmp_path: Path) -> None:
    """Also from the last one; an offset beyond the end starts over."""
    whole = (await make_film(sandbox, SMALL, tmp_path / "film.mp4")).read_bytes()
    for offset in (1, len(whole) // 2, len(whole)):
        assert await download(sandbox, "sandbox_k3xw", offset) == whole[offset:]
    assert await download(sandbox, "sandbox_k3xw", len(whole) + 1) == whole


@pytest.mark.parametrize("remote_id", ["k3xw", "sandbox_", "sandbox_none", "sandbox_../k3xw", ""])
async def test_unknown_job_is_not_found(remote_id: str, sandbox: Sandbox) -> None:
    """Admins may type ids; none of them leads out of the folder."""
    await sandbox.submit(replace(SMALL, prompt="[stuck]"))
    with pytest.raises(NotFound):
        await sandbox.poll(remote_id)
    with pytest.raises(NotFound):
        await sandbox.cancel(remote_id)
    with pytest.raises(NotFound):
        async with sandbox.download(remote_id, Finished()):
            pass


async def test_remix_keeps_the_look_of_its_original(sandbox: Sandbox, tmp_path: Path) -> None:
    """The same image or colours with another prompt, also for a remix of a remix."""
    card = tmp_path / "card.png"
    sample_images.color_card(96, 160).save(card)
    image = ReferenceImage(card, "image/png", 96, 160)
    for number, original in enumerate((SMALL, replace(SMALL, image=image))):
        first = replace(original, idempotency_key=f"first{number}")
        film = await make_film(sandbox, first, tmp_path / "first.mp4")
        second = replace(
            SMALL,
            idempotency_key=f"second{number}",
            prompt="",
            width=None,
            height=None,
            remix_of=f"sandbox_first{number}",
        )
        other = await make_film(sandbox, second, tmp_path / "second.mp4")
        assert video_frames.frame(other).size == (96, 160)
        corner = (0, 0, 30, 30)
        assert (
            video_frames.difference(
                video_frames.frame(film).crop(corner), video_frames.frame(other).crop(corner)
            )
            < 1
        )


async def test_expired_videos_are_removed_and_rendered_again_on_demand(
    open_sandbox: OpenSandbox, tmp_path: Path, clock: FakeClock
) -> None:
    """The second render is identical to the byte, so partial downloads still fit."""
    whole = (await make_film(open_sandbox(), SMALL, tmp_path / "film.mp4")).read_bytes()
    await clock.advance(VIDEO_RETENTION_S + 1)
    later = open_sandbox()
    assert isinstance(await later.poll("sandbox_k3xw"), Pending)
    assert await poll_until_done(later, "sandbox_k3xw") == Finished()
    assert await download(later, "sandbox_k3xw") == whole
    await clock.advance(JOB_RETENTION_S)
    with pytest.raises(NotFound):
        await open_sandbox().poll("sandbox_k3xw")


async def test_check_returns_the_version_of_ffmpeg(sandbox: Sandbox) -> None:
    """Nothing else can be missing here."""
    name, version = (await sandbox.check()).split()
    assert name == "ffmpeg"
    assert version[0].isdigit()
