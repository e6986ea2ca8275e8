"""The web server at the wire: health, webhooks of gateways, and what nobody can do to it."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from gzip import compress
from pathlib import Path

import httpx
import pytest
from aiohttp import web
from sqlalchemy import text
from standardwebhooks import Webhook, WebhookVerificationError

from bot.store.database import Database
from bot.web import (
    MAX_BODY_BYTES,
    ListenError,
    ReadinessCheck,
    WebServer,
    database_checks,
    health_routes,
    webhook_routes,
)
from providers.errors import InvalidSignature, MalformedResponse
from providers.types import Capabilities, WebhookEvent
from tests.fakes.engine.scripted import ScriptedProvider
from tests.support.web_server import (
    get_request,
    http_client,
    raw_connection,
    send_raw,
    split_response,
    started_server,
)

SECRET = "whsec_" + "c2VjcmV0" * 4


# --- health ------------------------------------------------------------------------------


def _saying(answer: bool | Exception) -> ReadinessCheck:
    async def check() -> bool:
        if isinstance(answer, Exception):
            raise answer
        return answer

    return check


async def _never() -> bool:
    await asyncio.Event().wait()
    return True


async def test_liveness_ignores_broken_parts() -> None:
    """A broken database is no reason to kill the process that waits for it."""
    async with http_client(*health_routes({"database": _saying(False)})) as client:
        answer = await client.get("/healthz")
    assert (answer.status_code, answer.text) == (200, "ok")


async def test_readiness_names_each_part_and_hides_details() -> None:
    """A part that is down, hangs or raises is named; its message stays inside."""
    checks = {
        "database": _saying(True),
        "providers": _saying(False),
        "front_ends": _never,
        "migrations": _saying(OSError("password=secret")),
    }
    async with http_client(*health_routes(checks, timeout_s=0.05)) as client:
        answer = await client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json() == {
        "ready": False,
        "parts": {
            "database": "ok",
            "providers": "not ready",
            "front_ends": "no answer",
            "migrations": "failed",
        },
    }


async def test_readiness_is_ok_when_every_part_is() -> None:
    """This is what a load balancer waits for."""
    async with http_client(*health_routes({"a": _saying(True), "b": _saying(True)})) as client:
        answer = await client.get("/readyz")
    assert (answer.status_code, answer.json()["ready"]) == (200, True)


async def test_readiness_asks_the_database(database: Database) -> None:
    """Its answer and the state of its tables are two things."""
    async with http_client(*health_routes(database_checks(database))) as client:
        ready = await client.get("/readyz")
        await database.transact(
            lambda tx: tx.execute(text("UPDATE alembic_version SET version_num='9'"))
        )
        behind = await client.get("/readyz")
    assert ready.json()["parts"] == {"database": "ok", "migrations": "ok"}
    assert behind.json()["parts"] == {"database": "ok", "migrations": "not ready"}


# --- webhooks ----------------------------------------------------------------------------


class Caller(ScriptedProvider):
    """A gateway that signs its calls as the official one does."""

    capabilities = Capabilities(webhooks=True)

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.capabilities = Capabilities(webhooks=True)

    def parse_webhook(self, headers: Mapping[str, str], body: bytes) -> WebhookEvent:
        assert all(name == name.lower() for name in headers)
        try:
            said = Webhook(SECRET).verify(body, dict(headers))
        except (WebhookVerificationError, ValueError):
            raise InvalidSignature("no good signature") from None
        if "data" not in said:
            raise MalformedResponse("no data")
        return WebhookEvent(headers["webhook-id"], said["data"].get("id"))


class Heard:
    """Keeps the hints; fails as it is told."""

    def __init__(self) -> None:
        self.hints: list[tuple[str, WebhookEvent]] = []
        self.fails: Exception | None = None

    async def __call__(self, identity: str, event: WebhookEvent) -> None:
        if self.fails is not None:
            raise self.fails
        self.hints.append((identity, event))


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[Caller]:
    """The provider `caller`."""
    provider = Caller(tmp_path)
    yield provider
    await provider.http.close()


@pytest.fixture
async def quiet_provider(tmp_path: Path) -> AsyncIterator[ScriptedProvider]:
    """A provider that never calls."""
    provider = ScriptedProvider(tmp_path)
    yield provider
    await provider.http.close()


def _signed(body: str, secret: str = SECRET, number: str = "evt_1") -> dict[str, str]:
    now = datetime.now(UTC)
    return {
        "webhook-id": number,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(secret).sign(number, now, body),
    }


BODY = json.dumps({"type": "video.completed", "data": {"id": "job-1"}})


async def test_signed_call_marks_the_job_due(gateway: Caller) -> None:
    """The account that made the job and the event's id are passed on; the answer comes at once."""
    heard = Heard()
    async with http_client(*webhook_routes({"caller": gateway}, heard)) as client:
        answer = await client.post("/webhooks/caller", content=BODY, headers=_signed(BODY))
    assert (answer.status_code, answer.content) == (204, b"")
    assert heard.hints == [(gateway.identity, WebhookEvent("evt_1", "job-1"))]


