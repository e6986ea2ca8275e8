"""The official format, spoken to a server that holds every request to the description."""

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
    """A server that is quick."""
    async with FakeOpenAIGateway(render_seconds=0.05) as it:
        yield it
        assert it.violations == []


def provider(
    http: HttpClient, gateway: FakeOpenAIGateway, folder: Path, **options: object
) -> OpenAI:
    """An account there."""
    made = {"kind": "openai", "api_key": SecretStr(KEY), "base_url": gateway.url, **options}
    return OpenAI(OpenAIOptions.model_validate(made), http, folder)


def request(prompt: str = "a red kite", **changes: object) -> VideoRequest:
    """A wish for four seconds of portrait."""
    made = {"seconds": 4, "size": "720x1280", "width": 720, "height": 1280, **changes}
    return VideoRequest(idempotency_key="task1", model="sora-2", prompt=prompt, **made)  # type: ignore[arg-type]


async def fetched(one: Provider, remote_id: str, offset: int = 0) -> bytes:
    """The video's bytes from there on."""
    begun, content, _ = await benches.fetch_video(one, remote_id, offset)
    assert begun == offset
    return content


@pytest.mark.parametrize("suffix", ["", "/", "/v1", "/v1/"])
@pytest.mark.parametrize("body", ["auto", "multipart", "json"])
async def test_a_base_url_or_a_body_form_is_not_understood(
    http: HttpClient, gateway: FakeOpenAIGateway, tmp_path: Path, suffix: str, body: str
) -> None:
    """With or without a closing /v1, as multipart and as JSON: a job is made as described."""
    one = provider(http, gateway, tmp_path, base_url=gateway.url + suffix, body=body)
    job = await one.submit(request())
    assert gateway.jobs[job.remote_id].body["seconds"] == "4"
    assert gateway.creates == {"a red kite": 1}


async def test_a_video_is_not_what_was_asked_for(
    http: HttpClient, gateway: FakeOpenAIGateway, tmp_path: Path
) -> None:
    """The picture is uploaded as it is, and the film plays as long and as large as asked."""
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


async def test_a_picture_is_lost_in_json(
    http: HttpClient, gateway: FakeOpenAIGateway, tmp_path: Path
) -> None:
    """Where a server wants JSON, the picture travels in it, unchanged."""
    path = tmp_path / "picture.png"
    Image.new("RGB", (720, 1280), "teal").save(path)
    one = provider(http, gateway, tmp_path, body="json")
    job = await one.submit(request(image=ReferenceImage(path, "image/png", 720, 1280)))
    assert gateway.jobs[job.remote_id].picture == path.read_bytes()


async def test_a_picture_of_the_wrong_size_is_charged(
    http: HttpClient, gateway: FakeOpenAIGateway, tmp_path: Path
) -> None:
    """The gateway's refusal of a picture is a refusal: certainly not accepted."""
    path = tmp_path / "picture.jpg"
    Image.new("RGB", (700, 1280)).save(path)
    with pytest.raises(errors.Rejected) as raised:
        await provider(http, gateway, tmp_path).submit(
            request(image=ReferenceImage(path, "image/jpeg", 700, 1280))
        )
    assert not raised.value.maybe_accepted
    assert gateway.creates == {}


async def test_a_download_cannot_go_on(
    http: HttpClient, gateway: FakeOpenAIGateway, tmp_path: Path
) -> None:
    """From an offset on come exactly the bytes that were missing."""
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
async def test_a_fault_of_a_create_gets_the_wrong_name(
    http: HttpClient,
    gateway: FakeOpenAIGateway,
    tmp_path: Path,
    word: str,
    kind: type[errors.ProviderError],
) -> None:
    """Each fault has its name, and every accepted create is one that may have been accepted."""
    with pytest.raises(errors.ProviderError) as raised:
        await provider(http, gateway, tmp_path).submit(request(f"a kite !{word}"))
    assert type(raised.value) is kind
    assert raised.value.maybe_accepted or not gateway.creates
    if word == "throttle":
        assert raised.value.retry_after == pytest.approx(0.2)


@pytest.mark.parametrize("word", ["drop-after", "truncated", "empty"])
async def test_the_job_of_a_lost_answer_is_not_found(
    http: HttpClient, gateway: FakeOpenAIGateway, tmp_path: Path, word: str
) -> None:
    """A job is found by its prompt among others, over more than a page of them."""
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


async def test_a_wrong_job_is_found(
    http: HttpClient, gateway: FakeOpenAIGateway, tmp_path: Path
) -> None:
    """Of two jobs that fit, of one of another size, and of an old one, none is taken for ours."""
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


async def test_the_job_of_a_lost_remix_is_not_found(
    http: HttpClient, gateway: FakeOpenAIGateway, tmp_path: Path
) -> None:
    """A change is looked for among the changes of its original, whatever its other fields."""
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


async def test_a_list_is_asked_of_a_server_without_one(
    http: HttpClient, gateway: FakeOpenAIGateway, tmp_path: Path
) -> None:
    """Switched off means: this server proves nothing about lost jobs."""
    one = provider(http, gateway, tmp_path, find=False, remix=False)
    assert one.capabilities.job_lookup is JobLookup.UNSUPPORTED
    assert not one.capabilities.remix
    with pytest.raises(errors.Unsupported):
        await one.find_job(request(), 0)
    assert not gateway.requests


