"""Mountsea, tested with a fake that validates requests against the documentation."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from pydantic import ValidationError

from providers import errors
from providers.http import HttpClient
from providers.mountsea import MountseaOptions, _payload
from providers.types import Pending, ReferenceImage, VideoRequest
from tests.contract.gateways.benches import poll_until_finished
from tests.fakes.gateways.json_schema import MOUNTSEA
from tests.fakes.gateways.mountsea import CREATE, QUERIES, FakeMountseaGateway
from tests.support.json_gateways import download_video, open_provider, quick_gateway, with_prompt
from tests.support.response_strategies import (
    any_json,
    any_speed,
    check_create_parsing,
    check_poll_parsing,
    mutations_of,
)

_REQUEST = VideoRequest("task1", "sora-2", "a red kite", 10)
_CREATE = {"taskId": "t"}
_LOOK = {
    "taskId": "t",
    "status": "ready",
    "result": {"video_url": "https://x/v.mp4", "videoUrls": ["https://x/v.mp4"], "editId": "e"},
    "videoUrl": "https://x/v.mp4",
    "errorMessage": "m",
    "errorCode": 5001,
    "createdAt": "2026-01-01T00:00:00Z",
    "expires_at": "2026-01-01T00:00:00",
}


@pytest.fixture
async def gateway() -> AsyncIterator[FakeMountseaGateway]:
    """A fast fake."""
    async with quick_gateway(FakeMountseaGateway) as it:
        yield it


provider = partial(open_provider, "mountsea")
"""Opens a provider at the fake."""


# --- requests ----------------------------------------------------------------------------


def test_ambiguous_defaults_are_sent_explicitly() -> None:
    """Fields whose default is documented differently are always sent; a style only if given."""
    assert _payload(_REQUEST) == {
        "model": "sora-2",
        "prompt": "a red kite",
        "images": [],
        "size": "small",
        "duration": 10,
        "removeWatermark": True,
        "storyboard": False,
    }
    sent = ReferenceImage(Path("p.png"), "image/png", 1, 2, "https://x/p.png")
    whole = replace(
        _REQUEST,
        size="1792x1024",
        orientation="landscape",
        image=sent,
        style="kakalaka",
        watermark=True,
        storyboard=True,
        remix_of="edit-1",
    )
    assert _payload(whole) == {
        "model": "sora-2",
        "prompt": "a red kite",
        "images": ["https://x/p.png"],
        "orientation": "landscape",
        "size": "large",
        "duration": 10,
        "removeWatermark": False,
        "styleId": "kakalaka",
        "storyboard": True,
        "editId": "edit-1",
    }
    assert set(_payload(whole)) == set(MOUNTSEA)
    assert _payload(replace(_REQUEST, watermark=False))["removeWatermark"] is True


@pytest.mark.parametrize("style", sorted(map(str, MOUNTSEA["styleId"].words or ())))
async def test_every_style_is_sent(
    http: HttpClient, gateway: FakeMountseaGateway, tmp_path: Path, style: str
) -> None:
    """Each of the twelve reaches the gateway."""
    await provider(http, gateway, tmp_path).submit(replace(_REQUEST, style=style))
    assert gateway.bodies[0]["styleId"] == style


# --- responses ---------------------------------------------------------------------------


@pytest.mark.parametrize("path", QUERIES)
@pytest.mark.parametrize(
    "words",
    [
        "",
        "!flat",
        "!many",
        "!wrapped",
        "!flat !wrapped",
        "!ms",
        "!completed-as-ready",
        "!completed-as-done !running-as-in-progress",
    ],
)
async def test_every_response_format_is_parsed(
    http: HttpClient, gateway: FakeMountseaGateway, tmp_path: Path, words: str, path: str
) -> None:
    """The link in any place, on both routes, with every status word of the known clients."""
    gateway.query_path, gateway.looks_to_finish = path, 2
    one = provider(http, gateway, tmp_path)
    job = await one.submit(with_prompt(_REQUEST, words))
    assert job.progress == Pending()
    progress = await one.poll(job.remote_id)
    assert isinstance(progress, Pending)
    assert progress.running
    assert len(await download_video(one, job.remote_id)) > 1000


async def test_working_route_is_remembered(
    http: HttpClient, gateway: FakeMountseaGateway, tmp_path: Path
) -> None:
    """If one route returns 404 the other is tried once, and is the first from then on."""
    gateway.query_path = QUERIES[1]
    one = provider(http, gateway, tmp_path)
    job = await one.submit(_REQUEST)
    for _ in range(3):
        await one.poll(job.remote_id)
    assert gateway.requests == {f"POST {CREATE}": 1, f"GET {QUERIES[0]}": 1} | {
        f"GET {QUERIES[1]}": 3
    }


async def test_configured_route_is_tried_first(
    http: HttpClient, gateway: FakeMountseaGateway, tmp_path: Path
) -> None:
    """Before both known ones."""
    gateway.query_path = "/sora/video/task"
    with pytest.raises(errors.NotFound):
        await provider(http, gateway, tmp_path).poll("t")


@pytest.mark.parametrize("path", ["sora/task", "/", "https://x/sora", "/sora task", "/sora?x=1"])
def test_invalid_query_path_is_rejected(path: str) -> None:
    """At start, when the settings are read."""
    with pytest.raises(ValidationError, match="write one like /sora/task/result"):
        MountseaOptions(kind="mountsea", query_path=path)


@pytest.mark.parametrize("path", QUERIES)
async def test_unknown_job_is_not_found(
    http: HttpClient, gateway: FakeMountseaGateway, tmp_path: Path, path: str
) -> None:
    """With either route; the check concludes that the key works."""
    gateway.query_path = path
    one = provider(http, gateway, tmp_path)
    with pytest.raises(errors.NotFound, match="Task not found"):
        await one.poll("none")
    assert await one.check() == "responds and accepts the key"


@pytest.mark.parametrize("path", QUERIES)
async def test_wrong_key_is_reported_before_unknown_job(
    http: HttpClient, gateway: FakeMountseaGateway, tmp_path: Path, path: str
) -> None:
    """The 404 of the missing route does not hide the 401 of the other."""
    gateway.query_path = path
    stranger = provider(http, gateway, tmp_path, api_key="sk-wrong-0123456789")
    for asked in (stranger.check(), stranger.poll("none")):
        with pytest.raises(errors.Misconfigured):
            await asked


@pytest.mark.parametrize("words", ["", "!edit-outside", "!edit-deep", "!flat", "!wrapped"])
async def test_remix_refers_to_the_edit_id(
    http: HttpClient, gateway: FakeMountseaGateway, tmp_path: Path, words: str
) -> None:
    """It is found at any level; a remix has an edit id of its own."""
    one = provider(http, gateway, tmp_path)
    first = await one.submit(with_prompt(_REQUEST, words))
    done = await poll_until_finished(one, first.remote_id)
    assert done.edit_id == f"edit-{first.remote_id}"
    second = await one.submit(replace(with_prompt(_REQUEST, words), remix_of=done.edit_id))
    assert gateway.bodies[-1]["editId"] == done.edit_id
    assert (await poll_until_finished(one, second.remote_id)).edit_id == f"edit-{second.remote_id}"
    with pytest.raises(errors.Rejected):
        await one.submit(replace(_REQUEST, remix_of="edit-none"))


# --- faults ------------------------------------------------------------------------------


async def test_missing_create_route_is_model_unavailable(
    http: HttpClient, gateway: FakeMountseaGateway, tmp_path: Path
) -> None:
    """A create to a route that does not exist."""
    one = provider(http, gateway, tmp_path, base_url=f"{gateway.url}/elsewhere")
    for original in (None, "edit-1"):
        with pytest.raises(errors.ModelUnavailable):
            await one.submit(replace(_REQUEST, remix_of=original))
    assert len(gateway.violations) == 2
    gateway.violations.clear()


@any_speed
@given(any_json | mutations_of(_LOOK) | mutations_of({"data": _LOOK}))
def test_any_poll_response_is_parsed_safely(body: object) -> None:
    """Whatever it contains: no other exception, no false success."""
    check_poll_parsing(body)


@any_speed
@given(
    any_json
    | mutations_of(_CREATE)
    | mutations_of({"statusCode": 400, "message": ["m"], "error": "e"})
)
def test_any_create_response_is_parsed_safely(body: object) -> None:
    """Whatever it contains: a job that can be polled, or a `ProviderError`."""
    check_create_parsing(body)