async def test_unproven_call_is_refused(gateway: Caller) -> None:
    """Unsigned, signed by another key, signed for another body: no job is polled."""
    heard = Heard()
    async with http_client(*webhook_routes({"caller": gateway}, heard)) as client:
        for headers in ({}, _signed(BODY, "whsec_" + "b3RoZXJz" * 4), _signed(BODY + " ")):
            answer = await client.post("/webhooks/caller", content=BODY, headers=headers)
            assert answer.status_code == 401
    assert heard.hints == []


async def test_unknown_providers_answer_alike(
    gateway: Caller, quiet_provider: ScriptedProvider
) -> None:
    """A provider without webhooks, one that does not exist and any other path."""
    routes = webhook_routes({"caller": gateway, "silent": quiet_provider}, Heard())
    async with http_client(*routes) as client:
        answers = [
            await client.post(path, content=BODY, headers=_signed(BODY))
            for path in ("/webhooks/silent", "/webhooks/nobody", "/elsewhere", "/webhooks/")
        ]
    assert {(answer.status_code, answer.text) for answer in answers} == {(404, "404: Not Found")}


async def test_event_without_a_job_is_accepted_and_ignored(gateway: Caller) -> None:
    """The gateway must not repeat it for days."""
    heard = Heard()
    async with http_client(*webhook_routes({"caller": gateway}, heard)) as client:
        for body in ('{"data": {}}', "{}"):
            answer = await client.post("/webhooks/caller", content=body, headers=_signed(body))
            assert answer.status_code == 204
    assert heard.hints == []


@pytest.mark.parametrize("fault", [OSError("disk"), ConnectionResetError("db"), TimeoutError()])
async def test_hint_that_cannot_be_stored_is_answered_500(
    gateway: Caller, fault: Exception
) -> None:
    """The gateway then repeats it."""
    heard = Heard()
    async with http_client(*webhook_routes({"caller": gateway}, heard)) as client:
        heard.fails = fault
        answer = await client.post("/webhooks/caller", content=BODY, headers=_signed(BODY))
        assert (answer.status_code, answer.text) == (500, "500: Internal Server Error")
        heard.fails = None
        answer = await client.post("/webhooks/caller", content=BODY, headers=_signed(BODY))
    assert answer.status_code == 204
    assert len(heard.hints) == 1


