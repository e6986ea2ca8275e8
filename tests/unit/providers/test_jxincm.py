"""Juxin, tested with a fake that validates requests against the documentation."""

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
    """A fast fake."""
    async with quick_gateway(FakeJxincmGateway) as it:
        yield it


provider = partial(open_provider, "jxincm")
"""Opens a provider at the fake."""


# --- requests ----------------------------------------------------------------------------


def test_create_contains_all_required_fields() -> None:
    """All except `private`, with the types of the documented examples."""
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
def test_size_is_sent_as_a_word(size: str | None, word: str) -> None:
    """Pixel sizes are converted; a word is sent unchanged."""
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
def test_orientation_follows_request_or_size(changes: dict[str, object], word: str) -> None:
    """Without an orientation in the request, the size decides."""
    request = replace(_REQUEST, orientation=None, **changes)  # type: ignore[arg-type]
    assert _payload(request)["orientation"] == word


@pytest.mark.parametrize("shape", ["url", "data.url", "data", "data.links.url"])
async def test_upload_link_is_found_anywhere(
    http: HttpClient, gateway: FakeJxincmGateway, tmp_path: Path, shape: str
) -> None:
    """The response is not documented: the link is used wherever it is."""
    gateway.store_shape = shape
    one = provider(http, gateway, tmp_path, base_url=f"{gateway.url}/v1/")
    sent = reference_image(tmp_path)
    link = await one.upload_image(sent)
    assert [*gateway.pictures.values()] == [sent.path.read_bytes()]
    await one.submit(replace(_REQUEST, image=replace(sent, url=link)))
    assert gateway.bodies[0]["images"] == [link]


# --- responses ---------------------------------------------------------------------------


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
async def test_every_response_format_is_parsed(
    http: HttpClient, gateway: FakeJxincmGateway, tmp_path: Path, words: str, query: str
) -> None:
    """Both formats on both routes, with the link in any place or missing."""
    gateway.looks_to_finish = 2
    one = provider(http, gateway, tmp_path, query=query)
    job = await one.submit(with_prompt(_REQUEST, words))
    assert (":" in job.remote_id) is ("!official" not in words)
    progress = await one.poll(job.remote_id)
    assert isinstance(progress, Pending)
    assert progress.running
    assert progress.percent in {50, 40}
    assert len(await download_video(one, job.remote_id)) > 1000


async def test_working_route_is_remembered(
    http: HttpClient, gateway: FakeJxincmGateway, tmp_path: Path
) -> None:
    """If one route returns 404 the other is tried once, and is the first from then on."""
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
async def test_unknown_job_is_not_found(
    http: HttpClient, gateway: FakeJxincmGateway, tmp_path: Path, unified: bool, official: bool
) -> None:
    """With any set of routes, also if it is reported with status 400."""
    gateway.unified, gateway.official = unified, official
    one = provider(http, gateway, tmp_path)
    with pytest.raises(errors.NotFound):
        await one.poll("sora-2:task_none")
    assert await one.check() == "responds and accepts the key"


async def test_remix_of_a_private_video_is_unsupported(
    http: HttpClient, gateway: FakeJxincmGateway, tmp_path: Path
) -> None:
    """A remix contains the prompt only; of a private video it is known to be rejected."""
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


# --- faults ------------------------------------------------------------------------------


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
def test_rejection_with_status_200_is_an_error(
    body: dict[str, object], kind: type[errors.ProviderError]
) -> None:
    """Definite words are a rejection; with others the job may have been accepted."""
    with pytest.raises(errors.ProviderError) as raised:
        response_parser.parse_job(body)
    assert type(raised.value) is kind


async def test_check_fails_for_wrong_key_and_other_servers(
    http: HttpClient, gateway: FakeJxincmGateway, tmp_path: Path
) -> None:
    """Neither a wrong key nor an HTML page is a working gateway."""
    stranger = provider(http, gateway, tmp_path, api_key="sk-wrong-0123456789")
    for asked in (stranger.check(), stranger.served_models()):
        with pytest.raises(errors.Misconfigured):
            await asked
    with pytest.raises(errors.Unreachable):
        await provider(http, gateway, tmp_path, base_url="http://127.0.0.1:9").check()


async def test_missing_create_route_is_model_unavailable(
    http: HttpClient, gateway: FakeJxincmGateway, tmp_path: Path
) -> None:
    """An unknown original of a remix is a different error."""
    one = provider(http, gateway, tmp_path, base_url=f"{gateway.url}/elsewhere")
    with pytest.raises(errors.ModelUnavailable):
        await one.submit(_REQUEST)
    assert len(gateway.violations) == 1
    gateway.violations.clear()
    with pytest.raises(errors.NotFound):
        await provider(http, gateway, tmp_path).submit(replace(_REQUEST, remix_of="none"))


@pytest.mark.parametrize("listed", [("sora-2", "veo3"), (), None])
async def test_models_are_none_without_a_list(
    http: HttpClient, gateway: FakeJxincmGateway, tmp_path: Path, listed: tuple[str, ...] | None
) -> None:
    """The list of models is inferred from related gateways, so it may be missing."""
    gateway.listed = listed
    models = await provider(http, gateway, tmp_path).served_models()
    assert models == (frozenset(listed) if listed else None)


@any_speed
@given(any_json | mutations_of(_LOOK) | mutations_of(_OFFICIAL))
def test_any_poll_response_is_parsed_safely(body: object) -> None:
    """Whatever it contains: no other exception, no false success."""
    check_poll_parsing(body)


@any_speed
@given(any_json | mutations_of(_CREATE) | mutations_of(_OFFICIAL))
def test_any_create_response_is_parsed_safely(body: object) -> None:
    """Whatever it contains: a job that can be polled, or a `ProviderError`."""
    check_create_parsing(body)


@any_speed
@given(any_json | mutations_of({"data": {"links": {"url": "https://x/1.png"}, "url": "/a/1.png"}}))
def test_any_upload_response_is_parsed_safely(body: object) -> None:
    """Whatever it contains: a link, or a `ProviderError`."""
    try:
        link = response_parser.parse_upload_url(body, "https://api.jxincm.cn")
    except errors.ProviderError:
        return
    assert link.startswith("http")


@any_speed
@given(any_json | mutations_of({"object": "list", "data": [{"id": "sora-2"}]}))
def test_any_model_list_is_parsed_safely(body: object) -> None:
    """Whatever it contains: names, or None."""
    names = response_parser.parse_model_ids(body)
    assert names is None or all(names)
