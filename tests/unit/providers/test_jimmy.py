"""JimmyAI, tested with a fake that validates requests against the documentation."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given

from providers import errors, response_parser
from providers.base import ProviderOptions
from providers.http import HttpClient
from providers.jimmy import Jimmy, _find_balance, _payload
from providers.types import Finished, ImageTransport, Pending, ReferenceImage, VideoRequest
from tests.contract.gateways.benches import poll_until_settled
from tests.fakes.gateways.jimmy import FakeJimmyGateway
from tests.support.json_gateways import (
    download_video,
    open_provider,
    quick_gateway,
    reference_image,
    with_prompt,
)
from tests.support.response_strategies import (
    any_json,
    any_speed,
    check_create_parsing,
    check_poll_parsing,
    mutations_of,
)

_REQUEST = VideoRequest("task1", "sora2-12s", "a red kite", 12)
_LOOK = {
    "code": "20000",
    "msg": "ok",
    "data": {
        "task_id": "t",
        "status": "completed",
        "progress": 100,
        "created_at": 1_790_000_000,
        "result": {"video_url": "https://x/v.mp4", "image_url": "https://x/v.jpg"},
        "error_message": "",
    },
}
_CREATE = {"code": "20000", "msg": "ok", "data": {"task_id": "t", "status": "submitted"}}


@pytest.fixture
async def gateway() -> AsyncIterator[FakeJimmyGateway]:
    """A fast fake."""
    async with quick_gateway(FakeJimmyGateway) as it:
        yield it


provider = partial(open_provider, "jimmy")
"""Opens a provider at the fake."""


# --- requests ----------------------------------------------------------------------------


def test_create_contains_only_requested_fields() -> None:
    """Always model, prompt and duration; orientation and images only if given."""
    assert _payload(_REQUEST) == {"model": "sora2-12s", "prompt": "a red kite", "duration": 12}
    whole = replace(
        _REQUEST,
        orientation="portrait",
        image=ReferenceImage(Path("p.png"), "image/png", 1, 2, "https://x/p.png"),
        style="anime",
        watermark=True,
        private=True,
        storyboard=True,
    )
    assert _payload(whole) == {
        **_payload(_REQUEST),
        "orientation": "portrait",
        "images": ["https://x/p.png"],
    }
    assert _payload(replace(_REQUEST, width=720, height=1280))["orientation"] == "portrait"
    assert _payload(replace(_REQUEST, size="1280x720"))["orientation"] == "landscape"


@pytest.mark.parametrize("suffix", ["", "/", "/api/open-api/v1", "/api/open-api/v1/"])
async def test_base_url_may_contain_the_api_path(
    http: HttpClient, gateway: FakeJimmyGateway, tmp_path: Path, suffix: str
) -> None:
    """With or without the common path of all routes."""
    one = provider(http, gateway, tmp_path, base_url=gateway.url + suffix)
    assert isinstance(
        await poll_until_settled(one, (await one.submit(_REQUEST)).remote_id), Finished
    )


async def test_image_is_uploaded_unchanged(
    http: HttpClient, gateway: FakeJimmyGateway, tmp_path: Path
) -> None:
    """The upload has the same bytes, and the create contains the returned link."""
    one = provider(http, gateway, tmp_path)
    sent = reference_image(tmp_path)
    link = await one.upload_image(sent)
    assert [*gateway.pictures.values()] == [sent.path.read_bytes()]
    await one.submit(replace(_REQUEST, image=replace(sent, url=link)))
    assert gateway.bodies[0]["images"] == [link]


async def test_unreachable_image_is_a_definite_rejection(
    http: HttpClient, gateway: FakeJimmyGateway, tmp_path: Path
) -> None:
    """The gateway rejects a link that it cannot fetch: certainly not accepted."""
    sent = reference_image(tmp_path, f"{gateway.store_url}/pictures/none.png")
    with pytest.raises(errors.Rejected) as raised:
        await provider(http, gateway, tmp_path).submit(replace(_REQUEST, image=sent))
    assert not raised.value.maybe_accepted
    assert gateway.creates == {}


def test_upload_is_not_used_if_disabled(tmp_path: Path) -> None:
    """With `pictures=link` images are sent as links, or not at all."""
    able = Jimmy(
        ProviderOptions(kind="jimmy", pictures="link"), HttpClient(), tmp_path
    ).effective_capabilities
    assert able.choose_image_transport(links_available=True) is ImageTransport.LINK
    assert able.choose_image_transport(links_available=False) is None


# --- responses ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words",
    ["", "!bare", "!int-code", "!ms", "!iso", "!completed-as-success", "!percent", "!null"],
)
async def test_every_response_format_is_parsed(
    http: HttpClient, gateway: FakeJimmyGateway, tmp_path: Path, words: str
) -> None:
    """With and without envelope, codes as text and number, both status words of success."""
    one = provider(http, gateway, tmp_path)
    job = await one.submit(with_prompt(_REQUEST, words))
    await one.poll(job.remote_id)
    assert isinstance(await poll_until_settled(one, job.remote_id), Finished)
    assert len(await download_video(one, job.remote_id)) > 1000


@pytest.mark.parametrize(
    "outside", [{"status": "success"}, {"code": "success"}, {"status": True}, {"message": "ok"}]
)
def test_success_of_the_envelope_is_not_that_of_the_job(outside: dict[str, object]) -> None:
    """A successful request does not mean a finished job."""
    body = {**outside, "data": {"task_id": "t", "status": "processing", "progress": 7}}
    assert response_parser.parse_progress(body) == Pending(True, 7.0)


async def test_relative_link_is_resolved(
    http: HttpClient, gateway: FakeJimmyGateway, tmp_path: Path
) -> None:
    """Against the address of the gateway."""
    one = provider(http, gateway, tmp_path)
    job = await one.submit(with_prompt(_REQUEST, "!relative"))
    done = await poll_until_settled(one, job.remote_id)
    assert isinstance(done, Finished)
    assert (done.url or "").startswith(f"{gateway.url}/films/")
    assert len(await download_video(one, job.remote_id)) > 1000


async def test_preview_is_not_the_video(
    http: HttpClient, gateway: FakeJimmyGateway, tmp_path: Path
) -> None:
    """A link before the job has finished is not success."""
    gateway.looks_to_finish = 3
    one = provider(http, gateway, tmp_path)
    job = await one.submit(with_prompt(_REQUEST, "!preview"))
    assert isinstance(await one.poll(job.remote_id), Pending)


async def test_unknown_status_is_pending(
    http: HttpClient, gateway: FakeJimmyGateway, tmp_path: Path
) -> None:
    """It counts as running, and the word is reported."""
    gateway.looks_to_finish = 2
    one = provider(http, gateway, tmp_path)
    job = await one.submit(with_prompt(_REQUEST, "!unknown-status"))
    assert await one.poll(job.remote_id) == Pending(True, 50.0, unknown_status="remastering")


# --- faults ------------------------------------------------------------------------------


@pytest.mark.parametrize("quiet", [False, True])
async def test_error_code_with_status_200_is_an_error(
    http: HttpClient, gateway: FakeJimmyGateway, tmp_path: Path, quiet: bool
) -> None:
    """Codes in an envelope have the same meaning with status 200."""
    gateway.errors_in_200 = quiet
    stranger = provider(http, gateway, tmp_path, api_key="sk-wrong-0123456789")
    for asked in (stranger.check(), stranger.poll("t"), stranger.submit(_REQUEST)):
        with pytest.raises(errors.Misconfigured):
            await asked
    with pytest.raises(errors.NotFound):
        await provider(http, gateway, tmp_path).poll("task_none")


@pytest.mark.parametrize(
    ("balance", "word"), [(12.5, "balance 12.5"), ("3", "balance 3"), (None, "accepts the key")]
)
async def test_check_shows_the_balance(
    http: HttpClient, gateway: FakeJimmyGateway, tmp_path: Path, balance: object, word: str
) -> None:
    """If the gateway returns one."""
    gateway.balance = balance
    assert (await provider(http, gateway, tmp_path).check()).endswith(word)


async def test_missing_create_route_is_model_unavailable(
    http: HttpClient, gateway: FakeJimmyGateway, tmp_path: Path
) -> None:
    """A create to a route that does not exist; the check reports it too."""
    one = provider(http, gateway, tmp_path, base_url=f"{gateway.url}/elsewhere")
    with pytest.raises(errors.ModelUnavailable):
        await one.submit(_REQUEST)
    assert "shows no balance" in await one.check()
    assert len(gateway.violations) == 2
    gateway.violations.clear()


@any_speed
@given(any_json | mutations_of(_LOOK) | mutations_of(_LOOK["data"]))
def test_any_poll_response_is_parsed_safely(body: object) -> None:
    """Whatever it contains: no other exception, no false success."""
    check_poll_parsing(body, "https://www.jimmyai.cn")


@any_speed
@given(any_json | mutations_of(_CREATE) | mutations_of(_CREATE["data"]))
def test_any_create_response_is_parsed_safely(body: object) -> None:
    """Whatever it contains: a job that can be polled, or a `ProviderError`."""
    check_create_parsing(body)


@any_speed
@given(any_json | mutations_of({"code": "20000", "msg": "ok", "data": {"balance": "12.5"}}))
def test_any_balance_is_parsed_safely(body: object) -> None:
    """Whatever it contains: a number, or nothing."""
    if isinstance(body, dict):
        assert len(_find_balance(body)) < 40
