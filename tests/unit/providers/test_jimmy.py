"""JimmyAI, spoken to a server that holds every request to its document."""

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
    """A server that is quick."""
    async with quick_gateway(FakeJimmyGateway) as it:
        yield it


provider = partial(open_provider, "jimmy")
"""An account there."""


# --- what is sent ------------------------------------------------------------------------


def test_a_field_is_sent_that_nobody_asked_for() -> None:
    """Model, prompt and duration always; orientation and pictures only if there are any."""
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
async def test_a_base_url_is_not_understood(
    http: HttpClient, gateway: FakeJimmyGateway, tmp_path: Path, suffix: str
) -> None:
    """With or without the path that all routes share."""
    one = provider(http, gateway, tmp_path, base_url=gateway.url + suffix)
    assert isinstance(
        await poll_until_settled(one, (await one.submit(_REQUEST)).remote_id), Finished
    )


async def test_a_picture_is_changed_on_its_way(
    http: HttpClient, gateway: FakeJimmyGateway, tmp_path: Path
) -> None:
    """The store has its very bytes, and the create names the link that the store gave."""
    one = provider(http, gateway, tmp_path)
    sent = reference_image(tmp_path)
    link = await one.upload_image(sent)
    assert [*gateway.pictures.values()] == [sent.path.read_bytes()]
    await one.submit(replace(_REQUEST, image=replace(sent, url=link)))
    assert gateway.bodies[0]["images"] == [link]


async def test_a_picture_that_cannot_be_fetched_is_charged(
    http: HttpClient, gateway: FakeJimmyGateway, tmp_path: Path
) -> None:
    """The gateway's refusal of a link is a refusal: certainly not accepted."""
    sent = reference_image(tmp_path, f"{gateway.store_url}/pictures/none.png")
    with pytest.raises(errors.Rejected) as raised:
        await provider(http, gateway, tmp_path).submit(replace(_REQUEST, image=sent))
    assert not raised.value.maybe_accepted
    assert gateway.creates == {}


def test_a_store_that_is_not_wanted_is_used(tmp_path: Path) -> None:
    """With the store ruled out, pictures go as links, or not at all."""
    able = Jimmy(
        ProviderOptions(kind="jimmy", pictures="link"), HttpClient(), tmp_path
    ).effective_capabilities
    assert able.choose_image_transport(links_available=True) is ImageTransport.LINK
    assert able.choose_image_transport(links_available=False) is None


# --- what is read ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words",
    ["", "!bare", "!int-code", "!ms", "!iso", "!completed-as-success", "!percent", "!null"],
)
async def test_a_shape_of_its_answers_is_not_understood(
    http: HttpClient, gateway: FakeJimmyGateway, tmp_path: Path, words: str
) -> None:
    """With and without an envelope, codes as texts and numbers, both words for the end."""
    one = provider(http, gateway, tmp_path)
    job = await one.submit(with_prompt(_REQUEST, words))
    await one.poll(job.remote_id)
    assert isinstance(await poll_until_settled(one, job.remote_id), Finished)
    assert len(await download_video(one, job.remote_id)) > 1000


@pytest.mark.parametrize(
    "outside", [{"status": "success"}, {"code": "success"}, {"status": True}, {"message": "ok"}]
)
def test_success_of_the_envelope_passes_for_the_jobs(outside: dict[str, object]) -> None:
    """That the look went well is not that the job did."""
    body = {**outside, "data": {"task_id": "t", "status": "processing", "progress": 7}}
    assert response_parser.parse_progress(body) == Pending(True, 7.0)


async def test_a_link_without_a_host_leads_nowhere(
    http: HttpClient, gateway: FakeJimmyGateway, tmp_path: Path
) -> None:
    """It belongs to the gateway's own address."""
    one = provider(http, gateway, tmp_path)
    job = await one.submit(with_prompt(_REQUEST, "!relative"))
    done = await poll_until_settled(one, job.remote_id)
    assert isinstance(done, Finished)
    assert (done.url or "").startswith(f"{gateway.url}/films/")
    assert len(await download_video(one, job.remote_id)) > 1000


async def test_a_preview_passes_for_the_video(
    http: HttpClient, gateway: FakeJimmyGateway, tmp_path: Path
) -> None:
    """A link before the end is no success."""
    gateway.looks_to_finish = 3
    one = provider(http, gateway, tmp_path)
    job = await one.submit(with_prompt(_REQUEST, "!preview"))
    assert isinstance(await one.poll(job.remote_id), Pending)


async def test_an_unknown_status_is_the_end(
    http: HttpClient, gateway: FakeJimmyGateway, tmp_path: Path
) -> None:
    """It is at work, and the word is told."""
    gateway.looks_to_finish = 2
    one = provider(http, gateway, tmp_path)
    job = await one.submit(with_prompt(_REQUEST, "!unknown-status"))
    assert await one.poll(job.remote_id) == Pending(True, 50.0, unknown_status="remastering")


# --- what goes wrong ---------------------------------------------------------------------


@pytest.mark.parametrize("quiet", [False, True])
async def test_a_wrong_key_or_job_in_an_envelope_passes_for_success(
    http: HttpClient, gateway: FakeJimmyGateway, tmp_path: Path, quiet: bool
) -> None:
    """Codes mean the same with status 200."""
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
async def test_a_balance_is_not_told(
    http: HttpClient, gateway: FakeJimmyGateway, tmp_path: Path, balance: object, word: str
) -> None:
    """The check says it where it is shown."""
    gateway.balance = balance
    assert (await provider(http, gateway, tmp_path).check()).endswith(word)


async def test_an_api_that_is_gone_is_tried_for_ever(
    http: HttpClient, gateway: FakeJimmyGateway, tmp_path: Path
) -> None:
    """A create for which there is no route: no such model any more, and the check says so too."""
    one = provider(http, gateway, tmp_path, base_url=f"{gateway.url}/elsewhere")
    with pytest.raises(errors.ModelUnavailable):
        await one.submit(_REQUEST)
    assert "shows no balance" in await one.check()
    assert len(gateway.violations) == 2
    gateway.violations.clear()


@any_speed
@given(any_json | mutations_of(_LOOK) | mutations_of(_LOOK["data"]))
def test_an_answer_to_a_look_does_harm(body: object) -> None:
    """Whatever it holds: never a traceback, never a false success."""
    check_poll_parsing(body, "https://www.jimmyai.cn")


@any_speed
@given(any_json | mutations_of(_CREATE) | mutations_of(_CREATE["data"]))
def test_an_answer_to_a_create_does_harm(body: object) -> None:
    """Whatever it holds: a job that can be asked for, or an error of our tree."""
    check_create_parsing(body)


@any_speed
@given(any_json | mutations_of({"code": "20000", "msg": "ok", "data": {"balance": "12.5"}}))
def test_a_balance_does_harm(body: object) -> None:
    """Whatever is shown there: a number, or nothing."""
    if isinstance(body, dict):
        assert len(_find_balance(body)) < 40
