"""One suite for every kind of gateway: what the engine relies on, whoever makes the video."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from imageio_ffmpeg import count_frames_and_secs
from PIL import Image

from providers import PROVIDERS, errors
from providers.base import (
    Failed,
    FailureKind,
    Finding,
    Finished,
    Provider,
    ReferenceImage,
    VideoRequest,
)
from tests.providers.contract import (
    BENCHES,
    Bench,
    Fault,
    carried,
    end_of,
    failed,
    fetched,
    finished,
)
from tests.standins import frames, pictures


@pytest.fixture(params=sorted(PROVIDERS))
async def bench(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Bench]:
    """Each kind in turn; one without a bench fails here."""
    async with BENCHES[request.param](tmp_path / "provider") as it:
        yield it


@pytest.fixture
def provider(bench: Bench) -> Provider:
    """One account there."""
    return bench.open({})


def asking(bench: Bench, fault: Fault) -> VideoRequest:
    """A request that suffers this."""
    return replace(bench.request, prompt=f"a red kite {bench.words[fault]}")


async def saved(provider: Provider, remote_id: str, path: Path) -> Path:
    """The finished film as a file."""
    _, content, total = await fetched(provider, remote_id)
    assert total in {None, len(content)}
    path.write_bytes(content)
    return path


# --- videos ------------------------------------------------------------------------------


async def test_a_video_is_not_the_one_asked_for(
    bench: Bench, provider: Provider, tmp_path: Path
) -> None:
    """It plays without a complaint, as long and as large as asked."""
    job = await provider.submit(bench.request)
    film = await saved(provider, job.remote_id, tmp_path / "film.mp4")
    assert frames.complaints(film) == ""
    assert frames.frame(film).size == (bench.request.width, bench.request.height)
    _, seconds = count_frames_and_secs(str(film))
    assert seconds == pytest.approx(bench.request.seconds, abs=0.3)


async def test_a_picture_is_not_where_the_video_begins(
    bench: Bench, provider: Provider, tmp_path: Path
) -> None:
    """The reference picture is the first frame."""
    width, height = bench.request.width or 0, bench.request.height or 0
    path = tmp_path / "picture.png"
    pictures.quarters(width, height).save(path)
    picture = ReferenceImage(path, "image/png", width, height)
    async with carried(provider, picture) as brought:
        job = await provider.submit(replace(bench.request, image=brought))
    film = await saved(provider, job.remote_id, tmp_path / "film.mp4")
    corner = (0, 0, width // 3, height // 5)
    with Image.open(path) as image:
        sent = image.convert("RGB").crop(corner)
    assert frames.difference(frames.frame(film).crop(corner), sent) < 12


async def test_a_resumed_download_does_not_fit(bench: Bench, provider: Provider) -> None:
    """Beginning and rest make the whole; where it cannot go on, it says that it starts over."""
    job = await provider.submit(bench.request)
    _, whole, _ = await fetched(provider, job.remote_id)
    for asked in (1, len(whole) // 2, len(whole) - 1, len(whole) + 1):
        offset, rest, total = await fetched(provider, job.remote_id, asked)
        assert offset in {0, asked}
        assert whole[:offset] + rest == whole
        assert total in {None, len(whole)}


async def test_a_broken_download_passes_for_a_whole_one(bench: Bench, provider: Provider) -> None:
    """What came of it is no more than a beginning; the next one is whole."""
    job = await provider.submit(asking(bench, "broken"))
    done, begun = await finished(provider, job.remote_id), b""
    with suppress(errors.Unanswered):
        async with provider.download(job.remote_id, done) as download:
            async for chunk in download.chunks:
                begun += chunk
    _, whole, total = await fetched(provider, job.remote_id)
    assert total in {None, len(whole)}
    assert whole.startswith(begun)
    assert len(begun) < len(whole)


async def test_a_change_replaces_its_original(bench: Bench, provider: Provider) -> None:
    """A remix is a job of its own, where the gateway can."""
    first = await provider.submit(bench.request)
    done = await finished(provider, first.remote_id)
    named = done.edit_id if provider.capabilities.edit_id else first.remote_id
    change = replace(bench.request, key="task2", prompt="the kite is blue", remix_of=named)
    if not provider.capabilities.remix:
        return
    second = await provider.submit(change)
    assert second.remote_id != first.remote_id
    await finished(provider, second.remote_id)
    await finished(provider, first.remote_id)


# --- what goes wrong ---------------------------------------------------------------------


async def test_a_create_that_was_refused_passes_for_one_that_may_run(
    bench: Bench, provider: Provider
) -> None:
    """Told to slow down: certainly not accepted, worth another try, and when."""
    with pytest.raises(errors.Throttled) as raised:
        await provider.submit(asking(bench, "throttled"))
    assert not raised.value.accepted
    assert raised.value.again
    assert raised.value.retry_after


async def test_a_lost_answer_passes_for_a_refusal(bench: Bench, provider: Provider) -> None:
    """The create may have been accepted; where jobs can be found, it is the one found."""
    since, lost = time.time(), asking(bench, "lost")
    with pytest.raises(errors.ProviderError) as raised:
        await provider.submit(lost)
    assert raised.value.accepted
    if provider.capabilities.find is Finding.NOTHING:
        with pytest.raises(errors.Unsupported):
            await provider.find(lost, since)
        return
    found = await provider.find(lost, since)
    assert found is not None
    await finished(provider, found.remote_id)


async def test_a_job_is_found_that_was_never_made(bench: Bench, provider: Provider) -> None:
    """Another's job is never taken for ours."""
    since = time.time()
    await provider.submit(bench.request)
    if provider.capabilities.find is not Finding.NOTHING:
        other = replace(bench.request, key="task2", prompt="a green boat")
        assert await provider.find(other, since) is None