async def test_a_remix_makes_something_else(
    http: HttpClient, gateway: FakeOpenAIGateway, tmp_path: Path
) -> None:
    """A change is asked of the original job, with nothing but the prompt."""
    one = provider(http, gateway, tmp_path)
    first = await one.submit(request())
    await poll_until_finished(one, first.remote_id)
    second = await one.submit(request("now blue", remix_of=first.remote_id))
    assert gateway.jobs[second.remote_id].remix_of == first.remote_id


async def test_a_job_is_called_stopped_that_runs_on(http: HttpClient, tmp_path: Path) -> None:
    """Only a server whose DELETE stops a running job is asked, and only its yes is a yes."""
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


async def test_a_server_that_only_forgets_is_said_to_have_stopped(
    http: HttpClient, tmp_path: Path
) -> None:
    """SGLang answers a DELETE with the job, marked as deleted, and goes on making it."""
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
async def test_a_create_without_a_job_gets_the_wrong_name(
    http: HttpClient, tmp_path: Path, raw: bytes, kind: type[errors.ProviderError], accepted: bool
) -> None:
    """A route that is gone, and what is said with status 200 but is no job."""
    async with raw_server(respond_with(raw)) as url:
        options = OpenAIOptions(kind="openai", api_key=SecretStr(KEY), base_url=url)
        with pytest.raises(errors.ProviderError) as raised:
            await OpenAI(options, http, tmp_path).submit(request())
    assert type(raised.value) is kind
    assert raised.value.maybe_accepted is accepted


async def test_an_id_leads_elsewhere(http: HttpClient, tmp_path: Path) -> None:
    """Every sign of an id is part of one piece of the path."""
    seen: list[bytes] = []
    async with raw_server(
        respond_with(http_response("200 OK", '{"status": "queued"}'), seen)
    ) as url:
        options = OpenAIOptions(kind="openai", api_key=SecretStr(KEY), base_url=url)
        await OpenAI(options, http, tmp_path).poll("a/b?c#d%2Fe f")
    assert seen[0].startswith(b"GET /v1/videos/a%2Fb%3Fc%23d%252Fe%20f HTTP")


@pytest.mark.parametrize("word", ["unknown-status", "falling", "percent", "null"])
async def test_an_odd_look_ends_a_job(http: HttpClient, tmp_path: Path, word: str) -> None:
    """Odd words and figures on the way are borne, and the job ends well."""
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
async def test_a_fault_of_a_look_is_a_verdict_on_the_job(
    http: HttpClient,
    gateway: FakeOpenAIGateway,
    tmp_path: Path,
    word: str,
    kind: type[errors.ProviderError],
) -> None:
    """That we cannot look says nothing of the job: it is an error, never `Failed`."""
    one = provider(http, gateway, tmp_path)
    job = await one.submit(request())
    # The library itself asks once more on a connection that it had kept.
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
async def test_a_fault_of_a_download_passes_for_a_video(
    http: HttpClient,
    gateway: FakeOpenAIGateway,
    tmp_path: Path,
    word: str,
    kind: type[errors.ProviderError],
) -> None:
    """What is not the whole video is an error, and the next try gives all of it."""
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
async def test_a_store_is_shown_the_key(
    http: HttpClient, gateway: FakeOpenAIGateway, tmp_path: Path, word: str
) -> None:
    """A film that lies at another origin comes from there, on from any byte, without the key."""
    gateway.cheap = True
    one = provider(http, gateway, tmp_path)
    job = await one.submit(request())
    whole = await fetched(one, job.remote_id)
    for offset in (0, 1000):
        gateway.plan("content", word)
        assert await fetched(one, job.remote_id, offset) == whole[offset:]


async def test_a_look_believes_what_is_not_so(
    http: HttpClient, gateway: FakeOpenAIGateway, tmp_path: Path
) -> None:
    """Unknown words and odd progress mean: at work. Moderation and failure have their kinds."""
    one = provider(http, gateway, tmp_path)
    moderated = await one.submit(request("x !moderated"))
    failed = await one.submit(request("x !failed"))
    for job, kind in ((moderated, FailureKind.MODERATION), (failed, FailureKind.UPSTREAM)):
        end = await benches.poll_until_failed(one, job.remote_id)
        assert end.kind is kind
    with pytest.raises(errors.NotFound):
        await one.poll("video_none/../x?y")


async def test_a_check_calls_a_wrong_key_right(
    http: HttpClient, gateway: FakeOpenAIGateway, tmp_path: Path
) -> None:
    """A right key is told from a wrong one and from a dead host."""
    assert "accepts the key" in await provider(http, gateway, tmp_path).check()
    with pytest.raises(errors.Misconfigured):
        await provider(http, gateway, tmp_path, api_key="sk-wrong").check()
    with pytest.raises(errors.Unreachable):
        await provider(http, gateway, tmp_path, base_url="http://127.0.0.1:9").check()


async def test_two_accounts_are_taken_for_one(
    http: HttpClient, gateway: FakeOpenAIGateway, tmp_path: Path
) -> None:
    """Key and address make the identity, however the address is written; no secret shows."""
    one = provider(http, gateway, tmp_path)
    assert one.identity == provider(http, gateway, tmp_path, base_url=gateway.url + "/v1/").identity
    assert one.identity != provider(http, gateway, tmp_path, api_key="sk-other").identity
    assert one.identity != provider(http, gateway, tmp_path, base_url="http://other").identity
    assert KEY not in f"{one.identity} {one!r} {one.options!r} {vars(one)}"
