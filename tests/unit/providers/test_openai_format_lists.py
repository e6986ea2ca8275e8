"""OpenAI format: lists of jobs and models, webhooks and checks, with hostile responses."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr, ValidationError
from standardwebhooks import Webhook

from providers import PROVIDERS, errors
from providers.http import HttpClient
from providers.openai import OpenAI
from providers.openai_format import (
    OpenAIVideoOptions,
    OpenAIVideoProvider,
    _listed_progress,
    _matches_request,
    _parse_page,
)
from providers.types import Failed, Finished, Pending, VideoRequest
from tests.fakes.gateways.openai import KEY, FakeOpenAIGateway
from tests.fakes.gateways.webhooks import WEBHOOK_SECRET, signed_event
from tests.fakes.raw_server import http_response, raw_server, respond_with
from tests.support.response_strategies import any_json, any_speed, mutations_of, reports_success

_NOW = 1_790_000_000.0
Paging = Callable[[dict[str, str]], object]


@asynccontextmanager
async def listing(paging: Paging) -> AsyncIterator[tuple[str, list[dict[str, str]]]]:
    """Run a server for lists; yield (URL, parameters of the received requests)."""
    asked: list[dict[str, str]] = []

    async def answered(request: web.Request) -> web.Response:
        asked.append(dict(request.query))
        assert len(asked) < 50
        return web.json_response(paging(asked[-1]))

    app = web.Application()
    app.router.add_get("/v1/videos", answered)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}", asked
    await runner.cleanup()


def account(http: HttpClient, url: str, **more: object) -> OpenAIVideoProvider:
    """Open a provider at this address."""
    options = {"kind": "openai", "api_key": SecretStr(KEY), "base_url": url, **more}
    return OpenAI(OpenAI.options_type.model_validate(options), http, Path())


def video(number: int, **more: object) -> dict[str, object]:
    """Return a list entry, one second older than the one before."""
    made = {"id": f"video_{number}", "status": "in_progress", "created_at": _NOW - number}
    return made | more


def pages(videos: list[dict[str, object]], size: int) -> Paging:
    """Return a function that serves these entries, `size` per page."""

    def page(query: dict[str, str]) -> object:
        ids = [one["id"] for one in videos]
        start = ids.index(query["after"]) + 1 if "after" in query else 0
        return {"data": videos[start : start + size], "has_more": start + size < len(videos)}

    return page


# --- lists -------------------------------------------------------------------------------


async def test_list_is_read_only_as_far_as_needed(http: HttpClient) -> None:
    """It ends when all jobs were found, or when it is older than the oldest one."""
    videos = [video(number, status="completed") for number in range(60)]
    async with listing(pages(videos, 20)) as (url, asked):
        one = account(http, url)
        seen = await one.poll_many(["video_3", "video_25"], _NOW - 1000)
        assert seen == {"video_3": Finished(), "video_25": Finished()}
        assert asked == [
            {"limit": "100", "order": "desc"},
            {"limit": "100", "order": "desc", "after": "video_19"},
        ]
        asked.clear()
        # A clock difference of a minute is tolerated.
        assert await one.poll_many(["video_none"], _NOW + 35) == {}
        assert len(asked) == 2


@pytest.mark.parametrize(
    ("answered", "requests"),
    [
        (lambda _: {"data": [video(1)], "has_more": True}, 2),
        (lambda query: {"data": [video(len(query.get("after", "")))], "has_more": True}, 10),
        (lambda _: {"data": [{"status": "queued"}], "has_more": True}, 1),
        (lambda _: {"data": [], "has_more": True}, 1),
        (lambda _: {"data": [video(1)], "has_more": "yes"}, 1),
    ],
    ids=["after is not known", "without end", "no ids", "empty", "no truth"],
)
async def test_endless_list_is_cut_off(http: HttpClient, answered: Paging, requests: int) -> None:
    """Whatever the server returns, the number of pages is limited."""
    numbers = iter(range(100))

    def paging(query: dict[str, str]) -> object:
        page: Any = answered(query)
        if requests == 10:
            page["data"] = [video(next(numbers))]
        return page

    async with listing(paging) as (url, asked):
        assert await account(http, url).poll_many(["video_none"], 0) == {}
        assert len(asked) == requests


async def test_bad_entry_does_not_hide_others(http: HttpClient) -> None:
    """Unreadable entries are left out, and so are jobs that were not requested."""
    strange: list[object] = [None, 7, "video_2", [], {}, {"id": None}, {"id": ["video_2"]}]
    strange += [{"id": "video_4"}, {"id": "video_5", "code": 401, "msg": "no"}]
    entries = [*strange, video(1), video(2, status="failed", created_at=_NOW * 1000), video(3)]
    body = {"data": entries, "has_more": False}
    async with listing(lambda _: body) as (url, _):
        wanted = ["video_1", "video_2", "video_4", "video_5"]
        seen = await account(http, url).poll_many(wanted, _NOW - 60)
    assert seen.keys() == {"video_1", "video_2", "video_4"}
    assert seen["video_1"] == Pending(running=True)
    assert isinstance(seen["video_2"], Failed)
    # Without a status word it is not finished.
    assert seen["video_4"] == Pending()


@pytest.mark.parametrize("body", [[], {}, {"data": None}, {"data": {}}, "videos", 7])
async def test_invalid_list_is_not_an_empty_one(http: HttpClient, body: object) -> None:
    """An empty list is information; a response that is not a list is an error."""
    async with listing(lambda _: body) as (url, _):
        with pytest.raises(errors.MalformedResponse):
            await account(http, url).poll_many(["video_1"], 0)


_LISTED = {
    "object": "list",
    "data": [video(1, prompt="a red kite", seconds="4", size="720x1280", model="sora-2")],
    "first_id": "video_1",
    "last_id": "video_1",
    "has_more": False,
}
_REQUEST = VideoRequest("task1", "sora-2", "a red kite", 4, size="720x1280")


@any_speed
@given(mutations_of(_LISTED) | any_json)
def test_any_list_is_parsed_safely(body: object) -> None:
    """Each entry is parsed or left out; no false success, no job with another prompt."""
    try:
        page = _parse_page(body)
    except errors.MalformedResponse:
        return
    for one in page:
        progress = _listed_progress(one)
        assert not isinstance(progress, Finished) or reports_success(one)
        assert not _matches_request(one, _REQUEST) or one["prompt"] == "a red kite"


# --- models ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "names"),
    [
        (http_response("200 OK", '{"data": [{"id": "a"}, {"id": 7}, {}, null]}'), {"a"}),
        (http_response("200 OK", '{"data": []}'), None),
        (http_response("200 OK", '{"models": ["a"]}'), None),
        (http_response("200 OK", "<html>"), None),
        (http_response("404 Not Found", "404 page not found"), None),
        (http_response("405 No", '{"detail": "Method Not Allowed"}'), None),
        (http_response("500 No", "oops"), None),
    ],
    ids=["some", "none", "another form", "a page", "no route", "no method", "broken"],
)
async def test_missing_model_list_is_none(
    http: HttpClient, raw: bytes, names: set[str] | None
) -> None:
    """None means unknown; it is never concluded that there are no models."""
    async with raw_server(respond_with(raw)) as url:
        listed = await account(http, url).served_models()
    assert (set(listed) if listed is not None else None) == names


async def test_errors_of_the_model_list_are_raised(http: HttpClient) -> None:
    """A wrong key or a failed connection is an error, not a missing list."""
    async with FakeOpenAIGateway() as gateway:
        assert await account(http, gateway.url).served_models() == frozenset(gateway.models)
        with pytest.raises(errors.Misconfigured):
            await account(http, gateway.url, api_key="sk-wrong").served_models()
    with pytest.raises(errors.Unreachable):
        await account(http, "http://127.0.0.1:9").served_models()


# --- checks ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (http_response("404 No", '{"error": {"message": "Video not found."}}'), "accepts the key"),
        (http_response("404 No", '{"error": {"code": "task_not_exist"}}'), "accepts the key"),
        (http_response("200 OK", '{"id": "v", "status": "queued"}'), "accepts the key"),
        (http_response("404 No", '{"detail": "Not Found"}'), "not about videos"),
        (http_response("404 No", "404 page not found"), "not about videos"),
        (http_response("400 No", '{"error": {"message": "bad id"}}'), "rejected a poll"),
    ],
    ids=["no video", "no task", "a video", "no route", "no page", "refused"],
)
async def test_check_without_a_list_confirms_the_key_only_with_a_job_response(
    http: HttpClient, raw: bytes, said: str
) -> None:
    """Only a response about the job shows that the key was accepted."""
    async with raw_server(respond_with(raw)) as url:
        told_by_it = await account(http, url, find=False).check()
    assert said in told_by_it
    assert len(told_by_it) < 200


@pytest.mark.parametrize("kind", ["zenlayer", "relay147"])
async def test_check_of_a_relay_detects_a_wrong_key(http: HttpClient, kind: str) -> None:
    """Free of charge, with documented routes only."""
    made = PROVIDERS[kind]
    async with FakeOpenAIGateway(dialect=kind) as gateway:  # type: ignore[arg-type]
        options = {"kind": kind, "base_url": gateway.url}
        for key, right in ((KEY, True), ("sk-wrong", False)):
            chosen = made.options_type.model_validate({**options, "api_key": key})
            one = made(chosen, http, Path())
            if right:
                assert "accepts the key" in await one.check()
            else:
                with pytest.raises(errors.Misconfigured):
                    await one.check()
        assert gateway.violations == []
        assert not gateway.jobs


# --- webhooks ----------------------------------------------------------------------------


def listening(secret: str = WEBHOOK_SECRET) -> OpenAIVideoProvider:
    """Open a provider with a webhook secret."""
    return account(HttpClient(), "http://127.0.0.1:9", webhook_secret=secret)


@any_speed
@given(
    st.dictionaries(
        st.sampled_from(["webhook-id", "webhook-timestamp", "webhook-signature", "x"]),
        st.text(max_size=30) | st.sampled_from(["v1,", "v1,=", "1e400", "nan", "v1,\ud800 v1"]),
    ),
    st.binary(max_size=60),
)
def test_unsigned_event_is_untrusted(headers: dict[str, str], body: bytes) -> None:
    """Whatever exception the library raises."""
    with pytest.raises(errors.InvalidSignature):
        listening().parse_webhook(headers, body)


@any_speed
@given(mutations_of({"type": "video.completed", "data": {"id": "video_1"}}) | any_json)
def test_any_signed_event_is_parsed_safely(body: object) -> None:
    """It is accepted, and names a job only if it is about one."""
    _, headers = signed_event("video.completed", "video_1")
    said = json.dumps(body)
    at = int(headers["webhook-timestamp"])
    headers["webhook-signature"] = _signed(headers["webhook-id"], at, said)
    event = listening().parse_webhook(headers, said.encode())
    assert event.id == headers["webhook-id"]
    assert event.remote_id is None or event.remote_id.isprintable()


def _signed(event: str, at: int, said: str) -> str:
    return Webhook(WEBHOOK_SECRET).sign(event, datetime.fromtimestamp(at, UTC), said)


@pytest.mark.parametrize("secret", ["whsec_", "whsec_a", "abcde", "!!", "sécret"])
def test_invalid_webhook_secret_is_rejected(secret: str) -> None:
    """At start, and without showing the secret."""
    with pytest.raises(ValidationError) as raised:
        OpenAIVideoOptions.model_validate({"kind": "openai", "webhook_secret": secret})
    (fault,) = raised.value.errors(include_input=False)
    assert fault["loc"] == ("webhook_secret",)
    assert secret not in fault["msg"].replace("whsec_...", "")


async def test_repeated_event_of_the_stand_in_has_one_id(http: HttpClient) -> None:
    """The fake sends it twice when a job ends; both are parsed as the same event."""
    calls: list[tuple[dict[str, str], bytes]] = []

    async def take(request: web.Request) -> web.Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        calls.append((headers, await request.read()))
        return web.Response(status=204)

    app = web.Application()
    app.router.add_post("/webhooks/one", take)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    tell = f"http://127.0.0.1:{runner.addresses[0][1]}/webhooks/one"
    async with FakeOpenAIGateway(render_seconds=0.01, tell=tell) as gateway, asyncio.timeout(20):
        job = await account(http, gateway.url).submit(_REQUEST)
        while gateway.requests["told 204"] < 2:
            await asyncio.sleep(0.01)
    await runner.cleanup()
    first, second = (listening().parse_webhook(*call) for call in calls)
    assert first == second
    assert first.remote_id == job.remote_id
