"""Contract suite: what the engine relies on, tested with every kind of gateway."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pytest
from imageio_ffmpeg import count_frames_and_secs
from PIL import Image

from providers import PROVIDERS, errors
from providers.base import Provider
from providers.types import (
    Failed,
    FailureKind,
    Finished,
    ImageTransport,
    JobLookup,
    Pending,
    ReferenceImage,
    VideoRequest,
)
from tests.contract.gateways.benches import (
    BENCHES,
    Bench,
    Fault,
    carry_image,
    fetch_video,
    poll_until_failed,
    poll_until_finished,
    poll_until_settled,
)
from tests.fakes.gateways.webhooks import signed_event
from tests.support import sample_images, video_frames


@pytest.fixture(params=sorted(PROVIDERS))
async def bench(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Bench]:
    """Each kind in turn; fails if a kind has no bench."""
    async with BENCHES[request.param](tmp_path / "provider") as it:
        yield it


@pytest.fixture
def provider(bench: Bench) -> Provider:
    """A provider with the default options."""
    return bench.open({})


def asking(bench: Bench, fault: Fault) -> VideoRequest:
    """Return a request that causes this fault."""
    return replace(bench.request, prompt=f"a red kite {bench.words[fault]}")


async def saved(provider: Provider, remote_id: str, path: Path) -> Path:
    """Download the finished video to a file."""
    _, content, total = await fetch_video(provider, remote_id)
    assert total in {None, len(content)}
    path.write_bytes(content)
    return path


# --- videos ------------------------------------------------------------------------------


async def test_video_matches_the_request(bench: Bench, provider: Provider, tmp_path: Path) -> None:
    """It decodes without errors, with the requested duration and size."""
    job = await provider.submit(bench.request)
    film = await saved(provider, job.remote_id, tmp_path / "film.mp4")
    assert video_frames.player_errors(film) == ""
    assert video_frames.frame(film).size == (bench.request.width, bench.request.height)
    _, seconds = count_frames_and_secs(str(film))
    assert seconds == pytest.approx(bench.request.seconds, abs=0.3)


async def test_video_starts_with_the_reference_image(
    bench: Bench, provider: Provider, tmp_path: Path
) -> None:
    """The reference image is the first frame."""
    width, height = bench.request.width or 0, bench.request.height or 0
    path = tmp_path / "picture.png"
    sample_images.color_card(width, height).save(path)
    picture = ReferenceImage(path, "image/png", width, height)
    if not provider.capabilities.image_transports:
        with pytest.raises(errors.Unsupported):
            await provider.submit(replace(bench.request, image=picture))
        return
    async with carry_image(provider, picture) as brought:
        job = await provider.submit(replace(bench.request, image=brought))
    film = await saved(provider, job.remote_id, tmp_path / "film.mp4")
    corner = (0, 0, width // 3, height // 5)
    with Image.open(path) as image:
        sent = image.convert("RGB").crop(corner)
    assert video_frames.difference(video_frames.frame(film).crop(corner), sent) < 12


async def test_resumed_download_fits_the_beginning(bench: Bench, provider: Provider) -> None:
    """Both parts make the whole file; a server that cannot resume starts over and says so."""
    job = await provider.submit(bench.request)
    _, whole, _ = await fetch_video(provider, job.remote_id)
    for asked in (1, len(whole) // 2, len(whole) - 1, len(whole) + 1):
        offset, rest, total = await fetch_video(provider, job.remote_id, asked)
        assert offset in {0, asked}
        assert whole[:offset] + rest == whole
        assert total in {None, len(whole)}


async def test_truncated_download_is_only_a_beginning(bench: Bench, provider: Provider) -> None:
    """It yields no more than a beginning of the file; the next download is complete."""
    job = await provider.submit(asking(bench, "broken"))
    done, begun = await poll_until_finished(provider, job.remote_id), b""
    with suppress(errors.Unanswered):
        async with provider.download(job.remote_id, done) as download:
            async for chunk in download.chunks:
                begun += chunk
    _, whole, total = await fetch_video(provider, job.remote_id)
    assert total in {None, len(whole)}
    assert whole.startswith(begun)
    assert len(begun) < len(whole)


async def test_remix_is_a_separate_job(bench: Bench, provider: Provider) -> None:
    """Original and remix both finish; a gateway without remix raises `Unsupported`."""
    first = await provider.submit(bench.request)
    done = await poll_until_finished(provider, first.remote_id)
    named = done.edit_id if provider.capabilities.remix_by_edit_id else first.remote_id
    change = replace(
        bench.request, idempotency_key="task2", prompt="the kite is blue", remix_of=named
    )
    if not provider.capabilities.remix:
        with pytest.raises(errors.Unsupported):
            await provider.submit(change)
        return
    second = await provider.submit(change)
    assert second.remote_id != first.remote_id
    await poll_until_finished(provider, second.remote_id)
    await poll_until_finished(provider, first.remote_id)


# --- faults ------------------------------------------------------------------------------


async def test_throttled_create_is_certainly_not_accepted(bench: Bench, provider: Provider) -> None:
    """`Throttled`: not accepted, retryable, with the time to wait."""
    with pytest.raises(errors.Throttled) as raised:
        await provider.submit(asking(bench, "throttled"))
    assert not raised.value.maybe_accepted
    assert raised.value.retryable
    assert raised.value.retry_after


async def test_create_with_lost_response_may_be_accepted(bench: Bench, provider: Provider) -> None:
    """The error says so; where jobs can be found, exactly that job is found."""
    since, lost = time.time(), asking(bench, "lost")
    with pytest.raises(errors.ProviderError) as raised:
        await provider.submit(lost)
    assert raised.value.maybe_accepted
    if provider.capabilities.job_lookup is JobLookup.UNSUPPORTED:
        with pytest.raises(errors.Unsupported):
            await provider.find_job(lost, since)
        return
    found = await provider.find_job(lost, since)
    assert found is not None
    await poll_until_finished(provider, found.remote_id)


async def test_job_with_another_prompt_is_not_found(bench: Bench, provider: Provider) -> None:
    """It is never taken for the job of a lost create."""
    since = time.time()
    await provider.submit(bench.request)
    if provider.capabilities.job_lookup is not JobLookup.UNSUPPORTED:
        other = replace(bench.request, idempotency_key="task2", prompt="a green boat")
        assert await provider.find_job(other, since) is None


async def test_moderation_is_reported_as_such(bench: Bench, provider: Provider) -> None:
    """As an error of the create, or as the failure of the job."""
    try:
        job = await provider.submit(asking(bench, "moderated"))
    except errors.Moderated:
        return
    assert (await poll_until_failed(provider, job.remote_id)).kind is FailureKind.MODERATION


async def test_failure_of_a_job_is_a_value(bench: Bench, provider: Provider) -> None:
    """`Failed`, with a message for admins, not an exception."""
    job = await provider.submit(asking(bench, "fail"))
    verdict = await poll_until_failed(provider, job.remote_id)
    assert verdict.kind is FailureKind.UPSTREAM
    assert verdict.provider_message


async def test_unknown_job_is_not_found(bench: Bench, provider: Provider) -> None:
    """One that never existed, and one that the gateway has forgotten."""
    job = await provider.submit(asking(bench, "vanished"))
    for remote_id in (job.remote_id, "video_none", "../../etc/passwd", "a b?c#d%2e"):
        with pytest.raises(errors.NotFound) as raised:
            await provider.poll(remote_id)
        assert not raised.value.maybe_accepted
    # A gateway without a content route needs a link.
    with pytest.raises((errors.NotFound, errors.NoResult)):
        async with provider.download("video_none", Finished()):
            pass


async def test_cancelled_job_stops(bench: Bench, provider: Provider) -> None:
    """Where the gateway supports cancel, its confirmation means that no video will follow."""
    job = await provider.submit(asking(bench, "stuck"))
    if not provider.capabilities.cancel:
        with pytest.raises(errors.Unsupported):
            await provider.cancel(job.remote_id)
        return
    assert await provider.cancel(job.remote_id)
    try:
        end = await poll_until_settled(provider, job.remote_id)
    except errors.NotFound:
        return
    assert isinstance(end, Failed)
    assert end.kind is FailureKind.CANCELLED


# --- accounts ----------------------------------------------------------------------------


async def test_identity_distinguishes_accounts(bench: Bench, provider: Provider) -> None:
    """It depends on key and address: equal after a restart, different for another account."""
    secret = "sk-another-1234567890"
    others = [bench.open({"api_key": secret}), bench.open({"base_url": "http://127.0.0.1:9"})]
    identities = {one.identity for one in (provider, *others)}
    assert len(identities) == 3
    assert bench.open({}).identity == provider.identity
    assert secret not in f"{others[0]!r} {others[0].options!r} {identities}"


async def test_check_is_free_of_charge(bench: Bench, provider: Provider) -> None:
    """It returns a short text and creates no job."""
    assert 0 < len(await provider.check()) < 200
    if provider.capabilities.job_lookup is not JobLookup.UNSUPPORTED:
        assert await provider.find_job(bench.request, time.time()) is None


# --- optional operations -----------------------------------------------------------------


async def test_list_poll_matches_individual_polls(bench: Bench, provider: Provider) -> None:
    """For every requested job the same state as a poll of its own, and no other job."""
    since = time.time()
    if not provider.capabilities.batch_poll:
        with pytest.raises(errors.Unsupported):
            await provider.poll_many(["video_none"], since)
        return
    jobs = [
        await provider.submit(
            replace(bench.request, idempotency_key=f"task{number}", prompt=f"kite {number}")
        )
        for number in range(3)
    ]
    stuck = await provider.submit(asking(bench, "stuck"))
    for job in jobs:
        await poll_until_finished(provider, job.remote_id)
    wanted = [jobs[0].remote_id, jobs[2].remote_id, stuck.remote_id, "video_none"]
    seen = await provider.poll_many(wanted, since)
    assert seen.keys() == set(wanted) - {"video_none"}
    assert isinstance(seen[jobs[0].remote_id], Finished)
    assert isinstance(seen[stuck.remote_id], Pending)


async def test_thumbnail_is_a_still_image_of_the_video(bench: Bench, provider: Provider) -> None:
    """It has the proportions of the video."""
    job = await provider.submit(bench.request)
    done = await poll_until_finished(provider, job.remote_id)
    if not provider.capabilities.thumbnails:
        with pytest.raises(errors.Unsupported):
            async with provider.thumbnail(job.remote_id, done):
                pass
        return
    async with provider.thumbnail(job.remote_id, done) as download:
        content = b"".join([chunk async for chunk in download.chunks])
    with Image.open(BytesIO(content)) as still:
        asked = (bench.request.width or 0) / (bench.request.height or 1)
        assert still.width / still.height == pytest.approx(asked, rel=0.02)


async def test_only_signed_events_are_accepted(provider: Provider) -> None:
    """Signed recently and unchanged; a repeated event has the same id."""
    body, headers = signed_event("video.completed", "video_7")
    if not provider.capabilities.webhooks:
        with pytest.raises(errors.Unsupported):
            provider.parse_webhook(headers, body)
        return
    event = provider.parse_webhook(headers, body)
    assert event.remote_id == "video_7"
    assert provider.parse_webhook(headers, body).id == event.id
    other, of_another_kind = signed_event("batch.completed", "batch_7")
    assert provider.parse_webhook(of_another_kind, other).remote_id is None
    forgeries = [
        ({**headers, "webhook-signature": "v1,AAAA"}, body),
        ({**headers, "webhook-signature": "v1"}, body),
        ({**headers, "webhook-id": "evt_other"}, body),
        ({**headers, "webhook-timestamp": "soon"}, body),
        ({}, body),
        (headers, body + b" "),
        (headers, b"\xff"),
        signed_event("video.completed", "video_7", age=600)[::-1],
        signed_event("video.completed", "video_7", age=-600)[::-1],
        signed_event("video.completed", "video_7", "whsec_b3RoZXI=")[::-1],
    ]
    for forged, said in forgeries:
        with pytest.raises(errors.InvalidSignature):
            provider.parse_webhook(forged, said)


async def test_served_models_are_the_listed_ones(provider: Provider) -> None:
    """The list of the gateway, or None if there is none; a wrong key is an error."""
    listed = await provider.served_models()
    assert listed is None or (listed and all(isinstance(name, str) for name in listed))


async def test_uploaded_image_can_be_downloaded(provider: Provider, tmp_path: Path) -> None:
    """Where the gateway has an upload, its link returns the image."""
    path = tmp_path / "picture.png"
    sample_images.color_card(64, 64).save(path)
    picture = ReferenceImage(path, "image/png", 64, 64)
    if ImageTransport.UPLOAD not in provider.capabilities.image_transports:
        with pytest.raises(errors.Unsupported):
            await provider.upload_image(picture)
        return
    assert (await provider.upload_image(picture)).startswith("http")