async def test_body_and_signature_are_never_logged(
    gateway: Caller, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    """Neither when accepted, refused, unreadable or failed."""
    caplog.set_level(logging.DEBUG)
    asyncio.get_running_loop().set_debug(True)
    heard = Heard()
    odd = '{"what": "private words"}'
    private = json.dumps({"data": {"id": "job-1", "prompt": "private words"}})
    async with http_client(*webhook_routes({"caller": gateway}, heard)) as client:
        good = _signed(private)
        await client.post("/webhooks/caller", content=private, headers=good)
        await client.post("/webhooks/caller", content=private + " ", headers=good)
        await client.post("/webhooks/caller", content=odd, headers=_signed(odd))
        heard.fails = ValueError(private, good)
        await client.post("/webhooks/caller", content=private, headers=good)
    said = caplog.text + "".join(capsys.readouterr())
    for event in ("webhook_signature_invalid", "webhook_parse_failed", "web_request_failed"):
        assert event in said
    assert "private words" not in said
    assert good["webhook-signature"] not in said


async def test_large_body_is_refused_before_it_is_read(gateway: Caller) -> None:
    """Also without a length, or compressed into a small one."""

    async def endless() -> AsyncIterator[bytes]:
        for _ in range(MAX_BODY_BYTES // 1024 + 1):
            yield b"x" * 1024

    heard = Heard()
    async with http_client(*webhook_routes({"caller": gateway}, heard)) as client:
        large = await client.post("/webhooks/caller", content=b"x" * (MAX_BODY_BYTES + 1))
        unknown = await client.post("/webhooks/caller", content=endless())
        fitting = await client.post("/webhooks/caller", content=b"x" * MAX_BODY_BYTES)
        packed = {"Content-Encoding": "gzip"} | _signed(BODY)
        small = await client.post(
            "/webhooks/caller", content=compress(BODY.encode()), headers=packed
        )
    assert (large.status_code, unknown.status_code) == (413, 413)
    # Read whole, and as it was sent: nothing is unpacked.
    assert (fitting.status_code, small.status_code) == (401, 401)
    assert heard.hints == []


async def test_announced_body_that_never_comes_is_given_up(gateway: Caller) -> None:
    """A promised gigabyte holds neither memory nor the connection."""
    routes = webhook_routes({"caller": gateway}, Heard(), timeout_s=0.05)
    async with started_server(*routes) as it, raw_connection(it) as (reader, writer):
        writer.write(
            get_request("/webhooks/caller", "Content-Length: 1000000000", method="POST") + b"x"
        )
        assert (await reader.readline()).startswith(b"HTTP/1.1 408 ")


async def test_malformed_chunks_are_refused(gateway: Caller) -> None:
    """Invalid HTTP gets a plain answer."""
    head = get_request("/webhooks/caller", "Transfer-Encoding: chunked", method="POST")
    async with started_server(*webhook_routes({"caller": gateway}, Heard())) as it:
        status, _, body = split_response(await send_raw(it, head + b"oh no\r\n"))
    assert (status, body) == (400, b"400: Bad Request")


async def test_client_that_hangs_up_is_not_logged_as_an_error(
    gateway: Caller, capsys: pytest.CaptureFixture[str]
) -> None:
    """Anybody can do that all day; the log must stay readable."""
    routes = [*webhook_routes({"caller": gateway}, Heard()), *health_routes({})]
    async with started_server(*routes) as it:
        async with raw_connection(it) as (_, writer):
            writer.write(get_request("/webhooks/caller", "Content-Length: 9", method="POST") + b"x")
            # By the time this one is answered the other one is being read.
            await send_raw(it, get_request("/healthz"))
        while it.connection_count:
            await asyncio.sleep(0)
    assert "web_request_failed" not in "".join(capsys.readouterr())


# --- the server itself -------------------------------------------------------------------


async def test_unknown_paths_are_answered_plainly() -> None:
    """No page, no list, no hint at the software."""
    async with http_client(*health_routes({})) as client:
        for path in ("/", "/index.html", "/healthz/", "/.env", "/metrics"):
            answer = await client.get(path, headers={"Accept": "text/html"})
            assert (answer.status_code, answer.text) == (404, "404: Not Found")
            assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
            assert answer.headers["Server"] == "reelay"


async def test_routes_of_front_ends_have_the_same_limits() -> None:
    """Such as a front-end's webhook."""

    async def update(request: web.Request) -> web.Response:
        return web.json_response(await request.json())

    async with http_client(*health_routes({}), web.post("/telegram/webhook", update)) as client:
        taken = await client.post("/telegram/webhook", json={"update_id": 1})
        large = await client.post("/telegram/webhook", content=b"x" * (MAX_BODY_BYTES + 1))
        odd = await client.post("/telegram/webhook", content=b"{")
    assert taken.json() == {"update_id": 1}
    assert (large.status_code, odd.status_code) == (413, 500)


async def test_error_in_the_middle_of_a_response_ends_it() -> None:
    """No second response follows; the client sees that it is incomplete."""

    async def breaking(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse(headers={"Content-Length": "1000"})
        await answer.prepare(request)
        await answer.write(b"the beginning")
        raise ValueError("broken")

    async with started_server(web.get("/", breaking)) as it:
        raw = await send_raw(it, get_request("/"))
    assert raw.startswith(b"HTTP/1.1 200 ")
    assert raw.endswith(b"the beginning")


@pytest.mark.parametrize("begun", [b"", b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Slow: "])
async def test_request_that_never_ends_is_dropped(begun: bytes) -> None:
    """It holds a connection for a while, and no longer."""
    async with started_server(*health_routes({}), idle_timeout_s=0.05) as it:
        assert await send_raw(it, begun) == b""


async def test_excess_connections_are_closed_at_once() -> None:
    """The process needs its descriptors; connections that are served do not notice."""
    async with started_server(*health_routes({}), max_connections=1) as it:
        async with raw_connection(it) as (reader, writer):
            writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            await reader.readuntil(b"ok")
            assert await send_raw(it, get_request("/healthz")) == b""
            writer.write(get_request("/healthz"))
            assert (await reader.read()).endswith(b"ok")
        while not (answer := await send_raw(it, get_request("/healthz"))):
            pass
        assert answer.endswith(b"ok")


async def test_stopped_server_frees_its_port() -> None:
    """Another process can take over at once."""
    first = WebServer("127.0.0.1", 0, health_routes({}))
    await first.start()
    port = httpx.URL(first.address).port
    assert port
    await first.stop()
    assert first.address == ""
    async with httpx.AsyncClient() as client:
        with pytest.raises(httpx.ConnectError):
            await client.get(f"http://127.0.0.1:{port}/healthz")
    second = WebServer("127.0.0.1", port, health_routes({}))
    await second.start()
    await second.stop()


async def test_running_request_is_answered_before_the_stop() -> None:
    """A webhook that was accepted is not cut off."""
    arrived, leave = asyncio.Event(), asyncio.Event()

    async def slow(_: web.Request) -> web.Response:
        arrived.set()
        await leave.wait()
        return web.Response(text="done")

    it = WebServer("127.0.0.1", 0, [web.get("/slow", slow)])
    await it.start()
    asked = asyncio.create_task(send_raw(it, get_request("/slow")))
    await arrived.wait()
    stopped = asyncio.create_task(it.stop())
    leave.set()
    assert (await asked).endswith(b"done")
    await stopped


async def test_taken_port_is_named() -> None:
    """The message says which setting to change."""
    async with started_server(*health_routes({})) as it:
        port = httpx.URL(it.address).port
        assert port
        other = WebServer("127.0.0.1", port, health_routes({}))
        with pytest.raises(ListenError) as caught:
            await other.start()
        await other.stop()
    assert f"HTTP_PORT={port}: " in (caught.value.strerror or "")