async def test_a_forbidden_prompt_passes_for_a_fault(bench: Bench, provider: Provider) -> None:
    """Moderation is told as such, at once or as the end of the job."""
    try:
        job = await provider.submit(asking(bench, "moderated"))
    except errors.Moderated:
        return
    assert (await failed(provider, job.remote_id)).kind is FailureKind.MODERATION


async def test_a_failure_is_an_exception(bench: Bench, provider: Provider) -> None:
    """The verdict on a job is a value, with something for an admin to read."""
    job = await provider.submit(asking(bench, "fail"))
    verdict = await failed(provider, job.remote_id)
    assert verdict.kind is FailureKind.UPSTREAM
    assert verdict.raw


async def test_an_unknown_job_is_waited_for(bench: Bench, provider: Provider) -> None:
    """One that never was, and one that the gateway has forgotten."""
    job = await provider.submit(asking(bench, "vanished"))
    for remote_id in (job.remote_id, "video_none", "../../etc/passwd", "a b?c#d%2e"):
        with pytest.raises(errors.NotFound) as raised:
            await provider.poll(remote_id)
        assert not raised.value.accepted
    # A gateway whose videos come by link alone cannot even be asked.
    with pytest.raises((errors.NotFound, errors.NoResult)):
        async with provider.download("video_none", Finished()):
            pass


async def test_a_stopped_job_runs_on(bench: Bench, provider: Provider) -> None:
    """Where the gateway can cancel, its yes means that no video will come."""
    job = await provider.submit(asking(bench, "stuck"))
    if not provider.capabilities.cancel:
        with pytest.raises(errors.Unsupported):
            await provider.cancel(job.remote_id)
        return
    assert await provider.cancel(job.remote_id)
    try:
        end = await end_of(provider, job.remote_id)
    except errors.NotFound:
        return
    assert isinstance(end, Failed)
    assert end.kind is FailureKind.CANCELLED


# --- accounts ----------------------------------------------------------------------------


async def test_two_accounts_are_taken_for_one(bench: Bench, provider: Provider) -> None:
    """Identity is key and address: the same after a restart, another for another account."""
    secret = "sk-another-1234567890"
    others = [bench.open({"api_key": secret}), bench.open({"base_url": "http://127.0.0.1:9"})]
    identities = {one.identity for one in (provider, *others)}
    assert len(identities) == 3
    assert bench.open({}).identity == provider.identity
    assert secret not in f"{others[0]!r} {others[0].options!r} {identities}"


async def test_a_check_costs_something(bench: Bench, provider: Provider) -> None:
    """It says in a short word what it has seen, and makes no job."""
    assert 0 < len(await provider.check()) < 200
    if provider.capabilities.find is not Finding.NOTHING:
        assert await provider.find(bench.request, time.time()) is None
