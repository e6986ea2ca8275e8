"""The OpenAI format, tested with a fake that validates requests against the specification."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from PIL import Image
from pydantic import SecretStr

from bot.media.probe import probe
from providers import errors
from providers.base import Provider
from providers.http import HttpClient
from providers.openai import OpenAI, OpenAIOptions
from providers.types import FailureKind, JobLookup, ReferenceImage, VideoRequest
from tests.contract.gateways import benches
from tests.contract.gateways.benches import poll_until_finished
from tests.fakes.gateways.openai import KEY, FakeOpenAIGateway
from tests.fakes.raw_server import http_response, raw_server, respond_with


@pytest.fixture
async def gateway() -> AsyncIterator[FakeOpenAIGateway]:
    """A fast fake."""
    async with FakeOpenAIGateway(render_seconds=0.05) as it:
        yield it
        assert it.violations == []


def provider(
    http: HttpClient, gateway: FakeOpenAIGateway, folder: Path, **options: object
) -> OpenAI:
    """Open a provider at the fake."""
    made = {"kind": "openai", "api_key": SecretStr(KEY), "base_url": gateway.url, **options}
    return OpenAI(OpenAIOptions.model_validate(made), http, folder)


def request(prompt: str = "a red kite", **changes: object) -> VideoRequest:
    """Return a request for four seconds in portrait format."""
    made = {"seconds": 4, "size": "720x1280", "width": 720, "height": 1280, **changes}
    return VideoRequest(idempotency_key="task1", model="sora-2", prompt=prompt, **made)  # type: ignore[arg-type]


async def fetched(one: Provider, remote_id: str, offset: int = 0) -> bytes:
    """Download the video from this offset on."""
    begun, content, _ = await benches.fetch_video(one, remote_id, offset)
    assert begun == offset
    return content


@pytest.mark.parametrize("suffix", ["", "/", "/v1", "/v1/"])
@pytest.mark.parametrize("body", ["auto", "multipart", "json"])
async def test_create_works_with_any_base_url_and_body_format(
    http: HttpClient, gateway: FakeOpenAIGateway, tmp_path: Path, suffix: str, body: str
) -> None:
    """With or without a trailing /v1, as multipart and as JSON."""
    one = provider(http, gateway, tmp_path, base_url=gateway.url + suffix, body=body)
    job = await one.submit(request())
    assert gateway.jobs[job.remote_id].body["seconds"] == "4"
    assert gateway.creates == {"a red kite": 1}


async def test_video_matches_the_request(
    http: HttpClient, gateway: FakeOpenAIGateway, tmp_path: Path
) -> None:
    """The image is uploaded unchanged, and the video has the requested size and duration."""
    path = tmp_path / "picture.jpg"
    Image.new("RGB", (720, 1280), "teal").save(path)
    one = provider(http, gateway, tmp_path)
    job = await one.submit(request(image=ReferenceImage(path, "image/jpeg", 720, 1280)))
    assert gateway.jobs[job.remote_id].picture == path.read_bytes()
    film = tmp_path / "film.mp4"
    film.write_bytes(await fetched(one, job.remote_id))
    facts = await probe(film)
    assert (facts.width, facts.height) == (720, 1280)
    assert facts.seconds == pytest.approx(4, abs=0.3)


async def test_image_is_sent_in_json(
    http: HttpClient, gateway: FakeOpenAIGateway, tmp_path: Path
) -> None:
    """If the server requires JSON, it contains the unchanged image."""
    path = tmp_path / "picture.png"
    Image.new("RGB", (720, 1280), "teal").save(path)
    one = provider(http, gateway, tmp_path, body="json")
    job = await one.submit(request(image=ReferenceImage(path, "image/png", 720, 1280)))
    assert gateway.jobs[job.remote_id].picture == path.read_bytes()


async def test_rejected_image_is_a_definite_rejection(
    http: HttpClient, gateway: FakeOpenAIGateway, tmp_path: Path
) -> None:
    """The gateway rejects an image of the wrong size: certainly not accepted."""
    path = tmp_path / "picture.jpg"
    Image.new("RGB", (700, 1280)).save(path)
    with pytest.raises(errors.Rejected) as raised:
        await provider(http, gateway, tmp_path).submit(
            request(image=ReferenceImage(path, "image/jpeg", 700, 1280))
        )
    assert not raised.value.maybe_accepted
    assert gateway.creates == {}


async def test_download_resumes_at_an_offset(
    http: HttpClient, gateway: FakeOpenAIGateway, tmp_path: Path
) -> None:
    """Exactly the missing bytes are returned."""
    one = provider(http, gateway, tmp_path)
    job = await one.submit(request())
    whole = await fetched(one, job.remote_id)
    assert await fetched(one, job.remote_id, 1000) == whole[1000:]


@pytest.mark.parametrize(
    ("word", "kind"),
    [
        ("drop-before", errors.Unanswered),
        ("drop-after", errors.Unanswered),
        ("half", errors.Unanswered),
        ("truncated", errors.MalformedResponse),
        ("empty", errors.MalformedResponse),
        ("error-500", errors.UpstreamError),
        ("html-502", errors.UpstreamError),
        ("throttle", errors.Throttled),
        ("saturated-503", errors.Throttled),
        ("refused-moderated", errors.Moderated),
        ("no-model", errors.ModelUnavailable),
        ("fastapi", errors.Rejected),
    ],
)
async def test_fault_of_a_create_is_mapped_to_its_error(
    http: HttpClient,
    gateway: FakeOpenAIGateway,
    tmp_path: Path,
    word: str,
    kind: type[errors.ProviderError],
) -> None:
    """No accepted create is reported as not accepted."""
    with pytest.raises(errors.ProviderError) as raised:
        await provider(http, gateway, tmp_path).submit(request(f"a kite !{word}"))
    assert type(raised.value) is kind
    assert raised.value.maybe_accepted or not gateway.creates
    if word == "throttle":
        assert raised.value.retry_after == pytest.approx(0.2)


@pytest.mark.parametrize("word", ["drop-after", "truncated", "empty"])
async def test_job_of_a_lost_response_is_found(
    http: HttpClient, gateway: FakeOpenAIGateway, tmp_path: Path, word: str
) -> None:
    """By its prompt among other jobs, on more than one page."""
    one = provider(http, gateway, tmp_path)
    since = time.time()
    lost = request(f"a kite !{word}")
    with pytest.raises(errors.ProviderError):
        await one.submit(lost)
    for number in range(130):
        await one.submit(request(f"another {number}"))
    assert one.capabilities.job_lookup is JobLookup.BEST_EFFORT
    found = await one.find_job(lost, since)
    assert found is not None
    assert gateway.jobs[found.remote_id].body["prompt"] == lost.prompt


async def test_ambiguous_or_other_jobs_are_not_found(
    http: HttpClient, gateway: FakeOpenAIGateway, tmp_path: Path
) -> None:
    """Two matching jobs, one of another size, and an old one are not ours."""
    one = provider(http, gateway, tmp_path)
    await one.submit(request("twice"))
    await one.submit(request("twice"))
    await one.submit(request("other size", size="1280x720"))
    now = time.time()
    assert await one.find_job(request("twice"), now) is None
    assert await one.find_job(request("other size"), now) is None
    assert await one.find_job(request("never sent"), now) is None
    await one.submit(request("old"))
    assert await one.find_job(request("old"), now + 3600) is None


async def test_job_of_a_lost_remix_is_found(
    http: HttpClient, gateway: FakeOpenAIGateway, tmp_path: Path
) -> None:
    """Among the remixes of its original, whatever the other fields are."""
    one = provider(http, gateway, tmp_path)
    first = await one.submit(request(size="1280x720"))
    await poll_until_finished(one, first.remote_id)
    await one.submit(request("now blue"))
    change = request("now blue", size=None, remix_of=first.remote_id)
    gateway.plan("create", "drop-after")
    with pytest.raises(errors.Unanswered):
        await one.submit(change)
    found = await one.find_job(change, time.time())
    assert found is not None
    assert gateway.jobs[found.remote_id].remix_of == first.remote_id


async def test_server_without_a_list_is_not_searched(
    http: HttpClient, gateway: FakeOpenAIGateway, tmp_path: Path
) -> None:
    """With `find` disabled a lost job cannot be looked up."""
    one = provider(http, gateway, tmp_path, find=False, remix=False)
    assert one.capabilities.job_lookup is JobLookup.UNSUPPORTED
    assert not one.capabilities.remix
    with pytest.raises(errors.Unsupported):
        await one.find_job(request(), 0)
    assert not gateway.requests


async def test_remix_contains_only_the_prompt(
    http: HttpClient, gateway: FakeOpenAIGateway, tmp_path: Path
) -> None:
    """It is sent to the original job."""
    one = provider(http, gateway, tmp_path)
    first = await one.submit(request())
    await poll_until_finished(one, first.remote_id)
    second = await one.submit(request("now blue", remix_of=first.remote_id))
    assert gateway.jobs[second.remote_id].remix_of == first.remote_id


async def test_cancel_requires_a_confirmation(http: HttpClient, tmp_path: Path) -> None:
    """Only servers whose DELETE cancels are asked, and only a confirmation counts."""
    async with (
        FakeOpenAIGateway(render_seconds=60) as polite,
        FakeOpenAIGateway(render_seconds=60, deletes_abort=True) as able,
    ):
        one = provider(http, polite, tmp_path, cancel=True)
        assert not await one.cancel((await one.submit(request())).remote_id)
        one = provider(http, able, tmp_path, cancel=True)
        job = await one.submit(request())
        assert await one.cancel(job.remote_id)
        with pytest.raises(errors.NotFound):
            await one.poll(job.remote_id)
        with pytest.raises(errors.Unsupported):
            await provider(http, able, tmp_path).cancel(job.remote_id)


async def test_delete_that_only_unlists_is_no_cancel(http: HttpClient, tmp_path: Path) -> None:
    """SGLang responds with the job marked as deleted, and keeps rendering it."""
    body = http_response("200 OK", '{"id": "v", "status": "deleted"}')
    async with raw_server(respond_with(body)) as url:
        options = OpenAIOptions(kind="openai", api_key=SecretStr(KEY), base_url=url, cancel=True)
        assert not await OpenAI(options, http, tmp_path).cancel("v")


@pytest.mark.parametrize(
    ("raw", "kind", "accepted"),
    [
        (http_response("404 Not Found", "404 page not found"), errors.ModelUnavailable, False),
        (http_response("410 Gone"), errors.ModelUnavailable, False),
        (
            http_response("200 OK", '{"error": {"code": "moderation_blocked"}}'),
            errors.Moderated,
            False,
        ),
        (
            http_response("200 OK", '{"code": 1, "msg": "model not found"}'),
            errors.ModelUnavailable,
            False,
        ),
        (
            http_response("200 OK", '{"error": {"message": "try later"}}'),
            errors.UpstreamError,
            True,
        ),
        (http_response("200 OK", '{"id": ""}'), errors.MalformedResponse, True),
        (http_response("200 OK", '{"id": "a\\u0000b"}'), errors.MalformedResponse, True),
        (http_response("200 OK", '{"id": true}'), errors.MalformedResponse, True),
        (http_response("200 OK", "[]"), errors.MalformedResponse, True),
    ],
)
async def test_create_response_without_a_job_is_an_error(
    http: HttpClient, tmp_path: Path, raw: bytes, kind: type[errors.ProviderError], accepted: bool
) -> None:
    """A missing route, and responses with status 200 that contain no job."""
    async with raw_server(respond_with(raw)) as url:
        options = OpenAIOptions(kind="openai", api_key=SecretStr(KEY), base_url=url)
        with pytest.raises(errors.ProviderError) as raised:
            await OpenAI(options, http, tmp_path).submit(request())
    assert type(raised.value) is kind
    assert raised.value.maybe_accepted is accepted


async def test_job_id_is_percent_encoded(http: HttpClient, tmp_path: Path) -> None:
    """Every character of an id stays within one path segment."""
    seen: list[bytes] = []
    async with raw_server(
        respond_with(http_response("200 OK", '{"status": "queued"}'), seen)
    ) as url:
        options = OpenAIOptions(kind="openai", api_key=SecretStr(KEY), base_url=url)
        await OpenAI(options, http, tmp_path).poll("a/b?c#d%2Fe f")
    assert seen[0].startswith(b"GET /v1/videos/a%2Fb%3Fc%23d%252Fe%20f HTTP")


@pytest.mark.parametrize("word", ["unknown-status", "falling", "percent", "null"])
async def test_unusual_poll_responses_do_not_end_a_job(
    http: HttpClient, tmp_path: Path, word: str
) -> None:
    """Unknown status words and odd numbers are accepted, and the job finishes."""
    async with FakeOpenAIGateway(looks_to_finish=6) as gateway:
        one = provider(http, gateway, tmp_path)
        job = await one.submit(request(f"x !{word}"))
        await poll_until_finished(one, job.remote_id)
        assert gateway.jobs[job.remote_id].looks == 6


@pytest.mark.parametrize(
    ("word", "kind"),
    [
        ("late", errors.NotFound),
        ("vanished", errors.NotFound),
        ("look-500", errors.UpstreamError),
        ("look-html", errors.MalformedResponse),
        ("look-drop", errors.Unanswered),
        ("look-half", errors.Unanswered),
        ("look-throttle", errors.Throttled),
    ],
)
async def test_failed_poll_is_an_error(
    http: HttpClient,
    gateway: FakeOpenAIGateway,
    tmp_path: Path,
    word: str,
    kind: type[errors.ProviderError],
) -> None:
    """A failed request says nothing about the job: an exception, never `Failed`."""
    one = provider(http, gateway, tmp_path)
    job = await one.submit(request())
    # Twice, since aiohttp itself retries once after a failure on a keep-alive connection.
    gateway.plan("look", word, word)
    with pytest.raises(errors.ProviderError) as raised:
        await one.poll(job.remote_id)
    assert type(raised.value) is kind


@pytest.mark.parametrize(
    ("word", "kind"),
    [
        ("expired", errors.NotFound),
        ("gone", errors.NotFound),
        ("content-500", errors.UpstreamError),
        ("json", errors.MalformedResponse),
        ("short", errors.Unanswered),
        ("cut", errors.Unanswered),
    ],
)
async def test_incomplete_download_is_an_error(
    http: HttpClient,
    gateway: FakeOpenAIGateway,
    tmp_path: Path,
    word: str,
    kind: type[errors.ProviderError],
) -> None:
    """The next attempt returns the whole video."""
    gateway.cheap = True
    one = provider(http, gateway, tmp_path)
    job = await one.submit(request())
    await poll_until_finished(one, job.remote_id)
    gateway.plan("content", word)
    with pytest.raises(errors.ProviderError) as raised:
        await fetched(one, job.remote_id)
    assert type(raised.value) is kind
    assert b"ftyp" in (await fetched(one, job.remote_id))[:12]


@pytest.mark.parametrize("word", ["content-json", "moved"])
async def test_key_is_not_sent_to_the_file_host(
    http: HttpClient, gateway: FakeOpenAIGateway, tmp_path: Path, word: str
) -> None:
    """A video at another origin is downloaded, also from an offset, without the key."""
    gateway.cheap = True
    one = provider(http, gateway, tmp_path)
    job = await one.submit(request())
    whole = await fetched(one, job.remote_id)
    for offset in (0, 1000):
        gateway.plan("content", word)
        assert await fetched(one, job.remote_id, offset) == whole[offset:]


async def test_failed_and_unknown_jobs_are_distinguished(
    http: HttpClient, gateway: FakeOpenAIGateway, tmp_path: Path
) -> None:
    """Moderation and failure have their kinds; an unknown id is `NotFound`."""
    one = provider(http, gateway, tmp_path)
    moderated = await one.submit(request("x !moderated"))
    failed = await one.submit(request("x !failed"))
    for job, kind in ((moderated, FailureKind.MODERATION), (failed, FailureKind.UPSTREAM)):
        end = await benches.poll_until_failed(one, job.remote_id)
        assert end.kind is kind
    with pytest.raises(errors.NotFound):
        await one.poll("video_none/../x?y")


async def test_check_detects_wrong_key_and_unreachable_host(
    http: HttpClient, gateway: FakeOpenAIGateway, tmp_path: Path
) -> None:
    """And accepts the right key."""
    assert "accepts the key" in await provider(http, gateway, tmp_path).check()
    with pytest.raises(errors.Misconfigured):
        await provider(http, gateway, tmp_path, api_key="sk-wrong").check()
    with pytest.raises(errors.Unreachable):
        await provider(http, gateway, tmp_path, base_url="http://127.0.0.1:9").check()


async def test_identity_depends_on_key_and_address(
    http: HttpClient, gateway: FakeOpenAIGateway, tmp_path: Path
) -> None:
    """Different spellings of an address are the same account; no secret is shown."""
    one = provider(http, gateway, tmp_path)
    assert one.identity == provider(http, gateway, tmp_path, base_url=gateway.url + "/v1/").identity
    assert one.identity != provider(http, gateway, tmp_path, api_key="sk-other").identity
    assert one.identity != provider(http, gateway, tmp_path, base_url="http://other").identity
    assert KEY not in f"{one.identity} {one!r} {one.options!r} {vars(one)}"
