"""Juxin, spoken to a server that holds every request to its documents."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given

from providers import errors, response_parser
from providers.http import HttpClient
from providers.jxincm import _payload
from providers.types import Pending, ReferenceImage, VideoRequest
from tests.contract.gateways.benches import poll_until_finished
from tests.fakes.gateways.jxincm import FakeJxincmGateway
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

_REQUEST = VideoRequest("task1", "sora-2", "a red kite", 10, orientation="portrait")
_CREATE = {"id": "sora-2:task_01", "status": "pending", "status_update_time": 1759763427208}
_LOOK = {
    **_CREATE,
    "video_url": "https://x/v.mp4",
    "thumbnail_url": "https://x/v.webp",
    "error": {"message": "m", "message_zh": "", "type": "t", "code": "c"},
    "detail": {
        "status": "completed",
        "url": "https://x/v.mp4",
        "pending_info": {"status": "processing", "progress_pct": 0.93, "failure_reason": "r"},
        "draft_info": {"kind": "sora_draft", "downloadable_url": "https://x/v.mp4"},
        "generations": [{"url": "https://x/v.mp4"}],
    },
}
_OFFICIAL = {"id": "video_1", "object": "video", "status": "completed", "progress": 100}
_OFFICIAL |= {"video_url": "https://x/v.mp4", "seconds": "10", "size": "1280x720"}


@pytest.fixture
async def gateway() -> AsyncIterator[FakeJxincmGateway]:
    """A server that is quick."""
    async with quick_gateway(FakeJxincmGateway) as it:
        yield it


provider = partial(open_provider, "jxincm")
"""An account there."""


# --- what is sent ------------------------------------------------------------------------


def test_a_required_field_is_left_out() -> None:
    """All but `private` go with every create, as the types that its examples have."""
    assert _payload(_REQUEST) == {
        "images": [],
        "model": "sora-2",
        "orientation": "portrait",
        "prompt": "a red kite",
        "size": "small",
        "duration": 10,
        "watermark": True,
    }
    sent = ReferenceImage(Path("p.png"), "image/png", 1, 2, "https://x/p.png")
    whole = replace(_REQUEST, image=sent, watermark=False, private=False)
    assert _payload(whole) == {
        **_payload(_REQUEST),
        "images": ["https://x/p.png"],
        "watermark": False,
        "private": False,
    }


@pytest.mark.parametrize(
    ("size", "word"),
    [
        (None, "small"),
        ("small", "small"),
        ("large", "large"),
        ("1280x720", "small"),
        ("720x1280", "small"),
        ("1792x1024", "large"),
        ("1024x1792", "large"),
        ("1920x1080", "large"),
        ("hd", "hd"),
    ],
)
def test_a_size_is_said_in_other_words(size: str | None, word: str) -> None:
    """Sizes in pixels get its word; a word goes as it is."""
    assert _payload(replace(_REQUEST, size=size))["size"] == word


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({}, "landscape"),
        ({"width": 720, "height": 1280}, "portrait"),
        ({"size": "1024x1792"}, "portrait"),
        ({"size": "1280x720"}, "landscape"),
    ],
)
def test_an_orientation_is_not_the_one_asked_for(changes: dict[str, object], word: str) -> None:
    """Where nobody says it, the size does."""
    request = replace(_REQUEST, orientation=None, **changes)  # type: ignore[arg-type]
    assert _payload(request)["orientation"] == word


@pytest.mark.parametrize("shape", ["url", "data.url", "data", "data.links.url"])
async def test_the_link_of_the_store_is_not_found(
    http: HttpClient, gateway: FakeJxincmGateway, tmp_path: Path, shape: str
) -> None:
    """Its answer is not described: wherever the link stands, it is the one that the create has."""
    gateway.store_shape = shape
    one = provider(http, gateway, tmp_path, base_url=f"{gateway.url}/v1/")
    sent = reference_image(tmp_path)
    link = await one.upload_image(sent)
    assert [*gateway.pictures.values()] == [sent.path.read_bytes()]
    await one.submit(replace(_REQUEST, image=replace(sent, url=link)))
    assert gateway.bodies[0]["images"] == [link]


# --- what is read ------------------------------------------------------------------------


@pytest.mark.parametrize("query", ["auto", "unified", "official"])
@pytest.mark.parametrize(
    "words",
    [
        "",
        "!official",
        "!detail-link",
        "!iso",
        "!official !ms",
        "!completed-as-succeeded",
        "!running-as-video-upsampling",
        "!percent",
        "!official !falling",
        "!no-link",
        "!no-link !content-json",
    ],
)
async def test_a_shape_of_its_answers_is_not_understood(
    http: HttpClient, gateway: FakeJxincmGateway, tmp_path: Path, words: str, query: str
) -> None:
    """Both shapes on both routes, the link anywhere or nowhere: the video comes."""
    gateway.looks_to_finish = 2
    one = provider(http, gateway, tmp_path, query=query)
    job = await one.submit(with_prompt(_REQUEST, words))
    assert (":" in job.remote_id) is ("!official" not in words)
    progress = await one.poll(job.remote_id)
    assert isinstance(progress, Pending)
    assert progress.running
    assert progress.percent in {50, 40}
    assert len(await download_video(one, job.remote_id)) > 1000


async def test_a_route_that_is_not_there_is_asked_for_ever(
    http: HttpClient, gateway: FakeJxincmGateway, tmp_path: Path
) -> None:
    """Where one says 404 the other is asked, once, and from then on it is the first."""
    gateway.unified = False
    one = provider(http, gateway, tmp_path)
    job = await one.submit(_REQUEST)
    for _ in range(3):
        await one.poll(job.remote_id)
    assert gateway.requests["GET /v1/videos/{id}"] == 3
    gateway.unified, gateway.official = True, False
    await one.poll(job.remote_id)
    assert gateway.requests["GET /v1/video/query"] == 1
    with pytest.raises(errors.NotFound):
        await provider(http, gateway, tmp_path, query="official").poll(job.remote_id)


@pytest.mark.parametrize(("unified", "official"), [(True, True), (True, False), (False, True)])
async def test_an_unknown_job_is_waited_for(
    http: HttpClient, gateway: FakeJxincmGateway, tmp_path: Path, unified: bool, official: bool
) -> None:
    """Nobody knows it, whichever routes there are, also where that is said with status 400."""
    gateway.unified, gateway.official = unified, official
    one = provider(http, gateway, tmp_path)
    with pytest.raises(errors.NotFound):
        await one.poll("sora-2:task_none")
    assert await one.check() == "responds and accepts the key"


async def test_a_change_of_a_private_video_is_tried(
    http: HttpClient, gateway: FakeJxincmGateway, tmp_path: Path
) -> None:
    """A change has a prompt and nothing else; one of a private video is known to be refused."""
    one = provider(http, gateway, tmp_path)
    assert not one.capabilities.remix_private
    for private, refused in ((None, False), (True, True)):
        first = await one.submit(replace(_REQUEST, private=private))
        await poll_until_finished(one, first.remote_id)
        change = replace(_REQUEST, prompt="a blue kite", remix_of=first.remote_id)
        if refused:
            with pytest.raises(errors.Rejected):
                await one.submit(change)
        else:
            second = await one.submit(change)
            assert gateway.jobs[second.remote_id].asked.remix_of == first.remote_id
            assert gateway.bodies[-1] == {"prompt": "a blue kite"}


# --- what goes wrong ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ({"code": "invalid_size", "message": "sora-2 size is invalid"}, errors.Rejected),
        ({"code": "pre_consume_token_quota_failed", "message": "x"}, errors.Misconfigured),
        ({"error": {"message": "内容违规", "type": "t"}}, errors.Moderated),
        ({"error": {"message": "no", "message_zh": "不", "type": "t"}}, errors.UpstreamError),
        ({"code": "fail_to_fetch_task", "message": "x", "data": None}, errors.UpstreamError),
    ],
)
def test_a_refusal_with_status_200_passes_for_a_job(
    body: dict[str, object], kind: type[errors.ProviderError]
) -> None:
    """Clear words are a certain no; anything else may have been accepted."""
    with pytest.raises(errors.ProviderError) as raised:
        response_parser.parse_job(body)
    assert type(raised.value) is kind


async def test_a_wrong_key_passes_the_check(
    http: HttpClient, gateway: FakeJxincmGateway, tmp_path: Path
) -> None:
    """Neither that, nor a page of some other server, is a gateway that works."""
    stranger = provider(http, gateway, tmp_path, api_key="sk-wrong-0123456789")
    for asked in (stranger.check(), stranger.served_models()):
        with pytest.raises(errors.Misconfigured):
            await asked
    with pytest.raises(errors.Unreachable):
        await provider(http, gateway, tmp_path, base_url="http://127.0.0.1:9").check()


async def test_an_api_that_is_gone_is_tried_for_ever(
    http: HttpClient, gateway: FakeJxincmGateway, tmp_path: Path
) -> None:
    """No route for creates: no such model any more. No such original: that is another matter."""
    one = provider(http, gateway, tmp_path, base_url=f"{gateway.url}/elsewhere")
    with pytest.raises(errors.ModelUnavailable):
        await one.submit(_REQUEST)
    assert len(gateway.violations) == 1
    gateway.violations.clear()
    with pytest.raises(errors.NotFound):
        await provider(http, gateway, tmp_path).submit(replace(_REQUEST, remix_of="none"))


@pytest.mark.parametrize("listed", [("sora-2", "veo3"), (), None])
async def test_a_list_of_models_is_made_up(
    http: HttpClient, gateway: FakeJxincmGateway, tmp_path: Path, listed: tuple[str, ...] | None
) -> None:
    """Where it does not say, nobody knows; the list is inferred from gateways like it."""
    gateway.listed = listed
    models = await provider(http, gateway, tmp_path).served_models()
    assert models == (frozenset(listed) if listed else None)


@any_speed
@given(any_json | mutations_of(_LOOK) | mutations_of(_OFFICIAL))
def test_an_answer_to_a_look_does_harm(body: object) -> None:
    """Whatever it holds: never a traceback, never a false success."""
    check_poll_parsing(body)


@any_speed
@given(any_json | mutations_of(_CREATE) | mutations_of(_OFFICIAL))
def test_an_answer_to_a_create_does_harm(body: object) -> None:
    """Whatever it holds: a job that can be asked for, or an error of our tree."""
    check_create_parsing(body)


@any_speed
@given(any_json | mutations_of({"data": {"links": {"url": "https://x/1.png"}, "url": "/a/1.png"}}))
def test_an_answer_of_the_store_does_harm(body: object) -> None:
    """Whatever it holds: a link, or an error of our tree."""
    try:
        link = response_parser.parse_upload_url(body, "https://api.jxincm.cn")
    except errors.ProviderError:
        return
    assert link.startswith("http")


@any_speed
@given(any_json | mutations_of({"object": "list", "data": [{"id": "sora-2"}]}))
def test_a_list_of_models_does_harm(body: object) -> None:
    """Whatever it holds: names, or nothing known."""
    names = response_parser.parse_model_ids(body)
    assert names is None or all(names)
